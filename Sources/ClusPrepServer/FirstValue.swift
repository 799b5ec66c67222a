import Synchronization

/// Waits for the task, but no longer than the limit; the task goes on.
///
/// - Returns: the task's value; nil where the limit was reached first.
func firstValue<T: Sendable>(
    of task: Task<T, Never>, within limit: Duration, by clock: any Clock<Duration>
) async -> T? {
    await withCheckedContinuation { continuation in
        let answer = Answer(continuation)
        let timer = Task {
            // One that was stopped has no answer: it would come before the value's.
            guard (try? await clock.sleep(for: limit)) != nil else { return }
            answer.give(nil)
        }
        Task {
            let value = await task.value
            // First: whoever has the value is to find nobody waiting for the clock any more.
            timer.cancel()
            answer.give(value)
        }
    }
}

/// A continuation that takes the first answer and no other.
private final class Answer<T: Sendable>: Sendable {
    private let continuation: Mutex<CheckedContinuation<T?, Never>?>

    init(_ continuation: CheckedContinuation<T?, Never>) {
        self.continuation = Mutex(continuation)
    }

    func give(_ value: T?) {
        continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }?.resume(returning: value)
    }
}
