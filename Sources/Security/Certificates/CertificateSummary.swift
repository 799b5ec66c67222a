import COpenSSL

/// What a certificate says of itself, for people; nothing is verified.
public struct CertificateSummary: Sendable, Equatable {
    /// The subject's common name; nil where it has none.
    public let commonName: String?
    /// The serial number in hexadecimal digits.
    public let serialNumber: String
    /// The first second it is good for, counted from 1970-01-01 00:00:00 UTC.
    public let notBefore: Int64
    /// The last second it is good for, counted in the same way.
    public let notAfter: Int64
    /// The SHA-256 digest of the certificate.
    public let fingerprint: [UInt8]

    /// Reads an X.509 certificate in DER; nil where the octets are not one, and nothing but one.
    public init?(certificate octets: [UInt8]) {
        guard let certificate = parsedCertificate(octets) else { return nil }
        defer { X509_free(certificate) }
        guard let first = Self.seconds(X509_get0_notBefore(certificate)),
            let last = Self.seconds(X509_get0_notAfter(certificate)),
            let digest = try? OpenSSLLibrary.shared.get().sha256
        else { return nil }
        notBefore = first
        notAfter = last
        commonName = Self.commonName(of: certificate)
        serialNumber = Self.serialNumber(of: certificate)
        var hash = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard X509_digest(certificate, digest, &hash, &count) == 1 else { return nil }
        fingerprint = Array(hash.prefix(Int(count)))
    }

    private static func commonName(of certificate: OpaquePointer) -> String? {
        let name = X509_get_subject_name(certificate)
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0 else { return nil }
        var text: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)))
        guard count >= 0, let text else { return nil }
        defer { CRYPTO_free(text, #file, #line) }
        return String(decoding: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
    }

    private static func serialNumber(of certificate: OpaquePointer) -> String {
        guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil) else { return "" }
        defer { BN_free(number) }
        guard let text = BN_bn2hex(number) else { return "" }
        defer { CRYPTO_free(text, #file, #line) }
        return String(cString: text)
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        // The distance to the epoch: unlike struct tm it needs no calendar of ours.
        guard let epoch = ASN1_TIME_set(nil, 0) else { return nil }
        defer { ASN1_TIME_free(epoch) }
        var (days, rest): (Int32, Int32) = (0, 0)
        guard ASN1_TIME_diff(&days, &rest, epoch, time) == 1 else { return nil }
        return Int64(days) * 86_400 + Int64(rest)
    }
}

extension CertifiedKey {
    /// Whether the private key belongs to the certificate; nil where one of the two has a form that this library does not read.
    public var belongsTogether: Bool? {
        guard let certificate = parsedCertificate(certificate) else { return nil }
        defer { X509_free(certificate) }
        guard let library = try? OpenSSLLibrary.shared.get(), let publicKey = X509_get0_pubkey(certificate) else {
            return nil
        }
        defer { ERR_clear_error() }
        return privateKey.withUnsafeBytes { octets -> Bool? in
            var end = octets.bindMemory(to: UInt8.self).baseAddress
            let start = end
            guard let information = d2i_PKCS8_PRIV_KEY_INFO(nil, &end, octets.count) else { return nil }
            defer { PKCS8_PRIV_KEY_INFO_free(information) }
            guard let start, let end, end - start == octets.count, Self.isCheap(information),
                let key = EVP_PKCS82PKEY_ex(information, library.context, nil)
            else { return nil }
            defer { EVP_PKEY_free(key) }
            return EVP_PKEY_eq(publicKey, key) == 1
        }
    }

    /// Whether the key can be read in no time. Of a DSA or DH key OpenSSL computes the public part, for as long as the sizes of
    /// its numbers make it: half a minute for ten thousand octets.
    private static func isCheap(_ information: OpaquePointer) -> Bool {
        var algorithm: OpaquePointer?
        guard PKCS8_pkey_get0(&algorithm, nil, nil, nil, information) == 1, let algorithm else { return false }
        let cheap = [NID_rsaEncryption, NID_rsassaPss, NID_X9_62_id_ecPublicKey, NID_ED25519, NID_ED448]
        return cheap.contains(OBJ_obj2nid(algorithm))
    }
}

/// The caller frees it.
private func parsedCertificate(_ octets: [UInt8]) -> OpaquePointer? {
    octets.withUnsafeBufferPointer { buffer in
        var end = buffer.baseAddress
        guard let certificate = d2i_X509(nil, &end, buffer.count) else {
            ERR_clear_error()
            return nil
        }
        guard let start = buffer.baseAddress, let end, end - start == buffer.count else {
            X509_free(certificate)
            return nil
        }
        return certificate
    }
}
