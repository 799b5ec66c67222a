import DCERPC
import NDR
import Security

/// A security context that is looked on: its tokens, and what they lead to.
struct FollowedExchange {
    var exchange: ObservedExchange
    /// Its place among the association's authentications.
    let index: Int
    /// The keys, or why there are none, once somebody asked.
    var context: Result<ObservedContext, ObservationError>?
}

extension AssociationFollower {
    /// Takes a PDU of the side that may send it.
    mutating func handle(_ header: PDUHeader, _ pdu: [UInt8], _ time: CaptureTime) {
        do throws(PDUError) {
            switch header.type {
            case .bind, .alterContext: try offer(header, pdu, time)
            case .bindAck, .alterContextResponse: try answer(header, pdu, time)
            case .bindNak:
                settle(header.callID, .refused(try BindNakPDU(header, of: pdu).reason))
            case .auth3: token(try Auth3PDU(header, of: pdu).token, fromClient: true)
            case .request: try request(header, pdu, time)
            case .response: try response(header, pdu, time)
            case .fault: try fault(header, pdu, time)
            case .cancel: mark(header.callID) { $0.cancelled = time }
            case .orphaned:
                mark(header.callID) { $0.orphaned = time }
                // No more of the request follows, but it was sent so far.
                store(Assembly.Key(callID: header.callID, isRequest: true), isComplete: false)
            case .shutdown: remarkOnce("the server asks the client to close the connection", time)
            }
        } catch {
            remarkOnce("a PDU of type \(header.type) cannot be read: \(error)", time)
            // Without this fragment the message is not whole.
            if [.request, .response].contains(header.type) {
                store(Assembly.Key(callID: header.callID, isRequest: header.type == .request), isComplete: false)
            }
        }
    }

    private mutating func offer(_ header: PDUHeader, _ pdu: [UInt8], _ time: CaptureTime) throws(PDUError) {
        guard let association else { return }
        let bind = try BindPDU(header, of: pdu)
        if let leg = bind.token { token(leg, fromClient: true) }
        let index = builder.traffic.associations[association].negotiations.count
        negotiations[header.callID] = (index, header.flags.contains(.supportHeaderSigning))
        for offer in bind.offers { offered[offer.id] = (index, offer) }
        builder.traffic.associations[association].negotiations.append(
            CapturedNegotiation(
                isAlteration: header.type == .alterContext, callID: header.callID, offers: bind.offers,
                authenticationContext: bind.token?.trailer.contextID, sent: time, position: position))
        position += 1
    }

    private mutating func answer(_ header: PDUHeader, _ pdu: [UInt8], _ time: CaptureTime) throws(PDUError) {
        guard let association else { return }
        let answer = try BindAckPDU(header, of: pdu)
        if let leg = answer.token { token(leg, fromClient: false) }
        if answer.associationGroup != 0 { builder.traffic.associations[association].group = answer.associationGroup }
        guard let (index, asksHeaderSigning) = negotiations.removeValue(forKey: header.callID) else {
            return remarkOnce("an answer to a bind comes without the bind", time)
        }
        if asksHeaderSigning, header.flags.contains(.supportHeaderSigning) { signsHeaders = true }
        let offers = builder.traffic.associations[association].negotiations[index].offers
        forget(offers, index)
        builder.traffic.associations[association].negotiations[index].answer = .accepted(answer.results)
        for (offer, result) in zip(offers, answer.results) {
            if case .accepted(let syntax) = result { contexts[offer.id] = (offer.abstractSyntax, syntax) }
        }
    }

    /// Ends a negotiation that led to nothing; false if there is none.
    @discardableResult
    mutating func settle(_ callID: UInt32, _ answer: CapturedNegotiation.Answer) -> Bool {
        guard let association, let (index, _) = negotiations.removeValue(forKey: callID) else { return false }
        builder.traffic.associations[association].negotiations[index].answer = answer
        forget(builder.traffic.associations[association].negotiations[index].offers, index)
        return true
    }

    /// Offers have been answered.
    private mutating func forget(_ offers: [PresentationContextOffer], _ negotiation: Int) {
        for offer in offers where offered[offer.id]?.negotiation == negotiation { offered[offer.id] = nil }
    }

    /// What a presentation context stands for. If the answer to its offer is missing, what was offered has to do.
    func meaning(of context: UInt16) -> (interface: SyntaxIdentifier, syntax: SyntaxIdentifier?)? {
        if let known = contexts[context] { return known }
        guard let offer = offered[context]?.offer else { return nil }
        return (offer.abstractSyntax, offer.transferSyntaxes.count == 1 ? offer.transferSyntaxes[0] : nil)
    }

    // MARK: Authentication

    private mutating func token(_ leg: AuthenticationToken, fromClient: Bool) {
        guard let association else { return }
        let id = leg.trailer.contextID
        if fromClient, let known = exchanges[id], known.exchange.isFinished(before: leg.value) {
            close(known, association)
            exchanges[id] = nil
        }
        if exchanges[id] == nil {
            exchanges[id] = FollowedExchange(
                exchange: ObservedExchange(provider: leg.trailer.type),
                index: builder.traffic.associations[association].authentications.count)
            builder.traffic.associations[association].authentications.append(
                CapturedAuthentication(
                    contextID: id, provider: leg.trailer.type, mechanism: leg.trailer.type, level: leg.trailer.level,
                    access: .closed("its messages were not looked at")))
        }
        if fromClient { exchanges[id]?.exchange.client(leg.value) } else { exchanges[id]?.exchange.server(leg.value) }
        // What was tried with fewer tokens is tried again.
        if case .failure = exchanges[id]?.context { exchanges[id]?.context = nil }
    }

    /// The keys of a security context.
    mutating func keys(of id: UInt32) -> Result<ObservedContext, ObservationError>? {
        guard let known = exchanges[id] else { return nil }
        if let context = known.context { return context }
        let result: Result<ObservedContext, ObservationError>
        do throws(ObservationError) {
            result = .success(try known.exchange.open(with: builder.keys))
        } catch {
            result = .failure(error)
        }
        exchanges[id]?.context = result
        return result
    }

    mutating func closeExchanges(_ association: Int) {
        for id in exchanges.keys {
            _ = keys(of: id)
            if let known = exchanges[id] { close(known, association) }
        }
    }

    private func close(_ known: FollowedExchange, _ association: Int) {
        var shown = builder.traffic.associations[association].authentications[known.index]
        shown.mechanism = known.exchange.mechanism
        shown.client = known.exchange.clientName
        switch known.context {
        case .success(let context):
            shown.client = context.clientName
            shown.access = .open
        case .failure(let error): shown.access = .closed(error.description)
        case nil: break
        }
        builder.traffic.associations[association].authentications[known.index] = shown
    }
}
