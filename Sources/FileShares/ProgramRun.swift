import Foundation
import Synchronization

/// One run of another program: with its own process group, nothing of ours open, an end in bounded time, and no shell.
package final class ProgramRun: Sendable {
    /// How it ended and what it said.
    package struct Result: Sendable {
        /// The exit status; nil where a signal ended it.
        package var status: Int32?
        package var output: String
        package var errors: String
    }

    package enum Failure: Error {
        /// It could not be started: an errno.
        case notStarted(Int32)
        /// It was killed because it did not end in time.
        case timedOut
    }

    /// What is kept of each of its two streams; the rest is read and forgotten.
    private static let outputLimit = 64 << 10

    private enum State {
        case waiting
        case running(pid_t)
        case ended
    }

    private let state = Mutex((State.waiting, isCancelled: false))
    private let program: String
    private let arguments: [String]
    private let environment: [String: String]
    private let input: [UInt8]
    private let timeout: Duration

    private init(
        _ program: String, _ arguments: [String], environment: [String: String], input: [UInt8], timeout: Duration
    ) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.input = input
        self.timeout = timeout
    }

    /// Runs a program to its end. A cancelled task kills it.
    ///
    /// - Parameters:
    ///   - program: its path.
    ///   - environment: all of its environment.
    ///   - input: what stands on its standard input: small enough to fit into a socket's buffer.
    /// - Throws: ``Failure``, `CancellationError`.
    package static func run(
        _ program: String, _ arguments: [String], environment: [String: String], input: [UInt8] = [],
        timeout: Duration
    ) async throws -> Result {
        let run = ProgramRun(program, arguments, environment: environment, input: input, timeout: timeout)
        return try await withTaskCancellationHandler {
            try await BlockingCall.run { try run.execute() }
        } onCancel: {
            run.cancel()
        }
    }

    private func cancel() {
        state.withLock { state in
            state.isCancelled = true
            if case .running(let pid) = state.0 { kill(-pid, SIGKILL) }
        }
    }

    private func execute() throws -> Result {
        let deadline = ContinuousClock.now + timeout
        var streams = try Streams()
        defer { streams.close() }
        try start(&streams)
        streams.write(input)
        let inTime = streams.drain(until: deadline, limit: Self.outputLimit)
        let (status, isCancelled, endedInTime) = reap(until: inTime ? deadline : .now)
        if isCancelled { throw CancellationError() }
        guard inTime, endedInTime else { throw Failure.timedOut }
        // WIFEXITED and WEXITSTATUS of wait(2), which are macros.
        return Result(
            status: status & 0x7F == 0 ? status >> 8 & 0xFF : nil,
            output: String(decoding: streams.output, as: UTF8.self),
            errors: String(decoding: streams.errors, as: UTF8.self))
    }

    private func start(_ streams: inout Streams) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, number) in zip(streams.childEnds, Int32(0)...) {
            posix_spawn_file_actions_adddup2(&actions, descriptor, number)
        }
        // A disk or a socket that a child kept would not close when we close it, and not all libraries mark theirs. Closing
        // one that is gone by then is no error.
        for descriptor in Self.openDescriptors() where descriptor > STDERR_FILENO {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let words = CStrings([program] + arguments)
        let variables = CStrings(environment.map { "\($0.key)=\($0.value)" })
        try state.withLock { state in
            if state.isCancelled { throw CancellationError() }
            var pid: pid_t = 0
            let error = posix_spawn(&pid, program, &actions, &attributes, words.pointers, variables.pointers)
            guard error == 0 else { throw Failure.notStarted(error) }
            state.0 = .running(pid)
        }
        streams.closeChildEnds()
    }

    private static func openDescriptors() -> [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []).compactMap { Int32($0) }
    }

    /// Waits for the end, or makes it at the deadline. Everything of its process group ends with it.
    private func reap(until deadline: ContinuousClock.Instant) -> (status: Int32, isCancelled: Bool, inTime: Bool) {
        guard case .running(let pid) = state.withLock({ $0.0 }) else { return (0, false, true) }
        var inTime = true
        while true {
            // Without taking its number away, which a cancellation might be about to signal.
            var information = siginfo_t()
            let result = waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT | (inTime ? WNOHANG : 0))
            if result == 0, information.si_signo != 0 { break }
            if result != 0, errno != EINTR { break }
            if inTime, .now >= deadline {
                inTime = false
                kill(-pid, SIGKILL)
            }
            // It has closed both its streams, so it is about to end.
            if inTime { usleep(2000) }
        }
        return state.withLock { state in
            kill(-pid, SIGKILL)
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            state.0 = .ended
            return (status, state.isCancelled, inTime)
        }
    }
}

/// The standard streams of a child: three sockets, so that a child that reads nothing raises no SIGPIPE.
private struct Streams {
    private(set) var output: [UInt8] = []
    private(set) var errors: [UInt8] = []
    private(set) var childEnds: [Int32] = []
    private var ownEnds: [Int32] = []

    init() throws {
        for _ in 0..<3 {
            var pair: [Int32] = [-1, -1]
            guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
                let error = errno
                close()
                throw ProgramRun.Failure.notStarted(error)
            }
            childEnds.append(pair[0])
            ownEnds.append(pair[1])
        }
    }

    mutating func closeChildEnds() {
        for descriptor in childEnds { Foundation.close(descriptor) }
        childEnds = []
    }

    mutating func close() {
        closeChildEnds()
        for descriptor in ownEnds { Foundation.close(descriptor) }
        ownEnds = []
    }

    /// Writes the input and ends it. A child that does not read it loses it.
    mutating func write(_ input: [UInt8]) {
        _ = send(ownEnds[0], input, input.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        shutdown(ownEnds[0], Int32(SHUT_WR))
    }

    /// Reads both streams to their ends.
    ///
    /// - Returns: false where the deadline came first.
    mutating func drain(until deadline: ContinuousClock.Instant, limit: Int) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        var open = [true, true]
        while open[0] || open[1] {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return false }
            // A negative descriptor is passed over.
            var polled = [0, 1].map {
                pollfd(fd: open[$0] ? ownEnds[$0 + 1] : -1, events: Int16(POLLIN), revents: 0)
            }
            guard poll(&polled, 2, Int32(min(left / .milliseconds(1), 60_000).rounded(.up))) >= 0 || errno == EINTR
            else { return false }
            for stream in 0..<2 where polled[stream].revents != 0 {
                let count = read(ownEnds[stream + 1], &buffer, buffer.count)
                if count > 0 {
                    keep(buffer[..<count], of: stream, limit: limit)
                } else if count == 0 || errno != EINTR {
                    open[stream] = false
                }
            }
        }
        return true
    }

    private mutating func keep(_ octets: ArraySlice<UInt8>, of stream: Int, limit: Int) {
        if stream == 0 {
            output += octets.prefix(limit - output.count)
        } else {
            errors += octets.prefix(limit - errors.count)
        }
    }
}

/// A NULL-terminated array of C strings, as exec(3) wants it.
private final class CStrings {
    let pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) {
        pointers = strings.map { strdup($0) } + [nil]
    }

    deinit {
        for pointer in pointers { free(pointer) }
    }
}
