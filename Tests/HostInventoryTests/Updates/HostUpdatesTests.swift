import ErrorCodes
import Foundation
import TestSupport
import Testing

@testable import HostInventory

/// Whole hosts: what is in their folders, and what is said of it.
@Suite(.offThePool)
struct HostUpdatesTests {
    static func makeHost(_ status: String) throws -> FakeHost {
        let host = try FakeHost()
        host.file("/var/lib/dpkg/status", status)
        return host
    }

    static func paragraph(_ name: String, _ version: String, _ more: String = "Architecture: amd64") -> String {
        "Package: \(name)\nStatus: install ok installed\nVersion: \(version)\n\(more)\n\n"
    }

    static func gzip(_ host: FakeHost, _ path: String) throws {
        let gzip = Process()
        gzip.executableURL = URL(fileURLWithPath: "/usr/bin/gzip")
        gzip.arguments = [host.root + path]
        try gzip.run()
        gzip.waitUntilExit()
        try #require(gzip.terminationStatus == 0)
    }

    @Test func updatesOfDpkg() throws {
        let host = try Self.makeHost(
            Self.paragraph("zoo", "1.2-3", "Architecture: amd64\nHomepage: https://zoo.example/\nDescription: Animals")
                + Self.paragraph("bare", "7", "Architecture: all")
                + "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n\n"
                + Self.paragraph("zoo-doc", "1.2-3", "Architecture: all\nSource: zoo"))
        host.file("/etc/os-release", "NAME=\"Example Linux\"\nSUPPORT_URL=\"https://help.example/\"")
        host.file("/var/log/dpkg.log", "2025-03-01 10:00:00 upgrade zoo:amd64 1.2-2 1.2-3")
        host.file("/var/log/dpkg.log.1", "2025-02-01 10:00:00 upgrade zoo:amd64 1.2-1 1.2-2")
        host.file("/var/log/dpkg.log.2", "2025-01-01 10:00:00 upgrade zoo:amd64 1.1-1 1.2-1")
        try Self.gzip(host, "/var/log/dpkg.log.2")
        host.file("/var/log/apt/history.log.1", "Upgrade: zoo:amd64 (1.0-1, 1.1-1)")
        try Self.gzip(host, "/var/log/apt/history.log.1")
        host.file(
            "/usr/share/doc/zoo/changelog.Debian",
            "zoo (1.2-3) stable; urgency=low\n\n  * Lions. CVE-2025-0003, USN-1-1\n\n -- A <a@b>  x\n\n"
                + "zoo (1.2-2) stable; urgency=low\n\n  * CVE-2025-0002\n\n -- A <a@b>  x\n")
        try Self.gzip(host, "/usr/share/doc/zoo/changelog.Debian")
        host.link("/usr/share/doc/zoo-doc", to: "/usr/share/doc/zoo")

        let updates = HostUpdates(root: host.root)
        #expect(try updates.count() == 3)
        let found = try updates.list()
        #expect(found.map(\.id) == ["bare:all=7", "zoo:amd64=1.2-3", "zoo-doc:all=1.2-3"])
        #expect(
            found[0] == HostUpdate(id: "bare:all=7", title: "bare 7", supportURL: "https://help.example/"))
        #expect(
            found[1]
                == HostUpdate(
                    id: "zoo:amd64=1.2-3", title: "zoo 1.2-3",
                    description: "Animals\n\n* Lions. CVE-2025-0003, USN-1-1", supportURL: "https://zoo.example/",
                    articleIDs: ["CVE-2025-0003"], bulletinIDs: ["USN-1-1"],
                    supersededIDs: ["zoo:amd64=1.2-2", "zoo:amd64=1.2-1", "zoo:amd64=1.1-1", "zoo:amd64=1.0-1"]))
        #expect(found[2].articleIDs == ["CVE-2025-0003"])
        #expect(try updates.count() == 3)
    }

    /// What dpkg has not yet written into its database stands in numbered files beside it.
    @Test func dpkgsJournal() throws {
        let host = try Self.makeHost(Self.paragraph("a", "1") + Self.paragraph("b", "1"))
        host.file("/var/lib/dpkg/updates/0000", Self.paragraph("a", "2"))
        host.file("/var/lib/dpkg/updates/0001", Self.paragraph("c", "1"))
        host.file("/var/lib/dpkg/updates/tmp.i", "half of a par")
        let updates = HostUpdates(root: host.root)
        #expect(try updates.list().map(\.id) == ["a:amd64=2", "b:amd64=1", "c:amd64=1"])
        #expect(try updates.count() == 3)
    }

    @Test func changesAreSeen() throws {
        let host = try Self.makeHost(Self.paragraph("a", "1"))
        let updates = HostUpdates(root: host.root)
        #expect(try updates.list().map(\.id) == ["a:amd64=1"])
        #expect(try updates.list().map(\.id) == ["a:amd64=1"])
        host.file("/var/lib/dpkg/status", Self.paragraph("a", "1") + Self.paragraph("bc", "1"))
        #expect(try updates.count() == 2)
        #expect(try updates.list().count == 2)
        host.file("/var/log/dpkg.log", "2025-03-01 10:00:00 upgrade a:amd64 0 1")
        #expect(try updates.list().first?.supersededIDs == ["a:amd64=0"])
    }

    /// Logs and changelogs that are no use do not keep an update from being told.
    @Test func damageBesideTheDatabase() throws {
        let host = try Self.makeHost(
            Self.paragraph("a", "1") + Self.paragraph("../../../etc", "1") + Self.paragraph("f", "1"))
        host.file("/usr/share/doc/a/changelog.Debian.gz", octets: [0x1F, 0x8B, 1, 2, 3])
        host.file("/usr/share/doc/f/changelog.Debian.gz", "no gzip")
        host.file("/var/log/dpkg.log.1.gz", octets: Array("no gzip".utf8))
        host.file("/var/log/dpkg.log", octets: Array(0...255))
        host.makeFolder("/var/log/apt/history.log")
        let found = try HostUpdates(root: host.root).list()
        #expect(found.map(\.description) == ["", "", ""])
    }

    /// A changelog in Latin-1, with characters that XML cannot say, of megabytes, and one that is a pipe.
    @Test func oddChangelogs() throws {
        let host = try Self.makeHost(
            Self.paragraph("latin", "1") + Self.paragraph("long", "1") + Self.paragraph("pipe", "1"))
        host.file(
            "/usr/share/doc/latin/changelog.Debian",
            octets: Array("latin (1) x; y\n  * J".utf8) + [0xFC, 0x72, 0x01, 0x0C] + Array("CVE-2024-0001\n".utf8))
        host.file(
            "/usr/share/doc/long/changelog.Debian",
            "long (1) x; y\n" + String(repeating: "  * more\n", count: 1 << 20) + "  * CVE-2024-0002\n")
        try Self.gzip(host, "/usr/share/doc/long/changelog.Debian")
        host.makeFolder("/usr/share/doc/pipe")
        #expect(mkfifo(host.root + "/usr/share/doc/pipe/changelog.Debian", 0o600) == 0)
        let found = try HostUpdates(root: host.root).list()
        #expect(found[0].description == "* Jür\u{1}\u{C}CVE-2024-0001")
        #expect(found[0].articleIDs == ["CVE-2024-0001"])
        #expect(found[1].description.utf16.count <= HostUpdate.descriptionLimit)
        // Beyond what is read of a changelog.
        #expect(found[1].articleIDs == [])
        #expect(found[2].description == "")
    }

    @Test func hostsWithoutPackages() throws {
        let host = try FakeHost()
        let error = #expect(throws: HostUpdatesError.self) { try HostUpdates(root: host.root).list() }
        #expect(error == .noPackageManager(root: host.root))
        #expect(error?.hresult.rawValue == 0x8007_0032)
        #expect(error?.description.contains("neither") == true)
        host.file("/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\n")
        let damaged = #expect(throws: HostUpdatesError.self) { try HostUpdates(root: host.root).count() }
        #expect(damaged?.hresult.rawValue == 0x8007_0570)
    }

    @Test(
        .enabled(if: getuid() != 0, "root may read everything: run the tests as another user"))
    func databasesThatMayNotBeRead() throws {
        let host = try Self.makeHost(Self.paragraph("a", "1"))
        chmod(host.root + "/var/lib/dpkg/status", 0)
        let error = #expect(throws: HostUpdatesError.self) { try HostUpdates(root: host.root).count() }
        #expect(error?.hresult.rawValue == 0x8007_0005)
    }

    @Test func thousandsOfPackages() throws {
        let status = (0..<5000).map { Self.paragraph("package\($0)", "1.0-\($0)") }.joined()
        let host = try Self.makeHost(status)
        let updates = HostUpdates(root: host.root)
        #expect(try updates.list().count == 5000)
        #expect(try updates.count() == 5000)
    }

    // MARK: This host's own

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/dpkg-query"), "install dpkg"))
    func countsAsDpkgDoes() throws {
        let query = Process()
        query.executableURL = URL(fileURLWithPath: "/usr/bin/dpkg-query")
        query.arguments = ["--show", "--showformat", "${db:Status-Status} ${binary:Package} ${Version}\\n"]
        let pipe = Pipe()
        query.standardOutput = pipe
        try query.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        query.waitUntilExit()
        let lines = output.split(separator: "\n").map { $0.split(separator: " ") }
            .filter { ["installed", "triggers-pending", "triggers-awaited"].contains($0[0]) }
        let dpkg = DpkgUpdates(files: .init(root: "/"))
        #expect(try dpkg.count() == lines.count)
        let expected = Set(lines.map { "\($0[1].prefix { $0 != ":" }) \($0[2])" })
        #expect(try Set(dpkg.updates().map(\.title)) == expected)
    }
}
