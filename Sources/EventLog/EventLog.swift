import Dispatch
import Foundation
import Synchronization

/// What happened on a node: a store of events in files of its state folder that survives restarts and SIGKILL, that never grows
/// beyond its limit, and that never holds up or fails whoever has something to say.
///
/// An event is in the kernel's hands when ``append(_:component:text:)`` returns, or, where another thread is writing just then,
/// as soon as that one has written it. So a process that dies loses nothing, and a machine that loses power the last seconds. An
/// event that cannot be written, because the disk is full for one, is dropped and counted; once writing works again, the log
/// itself says how many were dropped, when and why.
public final class EventLog: Sendable {
    /// How much is kept.
    public struct Limits: Sendable, Hashable {
        /// The octets of all files together.
        public var octets: Int
        /// The number of files that they are spread over: when the newest is full, the oldest goes.
        public var segments: Int
        /// The octets of events that may wait while others are being written; more are dropped.
        public var pendingOctets: Int

        /// At least 2 files of 4096 octets each.
        public init(octets: Int = 64 << 20, segments: Int = 8, pendingOctets: Int = 1 << 20) {
            self.segments = max(2, segments)
            self.octets = max(octets, self.segments * 4096)
            self.pendingOctets = max(0, pendingOctets)
        }

        var segmentOctets: Int { octets / segments }
        /// A record always fits into a file of its own.
        var longestText: Int { min(RecordLayout.longestText, segmentOctets - RecordLayout.overhead - 255) }
    }

    /// What became of the events since the store was opened.
    public struct Statistics: Sendable, Hashable {
        /// Events that are in the files.
        public var written: UInt64 = 0
        /// Events that were dropped.
        public var dropped: UInt64 = 0
        /// Why the last was dropped, as an error number; 0 where they came faster than they could be written.
        public var lastError: Int32 = 0
    }

    /// Events that were dropped and of which the log does not tell yet.
    private struct Loss {
        var count: UInt64
        var first: EventTime
        var last: EventTime
        var errno: Int32
    }

    private struct State {
        var pending: [[UInt8]] = []
        var pendingOctets = 0
        var isWriting = false
        var isClosed = false
        var nextNumber: UInt64
        var lastTime: EventTime?
        var loss: Loss?
        /// The event that tells of a loss: where in `pending` it stands, and of what it tells.
        var told: (index: Int, loss: Loss)?
        var statistics = Statistics()
    }

    /// How far a clock may move between two events before that is an event itself: more than slewing does in an hour.
    private static let clockTolerance: Int64 = 2_000_000
    /// How often a thread that writes what others have said goes on with that before it goes its own way.
    private static let rounds = 16

    /// The store's folder.
    public let folder: String

    private let clock: EventClock
    private let limits: Limits
    private let process = UInt32(truncatingIfNeeded: getpid())
    private let lock: FileDescriptor
    private let writer: Mutex<SegmentWriter>
    private let state: Mutex<State>

    /// Where a node's store is in its state folder.
    public static func folder(inStateFolder folder: String) -> String { folder + "/events" }

    /// Opens a store, and makes it where there is none (the folder's own folder has to be there). One process at a time.
    ///
    /// - Throws: ``EventLogError``: the folder cannot be made or read, or another process has it open. A full disk is none of it.
    public static func open(
        folder: String, limits: Limits = Limits(), clock: EventClock = .system()
    ) throws(EventLogError) -> EventLog {
        try EventLog(folder: folder, limits: limits, clock: clock) { $0.write($1) }
    }

