import Foundation
import Testing

@testable import Security

/// Accounts that somebody else checks.
@Suite struct NTLMDomainTests {
    /// A shell script in place of `ntlm_auth`, which answers each question with the same lines.
    private static func helper(_ answer: String, limit: Duration = .seconds(600)) -> NTLMAuthHelper {
        let script = "while read line; do if [ \"$line\" = . ]; then printf '\(answer)'; fi; done"
        return NTLMAuthHelper(command: ["/bin/sh", "-c", script], helpers: 1, limit: limit) { domain, user in
            (domain, user) == ("ELSEWHERE", "alice")
        }
    }

    private static let logon = NTLMDomainLogon(
        domain: "ELSEWHERE", user: "alice", workstation: "CLIENT", serverChallenge: Sample.serverChallenge,
        response: [UInt8](repeating: 1, count: 60))

    @Test func anAnswerIsRead() async throws {
        let helper = Self.helper(
            "Authenticated: Yes\\nUser-Session-Key: 000102030405060708090A0B0C0D0E0F\\n.\\n")
        for _ in 0..<3 {
            let account = try #require(try await helper.check(Self.logon))
            #expect(account.identity.description == "ELSEWHERE\\alice")
            #expect(account.identity.isAdministrator)
            #expect(account.sessionBaseKey == SecretBytes(0..<16))
        }
        let bare = NTLMDomainLogon(
            domain: "", user: "bob@elsewhere.test", workstation: "", serverChallenge: [], response: [])
        let identity = try #require(try await helper.check(bare)).identity
        #expect(identity.user == "bob" && identity.domain == "elsewhere.test" && !identity.isAdministrator)
    }

    @Test(arguments: [
        "Authenticated: No\\nAuthentication-Error: wrong password\\n.\\n", ".\\n", "Authenticated: Maybe\\n.\\n",
    ])
    func aRefusalIsNobody(answer: String) async throws {
        #expect(try await Self.helper(answer).check(Self.logon).map { _ in true } == nil)
    }

    @Test(arguments: [
        "Error: hex decode failed\\n.\\n", "Authenticated: Yes\\n.\\n",
        "Authenticated: Yes\\nUser-Session-Key: 00\\n.\\n",
        "Authenticated: Yes\\nUser-Session-Key: zz0102030405060708090A0B0C0D0E0F\\n.\\n",
    ])
    func nonsenseIsNoAnswer(answer: String) async throws {
        let helper = Self.helper(answer)
        await #expect(throws: SecurityError.self) { try await helper.check(Self.logon) }
    }

    /// Samba's refusals end with two dots; the second one, and whatever comes late, is nobody's answer.
    @Test func noAnswerIsTakenForAnothers() async throws {
        let script = """
            while read line; do case "$line" in
              Username*) user="$line";;
              .) if [ "$user" = "Username:: bWFsbG9yeQ==" ]; then
                   printf 'Authenticated: No\\n.\\n.\\n'
                   printf 'Authenticated: Yes\\nUser-Session-Key: 00000000000000000000000000000000\\n.\\n'
                 else
                   printf 'Authenticated: Yes\\nUser-Session-Key: 000102030405060708090A0B0C0D0E0F\\n.\\n'
                 fi;;
            esac; done
            """
        let helper = NTLMAuthHelper(command: ["/bin/sh", "-c", script], helpers: 1, limit: .seconds(600)) { _, _ in
            false
        }
        let mallory = NTLMDomainLogon(
            domain: "ELSEWHERE", user: "mallory", workstation: "", serverChallenge: [], response: [])
        for _ in 0..<3 {
            #expect(try await helper.check(mallory).map { _ in true } == nil)
            #expect(try await helper.check(Self.logon)?.sessionBaseKey == SecretBytes(0..<16))
        }
    }

