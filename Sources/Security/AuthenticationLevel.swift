/// How much of a call the security context protects: the `auth_level` octet of a security trailer.
///
/// Source: [MS-RPCE] 2.2.1.1.8, "Authentication Levels". A higher raw value protects more, so levels compare by it.
public enum AuthenticationLevel: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    /// No authentication: no security trailer is sent.
    case none = 1
    /// The peer is authenticated when the association is made; nothing of a call is protected.
    case connect = 2
    /// The beginning of each call is authenticated. [MS-RPCE] promotes it to ``packet`` on connection-oriented transports.
    case call = 3
    /// Each packet is authenticated as coming from the peer.
    case packet = 4
    /// Each packet is authenticated and cannot be altered.
    case packetIntegrity = 5
    /// As ``packetIntegrity``, and the stub is encrypted.
    case packetPrivacy = 6

    /// Orders levels by how much they protect.
    public static func < (lhs: AuthenticationLevel, rhs: AuthenticationLevel) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// Which security provider a token belongs to: the `auth_type` octet of a security trailer.
///
/// Source: [MS-RPCE] 2.2.1.1.7, "Security Providers". Open, because a peer may name one that we do not have.
public struct AuthenticationType: RawRepresentable, Sendable, Hashable {
    /// The octet on the wire.
    public let rawValue: UInt8

    /// Wraps an octet as it came from the wire; every value is representable.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// RPC_C_AUTHN_NONE.
    public static let none = AuthenticationType(rawValue: 0)
    /// RPC_C_AUTHN_GSS_NEGOTIATE: SPNEGO chooses the mechanism.
    public static let spnego = AuthenticationType(rawValue: 9)
    /// RPC_C_AUTHN_WINNT: NTLM.
    public static let ntlm = AuthenticationType(rawValue: 10)
    /// RPC_C_AUTHN_GSS_KERBEROS: Kerberos.
    public static let kerberos = AuthenticationType(rawValue: 16)
}

extension AuthenticationType: CustomStringConvertible {
    /// The provider's name, or its number if it has none here.
    public var description: String {
        switch self {
        case .none: "none"
        case .spnego: "SPNEGO"
        case .ntlm: "NTLM"
        case .kerberos: "Kerberos"
        default: "provider \(rawValue)"
        }
    }
}
