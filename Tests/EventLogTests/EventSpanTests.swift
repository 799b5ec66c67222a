import Testing

@testable import EventLog

private let minute: Int64 = 60_000_000

@Suite struct EventSpanTests {
    @Test("Both ends of a span are in it, and a microsecond beyond is not")
    func ends() {
        let now = EventTime(wall: 1_000 * minute, uptime: 500 * minute, boot: 1)
        let span = EventSpan(minutes: 10, now: now)
        func event(_ age: Int64) -> EventTime {
            EventTime(wall: now.wall - age, uptime: now.uptime - age, boot: 1)
        }
        #expect(span.contains(event(0)))
        #expect(!span.contains(event(-1)))
        #expect(span.contains(event(10 * minute)))
        #expect(!span.contains(event(10 * minute + 1)))
        let none = EventSpan(minutes: 0, now: now)
        #expect(none.contains(now))
        #expect(!none.contains(event(1)))
        let all = EventSpan(minutes: .max, now: now)
        #expect(all.contains(event(490 * minute)))
        #expect(!all.contains(event(-1)))
        #expect(EventSpan(minutes: nil, now: now).contains(event(-1)))
    }

    @Test("The longest span holds the beginning of time")
    func longest() {
        let span = EventSpan(minutes: .max, now: EventTime(wall: 1_700_000_000_000_000, uptime: 1, boot: 1))
        #expect(span.contains(EventTime(wall: 0, uptime: 0, boot: 2)))
        #expect(!span.contains(EventTime(wall: .min, uptime: 0, boot: 2)))
        #expect(span.contains(EventTime(wall: .max, uptime: 0, boot: 2)))
    }

    @Test("A clock that is set moves no event of this run of the machine into or out of the span")
    func clockIsSet() throws {
        for change in [3_600_000_000, -3_600_000_000] as [Int64] {
            try withFolder { folder in
                let clock = SetClock()
                let log = try EventLog.open(folder: folder, clock: clock.clock)
                log.append(.information, component: "test", text: "old")
                clock.advance(20 * minute)
                log.append(.information, component: "test", text: "new")
                clock.set(forward: change)
                clock.advance(minute)
                log.append(.information, component: "test", text: "newest")
                let note = "the clock was set \(change > 0 ? "forward" : "back") by 3600.000 s since the event before"
                let texts = try log.reader.texts()
                #expect(texts == ["old", "new", note, "newest"])
                let span = EventSpan(minutes: 20, now: log.now)
                #expect(try log.reader.texts(in: span) == ["new", note, "newest"])
                #expect(try log.reader.texts(in: EventSpan(minutes: 21, now: log.now)) == texts)
            }
        }
    }

    @Test("Two seconds are slewing; more is an event, also across a restart of the daemon")
    func tolerance() throws {
        try withFolder { folder in
            let clock = SetClock()
            let log = try EventLog.open(folder: folder, clock: clock.clock)
            log.append(.information, component: "test", text: "a")
            clock.set(forward: 2_000_000)
            log.append(.information, component: "test", text: "b")
            clock.set(forward: -2_000_000)
            log.append(.information, component: "test", text: "c")
            #expect(try log.reader.texts() == ["a", "b", "c"])
            log.close()
            clock.set(forward: 2_000_001)
            let again = try EventLog.open(folder: folder, clock: clock.clock)
            again.append(.information, component: "test", text: "d")
            #expect(
                try again.reader.texts()
                    == ["a", "b", "c", "the clock was set forward by 2.000 s since the event before", "d"])
        }
    }

    @Test("An event of an earlier run of the machine is at least as old as this run")
    func earlierRuns() throws {
        try withFolder { folder in
            let clock = SetClock()
            let log = try EventLog.open(folder: folder, clock: clock.clock)
            log.append(.information, component: "test", text: "earlier")
            clock.reboot(boot: 8)
            clock.set(forward: -600 * minute)
            clock.advance(5 * minute)
            log.append(.information, component: "test", text: "now")
            #expect(try log.reader.texts(in: EventSpan(minutes: 4, now: log.now)) == ["now"])
            #expect(try log.reader.texts(in: EventSpan(minutes: 5, now: log.now)) == ["earlier", "now"])
            clock.set(forward: 900 * minute)
            #expect(try log.reader.texts(in: EventSpan(minutes: 304, now: log.now)) == ["now"])
            #expect(try log.reader.texts(in: EventSpan(minutes: 305, now: log.now)) == ["earlier", "now"])
        }
    }
}
