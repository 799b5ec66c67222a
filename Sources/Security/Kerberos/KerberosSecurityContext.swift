import CGSSAPI
import SwiftASN1

/// What a Kerberos exchange leads to: signing and sealing with per-message tokens of GSSAPI in DCE style.
///
/// The body is signed or sealed, and the header and the security trailer are signed with it where both sides agreed on header
/// signing ([MS-RPCE] 3.3.1.5.2.2; the tokens are those of [MS-KILE] 3.4.5.4.1). Everything happens in the PDU's memory.
///
/// See ``SecurityContext`` for the invariants.
public final class KerberosSecurityContext: SecurityContext {
    /// The caller (acceptor), or the account that we logged on with (initiator).
    public let identity: ClientIdentity
    /// The client's principal, with its realm.
    public let principal: String
    /// The type of the key that messages are protected with.
    public let encryptionType: KerberosEncryptionType

    private let exchange: GSSExchange
    private let flags: OM_uint32
    private let signedLength: Int
    private let sealedLength: Int

    init(identity: ClientIdentity, exchange: GSSExchange, result: GSSExchange.Result) {
        self.identity = identity
        self.exchange = exchange
        principal = result.client
        encryptionType = result.encryptionType
        flags = result.flags
        signedLength = result.tokenLengths.signed
        sealedLength = result.tokenLengths.sealed
    }

    /// Each level needs the capabilities that [MS-RPCE] 3.3.1.5.2.2 names: replay detection, sequence detection and integrity,
    /// confidentiality.
    public func supports(_ level: AuthenticationLevel) -> Bool {
        let needed: Int32 =
            switch level {
            case .none, .connect: 0
            // Packets are signed at this level, too, as NTLM does and as Samba does with either.
            case .call, .packet, .packetIntegrity: GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_INTEG_FLAG
            case .packetPrivacy:
                GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_INTEG_FLAG | GSS_C_CONF_FLAG
            }
        return flags & OM_uint32(needed) == OM_uint32(needed)
    }

    /// Depends on the encryption type and on whether the body is sealed, and on nothing else.
    public func signatureLength(for level: AuthenticationLevel) -> Int {
        switch level {
        case .none, .connect: 0
        case .call, .packet, .packetIntegrity: signedLength
        case .packetPrivacy: sealedLength
        }
    }

    /// Throws ``SecurityError/unsupportedLevel(_:)`` if the exchange did not agree on what the level needs.
    public func protect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {
        precondition(parts.fit(message.count, authLength: signatureLength(for: level)), "the parts are the message's")
        guard try isProtected(level), let described = clusprep_message(message, parts) else { return }
        try exchange.protect(described, seals: level == .packetPrivacy)
    }

    /// Throws ``SecurityError/unsupportedLevel(_:)`` if the exchange did not agree on what the level needs.
    public func unprotect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {
        precondition(parts.fit(message.count, authLength: parts.authValue.count), "the parts are the message's")
        guard try isProtected(level), let described = clusprep_message(message, parts) else { return }
        do throws(SecurityError) {
            try exchange.unprotect(described, seals: level == .packetPrivacy)
        } catch {
            // Nothing that was not authenticated leaves this function; a message out of order was decrypted, too.
            UnsafeMutableRawBufferPointer(rebasing: message[parts.body]).initializeMemory(as: UInt8.self, repeating: 0)
            throw error
        }
    }

    /// Whether a level signs at all; throws if it does, but the exchange did not agree on that.
    private func isProtected(_ level: AuthenticationLevel) throws(SecurityError) -> Bool {
        guard supports(level) else { throw .unsupportedLevel(level) }
        return level > .connect
    }
}

extension KerberosSecurityContext: NegotiableContext {
    /// A message token over the negotiation; it counts as a message of its direction.
    public func integrityCode(over octets: [UInt8]) throws(SecurityError) -> [UInt8] {
        try exchange.integrityCode(over: octets)
    }

    /// Checks the peer's; it counts as a message of its direction.
    public func verify(_ code: [UInt8], over octets: [UInt8]) throws(SecurityError) {
        try exchange.verify(code, over: octets)
    }
}

extension clusprep_message {
    /// Describes a PDU; nil if it is empty, which none is.
    fileprivate init?(_ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts) {
        guard let octets = message.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
        self.init(
            octets: octets, body_offset: parts.body.lowerBound, body_length: parts.body.count,
            token_offset: parts.authValue.lowerBound, token_length: parts.authValue.count,
            signs_header: parts.signsHeader ? 1 : 0)
    }
}
