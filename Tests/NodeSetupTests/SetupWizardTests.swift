import Synchronization
import Testing

@testable import NodeSetup

/// Answers from a list, by the beginning of the question; an empty line to all others.
private final class Script: SetupDialogue {
    private let answers: [(String, [String])]
    private let asked = Mutex<[String]>([])
    private let said = Mutex<[String]>([])

    init(_ answers: [(String, [String])]) {
        self.answers = answers
    }

    var words: [String] { said.withLock { $0 } }
    var questions: [String] { asked.withLock { $0 } }

    func say(_ text: String) { said.withLock { $0.append(text) } }

    func ask(_ question: String) -> String? {
        let earlier = asked.withLock { asked in
            defer { asked.append(question) }
            return asked.filter { $0 == question }.count
        }
        guard let lines = answers.first(where: { question.hasPrefix($0.0) })?.1 else { return "" }
        return earlier < lines.count ? lines[earlier] : nil
    }

    func password(for user: String) throws(SetupError) -> String { "correct horse" }
}

struct SetupWizardTests {
    @Test
    func emptyLinesAreTheUsual() async throws {
        let host = FakeHost()
        let (answers, passwords) = try await SetupWizard(host: host, dialogue: Script([])).ask()
        var expected = SetupAnswers()
        expected.users = [.init(name: "administrator")]
        #expect(answers == expected)
        #expect(passwords == ["administrator": "correct horse"])
        try await NodeSetup(host: host, paths: .test).run(answers, passwords: passwords) { _ in }
        #expect(host.world.users["/var/lib/clusprep"] == ["administrator"])
        // Again: what was answered is what an empty line means, and nobody is asked for a password that there is.
        let again = try await SetupWizard(host: host, dialogue: Script([])).ask(before: answers)
        #expect(again.answers == expected && again.passwords.isEmpty)
    }

    @Test
    func disksByNumber() async throws {
        let host = FakeHost {
            $0.disks = [
                .init(
                    target: "/dev/sda", name: "QEMU", size: 1 << 30, isProtected: true,
                    obstacles: ["this host lives on it"]),
                .init(target: "/dev/sdb", name: "QEMU", size: 1 << 30),
                .init(target: "/dev/sdc", name: "QEMU", size: 1 << 31),
            ]
        }
        let script = Script([
            ("iSCSI portals", ["no:such:portal", "san.example.net"]),
            ("Shared disks", ["3", "/dev/sda", "2 /srv/disk.img"]),
            ("Let a cluster's traffic", ["perhaps", "n"]),
        ])
        let answers = try await SetupWizard(host: host, dialogue: script).ask().answers
        #expect(answers.disks == ["/dev/sdc", "/srv/disk.img"])
        #expect(answers.firewall == .leave)
        #expect(script.words.contains("  /dev/sda is no candidate: this host lives on it"))
        #expect(script.words.contains { $0.contains("cannot discover targets behind san.example.net") })
        #expect(script.words.contains { $0.contains("there is no number 3") })
        #expect(script.words.contains { $0.contains("this host lives on /dev/sda") })
    }

    @Test
    func keytabAndNames() async throws {
        let host = FakeHost()
        let script = Script([
            ("The node's full name", ["bad name!", "gamma.example.com"]),
            ("Addresses", ["here", "192.0.2.7 2001:db8::1"]),
            ("Is there a keytab", ["y"]), ("Principals", ["alice", "alice@EXAMPLE.COM"]),
        ])
        let answers = try await SetupWizard(host: host, dialogue: script).ask().answers
        #expect(answers.fqdn == "gamma.example.com" && answers.nodeName == "gamma")
        #expect(answers.listen == ["192.0.2.7", "2001:db8::1"])
        #expect(answers.keytab == "/etc/krb5.keytab" && answers.kerberosAdministrators == ["alice@EXAMPLE.COM"])
    }

    @Test
    func theNamesGoTogether() async throws {
        let host = FakeHost()
        let asked = Script([("The node's full name", ["asked.example.com"])])
        let first = try await SetupWizard(host: host, dialogue: asked).ask().answers
        #expect(first.nodeName == "asked" && first.fqdn == "asked.example.com")
        let back = Script([("The node's full name", ["beta.example.com"])])
        let second = try await SetupWizard(host: host, dialogue: back).ask(before: first).answers
        #expect(second.nodeName == nil && second.fqdn == nil)
        var named = first
        named.nodeName = "short"
        #expect(try await SetupWizard(host: host, dialogue: Script([])).ask(before: named).answers.nodeName == "short")
    }

    @Test
    func aUserThatCannotBe() async throws {
        let script = Script([("The user who", ["LAB\\admin", "admin@lab", "cluster-administrator-1", "admin"])])
        let answers = try await SetupWizard(host: FakeHost(), dialogue: script).ask().answers
        #expect(answers.users.map(\.name) == ["admin"])
        #expect(script.words.filter { $0.contains("answer \"users\"") }.count == 3)
    }

    /// Nobody at the other end, or nobody who answers the question: no endless asking.
    @Test
    func somebodyWhoGoesAway() async {
        for lines in [[], ["x", "x", "x", "x", "x", "x", "x"]] {
            let script = Script([("Addresses", lines)])
            await #expect(throws: SetupError.noAnswer(question: "Addresses to listen on, with spaces between")) {
                try await SetupWizard(host: FakeHost(), dialogue: script).ask()
            }
            #expect(script.questions.count <= 6)
        }
    }
}
