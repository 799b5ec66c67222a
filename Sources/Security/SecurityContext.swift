/// An authenticated peer, and the keys shared with it: signs, seals, verifies and unseals PDUs.
///
/// # Invariants
///
/// - **No unauthenticated plaintext.** When ``unprotect(_:_:level:)`` throws, the body it was given holds neither
///   the plaintext nor anything from which the caller could go on; it has been overwritten with zeroes.
/// - **A bad message ends its direction.** After the first throw from `unprotect`, every further `unprotect` throws too, and
///   the same with `protect`: the two sides' key streams and sequence numbers cannot be in step any more. The other direction
///   still works, so that a last fault can be sent; the owner then closes the association.
/// - **Order is part of the protection.** The messages of one direction are numbered from zero. They have to be protected in
///   the order in which they are sent, and unprotected in the order in which they arrive. The two directions are independent.
/// - **Lengths are known before.** `signatureLength(for:)` depends on the level alone, so that a sender can size its
///   fragments; `protect` writes exactly as many octets, and changes none outside the body and the authentication value.
/// - **Safe to share.** A context may be used from several tasks at once; each call is atomic. Who needs an order brings it.
public protocol SecurityContext: Sendable {
    /// Who is at the other end (acceptor), or who we are to the other end (initiator).
    var identity: ClientIdentity { get }

    /// Whether the exchange of tokens agreed on what this level needs; a message at any other level can be neither made nor read.
    func supports(_ level: AuthenticationLevel) -> Bool

    /// The number of octets of the authentication value that ``protect(_:_:level:)`` writes at this level; zero where a level carries no signature.
    func signatureLength(for level: AuthenticationLevel) -> Int

    /// Signs a message, and at ``AuthenticationLevel/packetPrivacy`` seals its body, all in place.
    ///
    /// - Parameters:
    ///   - message: the whole PDU, whose header's lengths count the authentication value already.
    ///   - parts: where in it the body is, and where the authentication value is to be written.
    ///   - level: the level that the association agreed on.
    func protect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError)

    /// Verifies a message, and at ``AuthenticationLevel/packetPrivacy`` unseals its body, all in place.
    ///
    /// - Parameters:
    ///   - message: the whole PDU as it arrived.
    ///   - parts: where its parts are.
    ///   - level: the level that the association agreed on (not what the message says about itself).
    /// - Throws: ``SecurityError/messageAltered`` if the signature does not fit; see the invariants.
    func unprotect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError)
}

/// Where the parts of a protected PDU are: header, body, security trailer and authentication value, in this order.
public struct MessageParts: Sendable, Hashable {
    /// The stub and its padding, the part that is sealed.
    public let body: Range<Int>
    /// The authentication value, the message's last octets.
    public let authValue: Range<Int>
    /// Whether both sides agreed to sign the header and the security trailer as well ([MS-RPCE] 3.3.1.5.2.2). NTLM signs them in
    /// any case.
    public let signsHeader: Bool

    /// Names the parts.
    public init(body: Range<Int>, authValue: Range<Int>, signsHeader: Bool) {
        self.body = body
        self.authValue = authValue
        self.signsHeader = signsHeader
    }

    /// Whether the parts fit a message of so many octets, and each other.
    func fit(_ count: Int, authLength: Int) -> Bool {
        body.lowerBound >= 0 && body.upperBound <= authValue.lowerBound && authValue.upperBound == count
            && authValue.count == authLength
    }
}
