import Testing

@testable import clusprepd

/// The settings of Kerberos.
struct KerberosSettingsTests {
    private static func load(_ arguments: [String], environment: [String: String] = [:]) async throws -> Settings {
        guard case .run(let flags) = try CommandLineFlags.parse(arguments) else { throw StartupError.usage("none") }
        return try await Settings.load(
            flags: flags, environment: environment, host: .init(name: "node7.example.com", release: "6.1.0"))
    }

    @Test func defaults() async throws {
        #expect(try await Self.load([]).kerberos == KerberosSettings())
        #expect(KerberosSettings().keytab == nil && !KerberosSettings().allowsRC4)
    }

    @Test func allOfThem() async throws {
        let kerberos = try await Self.load([
            "--kerberos-keytab", "/etc/clusprep.keytab", "--kerberos-allow-rc4",
            "--kerberos-administrators", "alice@EXAMPLE.COM", "--kerberos-administrators=host/a.b@EXAMPLE.COM",
            "--kerberos-administrator-groups", "S-1-5-21-1-2-4294967295-512",
            "--kerberos-accounts=bob@EXAMPLE.COM=operator",
        ]).kerberos
        #expect(kerberos.keytab == "/etc/clusprep.keytab")
        #expect(kerberos.allowsRC4)
        #expect(kerberos.administrators == ["alice@EXAMPLE.COM", "host/a.b@EXAMPLE.COM"])
        #expect(kerberos.administratorGroups == ["S-1-5-21-1-2-4294967295-512"])
        #expect(kerberos.accounts == ["bob@EXAMPLE.COM": "operator"])
    }

    @Test func environment() async throws {
        let kerberos = try await Self.load(
            [],
            environment: [
                "CLUSPREPD_KERBEROS_KEYTAB": "/keytab", "CLUSPREPD_KERBEROS_ALLOW_RC4": "true",
                "CLUSPREPD_KERBEROS_ADMINISTRATORS": "a@R,b@R",
            ]
        ).kerberos
        #expect(kerberos.keytab == "/keytab" && kerberos.allowsRC4)
        #expect(kerberos.administrators == ["a@R", "b@R"])
    }

    @Test(arguments: [
        ["--kerberos-keytab", "keytab"], ["--kerberos-administrators", "alice"],
        ["--kerberos-administrators", "@R"], ["--kerberos-administrators", "alice@"],
        ["--kerberos-administrators", "a@b@c"], ["--kerberos-administrator-groups", "Domain Admins"],
        ["--kerberos-administrator-groups", "S-1-5"], ["--kerberos-administrator-groups", "S-1-5-21-x"],
        ["--kerberos-administrator-groups", "S-1-5-021-1"], ["--kerberos-administrator-groups", "S-2-5-21-1"],
        ["--kerberos-accounts", "alice@R"], ["--kerberos-accounts", "alice=operator"],
        ["--kerberos-accounts", "alice@R="],
        ["--kerberos-accounts", "alice@R=a", "--kerberos-accounts", "alice@R=b"],
    ])
    func wrongOnes(_ arguments: [String]) async throws {
        let keytab = arguments[0] == "--kerberos-keytab" ? [] : ["--kerberos-keytab", "/etc/clusprep.keytab"]
        await #expect(throws: StartupError.self, "\(arguments)") { try await Self.load(arguments + keytab) }
    }

    /// Without a keytab nobody could log on by what they say.
    @Test(arguments: [["--kerberos-allow-rc4"], ["--kerberos-administrators", "alice@R"]])
    func withoutKeytab(_ arguments: [String]) async throws {
        await #expect(throws: StartupError.self) { try await Self.load(arguments) }
    }
}
