import ClusterEngine
import ClusterProtocols
import ErrorCodes
import Security

extension ClusterCertificate {
    /// From the wire; throws as ``ClusterCertificateOctets/init(_:)``.
    init(_ wire: CLUSTER_CERT) throws(Win32Error) {
        let octets = try ClusterCertificateOctets(wire)
        self.init(
            certificate: octets.certificate, privateKey: SecretBytes(octets.privateKey),
            clusterSecret: SecretBytes(
                octets.secret.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }))
    }

    /// The form on the wire; throws as ``ClusterCertificateOctets/wire``.
    var wire: CLUSTER_CERT {
        get throws(Win32Error) {
            let secret = clusterSecret.bytes
            guard secret.count.isMultiple(of: 2) else { throw .invalidData }
            let units = stride(from: 0, to: secret.count, by: 2).map { index in
                UInt16(secret[index]) | UInt16(secret[index + 1]) << 8
            }
            return try ClusterCertificateOctets(
                certificate: certificate, privateKey: privateKey.bytes, secret: units
            ).wire
        }
    }
}
