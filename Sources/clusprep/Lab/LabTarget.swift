import Foundation

/// The iSCSI target of a lab: tgtd with a configuration of its own, which serves each disk's image as LUN 1 of a target.
actor LabTarget {
    /// Where it listens. No node has this address, so that a capture tells the disks' traffic from the nodes'.
    static let address = "127.0.0.100"

    private let folder: URL
    private let daemon: URL
    private let administrator: URL
    private var process: Process?

    /// A target that is not started yet.
    ///
    /// - Throws: ``CommandFailure`` where tgtd is not installed.
    init(folder: URL) throws {
        self.folder = folder
        daemon = try Self.program("tgtd")
        administrator = try Self.program("tgtadm")
    }

    /// Starts it and puts the disks behind it.
    ///
    /// - Returns: the disks, with the address of each.
    /// - Throws: ``CommandFailure``.
    func start(_ disks: [LabDescription.Disk]) async throws -> [LabDescription.Disk] {
        await endForerunner()
        // Somebody else could take it before tgtd does, which then ends and says so.
        let port = try LabPorts.free([Self.address])
        let process = Process()
        process.executableURL = daemon
        process.arguments = ["--foreground", "--iscsi", "portal=\(Self.address):\(port)"]
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        let log = try LabNode.appending(to: folder.appendingPathComponent("target.log"))
        process.standardOutput = log
        process.standardError = log
        do {
            try process.run()
        } catch {
            throw CommandFailure("cannot start \(daemon.path): \(error)")
        }
        self.process = process
        try await untilItAnswers(process)
        var served = disks
        for index in served.indices {
            let number = "\(index + 1)"
            let name = "iqn.2024-01.net.clusprep:lab.disk\(number)"
            try await administer("new", "target", ["--tid", number, "--targetname", name])
            try await administer(
                "new", "logicalunit", ["--tid", number, "--lun", "1", "--backing-store", disks[index].path])
            try await administer("bind", "target", ["--tid", number, "--initiator-address", "ALL"])
            served[index].target = "iscsi://\(Self.address):\(port)/\(name)/1"
        }
        return served
    }

    /// Ends it; what it had been told is on the images by then.
    func stop() {
        guard let process else { return }
        self.process = nil
        // It ends at once only when it is killed: SIGTERM waits for sessions to log out. Images are written through the page
        // cache, which outlives it.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// A lab that was killed has left its target running.
    private func endForerunner() async {
        let socket = control.path + ".0"
        guard FileManager.default.fileExists(atPath: socket) else { return }
        _ = try? await run(["--op", "delete", "--mode", "system", "--force"])
        for leftover in [socket, socket + ".lock"] { try? FileManager.default.removeItem(atPath: leftover) }
    }

    private func untilItAnswers(_ process: Process) async throws {
        for _ in 0..<200 {
            guard process.isRunning else { break }
            if try await run(["--op", "show", "--mode", "target"]) == 0 { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw CommandFailure("tgtd did not start; see \(folder.appendingPathComponent("target.log").path)")
    }

    private func administer(_ operation: String, _ mode: String, _ arguments: [String]) async throws {
        let status = try await run(["--op", operation, "--mode", mode] + arguments)
        guard status == 0 else {
            throw CommandFailure("tgtadm --op \(operation) --mode \(mode) ended with status \(status)")
        }
    }

    /// Runs tgtadm and returns its exit status.
    private func run(_ arguments: [String]) async throws -> Int32 {
        let process = Process()
        process.executableURL = administrator
        process.arguments = ["--lld", "iscsi"] + arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        return try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do {
                try process.run()
            } catch {
                process.terminationHandler = nil
                continuation.resume(throwing: CommandFailure("cannot start \(administrator.path): \(error)"))
            }
        }
    }

    /// The socket by which tgtadm reaches our tgtd and no other; tgtd appends `.0`.
    private var control: URL {
        folder.appendingPathComponent("target")
    }

    private var environment: [String: String] {
        ["TGT_IPC_SOCKET": control.path, "PATH": Self.folders.joined(separator: ":")]
    }

    private static let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]

    private static func program(_ name: String) throws -> URL {
        for folder in folders {
            let path = "\(folder)/\(name)"
            if FileManager.default.isExecutableFile(atPath: path) { return URL(fileURLWithPath: path) }
        }
        throw CommandFailure("\(name) is not installed, and --iscsi needs it: apt-get install tgt")
    }
}
