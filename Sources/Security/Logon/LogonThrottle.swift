import Synchronization

/// Slows the guessing of passwords, per user and per address, without locking anybody out.
///
/// The first failures are free, for fingers slip. Every further one makes the next attempt wait, twice as long each time; a
/// failure is forgiven after a while. Attempts that wait do so one behind the other, so that many connections guess no faster
/// than one, and one that would wait too long is refused without a look at its password.
///
/// A stranger's failures must not keep a user out. So whoever has logged on from an address of late is counted by that pair of
/// user and address alone, and what others do, to the same user or from the same address, does not concern them.
///
/// Everything is bounded: so many entries, of which those with the fewest failures make room for new ones.
public final class LogonThrottle: Sendable {
    /// How much is allowed.
    public struct Limits: Sendable, Hashable {
        /// The failures that cost nothing.
        public var freeFailures = 10
        /// What the first failure after those costs the next attempt; each one after it twice as much.
        public var firstDelay = Duration.seconds(1)
        /// The most that one failure costs.
        public var longestDelay = Duration.seconds(30)
        /// The longest that an attempt is kept waiting; one that would have to wait longer is refused.
        public var patience = Duration.seconds(10)
        /// After so long one failure is forgiven.
        public var forgiveness = Duration.seconds(60)
        /// How long a logon makes a pair of user and address known.
        public var acquaintance = Duration.seconds(24 * 3600)
        /// The attempts whose outcome is open that go ahead beside each other; more wait for what becomes of those.
        public var openAttempts = 32
        /// How long they wait before they look again.
        public var openWait = Duration.milliseconds(100)
        /// The users, addresses and pairs that are remembered, of each kind.
        public var entries = 4096

        /// The defaults.
        public init() {}
    }

    /// An attempt that was let through; it has to be told how it ended.
    public struct Attempt: Sendable {
        fileprivate let user: String
        fileprivate let address: String
        fileprivate let keys: [Key]
    }

    fileprivate enum Key: Hashable, Sendable {
        case user(String)
        case address(String)
        case pair(String, String)
    }

    private struct Entry {
        /// Failures not forgiven, at the time of ``since``.
        var failures = 0
        var since: Duration
        /// When the next attempt may be made.
        var free: Duration
        /// Attempts that were let through and have not ended.
        var open = 0
        /// Until when the pair is known.
        var known = Duration.zero
    }

    private struct Tables {
        var users: [Key: Entry] = [:]
        var addresses: [Key: Entry] = [:]
        var pairs: [Key: Entry] = [:]

        subscript(key: Key) -> Entry? {
            get {
                switch key {
                case .user: users[key]
                case .address: addresses[key]
                case .pair: pairs[key]
                }
            }
            set {
                switch key {
                case .user: users[key] = newValue
                case .address: addresses[key] = newValue
                case .pair: pairs[key] = newValue
                }
            }
        }

        func count(_ key: Key) -> Int {
            switch key {
            case .user: users.count
            case .address: addresses.count
            case .pair: pairs.count
            }
        }

        /// The kind of table that a key belongs to, without the entries that `isKept` does not want.
        mutating func drop(like key: Key, _ isKept: ((key: Key, value: Entry)) -> Bool) {
            switch key {
            case .user: users = users.filter(isKept)
            case .address: addresses = addresses.filter(isKept)
            case .pair: pairs = pairs.filter(isKept)
            }
        }

        func failures(like key: Key) -> [Int] {
            switch key {
            case .user: users.values.map(\.failures)
            case .address: addresses.values.map(\.failures)
            case .pair: pairs.values.map(\.failures)
            }
        }
    }

    private let limits: Limits
    private let now: @Sendable () -> Duration
    private let sleep: @Sendable (Duration) async throws -> Void
    private let tables = Mutex(Tables())

    /// Counts by a clock.
    public init<C: Clock<Duration>>(_ limits: Limits = Limits(), clock: C = ContinuousClock()) {
        self.limits = limits
        let start = clock.now
        now = { start.duration(to: clock.now) }
        sleep = { try await clock.sleep(for: $0) }
    }

