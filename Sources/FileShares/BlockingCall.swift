import Foundation

/// What may block: programs run, name services ask servers, a journal waits for its disk.
enum BlockingCall {
    /// Runs the body on a thread of its own, so that it holds up no thread of the tasks' pool.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }
}
