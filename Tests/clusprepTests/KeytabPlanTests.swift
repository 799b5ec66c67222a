import Testing

@testable import Security
@testable import clusprep

struct KeytabPlanTests {
    @Test func theRealmIsTheDomains() throws {
        let plan = try #require(KeytabPlan(fqdn: "Beta.Example.com", realm: nil))
        #expect(plan.realm == "EXAMPLE.COM")
        #expect(plan.principals == ["host/beta.example.com@EXAMPLE.COM", "RPCSS/beta.example.com@EXAMPLE.COM"])
        #expect(try #require(KeytabPlan(fqdn: "beta", realm: "LAB.TEST")).principals.first == "host/beta@LAB.TEST")
    }

    @Test(arguments: ["beta", "", ".example.com", "beta.example.com; rm", "be ta.example.com", "$(beta).example.com"])
    func namesThatCannotBe(_ name: String) {
        #expect(KeytabPlan(fqdn: name, realm: nil) == nil)
    }

    @Test func theRequestNamesEverything() throws {
        let plan = try #require(KeytabPlan(fqdn: "beta.example.com", realm: nil))
        for words in plan.principals + ["ktpass", "samba-tool", "ktadd", "adcli", "--kerberos-keytab", "aes256"] {
            #expect(plan.request.contains(words))
        }
    }

    @Test func whatAKeytabLacks() throws {
        let plan = try #require(KeytabPlan(fqdn: "beta.example.com", realm: nil))
        let entry = KerberosKeytab.Entry(principal: "host/BETA.example.com@EXAMPLE.COM", version: 2, type: .aes256SHA1)
        #expect(plan.missing(from: [entry]) == ["RPCSS/beta.example.com@EXAMPLE.COM"])
        #expect(plan.missing(from: []).count == 2)
    }

    @Test func wrongCommandLines() {
        #expect(throws: (any Error).self) { try KeytabCommand.parse(["--fqdn", "beta"]) }
        #expect(throws: (any Error).self) { try KeytabCommand.parse(["--fqdn", "beta.lab.test", "--allow-rc4"]) }
        #expect(throws: Never.self) { try KeytabCommand.parse(["--fqdn", "beta", "--realm", "LAB.TEST"]) }
    }
}
