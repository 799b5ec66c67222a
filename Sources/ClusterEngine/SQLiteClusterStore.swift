import Foundation
import GRDB

/// A ``ClusterStore`` in a SQLite database on this node.
///
/// Write-ahead logging with synchronous=FULL: each commit is on stable storage before it returns, and a crash at any instant
/// leaves the old or the new state. Several processes may use one database; each change is a transaction that takes the
/// write lock at its beginning. Work is done on a thread of the database's own, never on the caller's.
public final class SQLiteClusterStore: ClusterStore {
    /// Where the database is.
    public let path: String

    private let queue: DatabaseQueue

    /// How long to wait for another process's transaction.
    private static let busyTimeout: TimeInterval = 10

    /// Opens an existing database, checks it, and brings its schema up to date.
    ///
    /// Blocks; meant for a program's start.
    ///
    /// - Throws: ``ClusterStoreError/corrupt(path:detail:)`` if it fails SQLite's integrity check, in which case nothing has been
    ///   written to it; ``ClusterStoreError/newerVersion(path:)``; and others for what the system refuses.
    public init(path: String) throws(ClusterStoreError) {
        self.path = path
        let size = try FileOperations.size(path)
        // SQLite would take a file without octets for a new database. We never leave such a one behind.
        guard size > 0 else { throw .corrupt(path: path, detail: "the file is empty") }
        try FileOperations.requireWritable(path)
        do {
            queue = try DatabaseQueue(path: path, configuration: Self.configuration)
            try queue.writeWithoutTransaction { database in
                try Self.check(database, path: path)
                try Self.makeDurable(database, path: path)
                if try Self.migrator.hasBeenSuperseded(database) { throw ClusterStoreError.newerVersion(path: path) }
            }
            try Self.migrator.migrate(queue)
        } catch {
            throw Self.wrap(error, path: path)
        }
    }

    /// Makes a database with its first entries, so that it is there with all of them or not at all.
    static func create(path: String, entries: [(key: StoreKey, value: [UInt8])]) throws(ClusterStoreError) {
        let temporary = path + ".new"
        for leftover in [temporary, temporary + "-journal", temporary + "-wal"] { try FileOperations.remove(leftover) }
        // Made by us, so that no moment exists in which others could open it.
        try FileOperations.write([], to: temporary)
        do {
            let queue = try DatabaseQueue(path: temporary, configuration: configuration)
            try migrator.migrate(queue)
            try queue.write { database in
                for (index, entry) in entries.enumerated() {
                    try put(database, entry.key, entry.value, revision: Int64(index) + 1)
                }
            }
            try queue.close()
        } catch {
            throw wrap(error, path: temporary)
        }
        try FileOperations.synchronize(temporary)
        try FileOperations.rename(temporary, to: path)
    }

    // MARK: - ClusterStore

    /// Reads one entry; nil if there is none.
    public func entry(_ key: StoreKey) async throws(ClusterStoreError) -> StoreEntry? {
        try await read { database in try Self.entry(database, key) }
    }

    /// Reads all entries of a collection, ordered by the octets of their names.
    public func entries(in collection: StoreCollection) async throws(ClusterStoreError) -> [StoreEntry] {
        try await read { database in
            try Row.fetchAll(
                database, sql: "SELECT name, value, revision FROM entry WHERE collection = ? ORDER BY name",
                arguments: [collection.rawValue]
            ).map { row in
                StoreEntry(
                    key: StoreKey(collection, row["name"]), value: Array(row["value"] as Data),
                    revision: row["revision"])
            }
        }
    }

    /// Makes some changes at once, in order, if every condition holds.
    @discardableResult
    public func apply(
        _ changes: [StoreChange], if conditions: [StoreCondition] = []
    ) async throws(ClusterStoreError) -> Int64 {
        try await write { database in
            for condition in conditions {
                switch condition {
                case .absent(let key):
                    guard try Self.entry(database, key) == nil else { throw ClusterStoreError.conflict(key) }
                case .unchanged(let entry):
                    guard try Self.entry(database, entry.key)?.revision == entry.revision else {
                        throw ClusterStoreError.conflict(entry.key)
                    }
                }
            }
            // A removed entry must not give its revision to a later one, so the highest is kept by itself.
            try database.execute(sql: "UPDATE revision SET last = last + 1")
            let revision = try Int64.fetchOne(database, sql: "SELECT last FROM revision") ?? 0
            for change in changes {
                switch change {
                case .put(let key, let value): try Self.put(database, key, value, revision: revision)
                case .remove(let key):
                    try database.execute(
                        sql: "DELETE FROM entry WHERE collection = ? AND name = ?",
                        arguments: [key.collection.rawValue, key.name])
                case .removeAll(let collection):
                    try database.execute(
                        sql: "DELETE FROM entry WHERE collection = ?", arguments: [collection.rawValue])
                }
            }
            return revision
        }
    }

