import Foundation
import Security

/// Which of the node's certificates is meant ([MS-CSVP] 2.2.26). The raw values are part of the stored format.
public enum ClusterCertificateKind: String, Sendable, CaseIterable {
    /// The one without a type, of ConfigClusterCert and RetrieveClusterCert.
    case untyped = "untyped"
    /// Cluster_SChannel.
    case clusterSChannel = "cluster-schannel"
    /// ClusterSet_SChannel.
    case clusterSetSChannel = "clusterset-schannel"
    /// Cluster_PKU2U: what Windows keeps in its PKU2U root store.
    case clusterPKU2U = "cluster-pku2u"
    /// ClusterSet_PKU2U: the same for a cluster set.
    case clusterSetPKU2U = "clusterset-pku2u"

    /// The subject's common name that 3.10.4.11 demands; nil where it leaves it to the server.
    var requiredName: String? {
        switch self {
        case .untyped, .clusterSChannel, .clusterSetSChannel: nil
        case .clusterPKU2U: "CLIUSR"
        case .clusterSetPKU2U: "CSUSR"
        }
    }
}

/// What CLUSTER_CERT ([MS-CSVP] 2.2.23) carries.
public struct ClusterCertificate: Sendable, Equatable {
    /// The certificate, as it came: one that this node has made is X.509 in DER.
    public let certificate: [UInt8]
    /// Its private key, as it came: one that this node has made is PKCS #8 in DER. Empty where there is none.
    public let privateKey: SecretBytes
    /// The cluster secret that came with it, as UTF-16 in little endian, without a terminator.
    public let clusterSecret: SecretBytes

    /// From its parts.
    public init(certificate: [UInt8], privateKey: SecretBytes, clusterSecret: SecretBytes) {
        self.certificate = certificate
        self.privateKey = privateKey
        self.clusterSecret = clusterSecret
    }

    /// Whether the private key belongs to the certificate; nil where one of the two has a form that this node does not read.
    public var belongsTogether: Bool? {
        CertifiedKey(certificate: certificate, privateKey: privateKey).belongsTogether
    }

    /// Each part after its length: four octets, little endian.
    var stored: SecretBytes {
        let parts = [certificate.count, privateKey.count, clusterSecret.count]
        return SecretBytes(count: parts.reduce(12, +)) { buffer in
            var offset = 0
            func put(_ octets: UnsafeRawBufferPointer) {
                withUnsafeBytes(of: UInt32(octets.count).littleEndian) { length in
                    buffer[offset...].copyBytes(from: length)
                }
                buffer[(offset + 4)...].copyBytes(from: octets)
                offset += 4 + octets.count
            }
            certificate.withUnsafeBytes(put)
            privateKey.withUnsafeBytes(put)
            clusterSecret.withUnsafeBytes(put)
        }
    }

