import NDR
import Security

/// A request of which fragments are still to come, but for its stub (``Association/partialStub``).
struct PartialRequest: Sendable {
    let callID: UInt32
    let contextID: UInt16
    let opnum: UInt16
    let object: GUID?
    let representation: DataRepresentation
    /// What protects all its fragments: each must be protected as the first was.
    var security: MessageSecurity?
    /// Nil if the call was refused already: its further fragments are verified and dropped.
    let context: Association.PresentationContext?
    /// Nil while the stub is no longer than any may be.
    var place: LongRequestPlace?
}

extension Association {
    mutating func receiveRequest(_ header: PDUHeader, _ pdu: inout [UInt8]) {
        // [MS-RPCE] 3.3.3.5.2, note 123.
        guard header.callID <= UInt32(Int32.max) else {
            return fail(header.callID, .protocolError, .protocolViolation("a call identifier that is too large"))
        }
        let fields: RequestFields
        let trailer: SecurityTrailer?
        do throws(PDUError) {
            fields = try RequestFields(header, of: pdu)
            trailer = try SecurityTrailer(header, of: pdu, bodyOffset: fields.stubOffset)
        } catch {
            return fail(header.callID, .protocolError, .malformed(error))
        }
        defer { highestCallID = max(highestCallID, header.callID) }
        if let partial = partialRequest.take() {
            continueRequest(partial, header, fields, trailer, &pdu)
        } else if header.flags.contains(.firstFragment) {
            beginRequest(header, fields, trailer, &pdu)
        } else {
            receiveStrayFragment(header, fields, trailer, &pdu)
        }
    }

    // MARK: The first fragment

    private mutating func beginRequest(
        _ header: PDUHeader, _ fields: RequestFields, _ trailer: SecurityTrailer?, _ pdu: inout [UInt8]
    ) {
        guard !header.flags.contains(.pendingCancel) else {
            return fail(
                header.callID, .noCallActive, didNotExecute: true, .protocolViolation("a cancel before its call"))
        }
        let context = presentationContexts[fields.contextID]
        let selection = securityContexts.select(trailer)
        if context == nil, case .denied = selection {
            // Windows misses the presentation context before it looks at the security context.
            return refuseRequest(header, fields, security: nil, .unknownInterface)
        }
        guard let security = use(selection, header, contextID: context == nil ? 0 : fields.contextID) else { return }
        guard let stub = open(&pdu, header, fields, trailer, security.context) else { return }

        guard let context else {
            return refuseRequest(header, fields, security: security.context, .unknownInterface)
        }
        guard calls[header.callID] == nil else {
            return fail(
                header.callID, contextID: fields.contextID, .protocolError,
                .protocolViolation("a call identifier that is in use"))
        }
        guard state == .bound, load.calls < limits.maximumCalls else {
            return refuseRequest(header, fields, security: security.context, .serverTooBusy)
        }
        let isLast = header.flags.contains(.lastFragment)
        let longest = limits.maximumRequest(under: security.context)
        guard stub.count <= longest, isLast || fields.allocationHint <= longest else {
            return fail(
                header.callID, contextID: fields.contextID, .accessDenied, .limitExceeded("a request's length"))
        }
        var place: LongRequestPlace?
        let announced = isLast ? stub.count : max(stub.count, Int(fields.allocationHint))
        if announced > limits.maximumRequest, security.context != nil {
            place = environment.placeForLongRequest()
            guard place != nil else { return refuseRequest(header, fields, security: security.context, .serverTooBusy) }
        }
        let partial = PartialRequest(
            callID: header.callID, contextID: fields.contextID, opnum: fields.opnum, object: fields.object,
            representation: header.representation, security: security.context, context: context, place: place)
        // A request that is whole keeps the memory that it came in.
        if isLast {
            swap(&partialStub, &pdu)
            partialStub.removeSubrange(stub.upperBound...)
            partialStub.removeFirst(stub.lowerBound)
            return dispatch(partial)
        }
        partialStub = []
        // Growing by doubling, it would be copied again and again, and take twice what it is in the end. A stranger's word for its
        // length is worth nothing; another's costs no memory before it is kept.
        if place != nil || security.context?.protects == true { partialStub.reserveCapacity(announced) }
        partialStub.append(contentsOf: pdu[stub])
        partialRequest = partial
    }

