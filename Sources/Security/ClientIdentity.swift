/// Who is at the other end of a security context.
///
/// On the acceptor's side it is the authenticated caller, as the user directory knows it (its spelling of the name, not the
/// client's). On the initiator's side it is the account the context was made with; its ``sid`` is then empty, because an
/// initiator does not know it.
public struct ClientIdentity: Sendable, Hashable {
    /// The domain or computer name that holds the account.
    public let domain: String
    /// The account's name.
    public let user: String
    /// The account's security identifier in string form ("S-1-5-21-…"), or empty where nobody told us.
    public let sid: String
    /// Whether the account is a member of the administrators group.
    public let isAdministrator: Bool
    /// Whether the peer authenticated as nobody.
    public let isAnonymous: Bool

    /// Makes an identity from its parts.
    public init(domain: String, user: String, sid: String, isAdministrator: Bool, isAnonymous: Bool = false) {
        self.domain = domain
        self.user = user
        self.sid = sid
        self.isAdministrator = isAdministrator
        self.isAnonymous = isAnonymous
    }
}

extension ClientIdentity: CustomStringConvertible {
    /// `DOMAIN\user`, as logs print it.
    public var description: String {
        isAnonymous ? "anonymous" : "\(domain)\\\(user)"
    }
}
