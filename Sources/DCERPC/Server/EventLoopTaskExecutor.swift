import NIOCore

/// Lets tasks run on an event loop's thread.
///
/// A call that does not wait for anything then costs no change of threads: it is read, answered and written by one. What
/// waits gives the thread free; what would block must not be called here, as little as in any other task.
final class EventLoopTaskExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute {
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}
