import NDR
import Security

/// What a ``ClientAssociation`` wants done, or has to tell. Plain values, like ``AssociationAction``.
public enum ClientAssociationAction: Sendable, Equatable {
    /// Send these octets: one PDU.
    case send([UInt8])
    /// Give this token to the initiator, and come back with ``ClientAssociation/initiated(_:)``.
    case initiate(token: [UInt8])
    /// The negotiation that ``ClientAssociation/negotiate(_:security:)`` began has ended.
    case negotiated(Result<NegotiatedContext, RPCClientError>)
    /// A call has its answer.
    case complete(callID: UInt32, Result<CallAnswer, CallFailure>)
    /// Close the connection.
    case close(RPCClientError)
}

/// What a negotiation has yielded: how to make calls on an interface.
public struct NegotiatedContext: Sendable, Hashable {
    /// The presentation context.
    public let contextID: UInt16
    /// The security context, or nil for calls without authentication.
    public let securityID: UInt32?
    /// How stubs are laid out.
    public let transferSyntax: TransferSyntax

    init(contextID: UInt16, securityID: UInt32?, transferSyntax: TransferSyntax = .ndr20) {
        self.contextID = contextID
        self.securityID = securityID
        self.transferSyntax = transferSyntax
    }
}

/// The stub of a response.
public struct CallAnswer: Sendable, Equatable {
    /// The stub's octets.
    public let stub: [UInt8]
    /// How they are laid out.
    public let representation: DataRepresentation
}

/// Why a call has no answer.
public enum CallFailure: Error, Sendable, Equatable {
    /// The server answered with a fault.
    case fault(RPCFault, didNotExecute: Bool)
    /// The association broke.
    case association(RPCClientError)
}

/// Why a client cannot go on.
public enum RPCClientError: Error, Sendable, Equatable {
    /// No connection could be made; the text is the system's.
    case cannotConnect(host: String, port: UInt16, cause: String)
    /// The connection was closed, by the server or by us.
    case closed
    /// The server refused the bind.
    case bindRefused(BindNakPDU.Reason)
    /// The server answered a bind or an alter_context with a fault.
    case negotiationFault(RPCFault)
    /// The server does not serve the interface, or not in this transfer syntax.
    case contextRejected(PresentationResult.Reason)
    /// The authentication failed on our side.
    case security(SecurityError)
    /// The server ended the authentication too early, or wants more of it than there is.
    case authenticationIncomplete
    /// What the server sent is not a PDU of this protocol.
    case malformed(PDUError)
    /// The server broke the protocol; the text says how.
    case protocolViolation(String)
    /// A response is longer than this client takes.
    case responseTooLong(limit: Int)
    /// The endpoint mapper could not answer, or does not know the interface; the number is its status.
    case endpointMapper(status: UInt32)
    /// A second negotiation was begun before the first had ended.
    case busy
}

extension RPCClientError: CustomStringConvertible {
    /// One line for whoever made the call.
    public var description: String {
        switch self {
        case .cannotConnect(let host, let port, let cause): "cannot connect to \(host) port \(port): \(cause)"
        case .closed: "the connection is closed"
        case .bindRefused(let reason): "the server refused the bind (reason \(reason.rawValue))"
        case .negotiationFault(let fault): "the server refused the negotiation: \(fault)"
        case .contextRejected(let reason): "the server does not serve the interface: \(reason)"
        case .security(let error): "authentication failed: \(error)"
        case .authenticationIncomplete: "the server broke the authentication off"
        case .malformed(let error): "the server's answer is malformed: \(error)"
        case .protocolViolation(let text): "the server broke the protocol: \(text)"
        case .responseTooLong(let limit): "the response is longer than \(limit) octets"
        case .endpointMapper(let status): "the endpoint mapper answered 0x\(String(status, radix: 16))"
        case .busy: "another negotiation is going on"
        }
    }
}
