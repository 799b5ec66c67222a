import SwiftASN1
import Testing

@testable import Security

/// SPNEGO over a mechanism whose last token is the server's, as Kerberos' is where it is not in DCE's style.
@Suite struct SPNEGOMechanismTests {
    private static let unknown: ASN1ObjectIdentifier = [1, 2, 3, 4]

    private func acceptor(signs: Bool = true) -> any SecurityAcceptor {
        SPNEGOProvider([Greeting(signs: signs)]).makeAcceptor(for: SecurityPeer(address: "192.0.2.1"))
    }

    private func initiator(first: Bool, signs: Bool = true) -> SPNEGOInitiator {
        let greeting = Greeter(signs: signs)
        return SPNEGOInitiator(
            first ? [greeting] : [Greeter(signs: signs, mechanisms: [Self.unknown]), greeting])
    }

    @Test func theFirstChoiceNeedsNoCodes() async throws {
        let exchange = try await negotiate(initiator(first: true), acceptor()) { leg, token in
            guard leg == 1 else { return token }
            let expected = SPNEGOResponse(
                state: .acceptCompleted, mechanism: Greeting.mechanism, token: Array("welcome".utf8))
            let sent = try SPNEGOToken(token)
            #expect(sent == .response(expected))
            return token
        }
        #expect(exchange.legs == 3)
    }

    /// The server vouches first, for its token is the last; then the client.
    @Test func theSecondChoiceIsVouchedForByTheServerFirst() async throws {
        var states: [SPNEGOResponse.State?] = []
        var codes: [Bool] = []
        let exchange = try await negotiate(initiator(first: false), acceptor()) { _, token in
            guard case .response(let response) = try SPNEGOToken(token) else { return token }
            states.append(response.state)
            codes.append(response.listCode != nil)
            return token
        }
        #expect(exchange.legs == 6)
        #expect(states == [.requestMIC, nil, .acceptIncomplete, nil])
        #expect(codes == [false, false, true, true])
    }

    @Test(arguments: [3, 4])
    func eitherCodeIsChecked(leg altered: Int) async throws {
        for code in [nil, [UInt8](repeating: 0, count: 32)] {
            await #expect(throws: SecurityError.self) {
                try await negotiate(initiator(first: false), acceptor()) { leg, token in
                    guard leg == altered, case .response(var response) = try SPNEGOToken(token) else { return token }
                    response.listCode = code
                    return response.encoded
                }
            }
        }
    }

    /// A server that takes the second choice and asks for nothing may be no server.
    @Test func aServerHasToVouchForTheSecondChoice() async throws {
        await #expect(throws: SecurityError.self) {
            try await negotiate(initiator(first: false), acceptor()) { leg, token in
                guard leg == 3, case .response(var response) = try SPNEGOToken(token) else { return token }
                response.state = .acceptCompleted
                response.listCode = nil
                return response.encoded
            }
        }
    }

    @Test func aMechanismThatCannotSignVouchesForNothing() async throws {
        #expect(try await negotiate(initiator(first: false, signs: false), acceptor(signs: false)).legs == 5)
    }

    @Test func aServerMaySpeakFirst() async throws {
        let offer = SPNEGOProvider([Greeting()]).serverOffer
        let initiator = initiator(first: false)
        guard case .offer(let answer) = try SPNEGOToken(await initiator.initiate(offer).reply()) else {
            Issue.record("no offer")
            return
        }
        // What the server has not is not offered.
        #expect(answer.mechanisms == [Greeting.mechanism])
        #expect(answer.mechanismToken == Array("hello".utf8))
    }

    @Test func aMechanismHasToComeToAnEnd() async throws {
        let acceptor = SPNEGOProvider([Greeting(isEndless: true)]).makeAcceptor(for: SecurityPeer(address: ""))
        var token = SPNEGOOffer(mechanisms: [Greeting.mechanism], mechanismToken: Array("hello".utf8)).encoded
        for _ in 0..<SPNEGOAcceptor.maximumLegs {
            _ = try await acceptor.accept(token).reply()
            token = SPNEGOResponse(token: Array("hello".utf8)).encoded
        }
        await #expect(throws: SecurityError.unexpectedToken("the mechanism comes to no end")) {
            try await acceptor.accept(token)
        }
    }
}

/// "hello" is answered by "welcome", and that is all.
private struct Greeting: NegotiableProvider {
    static let mechanism: ASN1ObjectIdentifier = [1, 2, 3, 5]

    var signs = true
    var isEndless = false
    let authenticationType = AuthenticationType(rawValue: 99)
    var mechanisms: [ASN1ObjectIdentifier] { [Self.mechanism] }

    func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor {
        GreetingAcceptor(signs: signs, isEndless: isEndless)
    }
}

private struct GreetingAcceptor: SecurityAcceptor {
    let signs: Bool
    let isEndless: Bool

    func accept(_ token: [UInt8]) async throws(SecurityError) -> SecurityStep {
        guard token == Array("hello".utf8) else { throw .malformedToken("no greeting") }
        if isEndless { return .continueNeeded(reply: token) }
        return .complete(reply: Array("welcome".utf8), context: GreetingContext(side: 1, signs: signs))
    }
}

private struct Greeter: NegotiableInitiator {
    var signs = true
    var mechanisms = [Greeting.mechanism]
    let authenticationType = AuthenticationType(rawValue: 99)

    func initiate(_ token: [UInt8]?) async throws(SecurityError) -> SecurityStep {
        guard let token else { return .continueNeeded(reply: Array("hello".utf8)) }
        guard token == Array("welcome".utf8) else { throw .malformedToken("no welcome") }
        return .complete(reply: nil, context: GreetingContext(side: 0, signs: signs))
    }
}

/// Its codes say which side made them, and no more.
private struct GreetingContext: NegotiableContext {
    let side: UInt8
    let signs: Bool
    let identity = ClientIdentity(domain: "", user: "guest", sid: "", isAdministrator: false)

    func supports(_ level: AuthenticationLevel) -> Bool { signs || level <= .connect }
    func signatureLength(for level: AuthenticationLevel) -> Int { 0 }
    func protect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {}
    func unprotect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {}

    func integrityCode(over octets: [UInt8]) throws(SecurityError) -> [UInt8] {
        try cryptographic { () throws(CryptographyError) in try Digest.sha256([side] + octets) }
    }

    func verify(_ code: [UInt8], over octets: [UInt8]) throws(SecurityError) {
        let expected = try cryptographic { () throws(CryptographyError) in try Digest.sha256([1 - side] + octets) }
        guard expected == code else { throw .messageAltered }
    }
}
