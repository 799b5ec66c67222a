import Security

/// The node's own key: 32 random octets in a file that only its owner may read. Every secret in the database is sealed with a
/// key derived from it, one for each purpose.
public struct NodeKey: Sendable {
    private let secret: SecretBytes

    /// Takes a key of 32 octets.
    init(_ secret: SecretBytes) {
        self.secret = secret
    }

    /// A key that is stored nowhere; for tests and for what need not outlive the process.
    public static func ephemeral() throws(ClusterStoreError) -> NodeKey {
        NodeKey(try cryptographic { () throws(CryptographyError) in try Cryptography.randomSecret(AEAD.keyLength) })
    }

    /// What secrets there are. The raw values are part of the stored format.
    enum Purpose: String {
        case keyCheck = "ClusPrep key check 1"
        case serviceSecret = "ClusPrep service secret 1"
        case clusterCertificate = "ClusPrep cluster certificate 1"
        case userPassword = "ClusPrep user password 1"
    }

    /// What seals and opens the secrets of one purpose.
    func aead(for purpose: Purpose) throws(ClusterStoreError) -> AEAD {
        try cryptographic { () throws(CryptographyError) in
            AEAD(key: try HKDF.derive(from: secret, info: Array(purpose.rawValue.utf8), count: AEAD.keyLength))
        }
    }

    /// Makes a key and writes it, so that the file is there whole or not at all.
    static func create(path: String) throws(ClusterStoreError) -> NodeKey {
        let secret = try cryptographic { () throws(CryptographyError) in
            try Cryptography.randomSecret(AEAD.keyLength)
        }
        let temporary = path + ".new"
        try FileOperations.remove(temporary)
        try FileOperations.write(secret.bytes, to: temporary)
        try FileOperations.rename(temporary, to: path)
        return NodeKey(secret)
    }

    /// Reads the key.
    ///
    /// - Throws: ``ClusterStoreError/insecurePermissions(path:mode:)`` if others could have read it, and
    ///   ``ClusterStoreError/wrongKey(path:database:)`` if it is not 32 octets long.
    static func read(path: String, database: String) throws(ClusterStoreError) -> NodeKey {
        try FileOperations.requirePrivate(path)
        let bytes = try FileOperations.read(path, limit: AEAD.keyLength)
        guard bytes.count == AEAD.keyLength else { throw .wrongKey(path: path, database: database) }
        return NodeKey(SecretBytes(bytes))
    }
}
