import Security

/// The node's part in a cluster, without any protocol: what it is, and what it keeps.
public actor ClusterEngine {
    /// How the node presents itself.
    public nonisolated let node: NodeIdentity
    /// What the node is once and for all.
    public nonisolated let record: NodeRecord

    let store: any ClusterStore
    let key: NodeKey
    /// Held, not used: as long as the engine runs, no second daemon may start on its state.
    private let daemonLock: FileLock?

    /// The first part of the node's FQDN.
    public nonisolated var hostLabel: String { node.hostLabel }

    /// See ``NodeRecord/reservationKeyBase``.
    public nonisolated var reservationKeyBase: UInt64 { record.reservationKeyBase }

    /// Runs the engine over an opened state folder, and holds the folder's daemon lock as long as it lives.
    public init(state: NodeState, node: NodeIdentity) {
        store = state.store
        key = state.key
        record = state.record
        daemonLock = state.daemonLock
        self.node = node
    }

    /// Runs the engine over any store.
    ///
    /// - Parameters:
    ///   - store: where it keeps what must outlive it.
    ///   - key: what its secrets are sealed with.
    ///   - record: what the node is.
    ///   - node: how it presents itself.
    public init(store: any ClusterStore, key: NodeKey, record: NodeRecord, node: NodeIdentity) {
        self.store = store
        self.key = key
        self.record = record
        self.node = node
        daemonLock = nil
    }

    /// Brings all changes into the database itself, where other programs look for them: what a daemon does last.
    public func settle() async throws(ClusterStoreError) {
        try await store.forgetRemoved()
    }

    static let serviceSecretKey = StoreKey(.node, "service-secret")
    private static let serviceSecretContext = Array("service-secret".utf8)

    /// Keeps the cluster's secret, and forgets the one before ([MS-CSVP] 3.10.4.1).
    ///
    /// The secret is sealed, and on stable storage when this returns. A crash before leaves the old secret or the new one. Of
    /// several calls at once, one is the last.
    ///
    /// - Parameter secret: any octets; the engine does not look into them.
    /// - Throws: ``ClusterStoreError``; the secret is the old one then, or, after ``ClusterStoreError/failed(path:detail:)``, may
    ///   be the new one.
    public func configureServiceSecret(_ secret: SecretBytes) async throws(ClusterStoreError) {
        let aead = try key.aead(for: .serviceSecret)
        let box = try cryptographic { () throws(CryptographyError) in
            try aead.seal(secret, context: Self.serviceSecretContext)
        }
        try await store.apply([.put(Self.serviceSecretKey, box)], if: [])
    }

    /// The cluster's secret as it was last configured ([MS-CSVP] 3.10.4.2); nil if it never was.
    ///
    /// - Throws: ``ClusterStoreError/malformedEntry(_:detail:)`` if what is stored was altered.
    public func serviceSecret() async throws(ClusterStoreError) -> SecretBytes? {
        guard let entry = try await store.entry(Self.serviceSecretKey) else { return nil }
        let aead = try key.aead(for: .serviceSecret)
        do throws(CryptographyError) {
            return try aead.open(entry.value, context: Self.serviceSecretContext)
        } catch .authenticationFailed {
            throw .malformedEntry(entry.key, detail: "it was altered, or sealed with another key")
        } catch {
            throw .cryptography(error)
        }
    }
}
