import ErrorCodes

/// The three parts of a CLUSTER_CERT ([MS-CSVP] 2.2.23) as octets of their own lengths.
public struct ClusterCertificateOctets: Sendable, Equatable {
    /// The octets that CertData has room for.
    public static let certificateLimit = 5 * 1024
    /// The octets that KeyData has room for.
    public static let keyLimit = 10 * 1024
    /// The UTF-16 units that ClusterSecret has room for besides its terminator.
    public static let secretLimit = 32

    /// The exported certificate.
    public var certificate: [UInt8]
    /// The exported private key.
    public var privateKey: [UInt8]
    /// The cluster secret, without its terminator.
    public var secret: [UInt16]

    /// From its parts.
    public init(certificate: [UInt8], privateKey: [UInt8], secret: [UInt16]) {
        self.certificate = certificate
        self.privateKey = privateKey
        self.secret = secret
    }

    /// From the wire.
    ///
    /// - Throws: ERROR_INVALID_PARAMETER where a length is more than its field holds, there is no certificate or no private key
    ///   (the key "matches the certificate"), or the secret has no terminator.
    public init(_ wire: CLUSTER_CERT) throws(Win32Error) {
        guard (1...UInt32(Self.certificateLimit)).contains(wire.CbCertData),
            (1...UInt32(Self.keyLimit)).contains(wire.CbKeyData),
            let end = wire.ClusterSecret.firstIndex(of: 0)
        else { throw .invalidParameter }
        self.init(
            certificate: Array(wire.CertData.prefix(Int(wire.CbCertData))),
            privateKey: Array(wire.KeyData.prefix(Int(wire.CbKeyData))), secret: Array(wire.ClusterSecret[..<end]))
    }

    /// The form on the wire; what the lengths leave of the fields is zero.
    ///
    /// - Throws: ERROR_INVALID_PARAMETER where a part is longer than its field, or the secret has a zero in it.
    public var wire: CLUSTER_CERT {
        get throws(Win32Error) {
            guard certificate.count <= Self.certificateLimit, privateKey.count <= Self.keyLimit,
                secret.count <= Self.secretLimit, !secret.contains(0)
            else { throw .invalidParameter }
            func padded<Element: FixedWidthInteger>(_ elements: [Element], to count: Int) -> [Element] {
                elements + [Element](repeating: 0, count: count - elements.count)
            }
            return CLUSTER_CERT(
                CbCertData: UInt32(certificate.count), CbKeyData: UInt32(privateKey.count),
                CertData: padded(certificate, to: Self.certificateLimit),
                KeyData: padded(privateKey, to: Self.keyLimit), ClusterSecret: padded(secret, to: Self.secretLimit + 1))
        }
    }
}
