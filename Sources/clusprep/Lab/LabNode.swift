import Foundation

/// One clusprepd of a lab.
final class LabNode: Sendable {
    /// What the daemon prints once it serves.
    struct Ready: Decodable {
        struct Address: Decodable {
            var address: String
            var endpointMapperPort: Int
            var exporterPort: Int
        }

        var addresses: [Address]
    }

    let name: String
    let address: String
    let pid: Int32
    /// Yields the status once the process has ended.
    let ending: AsyncStream<String>

    private let process: RunningProcess
    private let output: FileHandle

    /// Starts the daemon. Its standard input is a pipe whose other end only this process has, so that the daemon ends with it
    /// even where nobody can say goodbye; its log goes to a file.
    ///
    /// - Throws: ``CommandFailure`` where the program cannot be started.
    init(name: String, address: String, daemon: URL, arguments: [String], log: URL) throws {
        self.name = name
        self.address = address
        let errors = try Self.appending(to: log)
        let process = Process()
        process.executableURL = daemon
        process.arguments = arguments
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        let (ending, continuation) = AsyncStream.makeStream(of: String.self)
        process.terminationHandler = { process in
            let how = process.terminationReason == .uncaughtSignal ? "signal" : "status"
            continuation.yield("\(name) ended with \(how) \(process.terminationStatus)")
            continuation.finish()
        }
        do {
            try process.run()
        } catch {
            throw CommandFailure("cannot start \(daemon.path): \(error)")
        }
        try? errors.close()
        try? input.fileHandleForReading.close()
        try? output.fileHandleForWriting.close()
        self.ending = ending
        self.output = output.fileHandleForReading
        self.process = RunningProcess(process, input: input)
        pid = process.processIdentifier
    }

    /// A file for the owner's eyes, whose end is written to.
    static func appending(to log: URL) throws -> FileHandle {
        let descriptor = open(log.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure("cannot write \(log.path)") }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Waits for the daemon to say that it serves.
    ///
    /// - Throws: ``CommandFailure`` where it ends instead.
    func ready() async throws -> Ready.Address {
        let descriptor = output.fileDescriptor
        // Reading blocks until the daemon has said its line or has ended; its thread is nobody else's.
        let line = await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: Self.line(descriptor)) }
        }
        guard let ready = try? JSONDecoder().decode(Ready.self, from: line), let address = ready.addresses.first else {
            throw CommandFailure("\(name) did not start")
        }
        return address
    }

    private static func line(_ descriptor: Int32) -> Data {
        var line = Data()
        var octet: UInt8 = 0
        while read(descriptor, &octet, 1) == 1, octet != UInt8(ascii: "\n") { line.append(octet) }
        return line
    }

    /// Tells the daemon to stop, and makes it if it does not within the time.
    func stop(within time: Duration) async {
        process.terminate()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in self.ending {} }
            group.addTask {
                do {
                    try await Task.sleep(for: time)
                    self.process.kill()
                } catch {
                    // The daemon has ended in time.
                }
            }
            await group.next()
            group.cancelAll()
        }
        process.waitUntilExit()
    }

    /// Foundation's process object is safe to ask and to signal from any thread, but not marked so.
    private final class RunningProcess: @unchecked Sendable {
        private let process: Process
        /// Kept: its closing is what tells the daemon that we are gone.
        private let input: Pipe

        init(_ process: Process, input: Pipe) {
            self.process = process
            self.input = input
        }

        func terminate() {
            if process.isRunning { process.terminate() }
        }

        func kill() {
            if process.isRunning { _ = Foundation.kill(process.processIdentifier, SIGKILL) }
        }

        func waitUntilExit() {
            process.waitUntilExit()
        }
    }
}
