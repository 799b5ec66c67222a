import Foundation
import Synchronization
import Testing

@testable import Security

@Suite struct KerberosExchangeTests {
    /// Three legs, AP-REQ, AP-REP and AP-REP, without GSSAPI's framing: that is DCE style (RFC 4120 5.5: application tags 14 and 15).
    @Test(arguments: KerberosService.types) func threeLegs(service: KerberosService) async throws {
        let realm = try KerberosRealm()
        let initiator = realm.initiator(service)
        let acceptor = try realm.provider(allowsRC4: true).makeAcceptor(for: SecurityPeer(address: "test"))
        let request = try await initiator.initiate(nil).token()
        #expect(request.first == 0x6E)
        let answer = try await acceptor.accept(request).token()
        #expect(answer.first == 0x6F)
        let (last, client) = try await initiator.initiate(answer).end()
        #expect(last?.first == 0x6F)
        let (nothing, server) = try await acceptor.accept(try #require(last)).end()
        #expect(nothing == nil)
        #expect(server.encryptionType == service.type)
        #expect(client.encryptionType == service.type)
        #expect(server.principal == KerberosRealm.alice)
        #expect(server.identity.description == "\(KerberosRealm.realm)\\alice")
        #expect(!server.identity.isAdministrator)
        #expect(client.identity.user == "alice")
        for level in AuthenticationLevel.allCases { #expect(server.supports(level) && client.supports(level)) }
    }

    /// A client that could do better stays with the kind of key that its ticket has: Samba's cannot sign with SHA-2.
    @Test(arguments: [
        (KerberosService.aes256SHA1, KerberosEncryptionType.aes256SHA1), (.aes128SHA1, .aes256SHA1),
        (.aes128SHA2, .aes256SHA2), (.aes256SHA2, .aes256SHA2), (.rc4, .aes256SHA1),
    ])
    func raisedWithinItsKind(service: KerberosService, expected: KerberosEncryptionType) async throws {
        let realm = try KerberosRealm()
        let initiator = KerberosInitiator(
            target: .principal("host/\(service.rawValue).clusprep.test@\(KerberosRealm.realm)"),
            cache: "FILE:\(realm.path("alice.ccache"))",
            encryptionTypes: [.aes256SHA2, .aes128SHA2, .aes256SHA1, .aes128SHA1, .rc4])
        let provider = try realm.provider(allowsRC4: true)
        let (_, server) = try await KerberosRealm.exchange(
            initiator, provider.makeAcceptor(for: SecurityPeer(address: "test")))
        #expect(server.encryptionType == expected)
    }

    @Test(arguments: KerberosService.types) func theSessionKeysTypeIsRead(service: KerberosService) async throws {
        let realm = try KerberosRealm()
        let token = try await realm.initiator(service).initiate(nil).token()
        #expect(KerberosRequest.sessionKeyType(of: token) == service.type)
        let mechanism: [UInt8] = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 1, 2, 2, 1, 0]
        let length = UInt16(mechanism.count + token.count)
        let framed = [0x60, 0x82, UInt8(length >> 8), UInt8(length & 0xFF)] + mechanism + token
        #expect(KerberosRequest.sessionKeyType(of: framed) == service.type)
        // Such a frame is taken, too.
        let acceptor = try realm.provider(allowsRC4: true).makeAcceptor(for: SecurityPeer(address: "test"))
        #expect(try await acceptor.accept(framed).token().first == 0x6F)
        for count in stride(from: 0, to: token.count, by: 7) {
            #expect(KerberosRequest.sessionKeyType(of: Array(token[..<count])) == nil)
        }
    }

    @Test func noFurtherTokenIsTaken() async throws {
        let realm = try KerberosRealm()
        let initiator = realm.initiator(.aes256SHA1)
        let acceptor = try realm.provider().makeAcceptor(for: SecurityPeer(address: "test"))
        let request = try await initiator.initiate(nil).token()
        let answer = try await acceptor.accept(request).token()
        let (last, _) = try await initiator.initiate(answer).end()
        _ = try await acceptor.accept(try #require(last)).end()
        await #expect(throws: SecurityError.unexpectedToken("the exchange has ended")) {
            try await acceptor.accept(try #require(last))
        }
        await #expect(throws: SecurityError.unexpectedToken("the exchange has ended")) {
            try await initiator.initiate(answer)
        }
    }

    @Test func aTokenIsGoodOnce() async throws {
        let realm = try KerberosRealm()
        let provider = try realm.provider()
        let request = try await realm.initiator(.aes256SHA1).initiate(nil).token()
        _ = try await provider.makeAcceptor(for: SecurityPeer(address: "test")).accept(request).token()
        await #expect(throws: SecurityError.kerberos(.replayed)) {
            try await provider.makeAcceptor(for: SecurityPeer(address: "test")).accept(request)
        }
    }

