/// An authenticated peer, and the keys shared with it: signs, seals, verifies and unseals PDUs.
///
/// # Invariants
///
/// - **No unauthenticated plaintext.** When ``unprotect(_:body:authValue:level:)`` throws, the body it was given holds neither
///   the plaintext nor anything from which the caller could go on; it has been overwritten with zeroes.
/// - **A bad message ends its direction.** After the first throw from `unprotect`, every further `unprotect` throws too, and
///   the same with `protect`: the two sides' key streams and sequence numbers cannot be in step any more. The other direction
///   still works, so that a last fault can be sent; the owner then closes the association.
/// - **Order is part of the protection.** The messages of one direction are numbered from zero. They have to be protected in
///   the order in which they are sent, and unprotected in the order in which they arrive. The two directions are independent.
/// - **Lengths are known before.** `signatureLength(for:)` depends on the level alone, so that a sender can size its
///   fragments; `protect` returns exactly as many octets, and changes no octet outside `body`, nor the message's length.
/// - **Safe to share.** A context may be used from several tasks at once; each call is atomic. Who needs an order brings it.
public protocol SecurityContext: Sendable {
    /// Who is at the other end (acceptor), or who we are to the other end (initiator).
    var identity: ClientIdentity { get }

    /// Whether the exchange of tokens agreed on what this level needs; a message at any other level can be neither made nor read.
    func supports(_ level: AuthenticationLevel) -> Bool

    /// The number of octets that ``protect(_:body:level:)`` returns at this level; zero where a level carries no signature.
    func signatureLength(for level: AuthenticationLevel) -> Int

    /// Signs a message, and at ``AuthenticationLevel/packetPrivacy`` seals its body in place.
    ///
    /// - Parameters:
    ///   - message: the whole PDU from its first header octet to the last of the security trailer, without the authentication
    ///     value; the header's lengths already count the authentication value.
    ///   - body: the indices of the stub and its padding, the part to be sealed.
    ///   - level: the level that the association agreed on.
    /// - Returns: the authentication value, which follows the message on the wire.
    func protect(
        _ message: inout [UInt8], body: Range<Int>, level: AuthenticationLevel
    ) throws(SecurityError) -> [UInt8]

    /// Verifies a message, and at ``AuthenticationLevel/packetPrivacy`` unseals its body in place.
    ///
    /// - Parameters:
    ///   - message: the PDU as it arrived, without the authentication value.
    ///   - body: the indices of the stub and its padding.
    ///   - authValue: the authentication value, as it arrived.
    ///   - level: the level that the association agreed on (not what the message says about itself).
    /// - Throws: ``SecurityError/messageAltered`` if the signature does not fit; see the invariants.
    func unprotect(
        _ message: inout [UInt8], body: Range<Int>, authValue: ArraySlice<UInt8>, level: AuthenticationLevel
    ) throws(SecurityError)
}
