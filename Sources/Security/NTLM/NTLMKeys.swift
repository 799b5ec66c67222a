/// The key derivations of NTLMv2 with extended session security and 128-bit keys.
///
/// Source: [MS-NLMP] 3.3.2, 3.4.5.
enum NTLMKeys {
    /// NTOWFv2: the key of the response.
    ///
    /// - Parameters:
    ///   - ntHash: MD4 of the password.
    ///   - user: as the client spelled it; put into capitals here.
    ///   - domain: as the client spelled it; its case matters.
    static func responseKey(
        ntHash: SecretBytes, user: NTLMName, domain: NTLMName
    ) throws(CryptographyError) -> SecretBytes {
        try authenticationCode(key: ntHash, user.uppercased.octets + domain.octets)
    }

    /// NTProofStr: the proof that a response with this blob was made with the key, for this challenge.
    static func proof(
        responseKey: SecretBytes, serverChallenge: [UInt8], blob: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        try authenticationCode(key: responseKey, serverChallenge + blob).bytes
    }

    /// SessionBaseKey, which is also the KeyExchangeKey in NTLMv2.
    static func sessionBaseKey(responseKey: SecretBytes, proof: [UInt8]) throws(CryptographyError) -> SecretBytes {
        try authenticationCode(key: responseKey, proof)
    }

    /// The MIC over the exchange's three messages, the third with zeroes in the MIC's place ([MS-NLMP] 3.1.5.1.2).
    static func integrityCode(
        sessionKey: SecretBytes, negotiate: [UInt8], challenge: [UInt8], authenticate: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        var authenticate = authenticate
        if authenticate.count >= NTLMMessage.integrityCodeRange.upperBound {
            authenticate.replaceSubrange(NTLMMessage.integrityCodeRange, with: repeatElement(0, count: 16))
        }
        return try authenticationCode(key: sessionKey, negotiate + challenge + authenticate).bytes
    }

    /// RC4K: one block under a fresh key stream.
    static func rc4(key: SecretBytes, _ data: SecretBytes) throws(CryptographyError) -> SecretBytes {
        var cipher = try RC4(key: key)
        // A copy in protected memory, encrypted in place.
        return SecretBytes(count: data.count) { buffer in
            data.withUnsafeBytes { buffer.copyMemory(from: $0) }
            cipher.apply(to: buffer)
        }
    }

    /// Which way messages go.
    enum Direction: Sendable {
        case clientToServer
        case serverToClient

        fileprivate var words: String {
            switch self {
            case .clientToServer: "client-to-server"
            case .serverToClient: "server-to-client"
            }
        }
    }

    /// SIGNKEY.
    static func signingKey(_ sessionKey: SecretBytes, _ direction: Direction) throws(CryptographyError) -> SecretBytes {
        try magicKey(sessionKey, "session key to \(direction.words) signing key magic constant")
    }

    /// SEALKEY, with 128-bit keys negotiated.
    static func sealingKey(_ sessionKey: SecretBytes, _ direction: Direction) throws(CryptographyError) -> SecretBytes {
        try magicKey(sessionKey, "session key to \(direction.words) sealing key magic constant")
    }

    private static func magicKey(_ sessionKey: SecretBytes, _ text: String) throws(CryptographyError) -> SecretBytes {
        // The constants include their terminating NUL.
        var input = sessionKey.bytes + text.utf8 + [0]
        defer { input.withMutableOctets { _ = $0.initializeMemory(as: UInt8.self, repeating: 0) } }
        return SecretBytes(try Digest.md5(input))
    }

    private static func authenticationCode(key: SecretBytes, _ data: [UInt8]) throws(CryptographyError) -> SecretBytes {
        let hmac = try HMACMD5(key: key)
        return SecretBytes(try hmac.authenticate(data))
    }
}

/// How a password is kept: NTOWFv1 of [MS-NLMP] 3.3.1.
public enum NTLMPassword {
    /// MD4 of the password in UTF-16LE, 16 octets. It is worth as much as the password itself.
    public static func ntHash(_ password: String) throws(CryptographyError) -> SecretBytes {
        var octets = NTLMName(password).octets
        defer {
            // The copy that we made; the string itself is the caller's.
            octets.withMutableOctets { _ = $0.initializeMemory(as: UInt8.self, repeating: 0) }
        }
        return SecretBytes(try Digest.md4(octets))
    }
}