    /// Writes the log's changes into the database, where what was removed is overwritten with zeros (secure_delete), and empties
    /// the log. Where another process reads just now, the log stays, and goes with a later one's.
    public func forgetRemoved() async throws(ClusterStoreError) {
        let result: Result<Void, any Error> = await withCheckedContinuation { continuation in
            queue.asyncWriteWithoutTransaction { database in
                continuation.resume(
                    returning: Result { _ = try Row.fetchOne(database, sql: "PRAGMA wal_checkpoint(TRUNCATE)") })
            }
        }
        do {
            try result.get()
        } catch {
            throw Self.wrap(error, path: path)
        }
    }

    /// Reads one entry on the caller's thread; for a program's start.
    func entryNow(_ key: StoreKey) throws(ClusterStoreError) -> StoreEntry? {
        do {
            return try queue.read { database in try Self.entry(database, key) }
        } catch {
            throw Self.wrap(error, path: path)
        }
    }

    /// Runs a transaction on the database's thread.
    ///
    /// Not GRDB's async methods: those give up when the task is cancelled, and a change that was begun is better ended.
    private func write<Success: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Success
    ) async throws(ClusterStoreError) -> Success {
        let result = await withCheckedContinuation { continuation in
            queue.asyncWrite(body) { _, result in continuation.resume(returning: result) }
        }
        do {
            return try result.get()
        } catch {
            throw Self.wrap(error, path: path)
        }
    }

    /// Reads on the database's thread, without waiting for another process's transaction.
    private func read<Success: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Success
    ) async throws(ClusterStoreError) -> Success {
        let result: Result<Success, any Error> = await withCheckedContinuation { continuation in
            queue.asyncRead { database in
                continuation.resume(returning: Result { try body(database.get()) })
            }
        }
        do {
            return try result.get()
        } catch {
            throw Self.wrap(error, path: path)
        }
    }

    // MARK: - The database

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "ClusterStore"
        configuration.busyMode = .timeout(busyTimeout)
        // A secret that was removed or replaced, sealed or not, is not to be found in the file's free space.
        configuration.prepareDatabase { database in try database.execute(sql: "PRAGMA secure_delete = ON") }
        return configuration
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE entry (
                        collection TEXT NOT NULL,
                        name TEXT NOT NULL,
                        value BLOB NOT NULL,
                        revision INTEGER NOT NULL,
                        PRIMARY KEY (collection, name)
                    ) WITHOUT ROWID;
                    CREATE TABLE revision (last INTEGER NOT NULL);
                    INSERT INTO revision VALUES (0);
                    """)
        }
        return migrator
    }

    private static func check(_ database: Database, path: String) throws {
        let findings = try String.fetchAll(database, sql: "PRAGMA integrity_check(10)")
        guard findings == ["ok"] else {
            throw ClusterStoreError.corrupt(path: path, detail: findings.first ?? "no answer to the integrity check")
        }
    }

    private static func makeDurable(_ database: Database, path: String) throws {
        let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        try database.execute(sql: "PRAGMA synchronous = FULL")
        let level = try Int.fetchOne(database, sql: "PRAGMA synchronous")
        // Both answers tell what is in force now, which need not be what was asked for.
        guard mode == "wal", level == 2 else {
            throw ClusterStoreError.failed(
                path: path, detail: "it cannot be made durable: journal \(mode ?? "?"), synchronous \(level ?? -1)")
        }
    }

    private static func entry(_ database: Database, _ key: StoreKey) throws -> StoreEntry? {
        try Row.fetchOne(
            database, sql: "SELECT value, revision FROM entry WHERE collection = ? AND name = ?",
            arguments: [key.collection.rawValue, key.name]
        ).map { row in StoreEntry(key: key, value: Array(row["value"] as Data), revision: row["revision"]) }
    }

    private static func put(_ database: Database, _ key: StoreKey, _ value: [UInt8], revision: Int64) throws {
        try database.execute(
            sql: "INSERT OR REPLACE INTO entry (collection, name, value, revision) VALUES (?, ?, ?, ?)",
            arguments: [key.collection.rawValue, key.name, Data(value), revision])
        try database.execute(sql: "UPDATE revision SET last = max(last, ?)", arguments: [revision])
    }

    /// The one table from SQLite's codes to ours. Messages are taken without their statements, whose arguments may be secret.
    private static func wrap(_ error: any Error, path: String) -> ClusterStoreError {
        if let error = error as? ClusterStoreError { return error }
        guard let error = error as? DatabaseError else { return .failed(path: path, detail: "\(error)") }
        let detail = error.message ?? "SQLite code \(error.extendedResultCode.rawValue)"
        return switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: .corrupt(path: path, detail: detail)
        case .SQLITE_FULL: .full(path: path)
        case .SQLITE_BUSY, .SQLITE_LOCKED: .busy(path: path)
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH: .folderUnusable(path: path, reason: detail)
        default: .failed(path: path, detail: detail)
        }
    }
}
