import Glibc

/// Runs the body so that writing to a closed connection is an error and not the process' end.
///
/// libiscsi writes data with `writev`, which raises SIGPIPE. What the process does about that signal is the process' business, so it
/// is only held back on this thread, and taken off where the body raised it.
func withoutBrokenPipeSignal<T>(_ body: () throws -> T) rethrows -> T {
    var signals = sigset_t()
    var before = sigset_t()
    var pending = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    sigpending(&pending)
    let wasPending = sigismember(&pending, SIGPIPE) == 1
    pthread_sigmask(SIG_BLOCK, &signals, &before)
    defer {
        if !wasPending {
            sigpending(&pending)
            if sigismember(&pending, SIGPIPE) == 1 {
                var immediately = timespec()
                _ = sigtimedwait(&signals, nil, &immediately)
            }
        }
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    return try body()
}
