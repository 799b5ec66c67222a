import Foundation
import Synchronization

/// A program that runs until it is stopped, with its output in a file.
///
/// Started by posix_spawn with no signals blocked: Foundation's `Process` hands on the mask of the thread that starts it, and
/// a server with SIGTERM blocked cannot be stopped.
final class Program: Sendable {
    let identifier: pid_t
    /// The writing end of its standard input: closed, if only because this program dies, it ends the daemon.
    private let input: FileHandle
    private let status = Mutex<Int32?>(nil)

    /// Starts it with this process' environment and what is added to that.
    init(
        _ executable: String, _ arguments: [String], log: String, environment: [String: String] = [:]
    ) throws {
        let pipe = Pipe()
        guard fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC) == 0 else {
            throw BenchmarkFailure("fcntl: \(String(cString: strerror(errno)))")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipe.fileHandleForReading.fileDescriptor, STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var words = ([executable] + arguments).map { strdup($0) } + [nil]
        let environment = ProcessInfo.processInfo.environment.merging(environment) { _, added in added }
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for word in words + variables { free(word) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, executable, &actions, &attributes, &words, &variables)
        guard result == 0 else { throw BenchmarkFailure("\(executable): \(String(cString: strerror(result)))") }
        identifier = process
        input = pipe.fileHandleForWriting
    }

    var isRunning: Bool {
        reap(WNOHANG) == nil
    }

    /// Ends it, and waits for that.
    func stop() {
        if isRunning {
            kill(identifier, SIGTERM)
            _ = reap(0)
        }
        try? input.close()
    }

    /// Gives it its input and waits for its end.
    ///
    /// - Throws: ``BenchmarkFailure`` with what it printed, where it did not succeed.
    static func run(
        _ executable: String, _ arguments: [String], input: String, log: String, environment: [String: String] = [:]
    ) throws {
        let program = try Program(executable, arguments, log: log, environment: environment)
        // A line or two fits into a pipe, whether or not the program reads it.
        try program.input.write(contentsOf: Data(input.utf8))
        try program.input.close()
        let status = program.reap(0)
        guard status == 0 else {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw BenchmarkFailure("\(executable): \(text)")
        }
    }

    private func reap(_ options: Int32) -> Int32? {
        status.withLock { status in
            if let status { return status }
            var ended: Int32 = 0
            guard waitpid(identifier, &ended, options) == identifier else { return nil }
            status = ended
            return ended
        }
    }
}
