/// When something happened: by the clock on the wall, which people read and which may be set, and by the time since the machine's
/// start, which nobody sets. Events of one run of the machine are told apart in time by the latter, so that a clock that is set
/// forward or back moves no event into or out of a span.
public struct EventTime: Sendable, Hashable {
    /// Microseconds since 1970-01-01 00:00 UTC, as the clock said.
    public var wall: Int64
    /// Microseconds since the machine's start, sleep included (CLOCK_BOOTTIME).
    public var uptime: Int64
    /// Which run of the machine: the first eight octets of the kernel's boot identifier.
    public var boot: UInt64

    /// From its parts.
    public init(wall: Int64, uptime: Int64, boot: UInt64) {
        self.wall = wall
        self.uptime = uptime
        self.boot = boot
    }

    /// How long before another time this was, in microseconds; negative where it was after it.
    ///
    /// Where both are of one run of the machine, its own clock says it. An event of an earlier run is at least as old as this run,
    /// whatever the wall clock said then.
    public func age(at now: EventTime) -> Int64 {
        if boot == now.boot { return now.uptime &- uptime }
        let (byWall, overflow) = now.wall.subtractingReportingOverflow(wall)
        if overflow { return now.wall < 0 ? .min : .max }
        return max(byWall, now.uptime)
    }
}

/// Where the time comes from.
public struct EventClock: Sendable {
    private let read: @Sendable () -> EventTime

    /// From any source; it may go backwards.
    public init(_ read: @escaping @Sendable () -> EventTime) {
        self.read = read
    }

    /// The time.
    public var now: EventTime { read() }
}

/// Which events are asked for: all, or those of the last minutes ([MS-CSVP] 3.12.4.2: "Events that occurred in the range of Now to
/// (Now - SpanMinutes) MUST be in the log and no others").
///
/// Now is a moment, the same in every time zone, so neither local time nor a change to or from daylight saving time shifts the
/// span. Zero minutes hold what happened in this very microsecond; 0xFFFFFFFF minutes are 8,166 years.
public struct EventSpan: Sendable, Hashable {
    /// The minutes; nil for everything.
    public var minutes: UInt32?
    /// The moment that the span ends with.
    public var now: EventTime

    /// From its parts.
    public init(minutes: UInt32?, now: EventTime) {
        self.minutes = minutes
        self.now = now
    }

    /// Whether a time is in the span; both ends are.
    public func contains(_ time: EventTime) -> Bool {
        guard let minutes else { return true }
        return (0...Int64(minutes) * 60_000_000).contains(time.age(at: now))
    }
}
