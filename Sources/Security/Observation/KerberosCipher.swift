import CGSSAPI

/// libkrb5's ciphers under one key, for what GSSAPI would refuse: tickets that have ended, and other people's messages.
///
/// A context of the library is made for each use: it may be used by one thread at a time, and nothing here is in a hurry.
struct KerberosCipher: Sendable {
    /// The key's encryption type.
    let type: KerberosEncryptionType
    /// The key.
    let key: SecretBytes

    /// What a key is used for (RFC 4120 section 7.5.1, RFC 4121 section 2).
    enum Usage: Int32 {
        case ticket = 2
        case requestAuthenticator = 11
        case replyPart = 12
        case acceptorSeal = 22
        case acceptorSign = 23
        case initiatorSeal = 24
        case initiatorSign = 25
    }

    /// The octets of the checksum at the end of a sealed message.
    var trailerLength: Int? { length(of: KRB5_CRYPTO_TYPE_TRAILER) }
    /// The octets of the confounder at its beginning.
    var confounderLength: Int? { length(of: KRB5_CRYPTO_TYPE_HEADER) }

    private func length(of part: Int32) -> Int? {
        withLibrary { library in
            var length: UInt32 = 0
            let code = krb5_c_crypto_length(library, type.rawValue, krb5_cryptotype(part), &length)
            return code == 0 ? Int(length) : nil
        }
    }

    /// Decrypts; nil if the key is another, or the octets are not what was encrypted.
    func decrypt(_ octets: [UInt8], _ usage: Usage) -> [UInt8]? {
        withKey { library, key in
            var input = octets
            var output = [UInt8](repeating: 0, count: octets.count)
            return input.withUnsafeMutableBytes { input in
                output.withUnsafeMutableBytes { output -> Int? in
                    var encrypted = krb5_enc_data()
                    encrypted.enctype = type.rawValue
                    encrypted.ciphertext = krb5_data(input)
                    var plain = krb5_data(output)
                    return krb5_c_decrypt(library, key, usage.rawValue, nil, &encrypted, &plain) == 0
                        ? Int(plain.length) : nil
                }
            }.map { Array(output.prefix($0)) }
        }
    }

    /// One part of a message that is decrypted where it lies.
    struct Part {
        var kind: Int32
        var range: Range<Int>
    }

    /// Decrypts the parts of a message in place; false if the key is another, or the message was altered.
    ///
    /// - Parameters:
    ///   - octets: the message's parts, wherever in it.
    ///   - parts: in the order in which they are encrypted, which is not always that in which they lie.
    func decrypt(_ octets: inout [UInt8], _ parts: [Part], _ usage: Usage) -> Bool {
        guard parts.allSatisfy({ $0.range.lowerBound >= 0 && $0.range.upperBound <= octets.count }) else {
            return false
        }
        return octets.withUnsafeMutableBytes { octets in
            withKey { library, key in
                var pieces = parts.map { part in
                    krb5_crypto_iov(
                        flags: krb5_cryptotype(part.kind),
                        data: krb5_data(UnsafeMutableRawBufferPointer(rebasing: octets[part.range])))
                }
                return krb5_c_decrypt_iov(library, key, usage.rawValue, nil, &pieces, pieces.count) == 0 ? true : nil
            }
        } ?? false
    }

    /// Whether a checksum is that of these octets.
    func verify(_ checksum: [UInt8], over octets: [UInt8], _ usage: Usage) -> Bool {
        let kinds: [KerberosEncryptionType: Int32] = [
            .aes128SHA1: 15, .aes256SHA1: 16, .aes128SHA2: 19, .aes256SHA2: 20,
        ]
        guard let kind = kinds[type] else { return false }
        var (checksum, octets) = (checksum, octets)
        return checksum.withUnsafeMutableBytes { checksum in
            octets.withUnsafeMutableBytes { octets in
                withKey { library, key in
                    var data = krb5_data(octets)
                    var sum = krb5_checksum()
                    sum.checksum_type = kind
                    sum.length = UInt32(checksum.count)
                    sum.contents = checksum.bindMemory(to: UInt8.self).baseAddress
                    var isValid: krb5_boolean = 0
                    let code = krb5_c_verify_checksum(library, key, usage.rawValue, &data, &sum, &isValid)
                    return code == 0 && isValid != 0 ? true : nil
                }
            }
        } ?? false
    }

    // MARK: The library

    private func withLibrary<Value>(_ body: (krb5_context) -> Value?) -> Value? {
        var library: krb5_context?
        guard krb5_init_context(&library) == 0, let library else { return nil }
        defer { krb5_free_context(library) }
        return body(library)
    }

    private func withKey<Value>(_ body: (krb5_context, UnsafePointer<krb5_keyblock>) -> Value?) -> Value? {
        key.withUnsafeBytes { octets in
            withLibrary { library in
                // The library only reads keys, though their type does not say so.
                var block = krb5_keyblock()
                block.enctype = type.rawValue
                block.length = UInt32(octets.count)
                block.contents = UnsafeMutablePointer(mutating: octets.bindMemory(to: UInt8.self).baseAddress)
                return body(library, &block)
            }
        }
    }
}

extension krb5_data {
    fileprivate init(_ octets: UnsafeMutableRawBufferPointer) {
        self.init(
            magic: 0, length: UInt32(octets.count),
            data: octets.bindMemory(to: CChar.self).baseAddress)
    }
}
