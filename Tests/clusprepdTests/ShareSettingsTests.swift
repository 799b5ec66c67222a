import FileShares
import Testing

@testable import clusprepd

/// The settings of file sharing.
struct ShareSettingsTests {
    private static func load(_ arguments: [String] = []) async throws -> Settings {
        guard case .run(let flags) = try CommandLineFlags.parse(arguments) else { throw StartupError.usage("none") }
        return try await Settings.load(
            flags: flags, environment: [:], host: .init(name: "node7.example.com", release: "6.1.0"))
    }

    @Test func defaults() async throws {
        let settings = try await Self.load()
        #expect(settings.shareUser == "clusprep")
        #expect(settings.sharePort == 445)
        #expect(settings.servingAddresses.map(\.description) == ["0.0.0.0"])
        #expect(settings.shareFolder == "/run/clusprep-shares")
        #expect(settings.sambaConfiguration == nil)
    }

    @Test("Without addresses of their own, shares have those that are listened on")
    func addresses() async throws {
        let listening = try await Self.load(["--listen", "192.0.2.7", "--listen", "::"])
        #expect(listening.servingAddresses.map(\.description) == ["192.0.2.7", "::"])
        let own = try await Self.load(["--listen", "192.0.2.7", "--share-addresses", "2001:db8::7"])
        #expect(own.servingAddresses.map(\.description) == ["2001:db8::7"])
    }

    @Test(arguments: [
        ["--share-addresses", "localhost"], ["--share-addresses", "192.0.2.7:445"], ["--share-port", "0"],
        ["--share-port", "65536"], ["--share-user", "a b"], ["--share-user", ""], ["--share-folder", "shares"],
        ["--samba-configuration", "smb.conf"],
    ])
    func wrong(_ arguments: [String]) async {
        await #expect(throws: StartupError.self) { try await Self.load(arguments) }
    }
}
