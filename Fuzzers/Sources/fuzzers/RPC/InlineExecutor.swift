import Dispatch
import Synchronization

/// Runs tasks on the thread that waits for them: a fuzzer's input is over when its function returns, and a hop to another thread
/// would cost more than most inputs do.
final class InlineExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let arrivals = DispatchSemaphore(value: 0)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        arrivals.signal()
    }

    /// Runs `body` to its end here. What it waits for elsewhere is waited for, but not for long.
    func wait<Result: Sendable>(for body: @escaping @Sendable () async -> Result) -> Result {
        let result = ResultBox<Result>()
        Task(executorPreference: self) { result.value = await body() }
        while true {
            if let value = result.value { return value }
            guard arrivals.wait(timeout: .now() + 10) == .success else { fatalError("broken promise: nothing happens") }
            let job = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            job?.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}

/// What a task leaves behind for the thread that runs it.
private final class ResultBox<Result: Sendable>: Sendable {
    private let box = Mutex<Result?>(nil)

    var value: Result? {
        get { box.withLock { $0 } }
        set { box.withLock { $0 = newValue } }
    }
}
