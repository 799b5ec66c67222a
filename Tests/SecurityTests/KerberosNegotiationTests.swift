import Testing

@testable import Security

/// Kerberos inside of SPNEGO, and many exchanges at once.
@Suite struct KerberosNegotiationTests {
    /// Both ends' contexts, after as many legs as it takes.
    private static func negotiate(
        _ initiator: some SecurityInitiator, _ acceptor: any SecurityAcceptor
    ) async throws -> (client: any SecurityContext, server: any SecurityContext) {
        var token: [UInt8]?
        var client: (any SecurityContext)?
        var server: (any SecurityContext)?
        for _ in 0..<6 where client == nil || server == nil {
            if client == nil {
                switch try await initiator.initiate(token) {
                case .continueNeeded(let reply): token = reply
                case .complete(let reply, let context): (token, client) = (reply, context)
                }
            }
            if server == nil, let request = token {
                switch try await acceptor.accept(request) {
                case .continueNeeded(let reply): token = reply
                case .complete(let reply, let context): (token, server) = (reply, context)
                }
            }
        }
        return (try #require(client), try #require(server))
    }

    private static func check(_ client: any SecurityContext, _ server: any SecurityContext) throws {
        let body = [UInt8](0..<48)
        for (sender, receiver) in [(client, server), (server, client)] {
            var pdu = KerberosPDU(body: body, signature: sender.signatureLength(for: .packetPrivacy))
            try pdu.protect(sender, .packetPrivacy)
            #expect(pdu.body != body)
            try pdu.unprotect(receiver, .packetPrivacy)
            #expect(pdu.body == body)
        }
    }

    @Test(arguments: KerberosService.types) func inSPNEGO(service: KerberosService) async throws {
        let realm = try KerberosRealm()
        let provider = SPNEGOProvider([try realm.provider(allowsRC4: true)])
        let (client, server) = try await Self.negotiate(
            SPNEGOInitiator([realm.initiator(service)]), provider.makeAcceptor(for: SecurityPeer(address: "test")))
        #expect(server.identity.user == "alice")
        try Self.check(client, server)
    }

    /// A client without tickets offers what it can.
    @Test func withoutTickets() async throws {
        let realm = try KerberosRealm()
        let initiator = SPNEGOInitiator([
            KerberosInitiator(target: .principal("host/none@CLUSPREP.TEST"), cache: "FILE:\(realm.path("none"))")
        ])
        await #expect(throws: SecurityError.self) { try await initiator.initiate(nil) }
    }

    @Test func manyAtOnce() async throws {
        let realm = try KerberosRealm()
        let provider = try realm.provider()
        let initiators = (0..<24).map { realm.initiator($0 % 2 == 0 ? .aes256SHA1 : .aes128SHA2) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for initiator in initiators {
                group.addTask {
                    let (client, server) = try await KerberosRealm.exchange(
                        initiator, provider.makeAcceptor(for: SecurityPeer(address: "test")))
                    try Self.check(client, server)
                }
            }
            try await group.waitForAll()
        }
    }

    /// Both directions of one context from two tasks.
    @Test func oneContextFromTwoTasks() async throws {
        let (client, server) = try await KerberosRealm().exchange()
        @Sendable func send(_ sender: KerberosSecurityContext, _ receiver: KerberosSecurityContext) throws {
            for number in 0..<200 {
                let body = [UInt8](repeating: UInt8(number), count: 32)
                var pdu = KerberosPDU(body: body, signature: sender.signatureLength(for: .packetPrivacy))
                try pdu.protect(sender, .packetPrivacy)
                try pdu.unprotect(receiver, .packetPrivacy)
                #expect(pdu.body == body)
            }
        }
        async let there: Void = Task { try send(client, server) }.value
        async let back: Void = Task { try send(server, client) }.value
        _ = try await (there, back)
    }
}
