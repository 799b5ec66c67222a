import NDR
import Security

/// Who calls, at which level, and over which association: what a service may know of a call besides its parameters.
public struct CallContext: Sendable {
    /// The authenticated caller, or nil if the call carries no authentication.
    public let identity: ClientIdentity?
    /// The level at which this call was protected; ``AuthenticationLevel/none`` if it carries no authentication.
    public let authenticationLevel: AuthenticationLevel
    /// The security provider that authenticated the caller.
    public let authenticationType: AuthenticationType
    /// The association group, which context handles belong to; unique among the groups that are alive in this process.
    public let associationGroup: UInt32
    /// The connection, numbered uniquely in this process.
    public let association: UInt64
    /// The address and port by which the client reached us.
    public let localAddress: NetworkAddress
    /// The client's address and port.
    public let remoteAddress: NetworkAddress
    /// The object UUID of the request, if it has one: the IPID in DCOM.
    public let object: GUID?
    /// The interface that the call's presentation context was negotiated for.
    public let interface: SyntaxIdentifier
    /// The presentation context's identifier.
    public let contextID: UInt16
    /// The call's identifier, unique among the calls in flight on the connection.
    public let callID: UInt32

    /// Makes a context from its parts. The defaults are those of an unauthenticated call, which tests can start from.
    public init(
        identity: ClientIdentity? = nil, authenticationLevel: AuthenticationLevel = .none,
        authenticationType: AuthenticationType = .none, associationGroup: UInt32 = 0, association: UInt64 = 0,
        localAddress: NetworkAddress, remoteAddress: NetworkAddress, object: GUID? = nil, interface: SyntaxIdentifier,
        contextID: UInt16 = 0, callID: UInt32 = 0
    ) {
        self.identity = identity
        self.authenticationLevel = authenticationLevel
        self.authenticationType = authenticationType
        self.associationGroup = associationGroup
        self.association = association
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.object = object
        self.interface = interface
        self.contextID = contextID
        self.callID = callID
    }
}
