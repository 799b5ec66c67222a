import Foundation
import Testing

/// Threads beside Swift's pool: one for each job.
private final class OwnThreads: TaskExecutor {
    static let shared = OwnThreads()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Runs tests on threads of their own.
///
/// The pool has as many threads as the machine has processors, two perhaps: a test that computes, or waits for a program, for seconds
/// on one of them keeps the tasks of all other tests waiting for as long.
package struct OffThePoolTrait: TestTrait, SuiteTrait, TestScoping {
    package var isRecursive: Bool { true }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(OwnThreads.shared) { try await function() }
    }
}

extension Trait where Self == OffThePoolTrait {
    /// For tests that compute or block for long.
    package static var offThePool: Self { Self() }
}
