import CGSSAPI

/// Why Kerberos did not work, in words that say what to do about it.
///
/// For logs and for our own users; a peer learns nothing of it.
public enum KerberosError: Error, Sendable, Equatable {
    /// There is no keytab at this path.
    case keytabMissing(path: String)
    /// The keytab cannot be opened or read.
    case keytabUnreadable(path: String, reason: String)
    /// Everybody on this computer may read the keytab.
    case keytabExposed(path: String)
    /// The keytab holds no key of an encryption type that is allowed here; `found` are the types that it has.
    case keytabWithoutKeys(path: String, found: [KerberosEncryptionType])
    /// The client's ticket is for a service whose key the keytab does not hold, or not in this version.
    case wrongPrincipal(String)
    /// The keytab's key does not decrypt the ticket: it was changed in the domain and not here.
    case wrongKey(String)
    /// The two computers' clocks are too far apart.
    case clockSkew
    /// The client's ticket has expired.
    case ticketExpired
    /// The client's ticket is not valid yet.
    case ticketNotYetValid
    /// The client's token came a second time.
    case replayed
    /// The key is of an encryption type that is not allowed here.
    case encryptionType(String)
    /// There is no ticket to log on with, or none that is still good.
    case noCredentials(String)
    /// The domain knows no such service.
    case unknownService(name: String, reason: String)
    /// No domain controller answered.
    case noDomainController(String)
    /// Anything else that the library says.
    case failed(String)
}

extension KerberosError: CustomStringConvertible {
    /// One line that says what to do.
    public var description: String {
        switch self {
        case .keytabMissing(let path):
            "there is no keytab at \(path): \"clusprep setup keytab\" says how to get one from the domain"
        case .keytabUnreadable(let path, let reason):
            "the keytab \(path) cannot be read (\(reason)): it has to be a Kerberos keytab that the daemon's account may read"
        case .keytabExposed(let path):
            "everybody may read the keytab \(path), so its keys are no secret: chmod 600 it, and have the domain change the keys"
        case .keytabWithoutKeys(let path, let found) where found.isEmpty:
            "the keytab \(path) holds no keys: \"clusprep setup keytab\" says how to get them from the domain"
        case .keytabWithoutKeys(let path, let found):
            "the keytab \(path) holds only keys of \(found.map(\.description).joined(separator: ", ")), which are not allowed: "
                + "have the domain make AES keys, or allow RC4"
        case .wrongPrincipal(let detail):
            "the client's ticket is for a service or a key version that the keytab does not hold (\(detail)): add that "
                + "principal's present keys to it, see \"clusprep setup keytab\"; the client may have to log on anew"
        case .wrongKey(let detail):
            "the keytab's key does not open the client's ticket (\(detail)): the account's password was changed in the domain "
                + "after the keytab was made; make it anew, see \"clusprep setup keytab\""
        case .clockSkew:
            "the two computers' clocks are more than five minutes apart: set both by NTP"
        case .ticketExpired:
            "the ticket has expired: log on to the domain again (kinit); if it should be good, compare the clocks"
        case .ticketNotYetValid:
            "the ticket is not valid yet: compare the clocks of this computer, the client and the domain"
        case .replayed:
            "the client's token was used before: a replay, or two clients with one cached token"
        case .encryptionType(let detail):
            "the encryption type is not allowed (\(detail)): give the service AES keys in the domain, or allow RC4"
        case .noCredentials(let detail):
            "there is no usable Kerberos ticket (\(detail)): log on to the domain with kinit, or set KRB5CCNAME"
        case .unknownService(let name, let reason):
            "the domain knows no service \(name) (\(reason)): name the node as the domain does, not by its address, and "
                + "register that principal"
        case .noDomainController(let detail):
            "no domain controller could be asked (\(detail)): check krb5.conf, the DNS and the network"
        case .failed(let detail):
            "Kerberos failed: \(detail)"
        }
    }
}

