import COpenSSL

/// RC4 as a running key stream: each call goes on where the one before stopped.
///
/// It protects nothing by itself and is broken as a cipher; NTLM's session security is defined with it ([MS-NLMP] 3.4).
public struct RC4: ~Copyable {
    private let state: UnsafeMutablePointer<RC4_KEY>

    /// Starts a key stream.
    ///
    /// - Parameter key: 1 to 256 octets.
    public init(key: UnsafeRawBufferPointer) throws(CryptographyError) {
        guard let octets = key.bindMemory(to: UInt8.self).baseAddress, (1...256).contains(key.count) else {
            throw .primitiveFailed(name: "RC4", cause: "a key of \(key.count) octets")
        }
        state = .allocate(capacity: 1)
        state.initialize(to: RC4_KEY())
        clusprep_rc4_init(state, octets, key.count)
    }

    /// Starts a key stream.
    public init(key: SecretBytes) throws(CryptographyError) {
        // Not inside withUnsafeBytes, whose result would have to be copyable; the view lives as long as `key`.
        defer { withExtendedLifetime(key) {} }
        try self.init(key: key.view)
    }

    deinit {
        OPENSSL_cleanse(state, MemoryLayout<RC4_KEY>.size)
        state.deallocate()
    }

    /// Encrypts or decrypts in place; the two are the same.
    public mutating func apply(to data: UnsafeMutableRawBufferPointer) {
        clusprep_rc4_apply(state, data.bindMemory(to: UInt8.self).baseAddress, data.count)
    }

    /// Encrypts or decrypts a copy.
    public mutating func apply(_ data: [UInt8]) -> [UInt8] {
        var output = data
        output.withUnsafeMutableBytes { apply(to: $0) }
        return output
    }
}

/// AES-256-GCM (NIST SP 800-38D) with a random nonce per sealing.
///
/// A sealed box is the nonce (12 octets), the ciphertext (as long as the plaintext) and the tag (16 octets). Random nonces
/// allow 2³² boxes under one key; what a node stores stays far below that.
public struct AEAD: Sendable {
    private let key: SecretBytes

    /// The octets of a key.
    public static let keyLength = 32
    /// The octets that a box is longer than its plaintext.
    public static let overhead = nonceLength + tagLength

    private static let nonceLength = 12
    private static let tagLength = 16

    /// Takes a key of ``keyLength`` octets.
    public init(key: SecretBytes) {
        precondition(key.count == Self.keyLength, "AES-256 has keys of 32 octets")
        self.key = key
    }

    /// Seals a secret.
    ///
    /// - Parameters:
    ///   - plaintext: what to hide.
    ///   - context: what the box belongs to (a user's name, a purpose). It is not stored; whoever opens the box has to name it.
    public func seal(_ plaintext: SecretBytes, context: [UInt8]) throws(CryptographyError) -> [UInt8] {
        let library = try OpenSSLLibrary.shared.get()
        let cipher = try OpenSSLLibrary.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        defer { EVP_CIPHER_CTX_free(cipher) }
        let nonce = try Cryptography.randomBytes(Self.nonceLength)
        var ciphertext = [UInt8](repeating: 0, count: plaintext.count)
        var tag = [UInt8](repeating: 0, count: Self.tagLength)
        var written: Int32 = 0
        try key.withUnsafeBytes { key throws(CryptographyError) in
            let key = key.bindMemory(to: UInt8.self).baseAddress
            try OpenSSLLibrary.check(EVP_EncryptInit_ex2(cipher, library.aes256GCM, key, nonce, nil), "AES-256-GCM")
        }
        try OpenSSLLibrary.check(
            EVP_EncryptUpdate(cipher, nil, &written, context, Int32(clamping: context.count)), "AES-256-GCM")
        try plaintext.withUnsafeBytes { plaintext throws(CryptographyError) in
            guard let base = plaintext.bindMemory(to: UInt8.self).baseAddress, !plaintext.isEmpty else { return }
            try OpenSSLLibrary.check(
                EVP_EncryptUpdate(cipher, &ciphertext, &written, base, Int32(clamping: plaintext.count)), "AES-256-GCM")
        }
        try OpenSSLLibrary.check(EVP_EncryptFinal_ex(cipher, nil, &written), "AES-256-GCM")
        try OpenSSLLibrary.check(
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagLength), &tag), "AES-256-GCM")
        return nonce + ciphertext + tag
    }

    /// Opens a box.
    ///
    /// - Throws: ``CryptographyError/authenticationFailed`` if the box was altered or cut, or was made under another key or for
    ///   another context. Nothing of the plaintext is returned then.
    public func open(_ box: [UInt8], context: [UInt8]) throws(CryptographyError) -> SecretBytes {
        guard box.count >= Self.overhead else { throw .authenticationFailed }
        let library = try OpenSSLLibrary.shared.get()
        let cipher = try OpenSSLLibrary.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
        defer { EVP_CIPHER_CTX_free(cipher) }
        let ciphertext = box[Self.nonceLength..<(box.count - Self.tagLength)]
        var tag = Array(box.suffix(Self.tagLength))
        var written: Int32 = 0
        try key.withUnsafeBytes { key throws(CryptographyError) in
            let key = key.bindMemory(to: UInt8.self).baseAddress
            // The nonce stands at the box's beginning.
            try OpenSSLLibrary.check(EVP_DecryptInit_ex2(cipher, library.aes256GCM, key, box, nil), "AES-256-GCM")
        }
        try OpenSSLLibrary.check(
            EVP_DecryptUpdate(cipher, nil, &written, context, Int32(clamping: context.count)), "AES-256-GCM")
        var result: Int32 = 1
        let plaintext = SecretBytes(count: ciphertext.count) { output in
            ciphertext.withUnsafeBytes { input in
                guard let source = input.bindMemory(to: UInt8.self).baseAddress, !input.isEmpty else { return }
                result = EVP_DecryptUpdate(
                    cipher, output.bindMemory(to: UInt8.self).baseAddress, &written, source,
                    Int32(clamping: input.count))
            }
        }
        try OpenSSLLibrary.check(result, "AES-256-GCM")
        try OpenSSLLibrary.check(
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagLength), &tag), "AES-256-GCM")
        guard EVP_DecryptFinal_ex(cipher, nil, &written) == 1 else {
            ERR_clear_error()
            throw .authenticationFailed
        }
        return plaintext
    }
}
