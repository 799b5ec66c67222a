/// A point in time and how far away it was when it was set.
struct Deadline: Sendable {
    let limit: Duration
    private let instant: ContinuousClock.Instant

    init(after limit: Duration) {
        self.limit = limit
        instant = .now + limit
    }

    /// The earlier one of this and what is to be had now.
    func capped(to limit: Duration) -> Deadline {
        let rest = ContinuousClock.now.duration(to: instant)
        return Deadline(after: max(.zero, min(limit, rest)))
    }

    /// The milliseconds left, rounded up; nil where the time is over.
    var remainingMilliseconds: Int32? {
        let rest = ContinuousClock.now.duration(to: instant)
        guard rest > .zero else { return nil }
        let (seconds, attoseconds) = rest.components
        return Int32(clamping: seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