    /// Waits for this user's and this address' turn.
    ///
    /// - Throws: ``SecurityError/logonDenied(_:)`` with ``SecurityError/LogonRefusal/tooManyFailures`` if that is too far off,
    ///   or the task was cancelled.
    public func admit(user: String, address: String) async throws(SecurityError) -> Attempt {
        let user = NTLMCase.uppercased(user.cut(to: 256))
        let address = AddressGroup.of(address)
        var waited = Duration.zero
        while true {
            switch tables.withLock({ turn(&$0, user, address) }) {
            case .crowded:
                waited += limits.openWait
                guard waited <= limits.patience else { throw .logonDenied(.tooManyFailures) }
                try await wait(limits.openWait)
            case .later:
                throw .logonDenied(.tooManyFailures)
            case .granted(let keys, let time):
                let attempt = Attempt(user: user, address: address, keys: keys)
                do throws(SecurityError) { try await wait(time) } catch {
                    abandoned(attempt)
                    throw error
                }
                return attempt
            }
        }
    }

    private func wait(_ time: Duration) async throws(SecurityError) {
        guard time > .zero else { return }
        do { try await sleep(time) } catch { throw .logonDenied(.tooManyFailures) }
    }

    /// The attempt proved who it was.
    public func succeeded(_ attempt: Attempt) {
        abandoned(attempt)
        let now = now()
        tables.withLock { tables in
            let pair = Key.pair(attempt.user, attempt.address)
            makeRoom(&tables, for: pair, now)
            let open = tables[pair]?.open ?? 0
            tables[pair] = Entry(since: now, free: now, open: open, known: now + limits.acquaintance)
        }
    }

    /// The attempt proved nothing.
    public func failed(_ attempt: Attempt) {
        let now = now()
        tables.withLock { tables in
            for key in attempt.keys {
                makeRoom(&tables, for: key, now)
                var entry = forgiven(tables[key] ?? Entry(since: now, free: now), now)
                entry.open = max(0, entry.open - 1)
                entry.failures = min(entry.failures + 1, 1 << 20)
                entry.free = max(entry.free, now + delay(entry.failures))
                tables[key] = entry
            }
        }
    }

    /// The attempt came to no end: it is nobody's failure.
    public func abandoned(_ attempt: Attempt) {
        tables.withLock { tables in
            for key in attempt.keys {
                guard let open = tables[key]?.open else { continue }
                tables[key]?.open = max(0, open - 1)
            }
        }
    }

    private enum Turn {
        /// Now, or after a while; to be counted by these.
        case granted([Key], after: Duration)
        /// Others have to end first.
        case crowded
        /// Not within the limits' patience.
        case later
    }

    private func turn(_ tables: inout Tables, _ user: String, _ address: String) -> Turn {
        let now = now()
        let pair = Key.pair(user, address)
        let isKnown = tables[pair].map { $0.known > now } ?? false
        let keys = isKnown ? [pair] : [.user(user), .address(address)]
        var start = now
        for key in keys {
            guard let entry = tables[key] else { continue }
            if !isKnown, entry.open >= limits.openAttempts { return .crowded }
            start = max(start, entry.free)
        }
        guard start - now <= limits.patience else { return .later }
        for key in keys {
            makeRoom(&tables, for: key, now)
            var entry = forgiven(tables[key] ?? Entry(since: now, free: now), now)
            entry.open += 1
            // The next one waits behind this one, as if this one had failed already.
            if entry.failures >= limits.freeFailures { entry.free = start + delay(entry.failures + 1) }
            tables[key] = entry
        }
        return .granted(keys, after: start - now)
    }

    private func delay(_ failures: Int) -> Duration {
        let excess = failures - limits.freeFailures
        guard excess > 0 else { return .zero }
        return min(limits.firstDelay * (1 << min(excess - 1, 20)), limits.longestDelay)
    }

    private func forgiven(_ entry: Entry, _ now: Duration) -> Entry {
        var entry = entry
        let forgiven = Int((now - entry.since) / limits.forgiveness)
        guard forgiven > 0 else { return entry }
        entry.failures = max(0, entry.failures - forgiven)
        entry.since += limits.forgiveness * forgiven
        return entry
    }

    /// Drops what is worth least if the table that a new key belongs to is full.
    private func makeRoom(_ tables: inout Tables, for key: Key, _ now: Duration) {
        guard tables[key] == nil, tables.count(key) >= limits.entries else { return }
        tables.drop(like: key) {
            forgiven($0.value, now).failures > 0 || $0.value.known > now || $0.value.open > 0
        }
        guard tables.count(key) >= limits.entries else { return }
        // A quarter at a time, so that a flood of names does not have the table searched for each of them.
        let failures = tables.failures(like: key).sorted()
        let least = failures[failures.count / 4]
        var surplus = failures.count / 4 + 1
        tables.drop(like: key) { element in
            guard element.value.failures <= least, surplus > 0 else { return true }
            surplus -= 1
            return false
        }
    }
}
