#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A program that answers a question on its standard input and output.
///
/// Used by one thread at a time, which it blocks. It ends with this value: its input ends, and then it is killed.
struct HelperProcess: ~Copyable {
    enum Failure: Error, CustomStringConvertible {
        case cannotStart(program: String, errno: Int32)
        case ended
        case tooSlow
        case tooLong

        var description: String {
            switch self {
            case .cannotStart(let program, let code): "\(program) cannot be started: \(String(cString: strerror(code)))"
            case .ended: "the helper has ended"
            case .tooSlow: "the helper did not answer in time"
            case .tooLong: "the helper's answer has no end"
            }
        }
    }

    /// The most octets of an answer.
    static let longestAnswer = 65536

    private let pid: pid_t
    private let socket: Int32

    /// Starts a program by its path; its errors go where ours go.
    init(_ command: [String]) throws(Failure) {
        let program = command.first ?? ""
        var ends: (Int32, Int32) = (-1, -1)
        // A socket and not two pipes: writing to a helper that is gone is an error there, and no signal.
        let pair = withUnsafeMutableBytes(of: &ends) { ends in
            socketpair(
                AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0,
                ends.bindMemory(to: Int32.self).baseAddress)
        }
        guard pair == 0 else { throw .cannotStart(program: program, errno: errno) }
        defer { close(ends.1) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends.1, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends.1, STDOUT_FILENO)
        // A disk or a connection that it kept would not close when we close it.
        // Closing one that is gone by then is no error.
        for descriptor in Self.descriptors() where descriptor > STDERR_FILENO {
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
        let words = command.map { strdup($0) } + [nil]
        let variables = [strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), strdup("LC_ALL=C.UTF-8"), nil]
        defer { for pointer in words + variables { free(pointer) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, program, &actions, &attributes, words, variables)
        guard error == 0 else {
            close(ends.0)
            throw .cannotStart(program: program, errno: error)
        }
        self.pid = pid
        socket = ends.0
    }

    /// This process' open descriptors.
    private static func descriptors() -> [Int32] {
        guard let folder = opendir("/proc/self/fd") else { return [] }
        defer { closedir(folder) }
        var descriptors: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let descriptor = Int32(name) { descriptors.append(descriptor) }
        }
        return descriptors
    }

    deinit {
        close(socket)
        kill(pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    /// Asks, and reads up to the line that holds one dot.
    ///
    /// - Returns: the answer's lines, without that one.
    func ask(_ question: [UInt8], within limit: Duration) throws(Failure) -> [Substring] {
        let deadline = ContinuousClock.now + limit
        try write(question, deadline)
        var answer: [UInt8] = []
        while true {
            if let end = Self.end(of: answer) {
                return String(decoding: answer[..<end], as: UTF8.self).split(separator: "\n")
            }
            guard answer.count < Self.longestAnswer else { throw .tooLong }
            try wait(for: Int32(POLLIN), deadline)
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = recv(socket, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            if count == 0 { throw .ended }
            if count < 0 {
                guard errno == EINTR || errno == EAGAIN else { throw .ended }
                continue
            }
            answer += chunk[..<count]
        }
    }

    /// Where the first line that is one dot begins.
    private static func end(of answer: [UInt8]) -> Int? {
        answer.indices.first { index in
            answer[index...].starts(with: [0x2E, 0x0A]) && (index == 0 || answer[index - 1] == 0x0A)
        }
    }

    private func write(_ octets: [UInt8], _ deadline: ContinuousClock.Instant) throws(Failure) {
        var rest = octets[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                try wait(for: Int32(POLLOUT), deadline)
            } else if errno != EINTR {
                throw .ended
            }
        }
    }

    private func wait(for events: Int32, _ deadline: ContinuousClock.Instant) throws(Failure) {
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { throw .tooSlow }
            var descriptor = pollfd(fd: socket, events: Int16(events), revents: 0)
            let milliseconds = Int32(
                clamping: left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
            if poll(&descriptor, 1, milliseconds) > 0 { return }
        }
    }
}
