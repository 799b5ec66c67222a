import Foundation
import Logging
import Synchronization

/// Restores a node that was evicted from its cluster to what it was before ([MS-CSVP] 3.8.4.1), whoever asks and whatever
/// becomes of them.
///
/// The cluster service of this node is what the daemon holds in its cluster's name on what nodes share: the ownership of disks.
/// Stopping it is the caller's part (``Environment/stopService``); the store is ours. A clean-up goes in steps, each of which
/// may be done twice: it is put on record, waits, stops the service, removes the membership from the store in one transaction,
/// then what the node has elsewhere, and last the record. After a crash anywhere, ``resume()`` or the next ``begin(after:options:)``
/// does what is left.
///
/// One clean-up answers all requests made before it began: one that was to begin later finds nothing on record any more.
public actor EvictionCleanup {
    /// Something that a node has of its membership outside of its store.
    public struct Leftover: Sendable {
        /// What it is, for a log.
        public let name: String
        /// Removes it; it need not be there.
        public let remove: @Sendable () async throws -> Void

        /// From its parts.
        public init(_ name: String, remove: @escaping @Sendable () async throws -> Void) {
            self.name = name
            self.remove = remove
        }
    }

    /// What a clean-up works with besides the store.
    public struct Environment: Sendable {
        /// Stops the cluster service and returns when it has stopped.
        public var stopService: @Sendable () async throws -> Void = {}
        /// What is removed after the store's part, in this order.
        public var leftovers: [Leftover] = []
        /// What the delay goes by.
        public var clock: any Clock<Duration> = ContinuousClock()
        /// The time of day, in milliseconds since 1970-01-01 00:00:00 UTC: for the record, which may outlive the process.
        public var now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1000) }
        /// How many requests may be under way at a time.
        public var maximumRequests = EvictionCleanup.maximumRequests
        /// Hears what is done.
        public var logger: Logger

        /// A service that needs no stopping, and no leftovers.
        public init(logger: Logger) {
            self.logger = logger
        }
    }

    /// A clean-up under way. It goes on whether or not anybody waits for it.
    public struct Run: Sendable {
        /// Ends when the clean-up is on record.
        public let recorded: Task<Result<Void, CleanupError>, Never>
        /// Ends when all is done.
        public let finished: Task<Result<Void, CleanupError>, Never>
    }

    /// How many requests may be under way at a time, where nothing else is said. Each may wait for weeks.
    public static let maximumRequests = 256

    private let engine: ClusterEngine
    private let environment: Environment
    private let requests = Mutex(0)
    /// The last of those that remove something, each of which waits for the one before.
    private var last: Task<Result<Void, CleanupError>, Never>?

    /// A clean-up of this engine's node.
    public init(engine: ClusterEngine, environment: Environment) {
        self.engine = engine
        self.environment = environment
    }

    /// Asks for a clean-up, which begins after the delay (the Delay Cleanup Timer, 3.8.2.1).
    public nonisolated func begin(after delay: Duration, options: CleanupOptions) -> Run {
        guard admit() else {
            let refusal = Task { () -> Result<Void, CleanupError> in .failure(.tooMany) }
            return Run(recorded: refusal, finished: refusal)
        }
        let recording = Task { () -> Result<UInt32, CleanupError> in
            do throws(ClusterStoreError) {
                return .success(try await self.record(delay, options))
            } catch {
                return .failure(.store(error))
            }
        }
        let clock = environment.clock
        let finished = Task { () -> Result<Void, CleanupError> in
            defer { self.requests.withLock { $0 -= 1 } }
            // Beside the recording, which is not to make the delay longer.
            if delay > .zero { try? await clock.sleep(for: delay) }
            switch await recording.value {
            case .success(let series): return await self.perform(series)
            case .failure(let error): return .failure(error)
            }
        }
        return Run(recorded: Task { await recording.value.map { _ in } }, finished: finished)
    }

    private nonisolated func admit() -> Bool {
        requests.withLock { count in
            guard count < environment.maximumRequests else { return false }
            count += 1
            return true
        }
    }

    /// Goes on with what an earlier process left undone; to be called when a daemon starts, before anybody may change the store.
    ///
    /// Returns when the store's part is done where that is due; the rest goes on by itself.
    ///
    /// - Returns: what goes on; nil where nothing was on record.
    /// - Throws: ``ClusterStoreError``.
    @discardableResult
    public func resume() async throws(ClusterStoreError) -> Task<Result<Void, CleanupError>, Never>? {
        guard let entry = try await engine.store.entry(CleanupIntent.key) else { return nil }
        let intent = try CleanupIntent(entry: entry)
        let wait = max(0, min(intent.due - environment.now(), intent.delay))
        let clock = environment.clock
        guard intent.phase == .waiting, wait > 0 else {
            environment.logger.notice("going on with the clean-up of an evicted node")
            // Nothing of the service runs yet.
            // Put on record first, so that from here on nobody makes this node a member meanwhile.
            if let (begun, record) = try await Self.claim(intent.series, engine), begun.phase != .forgotten {
                try await engine.removeMembership(noting: begun, after: record)
            }
            return Task { await self.perform(intent.series) }
        }
        environment.logger.notice("a clean-up begins in \(wait) ms")
        return Task {
            try? await clock.sleep(for: .milliseconds(wait))
            return await self.perform(intent.series)
        }
    }

    /// Puts the request on record: of several, the earliest time counts.
    ///
    /// - Returns: the series it belongs to.
    private func record(_ delay: Duration, _ options: CleanupOptions) async throws(ClusterStoreError) -> UInt32 {
        let milliseconds = delay.components.seconds * 1000 + delay.components.attoseconds / 1_000_000_000_000_000
        var intent = CleanupIntent(
            phase: .waiting, due: environment.now() + milliseconds, delay: milliseconds, options: options)
        while true {
            let entry = try await engine.store.entry(CleanupIntent.key)
            // One that cannot be read is as good as one that is replaced.
            if let entry, let earlier = try? CleanupIntent(entry: entry) {
                intent.series = earlier.series
                if earlier.phase == .waiting {
                    if earlier.due < intent.due { (intent.due, intent.delay) = (earlier.due, earlier.delay) }
                    // Whoever wanted the service stopped is answered by the same clean-up.
                    intent.options = options.rawValue & earlier.options
                }
                // The one under way has perhaps removed already what this one is about, so it does not answer this one; and
                // the node cannot become a member before both are over.
                if earlier.phase == .begun { intent.phase = .begun }
            }
            do throws(ClusterStoreError) {
                try await engine.store.apply(
                    [.put(CleanupIntent.key, try intent.encoded)],
                    if: [entry.map(StoreCondition.unchanged) ?? .absent(CleanupIntent.key)])
                return intent.series
            } catch .conflict {
                continue
            }
        }
    }

    /// Does what is on record of the series, after the clean-ups before.
    private func perform(_ series: UInt32) async -> Result<Void, CleanupError> {
        let (previous, engine, environment) = (last, engine, environment)
        let task = Task { () -> Result<Void, CleanupError> in
            _ = await previous?.value
            do throws(CleanupError) {
                return .success(try await Self.removeEverything(series, engine, environment))
            } catch {
                environment.logger.error("a clean-up is not complete: \(error)")
                return .failure(error)
            }
        }
        last = task
        return await task.value
    }

    /// Puts on record that the clean-up has begun: from here on the node cannot become a member meanwhile.
    ///
    /// - Returns: nil where nothing of the series is on record; what is on record as it is, where the store's part is done.
    private static func claim(
        _ series: UInt32, _ engine: ClusterEngine
    ) async throws(ClusterStoreError) -> (CleanupIntent, StoreEntry)? {
        while true {
            guard let entry = try await engine.store.entry(CleanupIntent.key) else { return nil }
            var intent = try CleanupIntent(entry: entry)
            guard intent.series == series else { return nil }
            if intent.phase == .forgotten { return (intent, entry) }
            intent.phase = .begun
            let begun = try intent.encoded
            do throws(ClusterStoreError) {
                let revision = try await engine.store.apply(
                    [.put(CleanupIntent.key, begun)], if: [.unchanged(entry)])
                return (intent, StoreEntry(key: CleanupIntent.key, value: begun, revision: revision))
            } catch .conflict {
                // Another request has come meanwhile; it is answered by this one, too.
                continue
            }
        }
    }

    private static func removeEverything(
        _ series: UInt32, _ engine: ClusterEngine, _ environment: Environment
    ) async throws(CleanupError) {
        var failure: CleanupError?
        do throws(ClusterStoreError) {
            guard let (intent, entry) = try await claim(series, engine) else { return }
            if intent.phase == .forgotten {
                // It ended perhaps before what was forgotten was overwritten.
                try await engine.store.forgetRemoved()
            } else {
                environment.logger.notice("cleaning up: this node is no member of a cluster any more")
                failure = await stop(environment, CleanupOptions(rawValue: intent.options))
                try await engine.removeMembership(noting: intent, after: entry)
            }
        } catch {
            throw .store(error)
        }
        for leftover in environment.leftovers {
            do {
                try await leftover.remove()
            } catch {
                failure = failure ?? .leftover(name: leftover.name, cause: error)
            }
        }
        if let failure { throw failure }
        do throws(ClusterStoreError) {
            try await finish(engine)
        } catch {
            throw .store(error)
        }
        environment.logger.notice("the clean-up is complete")
    }

    /// Also where the service does not stop, the node stops being a member.
    private static func stop(_ environment: Environment, _ options: CleanupOptions) async -> CleanupError? {
        if options.contains(.dontStopService) { return nil }
        let (stopService, logger) = (environment.stopService, environment.logger)
        if options.contains(.dontAwaitServiceStop) {
            Task {
                do {
                    try await stopService()
                } catch {
                    logger.error("the cluster service did not stop: \(error)")
                }
            }
            return nil
        }
        do {
            try await stopService()
            return nil
        } catch {
            return .serviceRuns(cause: error)
        }
    }

    /// Strikes the record out, unless somebody has asked anew meanwhile.
    private static func finish(_ engine: ClusterEngine) async throws(ClusterStoreError) {
        guard let entry = try await engine.store.entry(CleanupIntent.key),
            try CleanupIntent(entry: entry).phase == .forgotten
        else { return }
        do throws(ClusterStoreError) {
            try await engine.store.apply([.remove(CleanupIntent.key)], if: [.unchanged(entry)])
        } catch .conflict {
            return
        }
    }
}
