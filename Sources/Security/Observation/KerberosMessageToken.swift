import CGSSAPI

/// The per-message tokens of Kerberos in DCE style, for somebody who looks on: those of RFC 4121 section 4.2 and, for RC4, of
/// RFC 4757 section 7; how [MS-KILE] 3.4.5.4.1 lays them around a PDU.
enum KerberosMessageToken {
    /// The octets before what follows GSSAPI's frame (RFC 2743 section 3.1); nil if there is no frame of Kerberos.
    static func innerOffset(_ token: [UInt8]) -> Int? {
        guard token.count > 2, token[0] == 0x60 else { return nil }
        let start = token[1] < 0x80 ? 2 : 2 + Int(token[1] & 0x7F)
        guard start + 2 <= token.count, token[start] == 0x06 else { return nil }
        let end = start + 2 + Int(token[start + 1])
        return end + 2 <= token.count ? end : nil
    }
}

extension ObservedKerberos {
    /// Verifies a message, and unseals its body in place.
    func open(
        _ pdu: inout [UInt8], _ parts: MessageParts, seals: Bool, fromClient: Bool
    ) throws(ObservationError) {
        let token = Array(pdu[parts.authValue])
        guard token.count >= 16 else { throw ObservationError("its signature is too short") }
        for key in keys {
            // Under a wrong key, the octets may come out changed: each key has a copy.
            var attempt = pdu
            let isOpen =
                switch (token[0], seals) {
                case (0x60, true): RC4Message(key: key, token: token)?.unseal(&attempt, parts) ?? false
                case (0x60, false): RC4Message(key: key, token: token)?.isSigned(pdu, parts) ?? false
                case (_, true): key.unseal(&attempt, parts, fromClient: fromClient)
                case (_, false): key.isSigned(pdu, parts, fromClient: fromClient)
                }
            guard isOpen else { continue }
            pdu = attempt
            return
        }
        throw ObservationError("it does not fit its signature")
    }
}

extension MessageParts {
    /// The octets that a signature covers: the body, and with header signing all around it.
    fileprivate func signed(of pdu: [UInt8]) -> [UInt8] {
        signsHeader ? Array(pdu[..<authValue.lowerBound]) : Array(pdu[body])
    }
}

extension KerberosCipher {
    /// The token's header: TOK_ID, flags, filler, EC, RRC, SND_SEQ (RFC 4121 section 4.2.6).
    private static let headerLength = 16

    /// A token made by Wrap. In DCE style there is no trailer, so that what would be there is rotated to the front: the header
    /// is followed by the filler and the encrypted copy of the header, the checksum, and the confounder.
    fileprivate func unseal(_ pdu: inout [UInt8], _ parts: MessageParts, fromClient: Bool) -> Bool {
        let start = parts.authValue.lowerBound
        guard pdu[start] == 0x05, pdu[start + 1] == 0x04, let checksum = trailerLength,
            let confounder = confounderLength
        else { return false }
        let extra = Int(pdu[start + 4]) << 8 | Int(pdu[start + 5])
        let header = start + Self.headerLength
        guard parts.authValue.count == 2 * Self.headerLength + extra + checksum + confounder else { return false }
        let copy = header..<(header + extra + Self.headerLength)
        let sum = copy.upperBound..<(copy.upperBound + checksum)
        let sides = parts.signsHeader ? KRB5_CRYPTO_TYPE_SIGN_ONLY : KRB5_CRYPTO_TYPE_EMPTY
        return decrypt(
            &pdu,
            [
                Part(kind: KRB5_CRYPTO_TYPE_HEADER, range: sum.upperBound..<(sum.upperBound + confounder)),
                Part(kind: sides, range: 0..<parts.body.lowerBound),
                Part(kind: KRB5_CRYPTO_TYPE_DATA, range: parts.body),
                Part(kind: sides, range: parts.body.upperBound..<start),
                Part(kind: KRB5_CRYPTO_TYPE_DATA, range: copy),
                Part(kind: KRB5_CRYPTO_TYPE_TRAILER, range: sum),
            ], fromClient ? .initiatorSeal : .acceptorSeal)
    }

    /// A token made by GetMIC: the checksum is over the octets, and the token's header behind them.
    fileprivate func isSigned(_ pdu: [UInt8], _ parts: MessageParts, fromClient: Bool) -> Bool {
        let token = pdu[parts.authValue]
        guard token.starts(with: [0x04, 0x04]) else { return false }
        return verify(
            Array(token.dropFirst(Self.headerLength)),
            over: parts.signed(of: pdu) + token.prefix(Self.headerLength),
            fromClient ? .initiatorSign : .acceptorSign)
    }
}

/// A token of RC4 behind its frame: TOK_ID, SGN_ALG, SEAL_ALG, filler, SND_SEQ, SGN_CKSUM, and where it seals, a confounder
/// (RFC 4757 sections 7.2 and 7.3).
private struct RC4Message {
    private let key: SecretBytes
    private let fixed: [UInt8]
    private let sequence: [UInt8]
    private let checksum: [UInt8]
    private let confounder: [UInt8]

    init?(key: KerberosCipher, token: [UInt8]) {
        guard key.type == .rc4, let offset = KerberosMessageToken.innerOffset(token), token.count >= offset + 24 else {
            return nil
        }
        self.key = key.key
        fixed = Array(token[offset..<offset + 8])
        sequence = Array(token[offset + 8..<offset + 16])
        checksum = Array(token[offset + 16..<offset + 24])
        confounder = Array(token[(offset + 24)...])
    }

    func unseal(_ pdu: inout [UInt8], _ parts: MessageParts) -> Bool {
        guard fixed.starts(with: [0x02, 0x01]), confounder.count == 8, let number = sequenceNumber() else {
            return false
        }
        do {
            let mixed = SecretBytes(key.bytes.map { $0 ^ 0xF0 })
            let base = SecretBytes(try HMACMD5(key: mixed).authenticate([0, 0, 0, 0]))
            var cipher = try RC4(key: SecretBytes(try HMACMD5(key: base).authenticate(Array(number.prefix(4)))))
            let clear = cipher.apply(confounder)
            pdu.replaceSubrange(parts.body, with: cipher.apply(Array(pdu[parts.body])))
            return try signature(kind: 13, clear + parts.signed(of: pdu)).starts(with: checksum)
        } catch {
            return false
        }
    }

    func isSigned(_ pdu: [UInt8], _ parts: MessageParts) -> Bool {
        guard fixed.starts(with: [0x01, 0x01]) else { return false }
        return (try? signature(kind: 15, parts.signed(of: pdu)).starts(with: checksum)) ?? false
    }

    /// SND_SEQ in the clear: four octets of the number, and four of the direction.
    private func sequenceNumber() -> [UInt8]? {
        guard let base = try? HMACMD5(key: key).authenticate([0, 0, 0, 0]),
            let inner = try? HMACMD5(key: SecretBytes(base)).authenticate(checksum),
            var cipher = try? RC4(key: SecretBytes(inner))
        else { return nil }
        return cipher.apply(sequence)
    }

    /// HMAC over a digest of the usage, the token's fixed part and the octets.
    private func signature(kind: UInt8, _ octets: [UInt8]) throws(CryptographyError) -> [UInt8] {
        let signing = SecretBytes(try HMACMD5(key: key).authenticate(Array("signaturekey".utf8) + [0]))
        return try HMACMD5(key: signing).authenticate(try Digest.md5([kind, 0, 0, 0] + fixed + octets))
    }
}
