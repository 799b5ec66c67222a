/// What a certificate is to say.
public struct CertificateRequest: Sendable, Equatable {
    /// The subject's, and so the issuer's, only attribute: 1 to 64 characters (ub-common-name, RFC 5280 appendix A.1).
    public var commonName: String
    /// The DNS names of the subject alternative name extension; where there are none, neither is the extension.
    public var dnsNames: [String]
    /// The first second it is good for, counted from 1970-01-01 00:00:00 UTC.
    public var notBefore: Int64
    /// The last second it is good for, counted in the same way.
    public var notAfter: Int64
    /// The size of the RSA modulus.
    public var keyBits: Int

    /// From its parts.
    public init(commonName: String, dnsNames: [String], notBefore: Int64, notAfter: Int64, keyBits: Int = 3072) {
        self.commonName = commonName
        self.dnsNames = dnsNames
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.keyBits = keyBits
    }
}

/// A certificate with the private key that belongs to it.
public struct CertifiedKey: Sendable, Equatable {
    /// The certificate: X.509 in DER (RFC 5280).
    public let certificate: [UInt8]
    /// The private key: a PrivateKeyInfo of PKCS #8 in DER (RFC 5208), not encrypted.
    public let privateKey: SecretBytes

    /// From its parts.
    public init(certificate: [UInt8], privateKey: SecretBytes) {
        self.certificate = certificate
        self.privateKey = privateKey
    }
}