    /// Answers a call with a fault that leaves the connection open; what is still to come of it is dropped.
    private mutating func refuseRequest(
        _ header: PDUHeader, _ fields: RequestFields, security: MessageSecurity?, _ fault: RPCFault
    ) {
        let contextID = fault == .unknownInterface ? 0 : fields.contextID
        sendFault(callID: header.callID, contextID: contextID, fault, didNotExecute: true)
        guard !header.flags.contains(.lastFragment) else { return }
        partialRequest = PartialRequest(
            callID: header.callID, contextID: contextID, opnum: fields.opnum, object: nil,
            representation: header.representation, security: security, context: nil)
        partialStub = []
    }

    // MARK: Further fragments

    /// Of a further fragment, only the call identifier, the flags and the stub count; presentation context, operation and
    /// the trailer's fields are those of the first.
    private mutating func continueRequest(
        _ partial: consuming PartialRequest, _ header: PDUHeader, _ fields: RequestFields, _ trailer: SecurityTrailer?,
        _ pdu: inout [UInt8]
    ) {
        guard header.callID == partial.callID else {
            // Who multiplexes broke the rule with the new call; who does not, with the old one.
            guard isMultiplexed else { return failMixed(partial) }
            return fail(header.callID, .protocolError, .protocolViolation("calls' fragments are mixed"))
        }
        let isProtected = partial.security?.protects ?? false
        guard !isProtected || trailer != nil else { return failMixed(partial) }
        guard isProtected || trailer == nil || partial.security != nil else {
            return fail(partial.callID, contextID: partial.contextID, .accessDenied, .authenticationFailed)
        }
        guard let stub = open(&pdu, header, fields, trailer, partial.security, contextID: partial.contextID) else {
            return
        }
        guard !header.flags.contains(.firstFragment) else { return failMixed(partial) }
        let isLast = header.flags.contains(.lastFragment)
        guard partial.context != nil else {
            if !isLast { partialRequest = partial }
            return
        }
        guard partialStub.count + stub.count <= limits.maximumRequest(under: partial.security) else {
            return fail(
                partial.callID, contextID: partial.contextID, .accessDenied, .limitExceeded("a request's length"))
        }
        if partial.place == nil, partialStub.count + stub.count > limits.maximumRequest {
            // Its first fragment did not say so.
            partial.place = environment.placeForLongRequest()
            guard partial.place != nil else { return abandon(partial, isLast: isLast) }
        }
        partialStub.append(contentsOf: pdu[stub])
        if isLast { dispatch(partial) } else { partialRequest = partial }
    }

    /// Refuses a call of which fragments have been taken; its further ones are dropped.
    private mutating func abandon(_ partial: PartialRequest, isLast: Bool) {
        sendFault(callID: partial.callID, contextID: partial.contextID, .serverTooBusy, didNotExecute: true)
        guard !isLast else { return }
        partialRequest = PartialRequest(
            callID: partial.callID, contextID: partial.contextID, opnum: partial.opnum, object: nil,
            representation: partial.representation, security: partial.security, context: nil)
        partialStub = []
    }

    private mutating func failMixed(_ partial: PartialRequest) {
        fail(
            partial.callID, contextID: partial.contextID, .protocolError,
            .protocolViolation("a fragment that does not continue its call"))
    }

