import SwiftASN1

/// The server's half of a negotiation (RFC 4178 section 5, [MS-SPNG] 3.2).
///
/// # States
///
/// - *waiting*: for the client's offer, perhaps for its further pieces.
/// - *negotiating*: the mechanism's own tokens go back and forth.
/// - *unvouched*: the mechanism is done; the client's code over its list of mechanisms is still to come.
/// - *bare*: the client spoke a mechanism's own language from the start.
/// - *finished*.
///
/// The code over the list is demanded where the mechanism is not the one that the client likes best, for somebody on the way
/// may have removed that; it is checked wherever it comes, and answered with ours.
actor SPNEGOAcceptor: SecurityAcceptor {
    /// The most legs of one mechanism: NTLM has three, Kerberos in DCE's style too.
    static let maximumLegs = 8

    private enum State {
        case waiting
        case negotiating(Negotiation)
        case unvouched(Negotiation, any NegotiableContext)
        case bare(any SecurityAcceptor)
        case finished
    }

    /// A mechanism was chosen.
    private struct Negotiation {
        let acceptor: any SecurityAcceptor
        /// The list as the client sent it.
        let encodedMechanisms: [UInt8]
        /// Whether the client likes another one better.
        let isSecondChoice: Bool
        var legs = 0
    }

    private let providers: [any NegotiableProvider]
    private let peer: SecurityPeer
    private var state = State.waiting
    /// A token's pieces so far.
    private var pieces: [UInt8] = []

    init(providers: [any NegotiableProvider], peer: SecurityPeer) {
        self.providers = providers
        self.peer = peer
    }

    func accept(_ piece: [UInt8]) async throws(SecurityError) -> SecurityStep {
        // Taken before any await: a second token that comes meanwhile finds the exchange finished.
        let current = state
        state = .finished
        if case .bare(let acceptor) = current { return try await accept(bare: piece, acceptor) }
        if case .finished = current { throw .unexpectedToken("the exchange has ended") }
        guard let token = try assemble(piece) else {
            state = current
            return .continueNeeded(reply: [])
        }
        switch (current, try SPNEGOToken(token)) {
        case (.waiting, .offer(let offer)):
            return try await choose(offer)
        case (.waiting, .bare(let mechanism)):
            guard let provider = provider(of: mechanism) else {
                throw .unacceptable("the client's mechanism is none of ours: \(Self.names([mechanism]))")
            }
            return try await accept(bare: token, provider.makeAcceptor(for: peer))
        case (.negotiating(let negotiation), .response(let response)):
            return try await go(on: negotiation, response)
        case (.unvouched(let negotiation, let context), .response(let response)):
            guard response.token?.isEmpty ?? true, let code = response.listCode else {
                throw .unacceptable("the client does not vouch for its list of mechanisms")
            }
            try context.verify(code, over: negotiation.encodedMechanisms)
            return finish(context, SPNEGOResponse(state: .acceptCompleted))
        default:
            throw .unexpectedToken("a SPNEGO token out of order")
        }
    }

    /// The whole token, or nil if more pieces are to come ([MS-SPNG] 3.1.5.9).
    private func assemble(_ piece: [UInt8]) throws(SecurityError) -> [UInt8]? {
        let token = pieces.isEmpty ? piece : pieces + piece
        pieces = []
        guard let length = SPNEGOToken.length(token), length > token.count else { return token }
        // Who sends nothing has us wait for ever.
        guard length <= NTLMMessage.maximumLength, !piece.isEmpty else {
            throw .malformedToken("SPNEGO token: \(token.count) of \(length) octets")
        }
        pieces = token
        return nil
    }

    private func accept(
        bare token: [UInt8], _ acceptor: any SecurityAcceptor
    ) async throws(SecurityError) -> SecurityStep {
        let step = try await acceptor.accept(token)
        switch step {
        case .continueNeeded: state = .bare(acceptor)
        case .complete(_, let context): (context as? any NegotiableContext)?.negotiationDidEnd()
        }
        return step
    }

    /// The first of some mechanisms, for a log that strangers must not fill.
    private static func names(_ mechanisms: [ASN1ObjectIdentifier]) -> String {
        mechanisms.prefix(8).map { String($0.description.prefix(64)) }.joined(separator: ", ")
    }

    private func provider(of mechanism: ASN1ObjectIdentifier) -> (any NegotiableProvider)? {
        providers.first { $0.mechanisms.contains(mechanism) }
    }

    /// Takes the first mechanism that both have.
    private func choose(_ offer: SPNEGOOffer) async throws(SecurityError) -> SecurityStep {
        let isOurs = offer.mechanisms.firstIndex { provider(of: $0) != nil }
        guard let index = isOurs, let provider = provider(of: offer.mechanisms[index]) else {
            throw .unacceptable("the client's mechanisms are none of ours: \(Self.names(offer.mechanisms))")
        }
        let mechanism = offer.mechanisms[index]
        let negotiation = Negotiation(
            acceptor: provider.makeAcceptor(for: peer), encodedMechanisms: offer.encodedMechanisms,
            isSecondChoice: index > 0)
        // The token belongs to the list's first.
        guard index == 0, let token = offer.mechanismToken else {
            state = .negotiating(negotiation)
            let response = SPNEGOResponse(
                state: negotiation.isSecondChoice ? .requestMIC : .acceptIncomplete, mechanism: mechanism)
            return .continueNeeded(reply: response.encoded)
        }
        return try await feed(token, negotiation, listCode: nil, mechanism: mechanism)
    }

    private func go(on negotiation: Negotiation, _ response: SPNEGOResponse) async throws(SecurityError) -> SecurityStep
    {
        guard response.state != .reject else { throw .unacceptable("the client rejects the mechanism") }
        guard let token = response.token else { throw .unexpectedToken("the mechanism's token is missing") }
        return try await feed(token, negotiation, listCode: response.listCode, mechanism: nil)
    }

    /// Gives a token to the mechanism.
    ///
    /// - Parameters:
    ///   - listCode: what came with it.
    ///   - mechanism: what the first answer has to name.
    private func feed(
        _ token: [UInt8], _ negotiation: Negotiation, listCode: [UInt8]?, mechanism: ASN1ObjectIdentifier?
    ) async throws(SecurityError) -> SecurityStep {
        var negotiation = negotiation
        negotiation.legs += 1
        guard negotiation.legs <= Self.maximumLegs else { throw .unexpectedToken("the mechanism comes to no end") }
        switch try await negotiation.acceptor.accept(token) {
        case .continueNeeded(let reply):
            state = .negotiating(negotiation)
            return .continueNeeded(
                reply: SPNEGOResponse(state: .acceptIncomplete, mechanism: mechanism, token: reply).encoded)
        case .complete(let reply, let context):
            guard let context = context as? any NegotiableContext else {
                throw .unacceptable("the mechanism's context cannot vouch for the negotiation")
            }
            let response = SPNEGOResponse(state: .acceptCompleted, mechanism: mechanism, token: reply)
            return try conclude(negotiation, context, response, listCode: listCode)
        }
    }

    /// The mechanism is done: who vouches for the list?
    private func conclude(
        _ negotiation: Negotiation, _ context: any NegotiableContext, _ response: SPNEGOResponse, listCode: [UInt8]?
    ) throws(SecurityError) -> SecurityStep {
        var response = response
        // A mechanism that signs nothing can vouch for nothing (RFC 4178 section 5); there is nothing to be protected, either.
        guard context.supports(.packetIntegrity) else { return finish(context, response) }
        if let listCode {
            try context.verify(listCode, over: negotiation.encodedMechanisms)
            response.listCode = try context.integrityCode(over: negotiation.encodedMechanisms)
            return finish(context, response)
        }
        guard negotiation.isSecondChoice else { return finish(context, response) }
        // The mechanism's last token is ours, so that the client could not vouch for anything yet: we begin. Where it is the
        // client's, its code should have come with it.
        guard response.token != nil else {
            throw .unacceptable("the client does not vouch for its list of mechanisms")
        }
        response.state = .acceptIncomplete
        response.listCode = try context.integrityCode(over: negotiation.encodedMechanisms)
        state = .unvouched(negotiation, context)
        return .continueNeeded(reply: response.encoded)
    }

    private func finish(_ context: any NegotiableContext, _ response: SPNEGOResponse) -> SecurityStep {
        context.negotiationDidEnd()
        return .complete(reply: response.encoded, context: context)
    }
}
