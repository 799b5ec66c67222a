import ArgumentParser
import Testing

@testable import clusprep

/// `--node`, `--port`, `--user`: which combinations there are, and when a password is asked for.
struct NodeOptionsTests {
    private struct Asked: Error {
        var user: String
    }

    private static func refusal(_ arguments: [String]) -> String {
        do {
            _ = try NodeOptions.parse(arguments)
            return ""
        } catch {
            return NodeOptions.message(for: error)
        }
    }

    @Test func thisHost() throws {
        let options = try NodeOptions.parse([])
        #expect(options.node == nil && options.port == 135 && options.account == nil)
        #expect(try options.client(password: { throw Asked(user: $0) }) == nil, "nobody is asked for a password")
    }

    @Test func anotherNode() throws {
        let options = try NodeOptions.parse(["--node", "beta", "--port", "1135", "--user", "LAB\\admin"])
        #expect(options.node == "beta" && options.port == 1135)
        let account = try #require(options.account)
        #expect(account == ("LAB", "admin"))
        #expect(try options.client(password: { _ in "secret" }) != nil)
        let asked = #expect(throws: Asked.self) { try options.client(password: { throw Asked(user: $0) }) }
        #expect(asked?.user == "LAB\\admin")
    }

    @Test(arguments: ["fd00::1", "198.51.100.7", "node.example.org"])
    func addresses(_ node: String) throws {
        #expect(try NodeOptions.parse(["--node", node, "--user", ".\\admin"]).node == node)
    }

    @Test(arguments: [
        (["--node", "beta"], "--user DOMAIN\\NAME"), (["--user", "LAB\\admin"], "--node HOST"),
        (["--node", "", "--user", "LAB\\admin"], "--node needs"), (["--kerberos"], "--kerberos needs"),
        (["--node", "beta", "--kerberos", "--user", "LAB\\admin"], "exclude each other"),
        (["--node", "beta", "--user", "LAB\\admin", "--principal", "host/beta"], "--principal needs --kerberos"),
        (["--node", "beta", "--kerberos", "--principal", ""], "--principal needs"),
        (["--node", "beta", "--user", "LAB\\admin", "--port", "0"], "--port"),
        (["--node", "beta", "--user", "LAB\\admin", "--port", "65536"], "--port"),
    ])
    func wrongCombinations(_ arguments: [String], _ words: String) {
        #expect(Self.refusal(arguments).contains(words))
    }

    @Test(arguments: [
        "admin", "LAB\\", "\\admin", "\\", "", "LAB/admin", "admin@lab", "LAB\\sub\\admin", "\\\\LAB\\admin",
    ])
    func wrongUsers(_ user: String) {
        #expect(Self.refusal(["--node", "beta", "--user", user]).contains("--user is DOMAIN\\NAME"))
    }

    @Test(arguments: [[], ["--principal", "host/beta.lab.test@LAB.TEST"]])
    func tickets(_ principal: [String]) throws {
        let options = try NodeOptions.parse(["--node", "beta.lab.test", "--kerberos"] + principal)
        #expect(try options.client(password: { throw Asked(user: $0) }) != nil, "nobody is asked for a password")
    }

    /// Others can read a command line.
    @Test func aPasswordIsNeverAnArgument() {
        #expect(!NodeOptions.helpMessage().contains("--password"))
        #expect(Self.refusal(["--node", "beta", "--user", "LAB\\admin", "--password", "x"]).contains("--password"))
    }
}
