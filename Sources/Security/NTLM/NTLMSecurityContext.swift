import Synchronization

/// What an NTLM exchange leads to: signing and sealing as NTLM does it for DCE/RPC.
///
/// Only the strongest form exists here: extended session security, 128-bit keys, key exchange ([MS-NLMP] 3.4). The signature
/// covers the whole PDU, header included, at every level that signs, whether or not header signing was negotiated
/// ([MS-RPCE] 3.3.1.5.2.2); privacy seals the body besides.
///
/// See ``SecurityContext`` for the invariants.
public final class NTLMSecurityContext: SecurityContext {
    /// The octets of an NTLMSSP_MESSAGE_SIGNATURE.
    static let signatureLength = 16

    /// The caller (acceptor), or the account that we logged on with (initiator).
    public let identity: ClientIdentity
    /// The client computer's name, as it calls itself; proves nothing.
    public let workstation: String
    /// The service principal name that the client meant to reach, if it said so.
    public let targetName: String?
    /// Whether a message integrity code protected the exchange itself.
    public let isExchangeProtected: Bool

    /// Which side we are.
    let isClient: Bool
    /// ExportedSessionKey, as long as a negotiation may still need it.
    let negotiationKey: Mutex<SecretBytes?>

    private let canSign: Bool
    private let canSeal: Bool
    private let outgoing: Mutex<MessageStream>
    private let incoming: Mutex<MessageStream>

    /// Derives the keys of both directions.
    ///
    /// - Parameters:
    ///   - sessionKey: ExportedSessionKey, 16 octets.
    ///   - flags: what the two sides agreed on.
    ///   - isClient: which side we are.
    init(
        identity: ClientIdentity, workstation: String, targetName: String?, isExchangeProtected: Bool,
        sessionKey: SecretBytes, flags: NTLMFlags, isClient: Bool
    ) throws(CryptographyError) {
        self.identity = identity
        self.workstation = workstation
        self.targetName = targetName
        self.isExchangeProtected = isExchangeProtected
        self.isClient = isClient
        negotiationKey = Mutex(sessionKey)
        // Sealing implies signing ([MS-NLMP] 3.4.3).
        canSeal = flags.contains(.seal)
        canSign = flags.contains(.sign) || flags.contains(.seal)
        outgoing = Mutex(
            try MessageStream(sessionKey: sessionKey, direction: isClient ? .clientToServer : .serverToClient))
        incoming = Mutex(
            try MessageStream(sessionKey: sessionKey, direction: isClient ? .serverToClient : .clientToServer))
    }

    /// Signing and sealing are flags of the exchange ([MS-NLMP] 2.2.2.5, D and E).
    public func supports(_ level: AuthenticationLevel) -> Bool {
        switch level {
        case .none, .connect: true
        case .call, .packet, .packetIntegrity: canSign
        case .packetPrivacy: canSeal
        }
    }

    /// 16 from ``AuthenticationLevel/call`` upwards, which [MS-RPCE] promotes to packet level; below there is nothing to sign.
    public func signatureLength(for level: AuthenticationLevel) -> Int {
        switch level {
        case .none, .connect: 0
        case .call, .packet, .packetIntegrity, .packetPrivacy: Self.signatureLength
        }
    }

    /// Throws ``SecurityError/unsupportedLevel(_:)`` if the exchange did not agree on signing or sealing.
    public func protect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {
        precondition(parts.fit(message.count, authLength: signatureLength(for: level)), "the parts are the message's")
        guard try isProtected(level) else { return }
        let message = LentMemory(octets: message)
        try outgoing.withLock { stream throws(SecurityError) in
            try stream.protect(message.octets, parts, seals: level == .packetPrivacy)
        }
    }

    /// Throws ``SecurityError/unsupportedLevel(_:)`` if the exchange did not agree on signing or sealing.
    public func unprotect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, level: AuthenticationLevel
    ) throws(SecurityError) {
        precondition(parts.fit(message.count, authLength: parts.authValue.count), "the parts are the message's")
        guard try isProtected(level) else { return }
        let message = LentMemory(octets: message)
        do throws(SecurityError) {
            try incoming.withLock { stream throws(SecurityError) in
                try stream.unprotect(message.octets, parts, seals: level == .packetPrivacy)
            }
        } catch {
            // Nothing that was not authenticated leaves this function.
            UnsafeMutableRawBufferPointer(rebasing: message.octets[parts.body]).initializeMemory(
                as: UInt8.self, repeating: 0)
            throw error
        }
    }

    /// Counts a code over the negotiation as the direction's first message.
    func countOutgoing() throws(SecurityError) {
        try outgoing.withLock { stream throws(SecurityError) in try stream.countFirst() }
    }

    /// The same in the other direction.
    func countIncoming() throws(SecurityError) {
        try incoming.withLock { stream throws(SecurityError) in try stream.countFirst() }
    }

    /// Whether a level signs at all; throws if it does, but the exchange did not agree on that.
    private func isProtected(_ level: AuthenticationLevel) throws(SecurityError) -> Bool {
        guard supports(level) else { throw .unsupportedLevel(level) }
        return level > .connect
    }
}

