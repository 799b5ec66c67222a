import NDR
import Security

@testable import DCERPC

/// Makes the PDUs that a client sends, and reads what it receives.
enum Client {
    static func offer(
        _ id: UInt16 = 1, _ abstract: SyntaxIdentifier = .management, _ transfer: [SyntaxIdentifier] = [.ndr20]
    ) -> PresentationContextOffer {
        PresentationContextOffer(id: id, abstractSyntax: abstract, transferSyntaxes: transfer)
    }

    static func token(
        type: AuthenticationType = .ntlm, level: UInt8 = 6, id: UInt32 = 1, value: [UInt8] = [1, 2, 3, 4]
    ) -> AuthenticationToken {
        AuthenticationToken(trailer: SecurityTrailer(type: type, level: level, contextID: id), value: value)
    }

    static func bind(
        _ offers: [PresentationContextOffer] = [offer()], callID: UInt32 = 1, flags: PDUFlags = .whole,
        xmit: UInt16 = 5840,
        recv: UInt16 = 5840, group: UInt32 = 0, token: AuthenticationToken? = nil, as type: PDUType = .bind
    ) -> [UInt8] {
        BindPDU(
            maximumTransmit: xmit, maximumReceive: recv, associationGroup: group, offers: offers, token: token
        ).encoded(as: type, flags: flags, callID: callID)
    }

    static func alter(
        _ offers: [PresentationContextOffer] = [offer()], callID: UInt32 = 1, flags: PDUFlags = .whole,
        token: AuthenticationToken? = nil
    ) -> [UInt8] {
        bind(offers, callID: callID, flags: flags, token: token, as: .alterContext)
    }

    static func request(
        callID: UInt32 = 2, contextID: UInt16 = 1, opnum: UInt16 = 0, stub: [UInt8] = [], flags: PDUFlags = .whole,
        hint: UInt32? = nil, security: MessageSecurity? = nil
    ) -> [UInt8] {
        var writer = PDUWriter(.request, flags: flags, callID: callID)
        writer.write(hint ?? UInt32(stub.count))
        writer.write(contextID)
        writer.write(opnum)
        writer.write(octets: stub)
        guard let security else { return writer.finish() }
        // The test context never refuses to sign.
        guard let pdu = try? security.seal(writer, stubOffset: RequestFields.size) else { fatalError("not signed") }
        return pdu
    }

    static func security(
        _ context: TestSecurityContext = TestSecurityContext(), level: AuthenticationLevel = .packetPrivacy,
        id: UInt32 = 1,
        type: AuthenticationType = .ntlm
    ) -> MessageSecurity {
        MessageSecurity(
            contextID: id, type: type, levelOctet: level.rawValue, level: level, signsHeader: false, context: context)
    }
}

/// What the server did, in a form that a test can be read in.
enum Seen: Equatable {
    case bindAck([PresentationResult], flags: PDUFlags, fragment: UInt16, address: String, token: [UInt8]?)
    case alterResponse([PresentationResult], flags: PDUFlags, token: [UInt8]?)
    case bindNak(BindNakPDU.Reason)
    case fault(RPCFault, callID: UInt32, contextID: UInt16, notExecuted: Bool)
    case response(callID: UInt32, contextID: UInt16, length: Int)
    case shutdown
    case authenticate(UInt32, [UInt8])
    case dispatch(callID: UInt32, opnum: UInt16, stub: [UInt8])
    case cancel(UInt32)
    case abandon(UInt32)
    case close

    init(_ action: AssociationAction) throws {
        switch action {
        case .send(let pdu): self = try Seen(sent: pdu)
        case .authenticate(let id, _, let token): self = .authenticate(id, token)
        case .dispatch(let call): self = .dispatch(callID: call.callID, opnum: call.opnum, stub: call.stub)
        case .cancel(let id): self = .cancel(id)
        case .abandon(let id, _): self = .abandon(id)
        case .close: self = .close
        }
    }

    private init(sent pdu: [UInt8]) throws {
        let header = try PDUHeader(pdu)
        precondition(header.fragmentLength == pdu.count)
        switch header.type {
        case .bindAck:
            let ack = try BindAckPDU(header, of: pdu)
            precondition(ack.maximumTransmit == ack.maximumReceive)
            self = .bindAck(
                ack.results, flags: header.flags, fragment: ack.maximumTransmit, address: ack.secondaryAddress,
                token: ack.token?.value)
        case .alterContextResponse:
            let ack = try BindAckPDU(header, of: pdu)
            precondition(ack.secondaryAddress.isEmpty)
            self = .alterResponse(ack.results, flags: header.flags, token: ack.token?.value)
        case .bindNak:
            self = .bindNak(try BindNakPDU(header, of: pdu).reason)
        case .fault:
            let fault = try FaultPDU(header, of: pdu)
            self = .fault(
                fault.fault, callID: header.callID, contextID: fault.contextID, notExecuted: fault.didNotExecute)
        case .response:
            let fields = try ResponseFields(header, of: pdu)
            self = .response(callID: header.callID, contextID: fields.contextID, length: pdu.count)
        case .shutdown:
            self = .shutdown
        default:
            fatalError("a server does not send \(header.type)")
        }
    }
}

extension [AssociationAction] {
    func seen() throws -> [Seen] { try map(Seen.init) }
}

extension Association {
    static func make(
        _ environment: TestEnvironment = TestEnvironment(), limits: AssociationLimits = AssociationLimits()
    ) -> Association {
        Association(secondaryAddress: "135", environment: environment, limits: limits)
    }

    /// Bound to the management interface as context 1.
    static func bound(
        flags: PDUFlags = .whole, limits: AssociationLimits = AssociationLimits(),
        environment: TestEnvironment = TestEnvironment()
    ) -> Association {
        var association = make(environment, limits: limits)
        _ = association.receive(Client.bind(flags: flags))
        precondition(association.isBound)
        return association
    }

    /// As ``bound``, with a security context made by one token.
    static func secured(
        _ context: TestSecurityContext = TestSecurityContext(), level: UInt8 = 6, flags: PDUFlags = .whole,
        limits: AssociationLimits = AssociationLimits(), environment: TestEnvironment = TestEnvironment()
    ) -> Association {
        var association = make(environment, limits: limits)
        _ = association.receive(Client.bind(flags: flags, token: Client.token(level: level)))
        _ = association.authenticated(1, result: .step(.complete(reply: nil, context: context)))
        precondition(association.isAuthenticated)
        return association
    }

    mutating func see(_ octets: [UInt8]) throws -> [Seen] { try receive(octets).seen() }
}
