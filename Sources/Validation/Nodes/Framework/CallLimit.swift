import Synchronization

/// Waits for a call, but neither for ever nor longer than its caller does.
enum CallLimit {
    /// What no call takes: arbitration, the longest, waits up to three minutes for a disk.
    static let standard = Duration.seconds(200)
    /// Longer nobody waits for an object of no more use to be taken back: a node that does not hear of it collects it by itself.
    static let givingBack = Duration.seconds(10)

    /// Gives an object back that is of no more use, also in a cancelled task.
    static func giveBack(
        _ object: any NodeObject, within limit: Duration = standard, clock: any Clock<Duration> = ContinuousClock()
    ) async {
        await Task { try? await run(min(limit, givingBack), clock: clock) { try await object.release() } }.value
    }

    /// Runs the body, and lets it go where it takes longer than the limit, or where the caller is cancelled: what has been asked of a
    /// node cannot always be called off, and a node that is silent must not keep anybody.
    ///
    /// - Throws: ``SilentNode``, `CancellationError`, or what the body throws.
    static func run<Answer: Sendable>(
        _ limit: Duration, clock: any Clock<Duration> = ContinuousClock(),
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        let outcome = Outcome<Answer>()
        let work = Task { try await body() }
        let timer = Task {
            try await clock.sleep(for: limit)
            work.cancel()
            outcome.settle(.failure(SilentNode(limit: limit)))
        }
        Task {
            let result = await work.result
            timer.cancel()
            outcome.settle(result)
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { outcome.wait($0) }
        } onCancel: {
            work.cancel()
            timer.cancel()
            outcome.settle(.failure(CancellationError()))
        }
    }

    /// The first result of several, for one who waits.
    private final class Outcome<Answer: Sendable>: Sendable {
        private enum State {
            case open
            case awaited(CheckedContinuation<Answer, any Error>)
            case settled(Result<Answer, any Error>)
        }

        private let state = Mutex(State.open)

        func wait(_ continuation: CheckedContinuation<Answer, any Error>) {
            let result = state.withLock { state -> Result<Answer, any Error>? in
                if case .settled(let result) = state { return result }
                state = .awaited(continuation)
                return nil
            }
            if let result { continuation.resume(with: result) }
        }

        func settle(_ result: Result<Answer, any Error>) {
            let waiting = state.withLock { state -> CheckedContinuation<Answer, any Error>? in
                switch state {
                case .settled: return nil
                case .open:
                    state = .settled(result)
                    return nil
                case .awaited(let continuation):
                    state = .settled(result)
                    return continuation
                }
            }
            waiting?.resume(with: result)
        }
    }
}
