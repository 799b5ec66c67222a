import Foundation
import Testing

@testable import NodeSetup

struct ServiceUnitTests {
    private func dropIn(_ change: (inout SetupAnswers) -> Void) -> [String] {
        var answers = SetupAnswers.usual
        change(&answers)
        return ServiceUnit.dropIn(
            answers, paths: .test, usesSamba: answers.fileShares, opensFirewall: answers.firewall == .open
        )
        .split(separator: "\n").map(String.init)
    }

    private func capabilities(_ lines: [String]) -> Set<String> {
        Set(
            lines.last { $0.hasPrefix("CapabilityBoundingSet=") }?.dropFirst(22).split(separator: " ").map(String.init)
                ?? [])
    }

    @Test
    func onlyWhatIsNeeded() {
        let network: Set = ["CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN", "CAP_NET_RAW"]
        let least = dropIn { $0.localDisks = false }
        #expect(capabilities(least) == network)
        #expect(least.contains("PrivateDevices=yes"))
        #expect(capabilities(dropIn { _ in }) == network.union(["CAP_SYS_RAWIO", "CAP_SYS_ADMIN"]))
        let device = dropIn {
            $0.localDisks = false; $0.disks = ["/dev/sdb"]
        }
        #expect(capabilities(device).contains("CAP_SYS_RAWIO"))
        #expect(!device.contains("PrivateDevices=yes"))
        let shares = dropIn {
            $0.localDisks = false; $0.fileShares = true
        }
        #expect(capabilities(shares) == network.union(["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"]))
        let whole = ServiceUnit.text(.test).split(separator: "\n").map(String.init)
        for some in [least, device, shares] { #expect(capabilities(some).isSubset(of: capabilities(whole))) }
    }

    @Test
    func foldersAndFirewall() {
        let lines = dropIn {
            $0.disks = ["/srv/images/a.img", "/srv/images/b.img"]
            $0.stateFolder = "/srv/state"
            $0.firewallInterfaces = ["eth1", "eth2"]
        }
        #expect(lines.contains("RequiresMountsFor=/srv/images /srv/state"))
        #expect(
            lines.filter { $0.hasPrefix("ReadWritePaths=/") } == [
                "ReadWritePaths=/srv/images", "ReadWritePaths=/srv/state",
            ])
        #expect(lines.contains("StateDirectory="))
        #expect(
            lines.contains(
                "ExecStartPre=-+/usr/bin/clusprep firewall open --ports 61135 --interface eth1 --interface eth2"))
        #expect(!dropIn { $0.firewall = .leave }.contains { $0.contains("firewall") })
    }

    /// systemd itself, where it is installed, finds nothing to complain of.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze")))
    func systemdTakesIt() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("clusprep-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder.appendingPathComponent("clusprepd.service.d"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // A program that is there, for systemd looks.
        let paths = SetupPaths(daemon: "/bin/true", tool: "/bin/true")
        let unit = folder.appendingPathComponent("clusprepd.service")
        let text = ServiceUnit.text(paths).split(separator: "\n", omittingEmptySubsequences: false)
            // Manual pages are looked for, too, and belong to the package.
            .filter { !$0.hasPrefix("Documentation=") }.joined(separator: "\n")
        try Data(text.utf8).write(to: unit)
        try Data(ServiceUnit.dropIn(.usual, paths: paths, usesSamba: true, opensFirewall: true).utf8)
            .write(to: folder.appendingPathComponent("clusprepd.service.d/50-setup.conf"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/systemd-analyze")
        process.arguments = ["verify", "--recursive-errors=no", unit.path]
        let output = Pipe()
        (process.standardOutput, process.standardError) = (output, output)
        try process.run()
        let words = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && words.isEmpty, "\(words)")
    }
}
