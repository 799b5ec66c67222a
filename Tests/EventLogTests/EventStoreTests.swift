import Foundation
import Synchronization
import Testing

@testable import EventLog

@Suite struct EventStoreTests {
    @Test("An event is there for a reader as soon as it was said, and after the next start")
    func lifeOfAnEvent() throws {
        try withFolder { folder in
            let clock = SetClock()
            let log = try EventLog.open(folder: folder, clock: clock.clock)
            log.append(.warning, component: "disk", text: "zwölf\n")
            // Neither flushed nor closed: what a process that is killed now leaves.
            let records = try log.reader.all()
            #expect(records.count == 1)
            #expect(records[0].number == 1)
            #expect(records[0].time == clock.now)
            #expect(records[0].level == .warning)
            #expect(records[0].component == "disk")
            #expect(records[0].text == "zwölf\n")
            #expect(records[0].process == UInt32(getpid()))
            #expect(records[0].thread != 0)
            log.close()
            log.append(.error, component: "disk", text: "too late")
            let again = try EventLog.open(folder: folder + "", clock: clock.clock)
            again.append(.debug, component: "disk", text: "second")
            #expect(try again.reader.all().map(\.number) == [1, 2])
            #expect(try again.reader.texts() == ["zwölf\n", "second"])
            #expect(again.statistics == .init(written: 1, dropped: 0, lastError: 0))
        }
    }

    @Test func aStoreHasOneWriter() throws {
        try withFolder { folder in
            let log = try EventLog.open(folder: folder)
            #expect(throws: EventLogError.inUse(path: folder)) { try EventLog.open(folder: folder) }
            log.close()
        }
        #expect(throws: EventLogError.failed(operation: "make", path: "/proc/log", errno: ENOENT)) {
            try EventLog.open(folder: "/proc/log")
        }
        #expect(try EventLogReader(folder: "/nonexistent/log").all().isEmpty)
    }

    @Test("The newest files are kept within the limit, whatever comes")
    func rotation() throws {
        try withFolder { folder in
            let limits = EventLog.Limits(octets: 20 << 10, segments: 4)
            let log = try EventLog.open(folder: folder, limits: limits)
            for number in 0..<1000 {
                log.append(.information, component: "test", text: "\(number) " + String(repeating: "x", count: number))
                let files = try files(of: folder)
                #expect(files.count <= 4)
                #expect(files.map(\.octets.count).reduce(0, +) <= 20 << 10)
            }
            let numbers = try log.reader.all().map(\.number)
            #expect(numbers.last == 1000)
            // No gap, and more than half of what there is room for.
            #expect(numbers == Array((numbers.first ?? 0)...1000))
            #expect(try files(of: folder).map(\.octets.count).reduce(0, +) > 10 << 10)
            log.close()
            // Less room than before: the oldest go at once, and the store goes on.
            let smaller = try EventLog.open(folder: folder, limits: .init(octets: 8 << 10, segments: 2))
            smaller.append(.information, component: "test", text: "last")
            #expect(try files(of: folder).map(\.octets.count).reduce(0, +) <= 8 << 10)
            #expect(try smaller.reader.texts().last == "last")
        }
    }

    @Test("A text that is too long is cut where a character ends, and says by how much")
    func longTexts() throws {
        try withFolder { folder in
            let log = try EventLog.open(folder: folder)
            let most = String(repeating: "a", count: 16 << 10)
            log.append(.error, component: String(repeating: "é", count: 200), text: most)
            log.append(.error, component: "c", text: most + "b")
            log.append(.error, component: "c", text: String(repeating: "é", count: 20_000))
            let records = try log.reader.all()
            #expect(records[0].component == String(repeating: "é", count: 127))
            #expect(records[0].text == most)
            #expect(records[1].text == String(repeating: "a", count: (16 << 10) - 40) + "… (41 octets more)")
            #expect(records[2].text.hasSuffix("é… (23656 octets more)"))
            #expect(!records[2].text.contains("\u{FFFD}"))
            log.close()
        }
        try withFolder { folder in
            let log = try EventLog.open(folder: folder, limits: .init(octets: 1, segments: 1))
            log.append(.error, component: "c", text: String(repeating: "a", count: 9000))
            #expect(try log.reader.texts().count == 1)
            #expect(try files(of: folder)[0].octets.count <= 4096)
        }
    }

    @Test("Many threads at once: every event is there, once, and in the order of its number")
    func threads() throws {
        try withFolder { folder in
            let log = try EventLog.open(folder: folder, limits: .init(octets: 64 << 20, pendingOctets: 64 << 20))
            DispatchQueue.concurrentPerform(iterations: 8) { thread in
                for number in 0..<500 { log.append(.debug, component: "t\(thread)", text: "\(number)") }
            }
            log.flush()
            let records = try log.reader.all()
            #expect(records.map(\.number) == Array(1...4000))
            for thread in 0..<8 {
                #expect(records.filter { $0.component == "t\(thread)" }.map(\.text) == (0..<500).map(String.init))
            }
            #expect(log.statistics.written == 4000)
        }
    }
}

