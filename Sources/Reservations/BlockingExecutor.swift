import NIOPosix

/// A bounded set of threads on which blocking calls run, so that a slow disk holds up no event loop and no cooperative thread.
///
/// A call occupies one of the threads from start to end; calls beyond the number of threads wait in line. Cancelling the
/// waiting task does not interrupt a call that has started: a SCSI command has no half.
public final class BlockingExecutor: Sendable {
    private let pool: NIOThreadPool

    /// An executor with this many threads, which start at once and end with the executor.
    public init(threads: Int) {
        pool = NIOThreadPool(numberOfThreads: max(1, threads))
        pool.start()
    }

    deinit {
        // The pool insists on being shut down; the callback has nobody left to tell.
        pool.shutdownGracefully { _ in }
    }

    /// Runs the body on one of the threads and returns or throws what it does.
    ///
    /// - Throws: `CancellationError` where the task was cancelled before the body started.
    public func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await pool.runIfActive(body)
    }
}
