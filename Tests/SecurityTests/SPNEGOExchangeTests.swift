import SwiftASN1
import Testing

@testable import Security

@Suite struct SPNEGOExchangeTests {
    private static let unknown: ASN1ObjectIdentifier = [1, 2, 3, 4]

    private static func acceptor(_ provider: NTLMProvider = ntlm) -> any SecurityAcceptor {
        SPNEGOProvider([provider]).makeAcceptor(for: SecurityPeer(address: "192.0.2.1"))
    }

    private static var ntlm: NTLMProvider { NTLMProvider(environment: Sample.environment, users: SampleDirectory()) }

    /// Sends a sealed message each way, twice.
    private func talk(_ client: any SecurityContext, _ server: any SecurityContext) throws {
        for (sender, receiver) in [(client, server), (server, client), (client, server), (server, client)] {
            var message = Array("head----sealed body--".utf8)
            let code = try sender.protect(&message, body: 8..<19, level: .packetPrivacy)
            try receiver.unprotect(&message, body: 8..<19, authValue: code[...], level: .packetPrivacy)
            #expect(message == Array("head----sealed body--".utf8))
        }
    }

    @Test func bothSidesVouch() async throws {
        let (client, server, legs) = try await negotiate(
            SPNEGOInitiator([try Sample.initiator()]), Self.acceptor()
        ) { leg, token in
            guard case .response(let response) = try SPNEGOToken(token) else { return token }
            switch leg {
            case 1: #expect(response.state == .acceptIncomplete && response.mechanism == .ntlm)
            case 2: #expect(response.listCode != nil && response.state == nil)
            case 3: #expect(response.state == .acceptCompleted && response.listCode != nil && response.token == nil)
            default: break
            }
            return token
        }
        #expect(legs == 5)
        #expect(server.identity.user == "alice")
        try talk(client, server)
    }

    /// A code is a message with the number 0 ([MS-NLMP] 3.4.4.2), so the first message after it has the number 1; and its key
    /// stream begins afresh.
    @Test func codesAreCounted() async throws {
        let (vouched, _, _) = try await negotiate(SPNEGOInitiator([try Sample.initiator()]), Self.acceptor())
        var message = Array("message".utf8)
        let after = try vouched.protect(&message, body: 0..<7, level: .packetIntegrity)
        #expect(Array(after[12...]) == [1, 0, 0, 0])
    }

    @Test func aClientThatDoesNotVouchIsLetInWithItsFirstChoice() async throws {
        let initiator = try Sample.initiator()
        let acceptor = Self.acceptor()
        let offer = SPNEGOOffer(mechanisms: [.ntlm], mechanismToken: try await initiator.initiate(nil).reply())
        guard case .response(let first) = try SPNEGOToken(await acceptor.accept(offer.encoded).reply()) else {
            Issue.record("no response")
            return
        }
        let (authenticate, client) = try await initiator.initiate(first.token).completed()
        let last = try await acceptor.accept(SPNEGOResponse(token: authenticate).encoded).completed()
        #expect(try SPNEGOToken(last.reply ?? []) == .response(SPNEGOResponse(state: .acceptCompleted)))
        try talk(client, last.context)
    }

