import Synchronization

/// Runs blocking commands one after the other, and waits for each only so long.
///
/// A command that did not answer in time has not ended: it may still be executed. Until it has ended nothing more is sent, so
/// that commands reach the unit in the order in which they were decided upon; those that come meanwhile fail as it did.
actor LimitedCommands {
    private let executor: BlockingExecutor
    private let clock: any Clock<Duration>
    private let name: String
    /// The command that did not answer in time, while it has not ended.
    private var overdue: Task<Void, Never>?

    /// Commands to the disk of this name, on this executor, timed by this clock.
    init(executor: BlockingExecutor, clock: any Clock<Duration>, name: String) {
        self.executor = executor
        self.clock = clock
        self.name = name
    }

    /// Runs the body, also in a cancelled task.
    ///
    /// - Throws: what the body does, or ``SCSIError/timedOut(name:limit:)``.
    func run<T: Sendable>(limit: Duration, _ body: @escaping @Sendable () throws -> T) async throws -> T {
        if let overdue {
            guard await first(of: overdue, limit: limit) != nil else {
                throw SCSIError.timedOut(name: name, limit: limit)
            }
            self.overdue = nil
        }
        let executor = executor
        // Noted where it ends: on a busy machine the news of that may come later than the limit.
        let ended = EndedBody<T>()
        let task = Task { try await executor.run { try ended.note(body) } }
        guard let result = await first(of: task, limit: limit) ?? ended.result else {
            overdue = Task { _ = await task.result }
            throw SCSIError.timedOut(name: name, limit: limit)
        }
        return try result.get()
    }

    /// The task's result; nil where the limit passes before.
    private func first<T: Sendable, Failure: Error>(
        of task: Task<T, Failure>, limit: Duration
    ) async -> Result<T, Failure>? {
        let clock = clock
        return await withCheckedContinuation { continuation in
            let outcome = FirstOutcome(continuation)
            let timer = Task {
                try await clock.sleep(for: limit)
                outcome.settle(nil)
            }
            Task {
                let result = await task.result
                timer.cancel()
                outcome.settle(result)
            }
        }
    }
}

/// How a body has ended, for who has not heard of it yet.
private final class EndedBody<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)

    var result: Result<Value, any Error>? { outcome.withLock { $0 } }

    func note(_ body: () throws -> Value) throws -> Value {
        let result = Result { try body() }
        outcome.withLock { $0 = result }
        return try result.get()
    }
}

/// A continuation of which the first value counts.
private final class FirstOutcome<Value: Sendable>: Sendable {
    private let continuation: Mutex<CheckedContinuation<Value, Never>?>

    init(_ continuation: CheckedContinuation<Value, Never>) {
        self.continuation = Mutex(continuation)
    }

    func settle(_ value: Value) {
        let continuation = continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }
        continuation?.resume(returning: value)
    }
}
