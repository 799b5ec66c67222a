/// Lets so many events a second through, and as many at once after a quiet second.
struct TokenBucket: Sendable {
    private var tokens: Double
    private var last: Duration

    /// A full bucket.
    init(rate: Int, now: Duration) {
        tokens = Double(rate)
        last = now
    }

    /// Takes one; false where there is none.
    mutating func take(rate: Int, now: Duration) -> Bool {
        // Time that seems to run backwards fills nothing.
        let passed = max(.zero, now - last)
        last = max(last, now)
        tokens = min(Double(rate), tokens + Double(rate) * (passed / .seconds(1)))
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Whether the bucket would be full, so that it says nothing a new one does not.
    func isFull(rate: Int, now: Duration) -> Bool {
        tokens + Double(rate) * ((now - last) / .seconds(1)) >= Double(rate)
    }
}
