/// Where the cluster engine keeps what must outlive it: small documents under names, changed in transactions.
///
/// The shape is one that SQLite (a single node) and etcd (a cluster of machines) both have: each entry carries the revision
/// at which it was last written, and a transaction names the revisions it was computed from.
///
/// # Invariants
///
/// - **All or nothing.** Of a transaction's changes, either all are visible to everybody, or none; also after a crash.
/// - **Durable before it returns.** When ``apply(_:if:)`` has returned, its changes survive `kill -9` and a power failure.
///   When it throws, they may or may not have been made only if the error is ``ClusterStoreError/failed(path:detail:)``.
/// - **Revisions only grow**, over all entries together.
public protocol ClusterStore: Sendable {
    /// Reads one entry; nil if there is none.
    func entry(_ key: StoreKey) async throws(ClusterStoreError) -> StoreEntry?

    /// Reads all entries of a collection, ordered by the octets of their names.
    func entries(in collection: StoreCollection) async throws(ClusterStoreError) -> [StoreEntry]

    /// Makes some changes at once, in order, if every condition holds.
    ///
    /// - Returns: the revision that the changed entries have now.
    /// - Throws: ``ClusterStoreError/conflict(_:)`` with the first condition's key that does not hold; nothing is changed.
    @discardableResult
    func apply(_ changes: [StoreChange], if conditions: [StoreCondition]) async throws(ClusterStoreError) -> Int64

    /// Sees to it that nothing of removed entries is left where the store keeps its data, as far as it can.
    func forgetRemoved() async throws(ClusterStoreError)
}

/// A kind of document.
public struct StoreCollection: RawRepresentable, Sendable, Hashable {
    /// The collection's name in the store.
    public let rawValue: String

    /// Names a collection.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// What belongs to this node: its record, its secrets, its counters.
    public static let node = StoreCollection(rawValue: "node")
    /// The accounts that may log on to this node.
    public static let users = StoreCollection(rawValue: "users")
}

/// The name of one entry.
public struct StoreKey: Sendable, Hashable, CustomStringConvertible {
    /// What kind of document it is.
    public let collection: StoreCollection
    /// Its name within the collection; compared octet by octet.
    public let name: String

    /// Names an entry.
    public init(_ collection: StoreCollection, _ name: String) {
        self.collection = collection
        self.name = name
    }

    /// `collection/name`.
    public var description: String { "\(collection.rawValue)/\(name)" }
}

/// One document as it is stored.
public struct StoreEntry: Sendable, Equatable {
    /// Its name.
    public let key: StoreKey
    /// Its octets.
    public let value: [UInt8]
    /// When it was last written.
    public let revision: Int64

    /// Makes an entry from its parts.
    public init(key: StoreKey, value: [UInt8], revision: Int64) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}

/// One step of a transaction.
public enum StoreChange: Sendable, Equatable {
    /// Writes an entry, new or not.
    case put(StoreKey, [UInt8])
    /// Removes an entry; it need not exist.
    case remove(StoreKey)
    /// Removes all entries of a collection; there need not be any.
    case removeAll(StoreCollection)
}

/// What a transaction rests on.
public enum StoreCondition: Sendable, Equatable {
    /// There is no such entry.
    case absent(StoreKey)
    /// The entry is still the one that was read.
    case unchanged(StoreEntry)
}
