/// Who is at the other end of a security context.
///
/// On the acceptor's side it is the authenticated caller, as the user directory knows it (its spelling of the name, not the
/// client's). On the initiator's side it is the account the context was made with; its ``sid`` is then empty, because an
/// initiator does not know it.
///
/// Each call carries one, and passes it on several times; the parts are kept together behind one reference, so that this is cheap.
public struct ClientIdentity: Sendable, Hashable {
    private final class Parts: Sendable {
        let domain: String
        let user: String
        let sid: String
        let isAdministrator: Bool
        let isAnonymous: Bool

        init(domain: String, user: String, sid: String, isAdministrator: Bool, isAnonymous: Bool) {
            self.domain = domain
            self.user = user
            self.sid = sid
            self.isAdministrator = isAdministrator
            self.isAnonymous = isAnonymous
        }
    }

    private let parts: Parts

    /// The domain or computer name that holds the account.
    public var domain: String { parts.domain }
    /// The account's name.
    public var user: String { parts.user }
    /// The account's security identifier in string form ("S-1-5-21-…"), or empty where nobody told us.
    public var sid: String { parts.sid }
    /// Whether the account is a member of the administrators group.
    public var isAdministrator: Bool { parts.isAdministrator }
    /// Whether the peer authenticated as nobody.
    public var isAnonymous: Bool { parts.isAnonymous }

    /// Makes an identity from its parts.
    public init(domain: String, user: String, sid: String, isAdministrator: Bool, isAnonymous: Bool = false) {
        parts = Parts(
            domain: domain, user: user, sid: sid, isAdministrator: isAdministrator, isAnonymous: isAnonymous)
    }

    /// Whether all parts are the same.
    public static func == (one: ClientIdentity, other: ClientIdentity) -> Bool {
        one.parts === other.parts
            || (one.domain == other.domain && one.user == other.user && one.sid == other.sid
                && one.isAdministrator == other.isAdministrator && one.isAnonymous == other.isAnonymous)
    }

    /// Takes all parts in.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(domain)
        hasher.combine(user)
        hasher.combine(sid)
        hasher.combine(isAdministrator)
        hasher.combine(isAnonymous)
    }
}

extension ClientIdentity: CustomStringConvertible {
    /// `DOMAIN\user`, as logs print it.
    public var description: String {
        isAnonymous ? "anonymous" : "\(domain)\\\(user)"
    }
}
