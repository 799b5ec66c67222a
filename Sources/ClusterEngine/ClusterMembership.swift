import Foundation

/// What makes this node a member of a cluster: the record that is there as long as it is one.
public struct ClusterMembership: Sendable, Equatable, Codable {
    /// The cluster's name: what clients call it by, and what its certificates are for.
    public let clusterName: String
    /// The cluster's identity, which stays when it is renamed.
    public let clusterID: UUID
    /// When the node became a member, in seconds since 1970-01-01 00:00:00 UTC.
    public let since: Int64

    /// From its parts.
    public init(clusterName: String, clusterID: UUID, since: Int64) {
        self.clusterName = clusterName
        self.clusterID = clusterID
        self.since = since
    }

    static let key = StoreKey(.cluster, "membership")
}

extension StoreCollection {
    /// What the node has as a member of its cluster and loses with the membership: the membership itself, the cluster's
    /// certificates, its database. Whoever keeps something that belongs to the cluster keeps it here, or in a collection that is
    /// added to ``ofMembership``.
    public static let cluster = StoreCollection(rawValue: "cluster")

    /// All collections that go with the membership, whole.
    static let ofMembership: [StoreCollection] = [.cluster]
}

/// Why a node cannot become a member of a cluster.
public enum MembershipError: Error, Sendable, Equatable {
    /// It is a member of one.
    case alreadyMember(of: String)
    /// What was left of an earlier membership is being removed.
    case cleanupUnderWay
    /// No cluster can have this name.
    case badName(String)
    /// The node's store failed.
    case store(ClusterStoreError)
}

extension MembershipError: CustomStringConvertible {
    /// One line that says what to do.
    public var description: String {
        switch self {
        case .alreadyMember(let name):
            "this node is a member of the cluster \(name) already; after its eviction, clean up with clusprep cleanup"
        case .cleanupUnderWay: "what is left of an earlier membership is being removed; try again when that is over"
        case .badName(let name):
            "\(name.debugDescription) is no name for a cluster: letters, digits, hyphens and dots, a label at most 63 long"
        case .store(let cause): "\(cause)"
        }
    }
}

extension ClusterEngine {
    /// The cluster this node is a member of; nil where it is of none.
    ///
    /// - Throws: ``ClusterStoreError``.
    public func membership() async throws(ClusterStoreError) -> ClusterMembership? {
        guard let entry = try await store.entry(ClusterMembership.key) else { return nil }
        return try Document.decode(ClusterMembership.self, from: entry)
    }

    /// Makes this node a member: durable when it returns. A clean-up that was asked for but has not begun is off: it was meant for
    /// what the node was before ([MS-CSVP] 3.8.4.1: "until the server is reconfigured as a member of a cluster").
    ///
    /// - Throws: ``MembershipError``; nothing has changed then.
    public func join(_ membership: ClusterMembership) async throws(MembershipError) {
        guard Self.isClusterName(membership.clusterName) else { throw .badName(membership.clusterName) }
        let (present, pending, phase) = try await wrapped { () async throws(ClusterStoreError) in
            let pending = try await self.store.entry(CleanupIntent.key)
            let intent = try pending.map { entry throws(ClusterStoreError) in try CleanupIntent(entry: entry) }
            return (try await self.membership(), pending, intent?.phase)
        }
        if let present { throw .alreadyMember(of: present.clusterName) }
        if phase == .begun { throw .cleanupUnderWay }
        try await wrapped { () async throws(ClusterStoreError) in
            let document = try Document.encode(membership, for: ClusterMembership.key)
            try await self.store.apply(
                [.remove(CleanupIntent.key), .put(ClusterMembership.key, document)],
                if: [
                    .absent(ClusterMembership.key), pending.map(StoreCondition.unchanged) ?? .absent(CleanupIntent.key),
                ])
        }
    }

    private func wrapped<T: Sendable>(
        _ body: () async throws(ClusterStoreError) -> T
    ) async throws(MembershipError) -> T {
        do throws(ClusterStoreError) {
            return try await body()
        } catch {
            throw .store(error)
        }
    }

    /// A DNS name in ASCII.
    private static func isClusterName(_ name: String) -> Bool {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        return name.utf8.count <= 255
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy { octet in
                        octet == 0x2D || (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet & 0xDF)
                    }
            }
    }

    /// Removes every artefact of the membership from the store, in one transaction that also notes how far the clean-up is.
    ///
    /// - Parameters:
    ///   - intent: what is on record.
    ///   - entry: the record as it was last read or written. Where somebody has asked anew since, their record stays.
    func removeMembership(noting intent: CleanupIntent, after entry: StoreEntry) async throws(ClusterStoreError) {
        var noted = intent
        noted.phase = .forgotten
        let removal = StoreCollection.ofMembership.map(StoreChange.removeAll) + [.remove(Self.serviceSecretKey)]
        do throws(ClusterStoreError) {
            try await store.apply(
                removal + [.put(CleanupIntent.key, try noted.encoded)], if: [.unchanged(entry)])
        } catch .conflict {
            try await store.apply(removal, if: [])
        }
        try await store.forgetRemoved()
    }
}
