import COpenSSL

extension CertifiedKey {
    /// Makes an RSA key and a certificate for it that the key itself has signed (sha256WithRSAEncryption), for the ends of a TLS
    /// connection: not for a CA, for signatures and the transport of keys, for servers and clients.
    ///
    /// Blocks for as long as finding two primes takes: tenths of a second for 3072 bits.
    ///
    /// - Throws: ``CryptographyError/primitiveFailed(name:cause:)``, also for a request that no certificate can express.
    public static func selfSigned(_ request: CertificateRequest) throws(CryptographyError) -> CertifiedKey {
        let library = try OpenSSLLibrary.shared.get()
        let key = try OpenSSLLibrary.require(
            clusprep_rsa_key(library.context, max(2048, request.keyBits)), "EVP_PKEY_Q_keygen")
        defer { EVP_PKEY_free(key) }
        let certificate = try OpenSSLLibrary.require(X509_new_ex(library.context, nil), "X509_new_ex")
        defer { X509_free(certificate) }

        // Version 3; the field counts from zero (RFC 5280 4.1.2.1).
        try OpenSSLLibrary.check(X509_set_version(certificate, 2), "X509_set_version")
        try setSerialNumber(of: certificate)
        try setTime(X509_getm_notBefore(certificate), request.notBefore)
        try setTime(X509_getm_notAfter(certificate), request.notAfter)
        try setName(of: certificate, request.commonName)
        try OpenSSLLibrary.check(X509_set_pubkey(certificate, key), "X509_set_pubkey")
        for (nid, text) in [
            (NID_basic_constraints, "critical,CA:FALSE"),
            (NID_key_usage, "critical,digitalSignature,keyEncipherment"),
            (NID_ext_key_usage, "serverAuth,clientAuth"),
            (NID_subject_key_identifier, "hash"),
        ] {
            try OpenSSLLibrary.check(clusprep_x509_add_extension(certificate, nid, text), "X509_add_ext")
        }
        try addNames(request.dnsNames, to: certificate)
        // The size of the signature, not a 1.
        guard X509_sign(certificate, key, library.sha256) > 0 else {
            throw OpenSSLLibrary.failure("X509_sign")
        }
        return CertifiedKey(certificate: try encoded(certificate), privateKey: try encodedKey(key))
    }

    /// 16 random octets, positive (RFC 5280 4.1.2.2 allows 20).
    private static func setSerialNumber(of certificate: OpaquePointer) throws(CryptographyError) {
        var octets = try Cryptography.randomBytes(16)
        octets[0] = octets[0] & 0x7F | 0x40
        guard let number = BN_bin2bn(octets, Int32(octets.count), nil) else {
            throw OpenSSLLibrary.failure("BN_bin2bn")
        }
        defer { BN_free(number) }
        guard BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil else {
            throw OpenSSLLibrary.failure("BN_to_ASN1_INTEGER")
        }
    }

    private static func setTime(
        _ field: UnsafeMutablePointer<ASN1_TIME>?, _ seconds: Int64
    ) throws(CryptographyError) {
        guard ASN1_TIME_set(field, time_t(seconds)) != nil else { throw OpenSSLLibrary.failure("ASN1_TIME_set") }
    }

    private static func setName(of certificate: OpaquePointer, _ commonName: String) throws(CryptographyError) {
        let name = try OpenSSLLibrary.require(X509_NAME_new(), "X509_NAME_new")
        defer { X509_NAME_free(name) }
        let octets = Array(commonName.utf8)
        // MBSTRING_UTF8, which is a macro with a cast.
        let utf8 = Int32(0x1000)
        try OpenSSLLibrary.check(
            X509_NAME_add_entry_by_NID(name, NID_commonName, utf8, octets, Int32(clamping: octets.count), -1, 0),
            "X509_NAME_add_entry_by_NID")
        try OpenSSLLibrary.check(X509_set_subject_name(certificate, name), "X509_set_subject_name")
        try OpenSSLLibrary.check(X509_set_issuer_name(certificate, name), "X509_set_issuer_name")
    }

    private static func addNames(_ names: [String], to certificate: OpaquePointer) throws(CryptographyError) {
        guard !names.isEmpty else { return }
        let list = try OpenSSLLibrary.require(clusprep_names_new(), "GENERAL_NAMES_new")
        defer { clusprep_names_free(list) }
        for name in names {
            guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw .primitiveFailed(name: "subjectAltName", cause: "\(name.debugDescription) is no DNS name")
            }
            try OpenSSLLibrary.check(
                clusprep_names_add_dns(list, name, Int32(clamping: name.utf8.count)), "GENERAL_NAME_new")
        }
        try OpenSSLLibrary.check(clusprep_x509_add_names(certificate, list), "X509_add1_ext_i2d")
    }

    private static func encoded(_ certificate: OpaquePointer) throws(CryptographyError) -> [UInt8] {
        let count = i2d_X509(certificate, nil)
        guard count > 0 else { throw OpenSSLLibrary.failure("i2d_X509") }
        var octets = [UInt8](repeating: 0, count: Int(count))
        let written = octets.withUnsafeMutableBufferPointer { buffer in
            var end = buffer.baseAddress
            return i2d_X509(certificate, &end)
        }
        guard written == count else { throw OpenSSLLibrary.failure("i2d_X509") }
        return octets
    }

    /// Straight into memory that is wiped.
    private static func encodedKey(_ key: OpaquePointer) throws(CryptographyError) -> SecretBytes {
        let information = try OpenSSLLibrary.require(EVP_PKEY2PKCS8(key), "EVP_PKEY2PKCS8")
        // Wipes what it frees.
        defer { PKCS8_PRIV_KEY_INFO_free(information) }
        let count = i2d_PKCS8_PRIV_KEY_INFO(information, nil)
        guard count > 0 else { throw OpenSSLLibrary.failure("i2d_PKCS8_PRIV_KEY_INFO") }
        var written: Int32 = 0
        let octets = SecretBytes(count: Int(count)) { buffer in
            var end = buffer.bindMemory(to: UInt8.self).baseAddress
            written = i2d_PKCS8_PRIV_KEY_INFO(information, &end)
        }
        guard written == count else { throw OpenSSLLibrary.failure("i2d_PKCS8_PRIV_KEY_INFO") }
        return octets
    }
}
