import Foundation
import Security
import Testing

@testable import ClusterEngine

@Suite struct NodeUserDirectoryTests {
    let folder: TemporaryFolder
    let state: NodeState
    let users: NodeUserDirectory

    init() throws {
        folder = try TemporaryFolder()
        state = try NodeState.open(folder: folder.state, as: .daemon)
        users = try NodeUserDirectory(state: state)
    }

    @Test func anAccountFromBeginningToEnd() async throws {
        let account = try await users.add(name: "Alice", password: "Passw0rd!", isAdministrator: true)
        #expect(account.sid == state.record.machineSID + "-1000")
        let record = try #require(try await users.user(domain: "CLUSTER", name: "aLICE"))
        #expect(record.name == "Alice" && record.domain == "CLUSTER" && record.sid == account.sid)
        #expect(record.isAdministrator && record.isEnabled)
        #expect(try record.ntHash == NTLMPassword.ntHash("Passw0rd!"))

        try await users.setPassword(name: "ALICE", password: "other")
        try await users.setEnabled(name: "alice", false)
        try await users.setAdministrator(name: "alice", false)
        let changed = try #require(try await users.user(domain: "X", name: "Alice"))
        #expect(try changed.ntHash == NTLMPassword.ntHash("other"))
        #expect(!changed.isEnabled && !changed.isAdministrator && changed.sid == account.sid)

        try await users.remove(name: "alice")
        #expect(try await users.user(domain: "CLUSTER", name: "Alice") == nil)
        // Its identifier is not used again.
        let next = try await users.add(name: "Alice", password: "x", isAdministrator: false)
        #expect(next.sid == state.record.machineSID + "-1001")
    }

    @Test func accountsAreListed() async throws {
        #expect(try await users.list().isEmpty)
        for name in ["carol", "Bob", "alice"] {
            try await users.add(name: name, password: "p", isAdministrator: name == "Bob")
        }
        let list = try await users.list()
        #expect(list.map(\.name) == ["alice", "Bob", "carol"])
        #expect(list.map(\.isAdministrator) == [false, true, false])
    }

    @Test func whatDoesNotExist() async throws {
        #expect(try await users.user(domain: "CLUSTER", name: "nobody") == nil)
        // What is worked off instead goes all the way, has a hash that nobody knows, and is not to be found.
        let nobody = try users.record(of: users.nobody, domain: "CLUSTER")
        let other = try NodeUserDirectory(state: state)
        #expect(try nobody.ntHash != other.record(of: other.nobody, domain: "CLUSTER").ntHash)
        #expect(try await users.user(domain: "CLUSTER", name: nobody.name) == nil)
        #expect(try await users.list().isEmpty)
        await #expect(throws: UserDirectoryError.notFound("nobody")) { try await users.remove(name: "nobody") }
        await #expect(throws: UserDirectoryError.notFound("nobody")) {
            try await users.setPassword(name: "nobody", password: "x")
        }
    }

    @Test func oneNameOneAccount() async throws {
        try await users.add(name: "Ünal", password: "x", isAdministrator: false)
        await #expect(throws: UserDirectoryError.exists("ÜNAL")) {
            try await users.add(name: "ÜNAL", password: "y", isAdministrator: true)
        }
        #expect(try await users.list().map(\.isAdministrator) == [false])
    }

    @Test(arguments: [
        "", "a@b", "a\\b", "a/b", "a:b", "a\"b", "a*", "a\u{0}", "a\n", ".", "...", " ", " a", "a ", "a.",
        String(repeating: "a", count: 21),
    ])
    func namesThatWindowsWouldNotTake(name: String) async throws {
        await #expect {
            try await users.add(name: name, password: "x", isAdministrator: false)
        } throws: { error in
            guard case .invalidName(name, let reason)? = error as? UserDirectoryError else { return false }
            return !reason.isEmpty
        }
    }

    @Test(arguments: ["a", "a b", "a.b", "svc-1$", "łukasz", String(repeating: "a", count: 20)])
    func namesThatWindowsWouldTake(name: String) async throws {
        try await users.add(name: name, password: "x", isAdministrator: false)
        #expect(try await users.user(domain: "", name: name)?.name == name)
    }

    @Test func anEmptyPasswordIsRefused() async throws {
        await #expect(throws: UserDirectoryError.emptyPassword) {
            try await users.add(name: "a", password: "", isAdministrator: false)
        }
    }

    @Test func twoProgramsAddAtTheSameTime() async throws {
        let other = try NodeUserDirectory(state: NodeState.open(folder: folder.state, as: .tool))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<12 {
                let users = number.isMultiple(of: 2) ? users : other
                group.addTask { try await users.add(name: "u\(number)", password: "x", isAdministrator: false) }
            }
            try await group.waitForAll()
        }
        let list = try await users.list()
        #expect(list.count == 12 && Set(list.map(\.sid)).count == 12)
    }

    // Who can write to the database, but has no key, wins nothing.
    @Test func alteredAccountsAreRefused() async throws {
        try await users.add(name: "alice", password: "x", isAdministrator: false)
        try await users.add(name: "admin", password: "y", isAdministrator: true)
        let alice = try #require(try await state.store.entry(StoreKey(.users, "ALICE")))
        let admin = try Document.decode(
            UserDocument.self, from: try #require(try await state.store.entry(StoreKey(.users, "ADMIN"))))
        let original = try Document.decode(UserDocument.self, from: alice)
        let alterations: [(inout UserDocument) -> Void] = [
            { $0.isAdministrator = true }, { $0.isEnabled = false }, { $0.relativeID = admin.relativeID },
            { $0.name = "admin" }, { $0.sealedHash = admin.sealedHash }, { $0.sealedHash[15] ^= 1 },
        ]
        for (index, alter) in alterations.enumerated() {
            var document = original
            alter(&document)
            try await state.store.apply([.put(alice.key, try Document.encode(document, for: alice.key))])
            await #expect(throws: UserDirectoryError.self, "alteration \(index)") {
                try await users.user(domain: "", name: "alice")
            }
            await #expect(throws: UserDirectoryError.self, "alteration \(index)") {
                try await users.setEnabled(name: "alice", true)
            }
        }
    }

    @Test func ntlmLogsOnAgainstIt() async throws {
        try await users.add(name: "Alice", password: "Passw0rd!", isAdministrator: true)
        let environment = NodeIdentity(fqdn: "node1.cluster.test").ntlmEnvironment
        for (password, isRight) in [("Passw0rd!", true), ("passw0rd!", false)] {
            let acceptor = NTLMProvider(environment: environment, users: users).makeAcceptor(
                for: SecurityPeer(address: "192.0.2.1"))
            let initiator = try NTLMInitiator(domain: "CLUSTER", user: "alice", password: password)
            guard case .continueNeeded(let negotiate) = try await initiator.initiate(nil),
                case .continueNeeded(let challenge) = try await acceptor.accept(negotiate),
                case .complete(let authenticate?, _) = try await initiator.initiate(challenge)
            else {
                Issue.record("the exchange has another form")
                return
            }
            if isRight {
                guard case .complete(_, let context) = try await acceptor.accept(authenticate) else {
                    Issue.record("the exchange has another form")
                    return
                }
                #expect(context.identity.description == "CLUSTER\\Alice" && context.identity.isAdministrator)
            } else {
                await #expect(throws: SecurityError.logonDenied(.wrongPassword)) {
                    try await acceptor.accept(authenticate)
                }
            }
        }
    }
}
