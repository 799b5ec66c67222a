import Foundation
import Testing

@testable import NodeSetup

/// What the package's scripts do, in a folder that stands for the host's root.
struct PackageTests {
    @Test
    func purgingLeavesWhatOthersMade() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("clusprep-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        func make(_ paths: [String]) throws {
            for path in paths {
                let url = URL(fileURLWithPath: root + path)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data().write(to: url)
            }
        }
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../Packaging/debian/postrm")
        var text = try String(contentsOf: script, encoding: .utf8)
        for folder in ["etc", "var", "run"] {
            text = text.replacingOccurrences(of: "/\(folder)/", with: "\(root)/\(folder)/")
        }
        // Not a word of it may mean this host, nor its programs.
        text = "nft() { echo \"$@\" >\(root)/told; }\nufw() { :; }\nuserdel() { :; }\n" + text
        try #require(!text.contains(/[ "=]\/(etc|var|run|usr|srv)/))
        try #require(root.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/-_.".contains($0)) })

        let ours = [
            "/etc/clusprep/clusprepd.json", "/etc/clusprep/clusprep.keytab",
            "/etc/systemd/system/clusprepd.service.d/50-setup.conf", "/var/lib/clusprep/cluster.db",
            "/srv/state/cluster.db",
        ]
        let others = ["/etc/clusprep/chap.json", "/etc/systemd/system/clusprepd.service.d/90-mine.conf"]
        let unit = "/etc/systemd/system/clusprepd.service"
        for isShared in [true, false] {
            try make([unit] + ours + (isShared ? others : []))
            var record = SetupRecord(answers: .usual)
            record.changes = [
                .madeStateFolder(path: root + "/srv/state"),
                .madeFile(path: root + unit, digest: try SetupRecord.digest(of: isShared ? [1] : [])),
            ]
            if !isShared { record.changes.append(.openedFirewall) }
            try Data(jsonOctets(of: record)).write(to: URL(fileURLWithPath: root + "/etc/clusprep/setup.json"))
            #expect(try await LinuxHost().run("/bin/sh", ["-c", text, "postrm", "purge"]).status == 0)
            let left = FileManager.default.subpaths(atPath: root) ?? []
            for path in ours + ["/etc/clusprep/setup.json", "/srv/state"] {
                #expect(!left.contains(String(path.dropFirst())), "\(path)")
            }
            for path in others { #expect(left.contains(String(path.dropFirst())) == isShared, "\(path)") }
            #expect(left.contains("etc/clusprep") == isShared)
            // The one that we wrote, before there was a package, goes; one that was changed since stays.
            #expect(left.contains(String(unit.dropFirst())) == isShared)
            // So does the table in the firewall that no service takes away.
            #expect(left.contains("told") == !isShared)
            #expect(left.contains("etc/systemd/system/clusprepd.service.d") == isShared)
            try FileManager.default.removeItem(atPath: root)
        }
    }
}
