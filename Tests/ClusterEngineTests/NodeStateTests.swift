import Foundation
import GRDB
import Security
import Testing

@testable import ClusterEngine

@Suite struct NodeStateTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    // MARK: - What is made

    @Test func everythingIsClosedToOthers() async throws {
        let state = try NodeState.open(folder: folder.state, as: .daemon)
        try await state.engine.configureServiceSecret(SecretBytes([1]))
        #expect(try folder.mode(folder.state) == 0o700)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.state)
        #expect(
            Set(names) == ["cluster.db", "cluster.db-wal", "cluster.db-shm", "node.key", "daemon.lock", "setup.lock"])
        for name in names { #expect(try folder.mode("\(folder.state)/\(name)") == 0o600, "\(name)") }
    }

    @Test func theNodeStaysTheSame() throws {
        let first = try NodeState.open(folder: folder.state, as: .tool).record
        let second = try NodeState.open(folder: folder.state + "/", as: .daemon).record
        #expect(first == second)
        #expect(first.machineSID.hasPrefix("S-1-5-21-"))
        #expect(first.machineSID.split(separator: "-").count == 7)
        #expect(first.reservationKeyBase & 0xFFFF == 0 && first.reservationKeyBase != 0)
    }

    @Test func nodesDiffer() throws {
        let first = try NodeState.open(folder: folder.state, as: .tool).record
        let second = try NodeState.open(folder: folder.path + "/other", as: .tool).record
        #expect(first.machineSID != second.machineSID)
        #expect(first.reservationKeyBase != second.reservationKeyBase)
    }

    @Test func leftoversOfAnInterruptedStartAreReplaced() throws {
        _ = try NodeState.open(folder: folder.state, as: .tool)
        // Killed before the database got its name: the key is there, and half a database.
        try FileManager.default.removeItem(atPath: folder.database)
        try Data([1, 2, 3]).write(to: URL(filePath: folder.database + ".new"))
        _ = try NodeState.open(folder: folder.state, as: .tool)
        #expect(!FileManager.default.fileExists(atPath: folder.database + ".new"))
    }

    // MARK: - Who may open it

    @Test func aSecondDaemonIsRefused() throws {
        let first = try NodeState.open(folder: folder.state, as: .daemon)
        let refusal = ClusterStoreError.anotherDaemon(
            folder: folder.state, process: ProcessInfo.processInfo.processIdentifier)
        #expect(throws: refusal) { try NodeState.open(folder: folder.state, as: .daemon) }
        #expect("\(refusal)".contains(folder.state))
        // A command beside it is welcome.
        _ = try NodeState.open(folder: folder.state, as: .tool)
        withExtendedLifetime(first) {}
    }

    @Test func theLockLivesWithTheEngine() throws {
        var engine: ClusterEngine? = try NodeState.open(folder: folder.state, as: .daemon).engine
        #expect(throws: ClusterStoreError.self) { try NodeState.open(folder: folder.state, as: .daemon) }
        withExtendedLifetime(engine) {}
        engine = nil
        _ = try NodeState.open(folder: folder.state, as: .daemon)
    }

    @Test func aFolderThatIsOpenToReadersIsClosed() throws {
        try FileManager.default.createDirectory(
            atPath: folder.state, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
        _ = try NodeState.open(folder: folder.state, as: .tool)
        #expect(try folder.mode(folder.state) == 0o700)
    }

    @Test func aFolderThatEverybodyWritesToIsRefused() throws {
        try FileManager.default.createDirectory(atPath: folder.state, withIntermediateDirectories: false)
        try folder.setMode(0o777, of: folder.state)
        #expect(throws: ClusterStoreError.insecurePermissions(path: folder.state, mode: 0o777)) {
            try NodeState.open(folder: folder.state, as: .tool)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.state).isEmpty)
    }

    @Test(arguments: ["/proc/clusprep", "/dev/null", "/dev/null/state", "/nonexistent/state"])
    func placesWhereNoFolderCanBe(path: String) {
        #expect {
            try NodeState.open(folder: path, as: .daemon)
        } throws: { error in
            guard case .folderUnusable(path, let reason)? = error as? ClusterStoreError else { return false }
            return !reason.isEmpty && "\(error)".contains(path)
        }
    }

    // Nothing stops root from writing to a folder without the permission.
    @Test(.enabled(if: getuid() != 0, "root may write to read-only folders; run it as another user"))
    func aReadOnlyFolder() throws {
        try FileManager.default.createDirectory(
            atPath: folder.state, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o500])
        #expect(throws: ClusterStoreError.folderUnusable(path: folder.state, reason: "Permission denied")) {
            try NodeState.open(folder: folder.state, as: .tool)
        }
    }

    // MARK: - Keys

    @Test func aKeyThatOthersCouldReadIsRefused() throws {
        _ = try NodeState.open(folder: folder.state, as: .tool)
        try folder.setMode(0o640, of: folder.key)
        #expect(throws: ClusterStoreError.insecurePermissions(path: folder.key, mode: 0o640)) {
            try NodeState.open(folder: folder.state, as: .tool)
        }
    }

    @Test(arguments: [0, 31, 32, 33]) func aWrongKeyIsRefused(length: Int) throws {
        _ = try NodeState.open(folder: folder.state, as: .tool)
        try folder.write([UInt8](repeating: 7, count: length), to: folder.key)
        #expect(throws: ClusterStoreError.wrongKey(path: folder.key, database: folder.database)) {
            try NodeState.open(folder: folder.state, as: .tool)
        }
    }

    @Test func aMissingKeyIsNotReplaced() throws {
        _ = try NodeState.open(folder: folder.state, as: .tool)
        try FileManager.default.removeItem(atPath: folder.key)
        #expect(throws: ClusterStoreError.keyMissing(path: folder.key, database: folder.database)) {
            try NodeState.open(folder: folder.state, as: .tool)
        }
        #expect(!FileManager.default.fileExists(atPath: folder.key))
    }

    // MARK: - Damage

    enum Damage: CaseIterable {
        case empty, text, header, cut, garbage

        func apply(to bytes: [UInt8]) -> [UInt8] {
            switch self {
            case .empty: []
            case .text: Array("this was a database once\n".utf8)
            case .header: [UInt8](repeating: 0, count: 100) + bytes[100...]
            // In the middle of the second page, of 4096 octets each.
            case .cut: Array(bytes[..<6000])
            // Over the second page's header.
            case .garbage: bytes[..<4096] + [UInt8](repeating: 0xA5, count: 512) + bytes[4608...]
            }
        }
    }

    @Test(arguments: Damage.allCases) func aDamagedDatabaseIsReportedAndLeftAlone(damage: Damage) throws {
        _ = try NodeState.open(folder: folder.state, as: .tool)
        let damaged = damage.apply(to: try folder.bytes(folder.database))
        try folder.write(damaged, to: folder.database)
        #expect {
            try NodeState.open(folder: folder.state, as: .daemon)
        } throws: { error in
            guard case .corrupt(folder.database, let detail)? = error as? ClusterStoreError else { return false }
            return !detail.isEmpty && "\(error)".contains(folder.database)
        }
        #expect(try folder.bytes(folder.database) == damaged)
    }

    @Test func aDatabaseOfSomethingElseIsRefused() throws {
        _ = try NodeState.open(folder: folder.state, as: .tool)
        try FileManager.default.removeItem(atPath: folder.database)
        try SQLiteClusterStore.create(path: folder.database, entries: [])
        #expect(throws: ClusterStoreError.corrupt(path: folder.database, detail: "it is no node's database")) {
            try NodeState.open(folder: folder.state, as: .tool)
        }
    }

    @Test func aNewerDatabaseIsRefused() throws {
        _ = try NodeState.open(folder: folder.state, as: .tool)
        let queue = try DatabaseQueue(path: folder.database)
        try queue.write { database in
            try database.execute(sql: "INSERT INTO grdb_migrations VALUES ('from the future')")
        }
        try queue.close()
        #expect(throws: ClusterStoreError.newerVersion(path: folder.database)) {
            try NodeState.open(folder: folder.state, as: .tool)
        }
    }
}
