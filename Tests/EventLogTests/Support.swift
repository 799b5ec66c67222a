import Foundation
import Synchronization

@testable import EventLog

/// A folder of a test's own, gone after the body. The log makes `log` in it.
func withFolder<T>(_ body: (String) throws -> T) throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("events-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path + "/log")
}

/// The time as a test sets it.
final class SetClock: Sendable {
    private let time: Mutex<EventTime>

    init(wall: Int64 = 1_700_000_000_000_000, uptime: Int64 = 50_000_000, boot: UInt64 = 7) {
        time = Mutex(EventTime(wall: wall, uptime: uptime, boot: boot))
    }

    var clock: EventClock {
        EventClock { self.now }
    }

    var now: EventTime {
        get { time.withLock { $0 } }
        set { time.withLock { $0 = newValue } }
    }

    /// Time passes.
    func advance(_ microseconds: Int64) {
        time.withLock { time in
            time.wall += microseconds
            time.uptime += microseconds
        }
    }

    /// Somebody sets the clock on the wall.
    func set(forward microseconds: Int64) {
        time.withLock { $0.wall += microseconds }
    }

    /// The machine starts again.
    func reboot(boot: UInt64) {
        time.withLock { time in
            time.boot = boot
            time.uptime = 0
        }
    }
}

extension EventLog {
    var reader: EventLogReader { EventLogReader(folder: folder) }
}

extension EventLogReader {
    func all(in span: EventSpan? = nil) throws -> [EventRecord] {
        var records: [EventRecord] = []
        try forEach(in: span) { records.append($0) }
        return records
    }

    func texts(in span: EventSpan? = nil) throws -> [String] {
        try all(in: span).map(\.text)
    }
}

/// The files of a store, oldest first, and their octets.
func files(of folder: String) throws -> [(path: String, octets: [UInt8])] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("events-") }.sorted().map {
        (folder + "/" + $0, [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + $0))))
    }
}
