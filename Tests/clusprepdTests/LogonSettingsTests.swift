import Security
import Testing

@testable import clusprepd

/// The settings of who may log on.
struct LogonSettingsTests {
    private static func load(_ arguments: [String] = []) async throws -> Settings {
        guard case .run(let flags) = try CommandLineFlags.parse(arguments) else { throw StartupError.usage("none") }
        return try await Settings.load(
            flags: flags, environment: [:], host: .init(name: "node7.example.com", release: "6.1.0"))
    }

    @Test func defaults() async throws {
        let settings = try await Self.load()
        #expect(settings.ntlmTarget == .ifNamed)
        #expect(settings.targetNames == [])
        #expect(settings.ntlmAuthority == nil)
        #expect(settings.freeLogonFailures == 10)
    }

    @Test func allOfThem() async throws {
        let settings = try await Self.load([
            "--ntlm-target", "required", "--target-names", "alias.example.com", "--target-names=192.0.2.1",
            "--ntlm-auth=/usr/bin/ntlm_auth", "--ntlm-auth=--helper-protocol=ntlm-server-1",
            "--domain-administrators", "LAB\\alice", "--free-logon-failures", "0",
        ])
        #expect(settings.ntlmTarget == .required)
        #expect(settings.targetNames == ["alias.example.com", "192.0.2.1"])
        #expect(settings.ntlmAuth == ["/usr/bin/ntlm_auth", "--helper-protocol=ntlm-server-1"])
        #expect(settings.domainAdministrators == ["LAB\\alice"])
        #expect(settings.freeLogonFailures == 0)
        #expect(try await Self.load(["--ntlm-target", "any"]).ntlmTarget == .any)
        #expect(try await Self.load(["--ntlm-target", "named"]).ntlmTarget == .ifNamed)
    }

    @Test(arguments: [
        ["--ntlm-target", "some"], ["--ntlm-auth", "ntlm_auth"], ["--domain-administrators", "alice"],
        ["--domain-administrators", "LAB\\"], ["--domain-administrators", "a\\b\\c"],
        ["--free-logon-failures", "-1"], ["--free-logon-failures", "1000001"],
    ])
    func wrong(_ arguments: [String]) async {
        await #expect(throws: StartupError.self) { try await Self.load(arguments) }
    }
}
