import Synchronization
import Testing

@testable import Security

/// A clock that stands still until somebody sleeps, who then wakes at once, at the time that was asked for.
final class StandingClock: Clock, Sendable {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private let time = Mutex(Duration.zero)
    var now: Instant { Instant(offset: time.withLock { $0 }) }
    var minimumResolution: Duration { .zero }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        time.withLock { $0 = max($0, deadline.offset) }
    }

    func advance(by duration: Duration) { time.withLock { $0 += duration } }
}

@Suite struct LogonThrottleTests {
    private let clock = StandingClock()
    private let limits: LogonThrottle.Limits
    private let throttle: LogonThrottle

    init() {
        var limits = LogonThrottle.Limits()
        limits.freeFailures = 3
        limits.entries = 8
        limits.openAttempts = 4
        self.limits = limits
        throttle = LogonThrottle(limits, clock: clock)
    }

    /// Fails once; tells how long it had to wait.
    private func fail(_ user: String, _ address: String) async throws -> Duration {
        let start = clock.now
        let attempt = try await throttle.admit(user: user, address: address)
        let waited = start.duration(to: clock.now)
        throttle.failed(attempt)
        return waited
    }

    @Test func theFirstFailuresAreFreeAndFurtherOnesCostTwiceAsMuchEach() async throws {
        var waits: [Duration] = []
        for _ in 0..<7 { waits.append(try await fail("alice", "192.0.2.1")) }
        #expect(waits == [.zero, .zero, .zero, .zero, .seconds(1), .seconds(2), .seconds(4)])
        // Eight seconds are within our patience, sixteen are not.
        #expect(try await fail("alice", "192.0.2.1") == .seconds(8))
        await #expect(throws: SecurityError.logonDenied(.tooManyFailures)) { try await fail("alice", "192.0.2.1") }
        // The same user from elsewhere, the same address with another name.
        await #expect(throws: SecurityError.logonDenied(.tooManyFailures)) { try await fail("ALICE", "192.0.2.2") }
        await #expect(throws: SecurityError.logonDenied(.tooManyFailures)) { try await fail("bob", "192.0.2.1") }
        #expect(try await fail("bob", "192.0.2.2") == .zero)
    }

    @Test func failuresAreForgiven() async throws {
        for _ in 0..<4 { _ = try await fail("alice", "192.0.2.1") }
        clock.advance(by: limits.forgiveness * 4)
        for _ in 0..<4 { #expect(try await fail("alice", "192.0.2.1") == .zero) }
        #expect(try await fail("alice", "192.0.2.1") == .seconds(1))
    }

    @Test func whoIsKnownIsNotHeldUpByStrangers() async throws {
        throttle.succeeded(try await throttle.admit(user: "alice", address: "192.0.2.1"))
        for _ in 0..<8 { _ = try await fail("alice", "192.0.2.9") }
        for _ in 0..<3 { #expect(try await fail("alice", "192.0.2.1") == .zero) }
        // Its own failures count; and an end to them ends that.
        #expect(try await fail("alice", "192.0.2.1") == .zero)
        #expect(try await fail("alice", "192.0.2.1") == .seconds(1))
        throttle.succeeded(try await throttle.admit(user: "alice", address: "192.0.2.1"))
        #expect(try await fail("alice", "192.0.2.1") == .zero)
        // Somebody else at the known address is a stranger still.
        for _ in 0..<8 { _ = try await fail("bob", "192.0.2.1") }
        #expect(try await fail("alice", "192.0.2.1") == .zero)
        // After long enough so is alice.
        clock.advance(by: limits.acquaintance)
        #expect(try await fail("alice", "192.0.2.1") == .zero)
    }

    /// Many at once are no faster than one after the other.
    @Test func attemptsQueue() async throws {
        for _ in 0..<4 { _ = try await fail("alice", "192.0.2.1") }
        let first = try await throttle.admit(user: "alice", address: "192.0.2.1")
        let start = clock.now
        let second = try await throttle.admit(user: "alice", address: "192.0.2.1")
        #expect(start.duration(to: clock.now) == .seconds(2))
        throttle.failed(first)
        throttle.failed(second)
    }

    @Test func fewAreOpenAtATime() async throws {
        var open: [LogonThrottle.Attempt] = []
        for _ in 0..<4 { open.append(try await throttle.admit(user: "alice", address: "192.0.2.1")) }
        await #expect(throws: SecurityError.logonDenied(.tooManyFailures)) {
            try await throttle.admit(user: "alice", address: "192.0.2.1")
        }
        #expect(clock.now.offset == limits.patience)
        throttle.abandoned(open.removeLast())
        throttle.succeeded(try await throttle.admit(user: "alice", address: "192.0.2.1"))
        // Now she is known, and comes with as many as she likes.
        for _ in 0..<8 { open.append(try await throttle.admit(user: "alice", address: "192.0.2.1")) }
        #expect(clock.now.offset == limits.patience)
    }

    @Test func aFloodOfNamesDoesNotWashOutAGuessedOne() async throws {
        for _ in 0..<5 { _ = try await fail("alice", "192.0.2.1") }
        for number in 0..<100 { _ = try await fail("user\(number)", "198.51.100.\(number)") }
        #expect(try await fail("alice", "203.0.113.1") > .zero)
    }

    @Test func aCancelledWaitIsARefusal() async throws {
        for _ in 0..<4 { _ = try await fail("alice", "192.0.2.1") }
        let throttle = throttle
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            do throws(SecurityError) {
                _ = try await throttle.admit(user: "alice", address: "192.0.2.1")
                return SecurityError?.none
            } catch {
                return error
            }
        }
        #expect(await task.value == .logonDenied(.tooManyFailures))
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "20:1:d:b8:0:1:0:2/64"),
        ("2001:db8:1:2::1", "20:1:d:b8:0:1:0:2/64"), ("fe80::1%eth0", "fe:80:0:0:0:0:0:0/64"), ("", ""),
    ])
    func addressesAreGrouped(address: String, group: String) {
        #expect(AddressGroup.of(address) == group)
    }

    @Test func ntlmIsThrottled() async throws {
        let world = NTLMWorld()
        func logOn(_ password: String) async throws {
            _ = try await exchange(
                try Sample.initiator(password: password), Sample.acceptor(throttle: throttle, world: world))
        }
        for _ in 0..<4 {
            await #expect(throws: SecurityError.logonDenied(.wrongPassword)) { try await logOn("wrong") }
        }
        #expect(clock.now.offset == .zero)
        try await logOn(Sample.password)
        #expect(clock.now.offset == .seconds(1))
        try await logOn(Sample.password)
        #expect(clock.now.offset == .seconds(1))
        // A directory that does not answer is no fault of the user's.
        for _ in 0..<10 {
            await #expect(throws: SecurityError.self) {
                try await exchange(
                    try Sample.initiator(),
                    Sample.acceptor(users: SampleDirectory(isReachable: false), throttle: throttle, world: world))
            }
        }
        #expect(clock.now.offset == .seconds(1))
    }
}
