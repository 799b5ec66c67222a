/// How often clients ping, and how long silence is forgiven ([MS-DCOM] 3.1.2.2).
public struct PingTiming: Sendable, Hashable {
    /// The ping period; the specification allows at most two minutes and recommends exactly that.
    public var period: Duration
    /// After how many missed periods a ping set, or an object that nobody pings, is given up; at least three.
    public var missedPeriods: Int

    /// From its parts.
    public init(period: Duration = .seconds(120), missedPeriods: Int = 3) {
        self.period = period
        self.missedPeriods = missedPeriods
    }

    /// How long silence is forgiven.
    public var timeout: Duration { period * missedPeriods }
}

/// A clock that says how long it has been running, whatever kind of clock it is.
public struct TimeSource: Sendable {
    /// The time since the source was made.
    public let now: @Sendable () -> Duration
    /// Waits; throws `CancellationError` if the task is cancelled meanwhile.
    public let sleep: @Sendable (Duration) async throws -> Void

    /// Over any clock.
    public init<C: Clock>(_ clock: C) where C.Duration == Duration {
        let origin = clock.now
        now = { origin.duration(to: clock.now) }
        sleep = { try await clock.sleep(for: $0) }
    }

    /// The machine's own clock, which stands still while the machine is suspended: its clients could not ping then.
    public static var system: TimeSource { TimeSource(SuspendingClock()) }
}
