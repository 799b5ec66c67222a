import Glibc
import Synchronization

/// The state beside an image, shared by every unit of every process on this host.
///
/// **Exclusion.** Two octets of the state file are locked with open-file-description locks. A command that only needs the
/// state to stay as it is holds the *state* lock shared; one that changes it holds it exclusively. Both take the *gate*
/// first: a command gives it back once inside, a change keeps it, so that a steady stream of reads and writes from other
/// processes cannot keep a PREEMPT waiting for longer than the commands already under way. Every command under way
/// has its own opening of the file, and with it its own lock; the openings are kept for the next command.
///
/// **Cost.** A command reads the header, 512 octets from the page cache, and parses the state only if another process has
/// changed it since.
///
/// **Durability.** A change is on stable storage before it returns (``StateFileHeader``), and a state that another
/// process wrote is brought onto stable storage before it is acted upon, because that process may have been killed between
/// the two.
final class ReservationStore: Sendable {
    /// The state file.
    let path: String
    private let device: dev_t
    private let inode: ino_t
    private let bootIdentifier: String
    private let idle: Mutex<[OpenFile]>
    private let cache = Mutex<Snapshot?>(nil)

    private struct Snapshot {
        var header: StateFileHeader
        var state: UnitState
    }

    /// Far beyond the file's end, so that no reader of the file trips over them.
    private static let gate: off_t = 1 << 60
    private static let main: off_t = 1 << 60 + 1
    /// The first of the octets whose locks say which sessions are alive.
    private static let sessions: off_t = 1 << 61

    /// Opens the state file, making it where there is none.
    ///
    /// - Parameters:
    ///   - path: the state file.
    ///   - bootIdentifier: the present boot of the host.
    ///   - initial: makes the first state; not called where there is one.
    init(
        path: String, bootIdentifier: String, initial: () throws(EmulatedUnitError) -> UnitState
    ) throws(EmulatedUnitError) {
        self.path = path
        self.bootIdentifier = bootIdentifier
        do {
            let file = try Self.open(path, initial: initial)
            let status = try file.status()
            (device, inode) = (status.st_dev, status.st_ino)
            idle = Mutex([file])
        } catch let error as FileError {
            throw .stateUnavailable(error)
        } catch let error as EmulatedUnitError {
            throw error
        } catch {
            // JSON encoding of a state that was just made is all that is left.
            throw .stateCorrupted(path: path, reason: "\(error)")
        }
    }

    /// Runs the body while nobody can change the state.
    func read<Result>(_ body: (UnitState) throws -> Result) throws -> Result {
        while true {
            let result: Result? = try withFile(.shared) { file in
                let snapshot = try load(file)
                return snapshot.state.bootIdentifier == bootIdentifier ? try body(snapshot.state) : nil
            }
            if let result { return result }
            // The host has been booted since: the change that follows from it is made by whoever comes first.
            try update { _ in }
        }
    }

    /// Runs the body alone; what it changed is on stable storage when this returns, and nothing has changed when it throws.
    func update<Result>(_ body: (inout UnitState) throws -> Result) throws -> Result {
        try withFile(.exclusive) { file in
            let snapshot = try load(file)
            var state = snapshot.state
            if state.bootIdentifier != bootIdentifier {
                state.losePower(bootIdentifier: bootIdentifier)
            }
            let result = try body(&state)
            if state != snapshot.state { try commit(state, after: snapshot.header, in: file) }
            return result
        }
    }

    /// Marks a session as alive, for as long as the value that is returned lives, and no longer than this process.
    func beginSession(_ session: UInt32) throws -> OpenFile {
        let file = try reopened()
        try file.lock(.exclusive, octet: Self.sessions + off_t(session))
        return file
    }

    /// Whether somebody keeps this session alive.
    func isAlive(_ session: UInt32) throws -> Bool {
        try reopened().isLockedElsewhere(octet: Self.sessions + off_t(session))
    }

