import NDR
import Security

/// What an ``Association`` wants done. Plain values: they can be compared, and a test reads them.
public enum AssociationAction: Sendable, Equatable {
    /// Send these octets: one PDU.
    case send([UInt8])
    /// Give this token to the acceptor of the security context, making it first if there is none by that number, and come
    /// back with ``Association/authenticated(_:result:)``. Until then, the association takes no further PDU.
    case authenticate(contextID: UInt32, type: AuthenticationType, token: [UInt8])
    /// Answer this call, and come back with ``Association/reply(to:stub:)`` or ``Association/fail(_:with:)``; or, if it was
    /// cancelled and has no answer, with ``Association/ended(_:)``.
    indirect case dispatch(IncomingCall)
    /// Cancel what answers this call. An answer may still come.
    case cancel(callID: UInt32)
    /// Cancel what answers this call, whose answer nobody wants: come back with ``Association/ended(_:)`` alone.
    case abandon(callID: UInt32, serial: UInt64)
    /// Close the connection after what was sent has gone.
    case close(CloseReason)
}

/// Why an ``Association`` closes its connection.
public enum CloseReason: Sendable, Hashable {
    /// The octets are not PDUs of this protocol.
    case malformed(PDUError)
    /// The PDUs are wrong in their order or their contents; the text says how.
    case protocolViolation(String)
    /// A bind was refused.
    case bindRefused(BindNakPDU.Reason)
    /// The client did not prove who it is, or used a security context wrongly.
    case authenticationFailed
    /// A signature was wrong.
    case messageAltered
    /// A limit was exceeded; the text names it.
    case limitExceeded(String)
    /// The server shuts down and the connection has no calls left.
    case shutdown
}

/// A call that has arrived whole, has been verified, and waits for its answer.
public struct IncomingCall: Sendable, Equatable {
    /// The call's identifier on its connection.
    public let callID: UInt32
    /// The call's number on its connection, which is never used again; identifiers may be.
    public let serial: UInt64
    /// The presentation context.
    public let contextID: UInt16
    /// The interface as the server registered it.
    public let interface: SyntaxIdentifier
    /// The operation.
    public let opnum: UInt16
    /// The object UUID.
    public let object: GUID?
    /// How the stub's numbers are laid out.
    public let representation: DataRepresentation
    /// How the stub's values are laid out, and those of its answer are to be.
    public let transferSyntax: TransferSyntax
    /// The stub, without verification trailer.
    public let stub: [UInt8]
    /// How many octets of padding the stub may end with: those that aligned a verification trailer ([MS-RPCE] 2.2.2.13).
    public var paddingAllowance = 0
    /// The caller, or nil.
    public let identity: ClientIdentity?
    /// The level that protects the call.
    public let authenticationLevel: AuthenticationLevel
    /// The provider.
    public let authenticationType: AuthenticationType
    /// What allows the stub to be long, to be held until the call's work is done; nil for all others.
    public var place: LongRequestPlace?
}

/// What an ``Association`` asks of the endpoint it belongs to. The answers come at once and without I/O.
public protocol AssociationEnvironment: Sendable {
    /// The registered interface that serves this abstract syntax, or nil: same UUID, same major version, and a minor version
    /// at least as high ([C706] 6.2.4.2).
    func interface(serving syntax: SyntaxIdentifier) -> SyntaxIdentifier?
    /// The transfer syntaxes that a registered interface is served in, the preferred one first.
    func transferSyntaxes(of interface: SyntaxIdentifier) -> [TransferSyntax]
    /// Whether there is a security provider of this type.
    func supports(_ type: AuthenticationType) -> Bool
    /// Joins an existing association group, or makes one if `id` is zero; nil if there is no such group for this client
    /// ([MS-RPCE] 3.3.1.5.7).
    func joinGroup(_ id: UInt32) -> UInt32?
    /// A place for a request that is longer than ``AssociationLimits/maximumRequest``, or nil while there is none.
    func placeForLongRequest() -> LongRequestPlace?
}

/// What became of a token.
public enum TokenResult: Sendable {
    /// What the acceptor answered.
    case step(SecurityStep)
    /// The acceptor refused.
    case refused
}