    init(
        folder: String, limits: Limits, clock: EventClock, store: @escaping SegmentWriter.Store
    ) throws(EventLogError) {
        self.folder = folder
        self.limits = limits
        self.clock = clock
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .last("make", folder) }
        let lockPath = folder + "/lock"
        let lock = try FileDescriptor(lockPath, O_RDWR | O_CREAT, operation: "open")
        guard flock(lock.number, LOCK_EX | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { throw .inUse(path: folder) }
            throw .last("lock", lockPath)
        }
        self.lock = lock
        let last = try EventLogReader(folder: folder).last()
        state = Mutex(State(nextNumber: (last?.number ?? 0) &+ 1, lastTime: last?.time))
        writer = Mutex(try SegmentWriter(folder: SegmentFolder(path: folder), limits: limits, store: store))
    }

    /// The time by the log's clock: what spans are counted from.
    public var now: EventTime { clock.now }

    /// What became of the events so far.
    public var statistics: Statistics { state.withLock(\.statistics) }

    /// Adds an event, with this thread and the present time. It neither fails nor waits for another thread.
    ///
    /// - Parameters:
    ///   - component: the part of the node that speaks; at most 255 octets of UTF-8, the rest is cut off.
    ///   - text: any text; of more than 16 KiB the rest is cut off and counted.
    public func append(_ level: EventLevel, component: String, text: String) {
        let thread = currentThread()
        let isMine = state.withLock { state in
            guard !state.isClosed else { return false }
            let time = clock.now
            noteClockChange(&state, time: time, thread: thread)
            enqueue(&state, time: time, thread: thread, level: level, component: component, text: text)
            if state.isWriting || state.pending.isEmpty { return false }
            state.isWriting = true
            return true
        }
        if isMine { write(rounds: Self.rounds) }
    }

    /// Writes what waits, and brings everything to the disk; a machine that loses power afterwards loses none of it.
    public func flush() {
        takeOverWriting()
        writer.withLock { $0.synchronize() }
    }

    /// Flushes, takes no more events and leaves the store to another.
    public func close() {
        state.withLock { $0.isClosed = true }
        flush()
        flock(lock.number, LOCK_UN)
    }

    deinit {
        close()
    }

    // MARK: Events on their way

    /// - Parameter isNote: whether it is the one that tells of a loss, for which there is always room.
    private func enqueue(
        _ state: inout State, time: EventTime, thread: UInt32, level: EventLevel, component: String, text: String,
        isNote: Bool = false
    ) {
        let record = EventRecord(
            number: state.nextNumber, time: time, process: process, thread: thread, level: level,
            component: component, text: text)
        // One that is dropped keeps its number, so that a reader sees the gap whatever becomes of us.
        state.nextNumber &+= 1
        let octets = RecordLayout.encode(record, longestText: limits.longestText)
        guard isNote || state.pending.isEmpty || state.pendingOctets + octets.count <= limits.pendingOctets else {
            return drop(&state, Loss(count: 1, first: time, last: time, errno: 0))
        }
        state.pending.append(octets)
        state.pendingOctets += octets.count
    }

    /// A clock that was set is told of in the log, which otherwise could not be understood.
    private func noteClockChange(_ state: inout State, time: EventTime, thread: UInt32) {
        defer { state.lastTime = time }
        guard let last = state.lastTime, last.boot == time.boot else { return }
        let change = (time.wall &- time.uptime) &- (last.wall &- last.uptime)
        guard change.magnitude > UInt64(Self.clockTolerance) else { return }
        let milliseconds = change.magnitude / 1000
        let seconds = "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst())"
        enqueue(
            &state, time: time, thread: thread, level: .warning, component: "log",
            text: "the clock was set \(change > 0 ? "forward" : "back") by \(seconds) s since the event before")
    }

    private func drop(_ state: inout State, _ loss: Loss) {
        state.statistics.dropped += loss.count
        state.statistics.lastError = loss.errno
        remember(&state, loss)
    }

    private func remember(_ state: inout State, _ loss: Loss) {
        guard let known = state.loss else {
            state.loss = loss
            return
        }
        state.loss = Loss(
            count: known.count + loss.count, first: known.first, last: loss.last, errno: loss.errno)
    }

    /// Writes until nothing waits. Only who has set `isWriting` comes here.
    private func write(rounds: Int) {
        for _ in 0..<rounds {
            let (batch, told) = state.withLock { state in
                if state.pending.isEmpty { state.isWriting = false }
                defer {
                    state.pending = []
                    state.pendingOctets = 0
                    state.told = nil
                }
                return (state.pending, state.told)
            }
            if batch.isEmpty { return }
            let (count, error) = writer.withLock { $0.append(batch[...]) }
            state.withLock { state in
                state.statistics.written += UInt64(count)
                if count < batch.count {
                    let time = clock.now
                    // What was to be told is still to be told.
                    let isTold = told.map { $0.index < count } ?? true
                    if let told, !isTold { remember(&state, told.loss) }
                    let lost = UInt64(batch.count - count) - (isTold ? 0 : 1)
                    if lost > 0 { drop(&state, Loss(count: lost, first: time, last: time, errno: error)) }
                } else if let loss = state.loss {
                    tell(&state, of: loss)
                }
            }
        }
        // Others have more to say than this thread has time for.
        DispatchQueue.global().async { self.write(rounds: .max) }
    }

    private func tell(_ state: inout State, of loss: Loss) {
        let reason = loss.errno == 0 ? "they came too fast" : String(cString: strerror(loss.errno))
        let (first, last) = (ClusterLogLine.time(loss.first, in: .gmt), ClusterLogLine.time(loss.last, in: .gmt))
        let what = loss.count == 1 ? "1 event was" : "\(loss.count) events were"
        state.told = (state.pending.count, loss)
        state.loss = nil
        enqueue(
            &state, time: clock.now, thread: currentThread(), level: .warning, component: "log",
            text: "\(what) lost between \(first) and \(last) GMT: \(reason)", isNote: true)
    }

    /// Writes what waits, whoever is writing now.
    private func takeOverWriting() {
        while true {
            let isDone = state.withLock { state -> Bool? in
                if state.isWriting { return nil }
                if state.pending.isEmpty { return true }
                state.isWriting = true
                return false
            }
            switch isDone {
            case true?: return
            case false?: write(rounds: Self.rounds)
            case nil: usleep(200)
            }
        }
    }
}