    init?(stored: SecretBytes) {
        let parts = stored.withUnsafeBytes { octets -> [Range<Int>]? in
            var parts: [Range<Int>] = []
            var offset = 0
            while offset < octets.count {
                guard octets.count - offset >= 4 else { return nil }
                let count = Int(UInt32(littleEndian: octets.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
                guard count <= octets.count - offset - 4 else { return nil }
                parts.append((offset + 4)..<(offset + 4 + count))
                offset += 4 + count
            }
            return parts.count == 3 ? parts : nil
        }
        guard let parts else { return nil }
        func secret(_ range: Range<Int>) -> SecretBytes {
            SecretBytes(count: range.count) { buffer in
                stored.withUnsafeBytes { buffer.copyBytes(from: UnsafeRawBufferPointer(rebasing: $0[range])) }
            }
        }
        self.init(
            certificate: stored.withUnsafeBytes { Array($0[parts[0]]) }, privateKey: secret(parts[1]),
            clusterSecret: secret(parts[2]))
    }
}

extension ClusterEngine {
    private static func key(of kind: ClusterCertificateKind) -> StoreKey {
        StoreKey(.cluster, "certificate/\(kind.rawValue)")
    }

    private static func context(of kind: ClusterCertificateKind) -> [UInt8] {
        Array("cluster-certificate/\(kind.rawValue)".utf8)
    }

    /// Keeps a certificate with its key and secret, and forgets the one of this kind before ([MS-CSVP] 3.10.4.5, 3.10.4.9).
    ///
    /// All of it is sealed, and on stable storage when this returns. What is in the parts is the cluster's business: other
    /// systems export theirs in forms of their own.
    ///
    /// - Throws: ``ClusterStoreError``.
    public func configureCertificate(
        _ certificate: ClusterCertificate, for kind: ClusterCertificateKind
    ) async throws(ClusterStoreError) {
        let aead = try key.aead(for: .clusterCertificate)
        let box = try cryptographic { () throws(CryptographyError) in
            try aead.seal(certificate.stored, context: Self.context(of: kind))
        }
        try await store.apply([.put(Self.key(of: kind), box)], if: [])
    }

    /// The certificate as it was last configured ([MS-CSVP] 3.10.4.6, 3.10.4.10); nil if it never was.
    ///
    /// - Throws: ``ClusterStoreError/malformedEntry(_:detail:)`` if what is stored was altered.
    public func certificate(
        _ kind: ClusterCertificateKind
    ) async throws(ClusterStoreError) -> ClusterCertificate? {
        guard let entry = try await store.entry(Self.key(of: kind)) else { return nil }
        let aead = try key.aead(for: .clusterCertificate)
        let stored: SecretBytes
        do throws(CryptographyError) {
            stored = try aead.open(entry.value, context: Self.context(of: kind))
        } catch .authenticationFailed {
            throw .malformedEntry(entry.key, detail: "it was altered, or sealed with another key")
        } catch {
            throw .cryptography(error)
        }
        guard let certificate = ClusterCertificate(stored: stored) else {
            throw .malformedEntry(entry.key, detail: "it is no certificate's document")
        }
        return certificate
    }

    /// Forgets the certificate of this kind, where there is one.
    public func removeCertificate(_ kind: ClusterCertificateKind) async throws(ClusterStoreError) {
        try await store.apply([.remove(Self.key(of: kind))], if: [])
    }

    /// Makes a certificate with a new key ([MS-CSVP] 3.10.4.7, 3.10.4.11) and keeps nothing of it.
    ///
    /// It is signed with its own key, good for ten years from a day ago on (clocks differ), for TLS servers and clients. Its name
    /// is the one that 3.10.4.11 demands for PKU2U; else the cluster's, or the node's where it is of no cluster, with the cluster's
    /// and the node's names as alternatives.
    ///
    /// - Parameters:
    ///   - kind: what it is for.
    ///   - now: the present, in seconds since 1970-01-01 00:00:00 UTC.
    /// - Throws: ``ClusterStoreError``.
    public func makeCertificate(
        for kind: ClusterCertificateKind, now: Int64 = Int64(Date().timeIntervalSince1970)
    ) async throws(ClusterStoreError) -> CertifiedKey {
        let day: Int64 = 86_400
        let cluster = try await membership()?.clusterName
        var (name, alternatives) = (kind.requiredName ?? "", [String]())
        if kind.requiredName == nil {
            for candidate in [cluster, node.fqdn] {
                guard let candidate, !candidate.isEmpty, !alternatives.contains(candidate) else { continue }
                alternatives.append(candidate)
            }
            // A common name has 64 characters at most; the alternatives have room for all.
            let preferred = cluster ?? node.fqdn
            name = preferred.count <= 64 ? preferred : String(preferred.prefix { $0 != "." })
        }
        let request = CertificateRequest(
            commonName: name, dnsNames: alternatives, notBefore: now - day, notAfter: now + 3652 * day)
        let result: Result<CertifiedKey, CryptographyError> = await withCheckedContinuation { continuation in
            // Looking for primes takes a while: on a thread that may, one search at a time however many ask.
            Self.searches.async {
                continuation.resume(
                    returning: Result { () throws(CryptographyError) in try CertifiedKey.selfSigned(request) })
            }
        }
        return try cryptographic { () throws(CryptographyError) in try result.get() }
    }

    private static let searches = DispatchQueue(label: "clusprep.certificates")
}
