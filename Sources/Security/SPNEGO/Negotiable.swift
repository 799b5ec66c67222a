import SwiftASN1

/// A security context that can vouch for the negotiation which led to it.
///
/// SPNEGO lets a mechanism's context sign the list of mechanisms that the client offered, so that nobody on the way can have
/// removed the better ones (RFC 4178 section 5, `mechListMIC`).
///
/// # Invariants
///
/// - Both functions are called before the first message is protected, each at most once, and by one task.
/// - They count as messages where the mechanism numbers its messages, and only there: what else they used up (a key stream)
///   is restored, so that the first message of the application finds it as the code did ([MS-SPNG] 3.2.5.1 and 3.3.5.1).
public protocol NegotiableContext: SecurityContext {
    /// Makes the code over these octets: GSS_GetMIC.
    func integrityCode(over octets: [UInt8]) throws(SecurityError) -> [UInt8]

    /// Checks the peer's code over these octets: GSS_VerifyMIC.
    ///
    /// - Throws: ``SecurityError/messageAltered`` if it does not fit.
    func verify(_ code: [UInt8], over octets: [UInt8]) throws(SecurityError)

    /// The negotiation is over, neither function will be called again: what only they need can be thrown away.
    func negotiationDidEnd()
}

extension NegotiableContext {
    /// Does nothing.
    public func negotiationDidEnd() {}
}

/// A provider that SPNEGO can offer. The contexts of its acceptors are ``NegotiableContext``s.
public protocol NegotiableProvider: SecurityProvider {
    /// The mechanism's object identifiers, the usual one first. Any of them in a client's list means this provider.
    var mechanisms: [ASN1ObjectIdentifier] { get }
}

/// An initiator that SPNEGO can offer. Its contexts are ``NegotiableContext``s.
public protocol NegotiableInitiator: SecurityInitiator {
    /// The mechanism's object identifiers, the one to be preferred first.
    var mechanisms: [ASN1ObjectIdentifier] { get }
}

extension ASN1ObjectIdentifier {
    /// SPNEGO itself: 1.3.6.1.5.5.2 (RFC 4178 section 3).
    public static let spnego: ASN1ObjectIdentifier = [1, 3, 6, 1, 5, 5, 2]
    /// NTLM: 1.3.6.1.4.1.311.2.2.10 ([MS-SPNG] 1.9).
    public static let ntlm: ASN1ObjectIdentifier = [1, 3, 6, 1, 4, 1, 311, 2, 2, 10]
    /// Kerberos: 1.2.840.113554.1.2.2 (RFC 4121 section 4).
    public static let kerberos: ASN1ObjectIdentifier = [1, 2, 840, 113554, 1, 2, 2]
    /// Kerberos by the number that Windows 2000 gave it by mistake, and which Windows still names first:
    /// 1.2.840.48018.1.2.2 ([MS-SPNG] 2.2.1 and 3.1.5.2).
    public static let kerberosOfWindows: ASN1ObjectIdentifier = [1, 2, 840, 48018, 1, 2, 2]
}