    /// A fragment that is not the first, of a call that we do not know.
    private mutating func receiveStrayFragment(
        _ header: PDUHeader, _ fields: RequestFields, _ trailer: SecurityTrailer?, _ pdu: inout [UInt8]
    ) {
        guard isMultiplexed || isStale(header.callID) else {
            return fail(header.callID, .protocolError, .protocolViolation("a fragment without its first"))
        }
        guard presentationContexts[fields.contextID] != nil else {
            return refuseRequest(header, fields, security: nil, .unknownInterface)
        }
        guard let security = use(securityContexts.select(trailer), header, contextID: fields.contextID),
            open(&pdu, header, fields, trailer, security.context) != nil
        else { return }
        // What belongs to a call that ended long ago was on its way when it ended ([MS-RPCE] 3.3.3.5.6).
        guard !isStale(header.callID) else { return }
        fail(
            header.callID, contextID: fields.contextID, .protocolError,
            .protocolViolation("a fragment without its first"))
    }

    private func isStale(_ callID: UInt32) -> Bool {
        callID < highestCallID && highestCallID - callID < 150
    }

    // MARK: Security

    /// The security of a request that may be served; nil after it was answered that it may not.
    private mutating func use(
        _ selection: SecurityContextTable.Selection, _ header: PDUHeader, contextID: UInt16
    ) -> (context: MessageSecurity?, Void)? {
        switch selection {
        case .unauthenticated:
            return (nil, ())
        case .secured(let security):
            return (security, ())
        case .unfinished:
            fail(header.callID, .protocolError, didNotExecute: true, .protocolViolation("a call before the last token"))
        case .denied:
            fail(header.callID, contextID: contextID, .accessDenied, .authenticationFailed)
        }
        return nil
    }

    /// Verifies and unseals; the range of the stub, or nil after the failure was answered.
    private mutating func open(
        _ pdu: inout [UInt8], _ header: PDUHeader, _ fields: RequestFields, _ trailer: SecurityTrailer?,
        _ security: MessageSecurity?, contextID: UInt16? = nil
    ) -> Range<Int>? {
        let padding = trailer?.paddingLength ?? 0
        guard let security, security.protects else {
            return fields.stubOffset..<(header.trailerOffset - padding)
        }
        do throws(SecurityError) {
            return try security.open(
                &pdu, header: header, stubOffset: fields.stubOffset, paddingLength: padding)
        } catch {
            fail(header.callID, contextID: contextID ?? fields.contextID, .securityPackage, .messageAltered)
            return nil
        }
    }

    // MARK: Dispatch

    private mutating func dispatch(_ request: PartialRequest) {
        guard let context = request.context else { return }
        var stub = partialStub
        partialStub = []
        var paddingAllowance = 0
        if let offset = VerificationTrailer.offset(in: stub) {
            let expected = VerificationTrailer.Expectation(
                callID: request.callID, contextID: request.contextID, opnum: request.opnum,
                representation: request.representation, interface: context.abstractSyntax,
                transferSyntax: context.transferSyntax.identifier, headerSigning: signsHeaders)
            if let fault = VerificationTrailer.fault(in: stub, at: offset, expecting: expected) {
                return fail(request.callID, contextID: request.contextID, fault, .messageAltered)
            }
            stub.removeSubrange(offset...)
            paddingAllowance = 3
        }
        statistics.callsIn &+= 1
        let serial = load.begin(octets: stub.count)
        calls[request.callID] = ActiveCall(
            serial: serial, contextID: request.contextID, security: request.security)
        actions.append(
            .dispatch(
                IncomingCall(
                    callID: request.callID, serial: serial, contextID: request.contextID,
                    interface: context.interface, opnum: request.opnum, object: request.object,
                    representation: request.representation, transferSyntax: context.transferSyntax, stub: stub,
                    paddingAllowance: paddingAllowance,
                    identity: request.security?.context.identity,
                    authenticationLevel: request.security?.level ?? .none,
                    authenticationType: request.security?.type ?? .none, place: request.place)))
    }
}