extension KerberosError {
    /// From what a call of GSSAPI said; `service` is whom it was about, if that is known.
    init(_ status: GSSStatus, service: String = "") {
        let text = status.text
        switch status.code {
        case KRB5KRB_AP_WRONG_PRINC, KRB5KRB_AP_ERR_NOKEY, KRB5KRB_AP_ERR_BADKEYVER, KRB5KRB_AP_ERR_NOT_US,
            KRB5_KT_NOTFOUND, KRB5_KT_KVNONOTFOUND:
            self = .wrongPrincipal(text)
        case KRB5KRB_AP_ERR_BAD_INTEGRITY, KRB5KRB_AP_ERR_MODIFIED:
            self = .wrongKey(text)
        case KRB5KRB_AP_ERR_SKEW: self = .clockSkew
        case KRB5KRB_AP_ERR_TKT_EXPIRED: self = .ticketExpired
        case KRB5KRB_AP_ERR_TKT_NYV: self = .ticketNotYetValid
        case KRB5KRB_AP_ERR_REPEAT: self = .replayed
        case KRB5_NOPERM_ETYPE, KRB5KDC_ERR_ETYPE_NOSUPP, KRB5_PROG_ETYPE_NOSUPP: self = .encryptionType(text)
        case KRB5_FCC_NOFILE, KRB5_CC_NOTFOUND, KRB5_CC_FORMAT, KRB5_CC_BADNAME: self = .noCredentials(text)
        case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN: self = .unknownService(name: service, reason: text)
        case KRB5_KDC_UNREACH, KRB5_REALM_UNKNOWN, KRB5_REALM_CANT_RESOLVE, KRB5_CONFIG_NODEFREALM:
            self = .noDomainController(text)
        default:
            self = status.isWithoutCredentials ? .noCredentials(text) : .failed(text)
        }
    }
}

/// What a call of GSSAPI said.
struct GSSStatus {
    let major: OM_uint32
    let minor: OM_uint32

    /// Kerberos' own error, in the sign that its constants have.
    var code: Int { Int(Int32(bitPattern: minor)) }

    var isError: Bool { clusprep_gss_is_error(major) != 0 }

    /// GSS_S_NO_CRED and GSS_S_CREDENTIALS_EXPIRED (RFC 2744 section 3.9.1).
    var isWithoutCredentials: Bool { [7 << 16, 11 << 16].contains(clusprep_gss_routine_error(major)) }

    /// The mechanism's text, or where it has none the general one.
    var text: String {
        let specific = minor == 0 ? "" : Self.text(of: minor, type: GSS_C_MECH_CODE)
        // The mechanism calls its own code 0 so, which is not what somebody who reads of a failure wants to know.
        return ["", "Success"].contains(specific) ? Self.text(of: major, type: GSS_C_GSS_CODE) : specific
    }

    private static func text(of code: OM_uint32, type: Int32) -> String {
        var minor: OM_uint32 = 0
        var more: OM_uint32 = 0
        var buffer = gss_buffer_desc()
        guard gss_display_status(&minor, code, type, clusprep_gss_mech_krb5(), &more, &buffer) == GSS_S_COMPLETE else {
            return "code \(code)"
        }
        defer { gss_release_buffer(&minor, &buffer) }
        return String(decoding: UnsafeRawBufferPointer(start: buffer.value, count: buffer.length), as: UTF8.self)
    }
}

/// An encryption type of Kerberos by its assigned number (RFC 3961 section 8, RFC 8009, RFC 4757).
public struct KerberosEncryptionType: RawRepresentable, Sendable, Hashable {
    /// The assigned number.
    public let rawValue: Int32

    /// Wraps a number; every one is representable.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// AES-128 in CTS mode with HMAC-SHA1.
    public static let aes128SHA1 = KerberosEncryptionType(rawValue: 17)
    /// AES-256 in CTS mode with HMAC-SHA1.
    public static let aes256SHA1 = KerberosEncryptionType(rawValue: 18)
    /// AES-128 in CTS mode with HMAC-SHA256.
    public static let aes128SHA2 = KerberosEncryptionType(rawValue: 19)
    /// AES-256 in CTS mode with HMAC-SHA384.
    public static let aes256SHA2 = KerberosEncryptionType(rawValue: 20)
    /// RC4 with HMAC-MD5, whose key is the NT hash of a password.
    public static let rc4 = KerberosEncryptionType(rawValue: 23)

    /// What is allowed, the strongest first.
    static func allowed(withRC4 allowsRC4: Bool) -> [KerberosEncryptionType] {
        [.aes256SHA2, .aes128SHA2, .aes256SHA1, .aes128SHA1] + (allowsRC4 ? [.rc4] : [])
    }
}

extension KerberosEncryptionType: CustomStringConvertible {
    /// The name that MIT's tools use.
    public var description: String {
        switch self {
        case .aes128SHA1: "aes128-cts-hmac-sha1-96"
        case .aes256SHA1: "aes256-cts-hmac-sha1-96"
        case .aes128SHA2: "aes128-cts-hmac-sha256-128"
        case .aes256SHA2: "aes256-cts-hmac-sha384-192"
        case .rc4: "arcfour-hmac"
        default: "encryption type \(rawValue)"
        }
    }
}
