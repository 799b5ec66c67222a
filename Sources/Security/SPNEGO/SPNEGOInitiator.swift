import SwiftASN1

/// The client's half of a negotiation (RFC 4178 section 5, [MS-SPNG] 3.3): offers its mechanisms in order, the first one's
/// first token with them, and goes on with whichever the server takes.
///
/// Both sides vouch for the list wherever the mechanism can sign and the server leaves room for it. A server that asked for
/// our code, or got it, has to send its own.
public actor SPNEGOInitiator: SecurityInitiator {
    private enum State {
        case ready
        case negotiating(Negotiation)
        /// Our context stands and our code is with the server.
        case unanswered(any NegotiableContext)
        case finished
    }

    private struct Negotiation {
        var initiator: any NegotiableInitiator
        /// The server's answers so far.
        var answers = 0
        /// Whether the server demands the codes, or has taken what we like less.
        var mustVouch = false
    }

    /// SPNEGO's number.
    public nonisolated let authenticationType = AuthenticationType.spnego

    private var initiators: [any NegotiableInitiator]
    private var encodedMechanisms: [UInt8] = []
    private var state = State.ready

    /// Offers some mechanisms.
    ///
    /// - Parameter initiators: the preferred one first. One that cannot begin (no ticket, say) is left out.
    public init(_ initiators: [any NegotiableInitiator]) {
        self.initiators = initiators
    }

    /// The offer first; then an answer to each of the server's tokens.
    public func initiate(_ token: [UInt8]?) async throws(SecurityError) -> SecurityStep {
        let current = state
        state = .finished
        switch (current, token) {
        case (.ready, nil):
            return try await begin()
        case (.ready, let token?):
            // A server's own offer ([MS-SPNG] 3.3.5.2): what it has; ours says what we want of it.
            guard case .offer(let offer) = try SPNEGOToken(token) else {
                throw .unexpectedToken("the client speaks first")
            }
            initiators.removeAll { !$0.mechanisms.contains { offer.mechanisms.contains($0) } }
            return try await begin()
        case (.negotiating(let negotiation), let token?):
            return try await go(on: negotiation, try Self.response(token))
        case (.unanswered(let context), let token?):
            let response = try Self.response(token)
            guard response.state != .reject, let code = response.listCode else {
                throw .unacceptable("the server does not vouch for our list of mechanisms")
            }
            try context.verify(code, over: encodedMechanisms)
            context.negotiationDidEnd()
            return .complete(reply: nil, context: context)
        case (.negotiating, nil), (.unanswered, nil):
            throw .unexpectedToken("the server's answer is missing")
        case (.finished, _):
            throw .unexpectedToken("the exchange has ended")
        }
    }

    private static func response(_ token: [UInt8]) throws(SecurityError) -> SPNEGOResponse {
        guard case .response(let response) = try SPNEGOToken(token) else {
            throw .unexpectedToken("a SPNEGO token out of order")
        }
        return response
    }

    private func begin() async throws(SecurityError) -> SecurityStep {
        var failure = SecurityError.unacceptable("no mechanism is left")
        while let first = initiators.first {
            let step: SecurityStep
            do throws(SecurityError) {
                step = try await first.initiate(nil)
            } catch {
                failure = error
                initiators.removeFirst()
                continue
            }
            guard case .continueNeeded(let token) = step else {
                throw .unacceptable("a mechanism that is done after one token")
            }
            let offer = SPNEGOOffer(mechanisms: initiators.flatMap(\.mechanisms), mechanismToken: token)
            encodedMechanisms = offer.encodedMechanisms
            state = .negotiating(Negotiation(initiator: first))
            return .continueNeeded(reply: offer.encoded)
        }
        throw failure
    }

    private func go(
        on negotiation: Negotiation, _ response: SPNEGOResponse
    ) async throws(SecurityError) -> SecurityStep {
        var negotiation = negotiation
        negotiation.answers += 1
        guard response.state != .reject else { throw .unacceptable("the server rejects our mechanisms") }
        guard negotiation.answers <= SPNEGOAcceptor.maximumLegs else {
            throw .unexpectedToken("the mechanism comes to no end")
        }
        if response.state == .requestMIC { negotiation.mustVouch = true }
        // In later answers the field is to be ignored ([MS-SPNG] 3.3.5).
        if negotiation.answers == 1, let mechanism = response.mechanism,
            !negotiation.initiator.mechanisms.contains(mechanism)
        {
            guard let other = initiators.first(where: { $0.mechanisms.contains(mechanism) }) else {
                throw .unacceptable("the server wants \(mechanism), which we did not offer")
            }
            negotiation.initiator = other
            negotiation.mustVouch = true
            return try await take(try await other.initiate(nil), negotiation, response)
        }
        guard let token = response.token else { throw .unexpectedToken("the mechanism's token is missing") }
        return try await take(try await negotiation.initiator.initiate(token), negotiation, response)
    }

    /// Sends what the mechanism said.
    private func take(
        _ step: SecurityStep, _ negotiation: Negotiation, _ response: SPNEGOResponse
    ) async throws(SecurityError) -> SecurityStep {
        switch step {
        case .continueNeeded(let reply):
            guard response.state != .acceptCompleted else {
                throw .unexpectedToken("the server is done before its mechanism")
            }
            state = .negotiating(negotiation)
            return .continueNeeded(reply: SPNEGOResponse(token: reply).encoded)
        case .complete(let reply, let context):
            guard let context = context as? any NegotiableContext else {
                throw .unacceptable("the mechanism's context cannot vouch for the negotiation")
            }
            return try conclude(negotiation, context, reply, response)
        }
    }

    /// Our mechanism is done: who vouches for the list?
    private func conclude(
        _ negotiation: Negotiation, _ context: any NegotiableContext, _ reply: [UInt8]?, _ response: SPNEGOResponse
    ) throws(SecurityError) -> SecurityStep {
        var answer = SPNEGOResponse(token: reply)
        let canVouch = context.supports(.packetIntegrity)
        if let code = response.listCode, canVouch {
            // The server was done before us, and began.
            try context.verify(code, over: encodedMechanisms)
            if response.state != .acceptCompleted {
                answer.listCode = try context.integrityCode(over: encodedMechanisms)
            }
            context.negotiationDidEnd()
            return .complete(
                reply: answer.token == nil && answer.listCode == nil ? nil : answer.encoded, context: context)
        }
        if response.state == .acceptCompleted, reply == nil {
            guard !negotiation.mustVouch || !canVouch else {
                throw .unacceptable("the server does not vouch for our list of mechanisms")
            }
            context.negotiationDidEnd()
            return .complete(reply: nil, context: context)
        }
        guard canVouch else {
            context.negotiationDidEnd()
            return .complete(reply: answer.encoded, context: context)
        }
        answer.listCode = try context.integrityCode(over: encodedMechanisms)
        state = .unanswered(context)
        return .continueNeeded(reply: answer.encoded)
    }
}
