import Glibc
import Reservations

/// Runs a program of the host's for what it prints: without a shell, with nothing of ours open, and with an end.
struct ProgramOutput {
    /// What it printed, cut at the limit.
    var octets: [UInt8]
    /// Whether there was more.
    var isCut: Bool

    /// The whole environment of the programs: messages nobody translates, text in UTF-8, and no settings of a user's.
    private static let environment = ["LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/nonexistent"]

    /// Runs it to its end, or until it has printed enough.
    ///
    /// - Parameters:
    ///   - program: its path.
    ///   - limit: the most octets to take of its output; beyond them it is killed, which is no failure.
    ///   - seconds: how long it may take.
    /// - Throws: ``HostUpdatesError/notStarted(program:code:)``, ``HostUpdatesError/failed(program:reason:)``.
    static func of(
        _ program: String, _ arguments: [String], limit: Int, seconds: Int
    ) throws(HostUpdatesError) -> ProgramOutput {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw .notStarted(program: program, code: errno)
        }
        defer { close(ends[0]) }
        let (pid, error) = spawn(program, arguments, output: ends[1])
        close(ends[1])
        guard error == 0 else { throw .notStarted(program: program, code: error) }
        let deadline = ContinuousClock.now + .seconds(seconds)
        var output = ProgramOutput(octets: [], isCut: false)
        let inTime = output.take(from: ends[0], limit: limit, until: deadline)
        // It may have closed its output and go on all the same; nobody waits for what it does then.
        let endedByItself = inTime && !output.isCut && hasEnded(pid, until: deadline)
        if !endedByItself { kill(pid, SIGKILL) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard !output.isCut else { return output }
        guard endedByItself else { throw .failed(program: program, reason: "it did not end in \(seconds) seconds") }
        // WIFEXITED and WEXITSTATUS of wait(2), which are macros.
        guard status & 0x7F == 0 else { throw .failed(program: program, reason: "signal \(status & 0x7F) ended it") }
        guard status == 0 else { throw .failed(program: program, reason: "it ended with status \(status >> 8 & 0xFF)") }
        return output
    }

    /// - Returns: false where the deadline came first.
    private mutating func take(from end: Int32, limit: Int, until deadline: ContinuousClock.Instant) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return false }
            var polled = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
            let ready = poll(&polled, 1, Int32(min(left / .milliseconds(1), 60_000).rounded(.up)))
            if ready <= 0 { continue }
            let count = read(end, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return true }
            guard octets.count + count <= limit else {
                octets += buffer[..<(limit - octets.count)]
                isCut = true
                return true
            }
            octets += buffer[..<count]
        }
    }

    private static func hasEnded(_ pid: pid_t, until deadline: ContinuousClock.Instant) -> Bool {
        while true {
            var information = siginfo_t()
            let result = waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT | WNOHANG)
            if result == 0, information.si_signo != 0 { return true }
            if result != 0, errno != EINTR { return true }
            guard .now < deadline else { return false }
            // Its output has ended, so it is about to.
            usleep(500)
        }
    }

    private static func spawn(_ program: String, _ arguments: [String], output: Int32) -> (pid_t, Int32) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        // A disk that a child kept would not close when we close it, and not every library marks its descriptors. Closing one
        // that is gone by then is no error.
        for descriptor in HostFiles().names("/proc/self/fd").compactMap({ Int32($0) }) where descriptor > STDERR_FILENO
        {
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
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let words = ([program] + arguments).map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for pointer in words + variables { free(pointer) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, program, &actions, &attributes, words, variables)
        return (pid, error)
    }
}
