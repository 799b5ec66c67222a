import COpenSSL

/// Message digests.
public enum Digest {
    /// MD4 (RFC 1320), 16 octets; here only because NTLM hashes passwords with it.
    public static func md4(_ data: [UInt8]) throws(CryptographyError) -> [UInt8] {
        try data.withOctets { data throws(CryptographyError) in
            try digest(OpenSSLLibrary.shared.get().md4, data, length: 16, name: "MD4")
        }
    }

    /// MD5 (RFC 1321), 16 octets.
    public static func md5(_ data: [UInt8]) throws(CryptographyError) -> [UInt8] {
        try data.withOctets { data throws(CryptographyError) in
            try digest(OpenSSLLibrary.shared.get().md5, data, length: 16, name: "MD5")
        }
    }

    /// SHA-256 (FIPS 180-4), 32 octets.
    public static func sha256(_ data: [UInt8]) throws(CryptographyError) -> [UInt8] {
        try data.withOctets { data throws(CryptographyError) in
            try digest(OpenSSLLibrary.shared.get().sha256, data, length: 32, name: "SHA-256")
        }
    }

    private static func digest(
        _ algorithm: OpaquePointer, _ data: UnsafeRawBufferPointer, length: Int, name: String
    ) throws(CryptographyError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: length)
        var written: UInt32 = 0
        try OpenSSLLibrary.check(EVP_Digest(data.baseAddress, data.count, &output, &written, algorithm, nil), name)
        return output
    }
}

/// HMAC-MD5 (RFC 2104) under one key, for any number of messages.
///
/// The key is taken in once; each message starts from a copy of what came of it. A value is used by one owner at a time.
public struct HMACMD5: ~Copyable {
    private let state: UnsafeMutablePointer<clusprep_hmac_md5>

    /// The octets of a code.
    public static let length = 16

    /// Prepares the key.
    public init(key: UnsafeRawBufferPointer) throws(CryptographyError) {
        state = try Self.makeState(key: key)
    }

    /// A keyed state, or none: on a failure nothing is left behind.
    private static func makeState(
        key: UnsafeRawBufferPointer
    ) throws(CryptographyError) -> UnsafeMutablePointer<clusprep_hmac_md5> {
        let state = UnsafeMutablePointer<clusprep_hmac_md5>.allocate(capacity: 1)
        state.initialize(to: clusprep_hmac_md5())
        do throws(CryptographyError) {
            try OpenSSLLibrary.check(
                clusprep_hmac_md5_init(state, key.bindMemory(to: UInt8.self).baseAddress, key.count), "HMAC-MD5")
        } catch {
            state.deallocate()
            throw error
        }
        return state
    }

    /// Prepares the key.
    public init(key: SecretBytes) throws(CryptographyError) {
        // Not inside withUnsafeBytes, whose result would have to be copyable; the view lives as long as `key`.
        defer { withExtendedLifetime(key) {} }
        try self.init(key: key.view)
    }

    deinit {
        OPENSSL_cleanse(state, MemoryLayout<clusprep_hmac_md5>.size)
        state.deallocate()
    }

    /// Computes the code over the concatenation of two runs of octets into `output`, which holds at least ``length``.
    public func authenticate(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CryptographyError) {
        precondition(output.count >= Self.length, "the code needs 16 octets")
        try OpenSSLLibrary.check(
            clusprep_hmac_md5_authenticate(
                state, first.baseAddress, first.count, second.baseAddress, second.count,
                output.bindMemory(to: UInt8.self).baseAddress), "HMAC-MD5")
    }

    /// Computes the code over the concatenation of some runs of octets.
    public func authenticate(_ parts: [UInt8]...) throws(CryptographyError) -> [UInt8] {
        let message = parts.count == 1 ? parts[0] : parts.flatMap(\.self)
        var output = [UInt8](repeating: 0, count: Self.length)
        try message.withOctets { message throws(CryptographyError) in
            try output.withMutableOctets { output throws(CryptographyError) in
                try authenticate(message, UnsafeRawBufferPointer(start: nil, count: 0), into: output)
            }
        }
        return output
    }
}

/// HKDF with SHA-256 (RFC 5869): keys derived from a key.
public enum HKDF {
    /// Derives `count` octets for one purpose.
    ///
    /// - Parameters:
    ///   - key: the secret to derive from.
    ///   - salt: public randomness, or empty.
    ///   - info: what the derived key is for.
    ///   - count: at most 8160 octets (255 blocks).
    public static func derive(
        from key: SecretBytes, salt: [UInt8] = [], info: [UInt8], count: Int
    ) throws(CryptographyError) -> SecretBytes {
        let library = try OpenSSLLibrary.shared.get()
        let context = try OpenSSLLibrary.require(EVP_KDF_CTX_new(library.hkdf), "EVP_KDF_CTX_new")
        defer { EVP_KDF_CTX_free(context) }
        // RFC 5869, 2.2: no salt is one of as many zeroes as the hash has octets.
        let salt = salt.isEmpty ? [UInt8](repeating: 0, count: 32) : salt
        var result: Int32 = 0
        let derived = SecretBytes(count: count) { output in
            key.withUnsafeBytes { key in
                result = clusprep_hkdf_derive(
                    context, "SHA2-256", key.baseAddress, key.count, salt, salt.count, info, info.count,
                    output.bindMemory(to: UInt8.self).baseAddress, output.count)
            }
        }
        try OpenSSLLibrary.check(result, "HKDF")
        return derived
    }
}