    @Test func theSecondChoiceHasToBeVouchedFor() async throws {
        for vouches in [true, false] {
            let initiator = try Sample.initiator()
            let acceptor = Self.acceptor()
            // The token is the first mechanism's, and nothing that we could read.
            let offer = SPNEGOOffer(mechanisms: [Self.unknown, .ntlm], mechanismToken: [1, 2, 3])
            let answer = try await acceptor.accept(offer.encoded).reply()
            #expect(
                try SPNEGOToken(answer) == .response(SPNEGOResponse(state: .requestMIC, mechanism: .ntlm)))
            let negotiate = SPNEGOResponse(token: try await initiator.initiate(nil).reply())
            guard case .response(let challenge) = try SPNEGOToken(await acceptor.accept(negotiate.encoded).reply())
            else {
                Issue.record("no response")
                return
            }
            #expect(challenge.state == .acceptIncomplete && challenge.mechanism == nil)
            let (token, client) = try await initiator.initiate(challenge.token).completed()
            var authenticate = SPNEGOResponse(token: token)
            if vouches {
                authenticate.listCode = try client.integrityCode(over: offer.encodedMechanisms)
                let last = try await acceptor.accept(authenticate.encoded).completed()
                guard case .response(let response) = try SPNEGOToken(last.reply ?? []) else {
                    Issue.record("no response")
                    return
                }
                try client.verify(response.listCode ?? [], over: offer.encodedMechanisms)
                try talk(client, last.context)
            } else {
                await #expect(throws: SecurityError.self) { try await acceptor.accept(authenticate.encoded) }
            }
        }
    }

    @Test func ourClientFallsBackToo() async throws {
        let first = PretendedInitiator(mechanisms: [Self.unknown])
        let (client, server, _) = try await negotiate(
            SPNEGOInitiator([first, try Sample.initiator()]), Self.acceptor())
        try talk(client, server)
        // One that cannot begin is not offered.
        let broken = PretendedInitiator(mechanisms: [Self.unknown], token: nil)
        let other = try await negotiate(SPNEGOInitiator([broken, try Sample.initiator()]), Self.acceptor())
        #expect(other.legs == 5)
    }

    /// What the codes are for: somebody removes what both like best.
    @Test func aShortenedListIsFoundOut() async throws {
        let first = PretendedInitiator(mechanisms: [Self.unknown])
        await #expect(throws: SecurityError.messageAltered) {
            try await negotiate(SPNEGOInitiator([first, try Sample.initiator()]), Self.acceptor()) { leg, token in
                leg == 0 ? SPNEGOOffer(mechanisms: [.ntlm], mechanismToken: nil).encoded : token
            }
        }
    }

    @Test func aServersMissingOrWrongCodeIsFoundOut() async throws {
        for code in [nil, [UInt8](repeating: 1, count: 16)] {
            await #expect(throws: SecurityError.self) {
                try await negotiate(SPNEGOInitiator([try Sample.initiator()]), Self.acceptor()) { leg, token in
                    guard leg == 3, case .response(var response) = try SPNEGOToken(token) else { return token }
                    response.listCode = code
                    return response.encoded
                }
            }
        }
    }

    @Test func bareNTLMIsTaken() async throws {
        let (client, server, _) = try await negotiate(try Sample.initiator(), Self.acceptor())
        try talk(client, server)
    }

    @Test func aTokenMayComeInPieces() async throws {
        let initiator = SPNEGOInitiator([try Sample.initiator()])
        let acceptor = Self.acceptor()
        let offer = try await initiator.initiate(nil).reply()
        #expect(try await acceptor.accept(Array(offer[..<10])).reply() == [])
        #expect(try await acceptor.accept(Array(offer[10..<20])).reply() == [])
        let answer = try await acceptor.accept(Array(offer[20...])).reply()
        _ = try await initiator.initiate(answer).reply()

        // Longer than any token: refused at once; the longest one is waited for.
        await #expect(throws: SecurityError.self) { try await Self.acceptor().accept(hex("608300fffc")) }
        #expect(try await Self.acceptor().accept(hex("608300fffa")).reply() == [])
        // Nothing is no piece.
        let stalled = Self.acceptor()
        _ = try await stalled.accept(hex("608200ff"))
        await #expect(throws: SecurityError.self) { try await stalled.accept([]) }
    }

    @Test func refusalsEndTheExchange() async throws {
        for token in [
            SPNEGOOffer(mechanisms: [Self.unknown], mechanismToken: nil).encoded, SPNEGOResponse().encoded,
            hex("601106092a864886f71201020201006e023000"),
        ] {
            let acceptor = Self.acceptor()
            await #expect(throws: SecurityError.self) { try await acceptor.accept(token) }
            await #expect(throws: SecurityError.unexpectedToken("the exchange has ended")) {
                try await acceptor.accept(SPNEGOOffer(mechanisms: [.ntlm], mechanismToken: nil).encoded)
            }
        }
        let acceptor = Self.acceptor()
        _ = try await acceptor.accept(SPNEGOOffer(mechanisms: [.ntlm], mechanismToken: nil).encoded)
        await #expect(throws: SecurityError.self) {
            try await acceptor.accept(SPNEGOResponse(state: .reject, token: [1]).encoded)
        }
    }

    @Test func aWrongPasswordIsRefusedHereToo() async throws {
        await #expect(throws: SecurityError.logonDenied(.wrongPassword)) {
            try await negotiate(SPNEGOInitiator([try Sample.initiator(password: "wrong")]), Self.acceptor())
        }
    }

    /// The code cannot be asked for once messages have gone, nor after the end of the negotiation.
    @Test func codesBelongToTheNegotiation() async throws {
        let (client, server) = try await exchange(try Sample.initiator(), Sample.acceptor())
        let code = try client.integrityCode(over: [1, 2, 3])
        #expect(throws: SecurityError.contextUnusable) { try client.integrityCode(over: [1, 2, 3]) }
        #expect(throws: SecurityError.messageAltered) { try server.verify(code, over: [1, 2, 4]) }
        server.negotiationDidEnd()
        #expect(throws: SecurityError.contextUnusable) { try server.integrityCode(over: [1]) }
    }
}

/// A mechanism that says one thing.
private struct PretendedInitiator: NegotiableInitiator {
    let authenticationType = AuthenticationType(rawValue: 99)
    let mechanisms: [ASN1ObjectIdentifier]
    var token: [UInt8]? = [1, 2, 3]

    func initiate(_ token: [UInt8]?) async throws(SecurityError) -> SecurityStep {
        guard let first = self.token, token == nil else { throw .unacceptable("nothing more to say") }
        return .continueNeeded(reply: first)
    }
}

/// Lets two sides talk until both are done.
func negotiate(
    _ initiator: any SecurityInitiator, _ acceptor: any SecurityAcceptor,
    _ alter: (Int, [UInt8]) throws -> [UInt8] = { $1 }
) async throws -> (client: any SecurityContext, server: any SecurityContext, legs: Int) {
    var client: (any SecurityContext)?
    var server: (any SecurityContext)?
    var token: [UInt8]?
    for leg in 0..<16 {
        if leg.isMultiple(of: 2) {
            if client == nil || token != nil {
                switch try await initiator.initiate(token) {
                case .continueNeeded(let reply): token = try alter(leg, reply)
                case .complete(let reply, let context):
                    client = context
                    token = try reply.map { try alter(leg, $0) }
                }
            }
        } else if let received = token {
            switch try await acceptor.accept(received) {
            case .continueNeeded(let reply): token = try alter(leg, reply)
            case .complete(let reply, let context):
                server = context
                // A client that is done does not read any more.
                token = client == nil ? try reply.map { try alter(leg, $0) } : nil
            }
        }
        if let client, let server { return (client, server, leg + 1) }
    }
    throw SecurityStep.Unexpected()
}