@Suite struct DamagedStoreTests {
    /// Ten events and their file.
    private func store(in folder: String) throws -> (path: String, octets: [UInt8]) {
        let log = try EventLog.open(folder: folder)
        for number in 0..<10 { log.append(.information, component: "test", text: "event \(number)") }
        log.close()
        return try files(of: folder)[0]
    }

    @Test("A last record that was not finished costs no other, wherever it ends")
    func tornRecord() throws {
        try withFolder { folder in
            let (path, octets) = try store(in: folder)
            let length = octets.count / 10
            for cut in 1..<length {
                try Data(octets.dropLast(cut)).write(to: URL(fileURLWithPath: path))
                let log = try EventLog.open(folder: folder)
                log.append(.information, component: "test", text: "after")
                log.close()
                var texts: [String] = []
                let summary = try EventLogReader(folder: folder).forEach { texts.append($0.text) }
                #expect(texts == (0..<9).map { "event \($0)" } + ["after"], "\(cut) octets short")
                #expect(summary == .init(events: 10, damagedOctets: length - cut, missing: 0))
            }
        }
    }

    @Test("An octet that changed costs one event and no more")
    func changedOctets() throws {
        try withFolder { folder in
            let (path, octets) = try store(in: folder)
            for index in octets.indices {
                var damaged = octets
                damaged[index] ^= 0x41
                try Data(damaged).write(to: URL(fileURLWithPath: path))
                let texts = try EventLogReader(folder: folder).texts()
                #expect(texts.count == 9, "octet \(index)")
                #expect(!texts.contains("event \(index / (octets.count / 10))"))
            }
        }
    }

    @Test("Rubbish, an empty file and one that is not ours are no obstacle")
    func rubbish() throws {
        try withFolder { folder in
            let (path, octets) = try store(in: folder)
            try Data().write(to: URL(fileURLWithPath: folder + "/events-00000000000000ff.log"))
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/events-zz.log"))
            var generator = SystemRandomNumberGenerator()
            let noise = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) }
            try Data(noise + octets + RecordLayout.mark + noise).write(to: URL(fileURLWithPath: path))
            let log = try EventLog.open(folder: folder)
            log.append(.information, component: "test", text: "after")
            let records = try log.reader.all()
            #expect(records.map(\.text).suffix(11) == (0..<10).map { "event \($0)" } + ["after"])
            #expect(records.last?.number == 11)
        }
    }

    /// Hand-made after the layout's description; the CRC-32 by Python's zlib.crc32.
    @Test func octetsOfARecord() {
        let record = EventRecord(
            number: 1, time: EventTime(wall: 2, uptime: -1, boot: 0x0102_0304_0506_0708), process: 0x10, thread: 0x11,
            level: .warning, component: "c", text: "é")
        let body: [UInt8] =
            [1, 0, 0, 0, 0, 0, 0, 0] + [2, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 8)
            + [8, 7, 6, 5, 4, 3, 2, 1] + [0x10, 0, 0, 0, 0x11, 0, 0, 0] + [3, 1] + [0x63] + [0xC3, 0xA9]
        let octets = [0xE5, 0x45, 0x56, 0x31, 45, 0, 0, 0] + [0x10, 0x5D, 0x29, 0x7A] + body
        #expect(RecordLayout.encode(record) == octets)
        #expect(RecordLayout.decode(octets[...])?.record == record)
        #expect(CRC32.of(Array("123456789".utf8)[...]) == 0xCBF4_3926)
    }
}

