import NDR
import Security

extension ClientAssociation {
    mutating func receive(_ header: PDUHeader, _ pdu: inout [UInt8]) throws(PDUError) {
        switch header.type {
        case .bindAck:
            try receiveAcknowledgement(header, pdu, ofBind: true)
        case .alterContextResponse:
            try receiveAcknowledgement(header, pdu, ofBind: false)
        case .bindNak:
            guard negotiation != nil else { return close(.protocolViolation("a bind_nak without a bind")) }
            close(.bindRefused(try BindNakPDU(header, of: pdu).reason))
        case .response:
            try receiveResponse(header, &pdu)
        case .fault:
            try receiveFault(header, pdu)
        case .shutdown:
            close(.closed)
        case .bind, .alterContext, .auth3, .request, .cancel, .orphaned:
            close(.protocolViolation("\(header.type) from a server"))
        }
    }

    private mutating func receiveAcknowledgement(
        _ header: PDUHeader, _ pdu: [UInt8], ofBind: Bool
    ) throws(PDUError) {
        guard var negotiation, header.callID == negotiation.callID, negotiation.step != .initiating,
            ofBind == (negotiation.isBind && state == .unbound)
        else { return close(.protocolViolation("\(header.type) without its question")) }
        let ack = try BindAckPDU(header, of: pdu)
        // Only who asked for it is told so.
        signsHeaders = signsHeaders || (negotiation.trailer != nil && header.flags.contains(.supportHeaderSigning))
        if ofBind {
            let agreed = min(Int(ack.maximumTransmit), Int(ack.maximumReceive), offeredFragment) & ~7
            // A fragment has to hold its header and something more.
            guard agreed >= 1024 else { return close(.protocolViolation("fragments of \(agreed) octets")) }
            maximumFragment = agreed
            group = ack.associationGroup
            isMultiplexed = header.flags.contains(.concurrentMultiplexing)
            state = .bound
            let others = ack.results.dropFirst(negotiation.offers.count)
            if case .features(let agreed) = others.first { features = agreed }
        }
        switch Self.choice(of: ack.results, for: negotiation.offers) {
        case .accepted(let offer, let syntax):
            negotiation.offers = [offer]
            negotiation.transferSyntax = syntax
        case .rejected(let reason):
            return fail(.contextRejected(reason))
        case nil:
            return close(.protocolViolation("a wrong result list"))
        }
        guard let trailer = negotiation.trailer else { return finish(negotiation) }
        if negotiation.step == .finishing, ack.token == nil { return finish(negotiation) }
        guard let token = ack.token, token.trailer.contextID == trailer.contextID, negotiation.step == .sent else {
            return close(.authenticationIncomplete)
        }
        negotiation.step = .initiating
        self.negotiation = negotiation
        actions.append(.initiate(token: token.value))
    }

    private enum Choice {
        case accepted(PresentationContextOffer, TransferSyntax)
        case rejected(PresentationResult.Reason)
    }

    /// What a server says to the offers of one interface in several transfer syntaxes; nil where it makes no sense.
    ///
    /// It accepts one of them at most; should it accept more, the first one is taken.
    private static func choice(
        of results: [PresentationResult], for offers: [PresentationContextOffer]
    ) -> Choice? {
        guard results.count >= offers.count else { return nil }
        var reason: PresentationResult.Reason?
        for (offer, result) in zip(offers, results) {
            switch result {
            case .accepted(let identifier):
                guard offer.transferSyntaxes.contains(identifier), let syntax = TransferSyntax(identifier) else {
                    return nil
                }
                return .accepted(offer, syntax)
            case .rejected(let why): reason = reason ?? why
            case .userRejected: reason = reason ?? .notSpecified
            case .features: return nil
            }
        }
        return reason.map { .rejected($0) }
    }

    private mutating func receiveResponse(_ header: PDUHeader, _ pdu: inout [UInt8]) throws(PDUError) {
        guard var call = calls[header.callID] else {
            return close(.protocolViolation("a response to no call"))
        }
        // The fields are only looked at for being there: Windows and Samba cut the context's identifier to eight bits.
        _ = try ResponseFields(header, of: pdu)
        let trailer = try SecurityTrailer(header, of: pdu, bodyOffset: ResponseFields.size)
        guard header.flags.contains(.firstFragment) == !call.hasFirst else {
            return close(.protocolViolation("a response's fragments are mixed"))
        }
        let padding = trailer?.paddingLength ?? 0
        var range = ResponseFields.size..<(header.trailerOffset - padding)
        if let security = call.security, security.protects {
            // What the trailer says of itself does not count: the call's context and level do.
            guard let trailer, trailer.contextID == security.contextID else {
                return close(.protocolViolation("a response without a signature"))
            }
            do throws(SecurityError) {
                range = try security.open(
                    &pdu, header: header, stubOffset: ResponseFields.size, paddingLength: padding)
            } catch {
                return close(.security(error))
            }
        }
        guard call.stub.count + range.count <= maximumResponse else {
            return close(.responseTooLong(limit: maximumResponse))
        }
        calls[header.callID] = nil
        call.hasFirst = true
        call.stub.append(contentsOf: pdu[range])
        guard header.flags.contains(.lastFragment) else {
            calls[header.callID] = call
            return
        }
        complete(
            header.callID, .success(CallAnswer(stub: call.stub, representation: header.representation)))
    }

    private mutating func receiveFault(_ header: PDUHeader, _ pdu: [UInt8]) throws(PDUError) {
        let fault = try FaultPDU(header, of: pdu)
        if let negotiation, negotiation.callID == header.callID { return close(.negotiationFault(fault.fault)) }
        guard calls.removeValue(forKey: header.callID) != nil else {
            return close(.protocolViolation("a fault of no call"))
        }
        complete(header.callID, .failure(.fault(fault.fault, didNotExecute: fault.didNotExecute)))
    }

    private mutating func complete(_ callID: UInt32, _ result: Result<CallAnswer, CallFailure>) {
        actions.append(.complete(callID: callID, result))
        if !isMultiplexed, calls.isEmpty, !queue.isEmpty { send(queue.removeFirst()) }
    }
}
