import Foundation
import TestSupport
import Testing

@testable import HostInventory

/// A real database of rpm's, made by rpm and of packages from rpmbuild.
@Suite(
    .offThePool,
    .enabled(
        if: ["/usr/bin/rpm", "/usr/bin/rpmbuild"].allSatisfy(FileManager.default.isExecutableFile(atPath:)),
        "install rpm (rpm-build on Fedora and its like)"))
struct RPMUpdatesTests {
    private func run(_ program: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(program) \(arguments)")
    }

    private func install(_ host: FakeHost, _ name: String, _ spec: String) throws {
        host.file("/\(name).spec", spec)
        try run(
            "/usr/bin/rpmbuild",
            [
                "--quiet", "-bb", "--define", "_topdir \(host.root)/build", "--define",
                "_rpmdir \(host.root)/rpms/\(name)",
                host.root + "/\(name).spec",
            ])
        let folder = host.root + "/rpms/\(name)/noarch"
        let packages = try FileManager.default.contentsOfDirectory(atPath: folder).map { folder + "/" + $0 }
        try run(
            "/usr/bin/rpm",
            ["--dbpath", host.root + "/var/lib/rpm", "--install", "--justdb", "--nodeps", "--noscripts"] + packages)
    }

    private func makeHost() throws -> FakeHost {
        let host = try FakeHost()
        host.makeFolder("/var/lib/rpm")
        try run("/usr/bin/rpm", ["--dbpath", host.root + "/var/lib/rpm", "--initdb"])
        return host
    }

    private static let alpha = """
        Name: alpha
        Epoch: 2
        Version: 1.5
        Release: 3
        Summary: It's "an" & <alpha> 'package'
        License: MIT
        URL: https://alpha.example/
        BuildArch: noarch
        %description
        Text.
        %files
        %changelog
        * Mon Jan 06 2025 A B <a@example.org> - 1.5-3
        - Fix CVE-2024-12345 and RHSA-2024:0001; it's 'quoted' \\ twice
        * Mon Jan 05 2004 A B <a@example.org> - 1.4-1
        - Fix CVE-2003-0001
        """
    private static let beta = """
        Name: beta
        Version: 1
        Release: 1
        Summary: (none)
        License: MIT
        BuildArch: noarch
        %description
        Text.
        %files
        """

    @Test func updatesOfRPM() throws {
        let host = try makeHost()
        let updates = HostUpdates(root: host.root)
        #expect(try updates.count() == 0)
        #expect(try updates.list() == [])
        try install(host, "beta", Self.beta)
        try install(host, "alpha", Self.alpha)
        host.file("/etc/os-release", "HOME_URL=https://example.org/")
        #expect(try updates.count() == 2)
        let found = try updates.list()
        #expect(
            found == [
                HostUpdate(
                    id: "alpha-2:1.5-3.noarch", title: "alpha 2:1.5-3",
                    description: "It's \"an\" & <alpha> 'package'\n\n"
                        + "- Fix CVE-2024-12345 and RHSA-2024:0001; it's 'quoted' \\ twice",
                    supportURL: "https://alpha.example/", articleIDs: ["CVE-2024-12345"],
                    bulletinIDs: ["RHSA-2024:0001"]),
                HostUpdate(
                    id: "beta-1-1.noarch", title: "beta 1-1", description: "(none)",
                    supportURL: "https://example.org/"),
            ])
    }

    /// A Debian host with rpm's tools, or the other way round.
    @Test func besideDpkg() throws {
        let host = try makeHost()
        try install(host, "beta", Self.beta)
        host.file("/var/lib/dpkg/status", HostUpdatesTests.paragraph("zeta", "1"))
        #expect(try HostUpdates(root: host.root).list().map(\.id) == ["zeta:amd64=1", "beta-1-1.noarch"])
        #expect(try HostUpdates(root: host.root).count() == 2)
    }

    @Test func damagedDatabases() throws {
        let host = try FakeHost()
        host.file("/var/lib/rpm/rpmdb.sqlite", String(repeating: "no database ", count: 1000))
        #expect(throws: HostUpdatesError.self) { try HostUpdates(root: host.root).list() }
    }

    @Test func aHostWithoutTheProgram() throws {
        let host = try makeHost()
        let source = RPMUpdates(files: .init(root: host.root), programs: [host.root + "/bin/rpm"])
        let error = #expect(throws: HostUpdatesError.self) { try source.count() }
        #expect(error == .notStarted(program: host.root + "/bin/rpm", code: ENOENT))
        #expect(error?.hresult.rawValue == 0x8007_0002)
    }
}