    private func load(_ file: OpenFile) throws -> Snapshot {
        guard try file.status().st_nlink > 0 else { throw EmulatedUnitError.stateReplaced(path: path) }
        let header = try StateFileHeader(try file.read(at: 0, count: StateFileHeader.size), path: path)
        if let cached = cache.withLock({ $0 }), cached.header == header { return cached }
        let octets = try file.read(at: header.offset, count: Int(header.length))
        guard octets.count == Int(header.length), CRC32C.checksum(octets) == header.checksum else {
            throw EmulatedUnitError.stateCorrupted(path: path, reason: "the state's checksum is wrong")
        }
        let state: UnitState
        do {
            state = try UnitState(encoded: octets)
        } catch {
            throw EmulatedUnitError.stateCorrupted(path: path, reason: "\(error)")
        }
        if let defect = state.defect { throw EmulatedUnitError.stateCorrupted(path: path, reason: defect) }
        try file.synchronize()
        let snapshot = Snapshot(header: header, state: state)
        cache.withLock { $0 = snapshot }
        return snapshot
    }

    private func commit(_ state: UnitState, after header: StateFileHeader, in file: OpenFile) throws {
        let octets = try state.encoded()
        guard octets.count <= StateFileHeader.slotSize else {
            throw EmulatedUnitError.stateUnavailable(FileError("write", path, EFBIG))
        }
        let next = header.next(octets)
        // What is on disk is unknown once one of these has failed, so the next command reads it again.
        cache.withLock { $0 = nil }
        try file.write(octets, at: next.offset)
        try file.synchronize()
        try file.write(next.octets, at: 0)
        try file.synchronize()
        cache.withLock { $0 = Snapshot(header: next, state: state) }
    }

    /// Runs the body with an opening of the file of its own that holds the lock.
    private func withFile<Result>(_ kind: OpenFile.Lock, _ body: (OpenFile) throws -> Result) throws -> Result {
        let file = try idle.withLock { $0.popLast() } ?? reopened()
        // An opening whose locks cannot be given back is closed instead, which gives them back.
        defer { if (try? unlock(file)) != nil { idle.withLock { $0.append(file) } } }
        try file.lock(.exclusive, octet: Self.gate)
        try file.lock(kind, octet: Self.main)
        if kind == .shared { try file.lock(.none, octet: Self.gate) }
        return try body(file)
    }

    private func unlock(_ file: OpenFile) throws {
        try file.lock(.none, octet: Self.main)
        try file.lock(.none, octet: Self.gate)
    }

    private func reopened() throws -> OpenFile {
        let file = try OpenFile(path, flags: O_RDWR)
        let status = try file.status()
        guard status.st_dev == device, status.st_ino == inode else { throw EmulatedUnitError.stateReplaced(path: path) }
        return file
    }

    private static func open(
        _ path: String, initial: () throws(EmulatedUnitError) -> UnitState
    ) throws -> OpenFile {
        if access(path, F_OK) != 0, errno == ENOENT { try create(path, try initial()) }
        return try OpenFile(path, flags: O_RDWR)
    }

    /// Makes the file whole under another name and then gives it its own, so that nobody ever sees a part of it; where
    /// another process was first, its file stays.
    private static func create(_ path: String, _ state: UnitState) throws {
        let temporary = "\(path).\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let file = try OpenFile(temporary, flags: O_RDWR | O_CREAT | O_EXCL)
        defer { unlink(temporary) }
        let octets = try state.encoded()
        let header = StateFileHeader(slot: 1, sequence: 0, length: 0, checksum: 0).next(octets)
        try file.write(octets, at: header.offset)
        try file.write(header.octets, at: 0)
        guard fsync(file.descriptor) == 0 else { throw FileError("fsync", temporary) }
        guard link(temporary, path) == 0 || errno == EEXIST else { throw FileError("link", path) }
        try OpenFile.synchronizeFolder(of: path)
    }
}
