import Foundation
import Security

/// A node's state folder, opened: its database, its key, and what the node is once and for all.
///
/// The folder (mode 0700) holds `cluster.db` with SQLite's own files beside it, `node.key`, and two lock files. All are made
/// at the first use, by whichever program comes first, and closed to others.
public struct NodeState: Sendable {
    /// Who opens the folder.
    public enum Role: Sendable {
        /// The node's daemon; there is only one at a time.
        case daemon
        /// A command that reads or changes the database beside the daemon, or before there is one.
        case tool
    }

    /// The database.
    public let store: SQLiteClusterStore
    /// The key to its secrets.
    public let key: NodeKey
    /// What the node is.
    public let record: NodeRecord

    /// Held as long as the state is, or an engine over it.
    let daemonLock: FileLock?

    /// Opens a state folder, making what is not there yet. Blocks; meant for a program's start.
    ///
    /// - Parameters:
    ///   - folder: its path; the folder above it has to exist.
    ///   - role: a second ``Role/daemon`` is refused as long as the first one lives.
    /// - Throws: ``ClusterStoreError``, whose description says what to do.
    public static func open(folder: String, as role: Role) throws(ClusterStoreError) -> NodeState {
        let folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        try FileOperations.prepareFolder(folder)
        var daemonLock: FileLock?
        if role == .daemon {
            switch try FileLock.taking(folder + "/daemon.lock") {
            case .success(let lock): daemonLock = lock
            case .failure(let holder): throw .anotherDaemon(folder: folder, process: holder.process)
            }
        }
        // One program at a time makes or migrates what is there.
        let setup = try FileLock.waiting(folder + "/setup.lock")
        defer { withExtendedLifetime(setup) {} }

        let database = folder + "/cluster.db"
        let keyPath = folder + "/node.key"
        let key: NodeKey
        if FileOperations.exists(keyPath) {
            key = try NodeKey.read(path: keyPath, database: database)
        } else {
            guard !FileOperations.exists(database) else { throw .keyMissing(path: keyPath, database: database) }
            key = try NodeKey.create(path: keyPath)
        }
        if !FileOperations.exists(database) {
            try SQLiteClusterStore.create(path: database, entries: try firstEntries(key: key))
        }
        let store = try SQLiteClusterStore(path: database)
        guard let check = try store.entryNow(keyCheck), let stored = try store.entryNow(NodeRecord.key) else {
            throw .corrupt(path: database, detail: "it is no node's database")
        }
        guard (try? key.aead(for: .keyCheck).open(check.value, context: [])) != nil else {
            throw .wrongKey(path: keyPath, database: database)
        }
        return NodeState(
            store: store, key: key, record: try NodeRecord(entry: stored), daemonLock: daemonLock)
    }

    private static let keyCheck = StoreKey(.node, "key-check")

    private static func firstEntries(
        key: NodeKey
    ) throws(ClusterStoreError) -> [(key: StoreKey, value: [UInt8])] {
        let box = try key.aead(for: .keyCheck)
        let check = try cryptographic { () throws(CryptographyError) in try box.seal(SecretBytes([]), context: []) }
        return [(keyCheck, check), (NodeRecord.key, try NodeRecord.random().encoded)]
    }
}

/// What a node is once and for all; made with its database.
public struct NodeRecord: Sendable, Equatable, Codable {
    /// The identifier of the node's own accounts' authority: "S-1-5-21-" and three random numbers, as each Windows computer
    /// has one ([MS-DTYP] 2.4.2.4, "DOMAIN" and below).
    public let machineSID: String

    /// The node's part of the persistent-reservation keys that it registers: 48 random bits, not all zero, in the upper
    /// octets. The lower 16 bits are zero; whoever registers a key may put there what tells its keys apart.
    ///
    /// The node is part of each key, so that no two nodes ever register the same one: the random part makes a collision of
    /// two nodes as improbable as 1 in 2⁴⁸.
    public let reservationKeyBase: UInt64

    static let key = StoreKey(.node, "record")

    static func random() throws(ClusterStoreError) -> NodeRecord {
        let bytes = try cryptographic { () throws(CryptographyError) in try Cryptography.randomBytes(18) }
        let numbers = stride(from: 0, to: 12, by: 4).map { start in
            bytes[start..<(start + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        let base = bytes[12...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } << 16
        return NodeRecord(
            machineSID: "S-1-5-21-" + numbers.map(String.init).joined(separator: "-"),
            // Zero stands for "no key" in SPC-4.
            reservationKeyBase: base == 0 ? 1 << 16 : base)
    }

    /// Makes a record from its parts.
    public init(machineSID: String, reservationKeyBase: UInt64) {
        self.machineSID = machineSID
        self.reservationKeyBase = reservationKeyBase
    }

    init(entry: StoreEntry) throws(ClusterStoreError) {
        self = try Document.decode(NodeRecord.self, from: entry)
    }

    var encoded: [UInt8] { get throws(ClusterStoreError) { try Document.encode(self, for: Self.key) } }
}

/// Documents are JSON: they can be read by a person with `sqlite3`, and later releases can add fields.
enum Document {
    static func encode(_ value: some Encodable, for key: StoreKey) throws(ClusterStoreError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw .malformedEntry(key, detail: "\(error)")
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from entry: StoreEntry) throws(ClusterStoreError) -> Value
    {
        do {
            return try JSONDecoder().decode(type, from: Data(entry.value))
        } catch {
            throw .malformedEntry(entry.key, detail: "\(error)")
        }
    }
}
