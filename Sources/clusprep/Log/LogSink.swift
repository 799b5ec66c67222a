import Foundation

/// Where lines go: standard output, or a file that was not there before and that is whole or gone afterwards.
final class LogSink {
    enum Failure: Error {
        /// Whoever read our output has had enough, as `head` has.
        case readerGone
    }

    private let path: String?
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var isFinished = false

    init(path: String?) throws(CommandFailure) {
        guard let path else {
            // A closed pipe is an error number then, and not the end of the process.
            signal(SIGPIPE, SIG_IGN)
            (self.path, descriptor) = (nil, STDOUT_FILENO)
            return
        }
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        // Before anything is set: the end of a sink removes its file, and this one would be somebody else's.
        guard file >= 0 else { throw Self.failure(path) }
        (self.path, descriptor) = (path, file)
    }

    deinit {
        guard let path else { return }
        close(descriptor)
        if !isFinished { unlink(path) }
    }

    func line(_ text: String) throws {
        buffer += text.utf8
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 64 << 10 { try flush() }
    }

    func finish() throws {
        try flush()
        isFinished = true
    }

    private func flush() throws {
        var done = 0
        while done < buffer.count {
            let count = buffer[done...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                done += count
            } else if errno == EPIPE, path == nil {
                throw Failure.readerGone
            } else if errno != EINTR {
                throw Self.failure(path ?? "standard output")
            }
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure("cannot write \(path): \(String(cString: strerror(errno)))")
    }
}
