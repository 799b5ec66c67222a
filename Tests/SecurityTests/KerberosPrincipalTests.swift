import Testing

@testable import Security

@Suite struct KerberosPrincipalTests {
    /// As krb5_unparse_name writes them: with a backslash before an "@" of a name, and before a backslash.
    @Test(arguments: [
        ("alice@EXAMPLE.COM", "alice", "EXAMPLE.COM"), ("host/node@EXAMPLE.COM", "host/node", "EXAMPLE.COM"),
        ("alice\\@lab@EXAMPLE.COM", "alice\\@lab", "EXAMPLE.COM"), ("a\\\\@B", "a\\\\", "B"),
        ("alice", "alice", ""), ("alice\\@B", "alice\\@B", ""), ("@B", "", "B"), ("", "", ""), ("a\\", "a\\", ""),
    ])
    func parts(text: String, name: String, realm: String) {
        let principal = KerberosPrincipal(text)
        #expect(principal.name == name)
        #expect(principal.realm == realm)
        #expect(!principal.isAnonymous)
    }

    @Test func nobody() async throws {
        #expect(KerberosPrincipal("WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS").isAnonymous)
        for text in ["WELLKNOWN/ANONYMOUS@EXAMPLE.COM", "@EXAMPLE.COM", ""] {
            await #expect(throws: SecurityError.logonDenied(.anonymous)) {
                try await KerberosPolicy(administrators: [text]).identity(
                    of: text, logonInformation: nil, users: nil)
            }
        }
    }

    @Test func aPACThatCannotBeReadIsNoLogon() async throws {
        await #expect(throws: SecurityError.self) {
            try await KerberosPolicy().identity(of: "alice@EXAMPLE.COM", logonInformation: [1, 2, 3], users: nil)
        }
    }
}