/// The memory of a message on its way into a lock's closure.
///
/// Unchecked, because pointers are never Sendable by themselves. It is sound: the closure runs at once, on the thread that
/// lends the memory, and nothing in it keeps the pointer.
private struct LentMemory: @unchecked Sendable {
    let octets: UnsafeMutableRawBufferPointer
}

/// One direction of a context: its keys, its running key stream and its next sequence number.
private struct MessageStream: ~Copyable {
    private let signer: HMACMD5
    private var cipher: RC4
    /// The next message's number, or nil after a failure, or after the last number.
    private var sequence: UInt32? = 0

    init(sessionKey: SecretBytes, direction: NTLMKeys.Direction) throws(CryptographyError) {
        let signer = try HMACMD5(key: NTLMKeys.signingKey(sessionKey, direction))
        let cipher = try RC4(key: NTLMKeys.sealingKey(sessionKey, direction))
        self.signer = signer
        self.cipher = cipher
    }

    /// SEAL and SIGN of [MS-NLMP] 3.4.2 and 3.4.3. The body is sealed before the checksum: they share one key stream.
    mutating func protect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, seals: Bool
    ) throws(SecurityError) {
        let number = try takeNumber()
        do throws(CryptographyError) {
            var code: Code = (0, 0)
            try authenticate(
                number, UnsafeRawBufferPointer(rebasing: message[..<parts.authValue.lowerBound]), into: &code)
            if seals { cipher.apply(to: UnsafeMutableRawBufferPointer(rebasing: message[parts.body])) }
            encryptChecksum(&code)
            sequence = next(number)
            message.storeBytes(
                of: Self.signature(code.0, number), toByteOffset: parts.authValue.lowerBound, as: Signature.self)
        } catch {
            throw .cryptography(error)
        }
    }

    mutating func unprotect(
        _ message: UnsafeMutableRawBufferPointer, _ parts: MessageParts, seals: Bool
    ) throws(SecurityError) {
        let number = try takeNumber()
        do throws(CryptographyError) {
            var code: Code = (0, 0)
            if seals { cipher.apply(to: UnsafeMutableRawBufferPointer(rebasing: message[parts.body])) }
            try authenticate(
                number, UnsafeRawBufferPointer(rebasing: message[..<parts.authValue.lowerBound]), into: &code)
            encryptChecksum(&code)
            // Version and sequence number are part of what is compared.
            let isRight = withUnsafeBytes(of: Self.signature(code.0, number)) {
                constantTimeEqual($0, UnsafeRawBufferPointer(rebasing: message[parts.authValue]))
            }
            guard isRight else { throw CryptographyError.authenticationFailed }
        } catch {
            throw error == .authenticationFailed ? .messageAltered : .cryptography(error)
        }
        sequence = next(number)
    }

    /// The HMAC, whose first half is the checksum.
    private typealias Code = (UInt64, UInt64)

    /// Takes the number out, so that a failure on the way leaves none behind.
    private mutating func takeNumber() throws(SecurityError) -> UInt32 {
        guard let number = sequence.take() else { throw .contextUnusable }
        return number
    }

    /// Takes number 0 for something that does not use this key stream; whoever has taken it before is too late.
    mutating func countFirst() throws(SecurityError) {
        guard sequence == 0 else { throw .contextUnusable }
        sequence = 1
    }

    /// A number that came round again would let an old message in.
    private func next(_ number: UInt32) -> UInt32? {
        number == .max ? nil : number + 1
    }

    private mutating func authenticate(
        _ number: UInt32, _ message: UnsafeRawBufferPointer, into code: inout Code
    ) throws(CryptographyError) {
        var number = number.littleEndian
        try withUnsafeBytes(of: &number) { prefix throws(CryptographyError) in
            try withUnsafeMutableBytes(of: &code) { output throws(CryptographyError) in
                try signer.authenticate(prefix, message, into: output)
            }
        }
    }

    private mutating func encryptChecksum(_ code: inout Code) {
        withUnsafeMutableBytes(of: &code.0) { cipher.apply(to: $0) }
    }

    /// NTLMSSP_MESSAGE_SIGNATURE: its sixteen octets in memory order.
    private typealias Signature = (UInt32, UInt32, UInt32, UInt32)

    /// NTLMSSP_MESSAGE_SIGNATURE for extended session security ([MS-NLMP] 2.2.2.9.2).
    private static func signature(_ checksum: UInt64, _ number: UInt32) -> Signature {
        // The checksum is a run of octets, in memory order already.
        let halves = withUnsafeBytes(of: checksum) {
            ($0.loadUnaligned(as: UInt32.self), $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        }
        return (UInt32(1).littleEndian, halves.0, halves.1, number.littleEndian)
    }
}