    @Test func aHelperThatFailsIsNoAnswer() async throws {
        for command in [["/nonexistent/helper"], ["/bin/false"], []] {
            let helper = NTLMAuthHelper(command: command, helpers: 1, limit: .seconds(600)) { _, _ in false }
            await #expect(throws: SecurityError.self) { try await helper.check(Self.logon) }
        }
        // One that says nothing, or never ends.
        let silent = NTLMAuthHelper(
            command: ["/bin/sleep", "60"], helpers: 1, limit: .milliseconds(50)
        ) { _, _ in false }
        await #expect(throws: SecurityError.self) { try await silent.check(Self.logon) }
        let endless = NTLMAuthHelper(command: ["/usr/bin/yes"], helpers: 1, limit: .seconds(600)) { _, _ in false }
        await #expect(throws: SecurityError.directoryUnavailable("the helper's answer has no end")) {
            try await endless.check(Self.logon)
        }
    }

    private static let ntlmAuth = "/usr/bin/ntlm_auth"

    /// The real helper, with an account of its command line instead of a domain's.
    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: ntlmAuth), "install winbind"),
        arguments: [true, false])
    func sambaChecksForUs(isPasswordRight: Bool) async throws {
        let command = [
            Self.ntlmAuth, "--helper-protocol=ntlm-server-1", "--username=\(Sample.user)", "--domain=ELSEWHERE",
            "--password=\(Sample.password)", "--debuglevel=0",
        ]
        let helper = NTLMAuthHelper(command: command, limit: .seconds(600)) { _, _ in true }
        for _ in 0..<2 {
            let initiator = try Sample.initiator(
                domain: "ELSEWHERE", password: isPasswordRight ? Sample.password : "wrong")
            let acceptor = Sample.acceptor(authority: helper, world: NTLMWorld())
            if isPasswordRight {
                let (client, server) = try await exchange(initiator, acceptor)
                #expect(server.identity.description == "ELSEWHERE\\alice")
                var message = Array("message".utf8)
                let code = try client.protect(&message, body: 0..<7, level: .packetPrivacy)
                try server.unprotect(&message, body: 0..<7, authValue: code[...], level: .packetPrivacy)
                #expect(message == Array("message".utf8))
            } else {
                await #expect(throws: SecurityError.logonDenied(.refusedByDomain)) {
                    try await exchange(initiator, acceptor)
                }
            }
        }
    }

    @Test func ourAccountsAreNotAskedFor() async throws {
        let authority = CountingAuthority()
        _ = try await exchange(try Sample.initiator(), Sample.acceptor(authority: authority, world: NTLMWorld()))
        await #expect(throws: SecurityError.logonDenied(.wrongPassword)) {
            try await exchange(
                try Sample.initiator(password: "wrong"), Sample.acceptor(authority: authority, world: NTLMWorld()))
        }
        #expect(await authority.logons.isEmpty)
        // Ours by its domain's name, but not in our list; and one whose domain is not ours.
        for (domain, user) in [("CLUSTER", "zoe"), ("ELSEWHERE", "alice")] {
            await #expect(throws: SecurityError.logonDenied(.refusedByDomain)) {
                try await exchange(
                    try Sample.initiator(domain: domain, user: user),
                    Sample.acceptor(authority: authority, world: NTLMWorld()))
            }
        }
        #expect(await authority.logons == ["CLUSTER\\zoe", "ELSEWHERE\\alice"])
        // Nor for a proof that was made for somebody else.
        await #expect(throws: SecurityError.logonDenied(.unknownUser)) {
            try await exchange(
                try Sample.initiator(domain: "ELSEWHERE", targetName: "host/node2"),
                Sample.acceptor(authority: authority, world: NTLMWorld()))
        }
        #expect(await authority.logons.count == 2)
    }
}

private actor CountingAuthority: NTLMAuthority {
    var logons: [String] = []

    func check(_ logon: NTLMDomainLogon) async throws(SecurityError) -> NTLMDomainAccount? {
        logons.append("\(logon.domain)\\\(logon.user)")
        return nil
    }
}