@Suite struct FullDiskTests {
    @Test("What finds no room is dropped and counted, and the log says so when there is room again")
    func fullDisk() throws {
        try withFolder { folder in
            let clock = SetClock()
            let room = Mutex(Int.max)
            let log = try EventLog(folder: folder, limits: .init(), clock: clock.clock) { file, octets in
                let count = min(octets.count, room.withLock { $0 })
                let result = file.write(octets.prefix(count))
                return (result.count, count < octets.count ? ENOSPC : result.errno)
            }
            log.append(.information, component: "test", text: "before")
            // A part of a record still fits.
            room.withLock { $0 = 20 }
            log.append(.information, component: "test", text: "lost")
            room.withLock { $0 = 0 }
            clock.advance(1_500_000)
            log.append(.information, component: "test", text: "lost")
            #expect(log.statistics == .init(written: 1, dropped: 2, lastError: ENOSPC))
            #expect(try log.reader.forEach { _ in }.damagedOctets == 0)
            room.withLock { $0 = .max }
            clock.advance(1_500_000)
            log.append(.information, component: "test", text: "after")
            let note =
                "2 events were lost between 2023/11/14-22:13:20.000 and 2023/11/14-22:13:21.500 GMT: No space left on device"
            #expect(try log.reader.texts() == ["before", "after", note])
            #expect(try log.reader.forEach { _ in }.missing == 2)
            // Once is enough.
            log.append(.information, component: "test", text: "more")
            #expect(try log.reader.texts() == ["before", "after", note, "more"])
        }
    }

    @Test("Room for an event, but none for what is to be told: it is told later")
    func noRoomForTheNote() throws {
        try withFolder { folder in
            let room = Mutex(0)
            let log = try EventLog(folder: folder, limits: .init(), clock: SetClock().clock) { file, octets in
                let count = min(octets.count, room.withLock { $0 })
                room.withLock { $0 -= count }
                let result = file.write(octets.prefix(count))
                return (result.count, count < octets.count ? ENOSPC : result.errno)
            }
            log.append(.information, component: "test", text: "lost")
            room.withLock { $0 = 70 }
            log.append(.information, component: "test", text: "kept")
            #expect(try log.reader.texts() == ["kept"])
            room.withLock { $0 = .max }
            log.append(.information, component: "test", text: "after")
            let texts = try log.reader.texts()
            #expect(texts.prefix(2) == ["kept", "after"])
            #expect(texts.last?.hasPrefix("1 event was lost between ") == true, "\(texts)")
        }
    }

    @Test("Where no other file can be made, the events of the one that is full stay")
    func noOtherFile() throws {
        try withFolder { folder in
            let log = try EventLog.open(folder: folder, limits: .init(octets: 8192, segments: 2))
            // The next file's name is taken.
            try Data().write(to: URL(fileURLWithPath: folder + "/events-0000000000000002.log"))
            for number in 0..<200 { log.append(.information, component: "test", text: "event \(number)") }
            let texts = try log.reader.texts()
            #expect(texts.first == "event 0")
            #expect(log.statistics.lastError == EEXIST)
            #expect(log.statistics.written + log.statistics.dropped == 200)
        }
    }

    @Test("Events that come while others are written wait within a limit")
    func pendingEvents() throws {
        try withFolder { folder in
            let gate = DispatchSemaphore(value: 0)
            let entered = DispatchSemaphore(value: 0)
            let isFirst = Mutex(true)
            let log = try EventLog(folder: folder, limits: .init(pendingOctets: 1000), clock: .system()) {
                file, octets in
                if isFirst.withLock({ first in
                    defer { first = false }
                    return first
                }) {
                    entered.signal()
                    gate.wait()
                }
                return file.write(octets)
            }
            let writer = Thread { log.append(.information, component: "test", text: "slow") }
            writer.start()
            entered.wait()
            // The disk hangs; nobody else does.
            for number in 0..<1000 { log.append(.information, component: "test", text: "event \(number)") }
            gate.signal()
            log.flush()
            let texts = try log.reader.texts()
            #expect(texts.first == "slow")
            #expect(texts.last?.hasSuffix("they came too fast") == true)
            #expect(log.statistics.dropped > 900)
            #expect(log.statistics.written + log.statistics.dropped == 1002)
        }
    }
}
