import DCERPC
import ErrorCodes
import Security

/// Who may activate and call, and how well the calls must be protected ([MS-DCOM] 3.1.1.5.4 and 3.1.2.5.2.3).
///
/// What is too little protected is refused with the fault ERROR_ACCESS_DENIED before anything of it is decoded, as Windows
/// does since it made PKT_INTEGRITY the minimum for activation. Only calls on the remote unknown are refused with
/// E_ACCESSDENIED, as the specification says of Windows (3.1.1.5.4, note 40).
public struct DCOMAuthorization: Sendable {
    /// The least level of an activation.
    public var activationLevel: AuthenticationLevel
    /// The least level of a ping and of an OXID resolution; ServerAlive and ServerAlive2 are open to everybody.
    public var resolverLevel: AuthenticationLevel
    /// The least level of a call on the remote unknown.
    public var remoteUnknownLevel: AuthenticationLevel
    /// Whether this user may use DCOM here at all. It is asked for each call, of the identity that the client
    /// logged on with: what an account gains or loses counts from its next logon on, as with a Windows access token.
    public var permits: @Sendable (ClientIdentity) -> Bool

    /// PKT_INTEGRITY, and members of the administrators group only.
    public init(
        activationLevel: AuthenticationLevel = .packetIntegrity,
        resolverLevel: AuthenticationLevel = .packetIntegrity,
        remoteUnknownLevel: AuthenticationLevel = .packetIntegrity,
        permits: @escaping @Sendable (ClientIdentity) -> Bool = { $0.isAdministrator }
    ) {
        self.activationLevel = activationLevel
        self.resolverLevel = resolverLevel
        self.remoteUnknownLevel = remoteUnknownLevel
        self.permits = permits
    }

    /// Whether a call of this level by this user is allowed.
    func allows(_ context: CallContext, level: AuthenticationLevel) -> Bool {
        guard let identity = context.identity, !identity.isAnonymous, context.authenticationLevel >= level else {
            return false
        }
        return permits(identity)
    }

    /// - Throws: `fault` if the call is not allowed.
    func require(_ context: CallContext, level: AuthenticationLevel, fault: RPCFault = .accessDenied) throws(RPCFault) {
        guard allows(context, level: level) else { throw fault }
    }
}