    /// The third leg is what a thief of the first cannot make.
    @Test func theThirdLegIsAnotherExchanges() async throws {
        let realm = try KerberosRealm()
        let provider = try realm.provider()
        let (first, second) = (realm.initiator(.aes256SHA1), realm.initiator(.aes256SHA1))
        let acceptor = provider.makeAcceptor(for: SecurityPeer(address: "test"))
        let other = provider.makeAcceptor(for: SecurityPeer(address: "test"))
        _ = try await acceptor.accept(try await first.initiate(nil).token()).token()
        let answer = try await other.accept(try await second.initiate(nil).token()).token()
        let (last, _) = try await second.initiate(answer).end()
        await #expect(throws: SecurityError.self) { try await acceptor.accept(try #require(last)) }
    }

    @Test(arguments: [[], [0x6E], Array("NTLMSSP\0".utf8), [UInt8](repeating: 0x60, count: 4096)] as [[UInt8]])
    func nonsenseIsRefused(token: [UInt8]) async throws {
        let acceptor = try KerberosRealm().provider().makeAcceptor(for: SecurityPeer(address: "test"))
        await #expect(throws: SecurityError.self) { try await acceptor.accept(token) }
    }

    /// Every 16th octet changed, and cut at every 16th: the ticket, the authenticator, and what frames them.
    @Test func alteredTokensAreRefused() async throws {
        let realm = try KerberosRealm()
        let provider = try realm.provider()
        let request = try await realm.initiator(.aes256SHA1).initiate(nil).token()
        for offset in stride(from: 0, to: request.count, by: 16) {
            let cut = Array(request[..<offset])
            await #expect(throws: SecurityError.self) {
                try await provider.makeAcceptor(for: SecurityPeer(address: "test")).accept(cut)
            }
        }
        // The last octets are the authenticator's checksum, those in the middle the ticket's ciphertext.
        for offset in [request.count - 1, request.count / 2, 300] {
            var altered = request
            altered[offset] ^= 1
            await #expect(throws: SecurityError.self) {
                try await provider.makeAcceptor(for: SecurityPeer(address: "test")).accept(altered)
            }
        }
    }

    @Test func rc4NeedsLeave() async throws {
        let realm = try KerberosRealm()
        let acceptor = try realm.provider().makeAcceptor(for: SecurityPeer(address: "test"))
        let request = try await realm.initiator(.rc4).initiate(nil).token()
        let error = await #expect(throws: SecurityError.self) { try await acceptor.accept(request) }
        guard case .kerberos(.wrongPrincipal)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func theObserverHearsOfBoth() async throws {
        let realm = try KerberosRealm()
        let events = Mutex<[KerberosProvider.Event]>([])
        let provider = try realm.provider(observer: { event in events.withLock { $0.append(event) } })
        let (_, server) = try await realm.exchange(provider: provider)
        _ = try? await provider.makeAcceptor(for: SecurityPeer(address: "192.0.2.1")).accept([1, 2, 3])
        let heard = events.withLock { $0 }
        #expect(heard.count == 2)
        #expect(
            heard.first
                == .accepted(server.identity, principal: KerberosRealm.alice, encryptionType: .aes256SHA1))
        guard case .refused(nil, "192.0.2.1", .kerberos)? = heard.last else {
            Issue.record("\(heard)")
            return
        }
    }

    // MARK: Who it is

    @Test func administratorsByPrincipal() async throws {
        let realm = try KerberosRealm()
        let policy = KerberosPolicy(administrators: [KerberosRealm.alice])
        #expect(try await realm.exchange(provider: realm.provider(policy: policy)).server.identity.isAdministrator)
        let others = KerberosPolicy(administrators: ["Alice@CLUSPREP.TEST", "alice@OTHER.TEST", "alice"])
        #expect(try await !realm.exchange(provider: realm.provider(policy: others)).server.identity.isAdministrator)
    }

    @Test(arguments: [
        ("S-1-5-21-1-2-3-1200", true), ("S-1-5-21-1-2-3-513", true), ("S-1-5-21-9-8-7-1001", true),
        ("S-1-5-21-1-2-3-512", false), ("S-1-5-21-1-2-3-1105", false),
    ])
    func administratorsByGroup(group: String, isAdministrator: Bool) async throws {
        let realm = try KerberosRealm()
        let provider = try realm.provider(policy: KerberosPolicy(administratorGroups: [group]))
        let identity = try await realm.exchange(.pac, provider: provider).server.identity
        #expect(identity.isAdministrator == isAdministrator)
        #expect(identity.sid == "S-1-5-21-1-2-3-1105")
        #expect(identity.user == "alice")
        #expect(identity.domain == "CLUSPREP.TEST")
    }

    @Test func accountsOfTheNode() async throws {
        let realm = try KerberosRealm()
        func provider(_ name: String) throws -> KerberosProvider {
            try realm.provider(
                policy: KerberosPolicy(accounts: [KerberosRealm.alice: name], accountDomain: "NODE"),
                users: KerberosTestUsers())
        }
        let identity = try await realm.exchange(provider: provider("operator")).server.identity
        #expect(identity.description == "NODE\\Operator")
        #expect(identity.sid == "S-1-5-21-4-4-4-1000")
        #expect(identity.isAdministrator)
        await #expect(throws: SecurityError.logonDenied(.disabledUser)) {
            try await realm.exchange(provider: provider("gone"))
        }
        await #expect(throws: SecurityError.logonDenied(.unknownUser)) {
            try await realm.exchange(provider: provider("nobody"))
        }
    }

    // MARK: Our own client

    @Test func theInitiatorSaysWhatIsMissing() async throws {
        let realm = try KerberosRealm()
        let target = KerberosInitiator.Target.principal("host/aes256-sha1.clusprep.test@CLUSPREP.TEST")
        let error = await #expect(throws: SecurityError.self) {
            try await KerberosInitiator(target: target, cache: "FILE:\(realm.path("none"))").initiate(nil)
        }
        guard case .kerberos(.noCredentials)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect("\(try #require(error))".contains("kinit"))
    }

    @Test func theInitiatorChecksTheServer() async throws {
        let realm = try KerberosRealm()
        let initiator = realm.initiator(.aes256SHA1)
        let acceptor = try realm.provider().makeAcceptor(for: SecurityPeer(address: "test"))
        var answer = try await acceptor.accept(try await initiator.initiate(nil).token()).token()
        answer[answer.count - 1] ^= 1
        let altered = answer
        await #expect(throws: SecurityError.self) { try await initiator.initiate(altered) }
    }
}

/// A directory with an administrator and somebody disabled.
private struct KerberosTestUsers: UserDirectory {
    func user(domain: String, name: String) async throws -> UserRecord? {
        guard domain == "NODE", ["operator", "gone"].contains(name) else { return nil }
        return UserRecord(
            name: name.capitalized, domain: "NODE", sid: "S-1-5-21-4-4-4-1000",
            ntHash: SecretBytes([UInt8](repeating: 0, count: 16)), isAdministrator: true,
            isEnabled: name == "operator")
    }
}
