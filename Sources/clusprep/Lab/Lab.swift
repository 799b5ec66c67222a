import ClusterEngine
import Foundation

/// The nodes of a lab, from the first start to the last stop.
actor Lab {
    /// What to say when a node has ended by itself; finished when all have.
    nonisolated let endings: AsyncStream<String>

    private let endingsContinuation: AsyncStream<String>.Continuation
    private let folder: URL
    private let daemon: URL
    private let target: LabTarget?
    private let shares: LabShares?
    private var nodes: [LabNode] = []
    /// Keeps other labs out of the folder.
    private var lock: FileLock?
    /// Whether the lab was told to end.
    private(set) var isStopping = false

    /// How long a node may take to stop, which includes giving up its disks.
    private static let stopTime = Duration.seconds(15)

    /// A lab that is not started yet.
    ///
    /// - Parameter target: what serves the disks over iSCSI; nil where the nodes open the images themselves.
    init(folder: URL, daemon: URL, target: LabTarget? = nil) {
        self.folder = folder
        self.daemon = daemon
        self.target = target
        shares = LabShares(folder: folder)
        (endings, endingsContinuation) = AsyncStream.makeStream(of: String.self)
    }

    /// Makes what is missing, starts the nodes, and returns once each of them has answered a call.
    ///
    /// - Throws: ``CommandFailure``; what was started is to be ended with ``stop()``.
    func start(nodes count: Int, disks: Int) async throws -> LabDescription {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // Before anything else: a lab begins with clearing away what one that was killed has left.
        lock = try FileLock.taking(folder.appendingPathComponent("lab.lock").path).mapError { holder in
            let process = holder.process.map { " (process \($0))" } ?? ""
            return CommandFailure("another lab\(process) runs in \(folder.path)")
        }.get()
        var description =
            try LabDescription.read(folder: folder)
            ?? LabDescription(domain: "LAB", user: "clusadmin", password: LabPassword.generate())
        description.disks = try LabDisks.prepare(in: folder, count: disks)
        if let target { description.disks = try await target.start(description.disks) }
        description.nodes = []
        let addresses = (1...count).map { "127.0.0.\($0)" }
        let port = LabPorts.canTake(135, addresses) ? 135 : 0
        await startShares(addresses)
        for (index, address) in addresses.enumerated() {
            try await startNode(index + 1, address, port, description)
        }
        let sharePort = await shares?.port
        for node in nodes {
            let served = try await node.ready()
            description.nodes.append(
                .init(
                    name: node.name, address: node.address, endpointMapperPort: served.endpointMapperPort,
                    pid: node.pid, sharePort: sharePort))
        }
        for node in description.nodes { try await LabProbe.ask(node, of: description) }
        try description.write(folder: folder)
        watchEndings()
        return description
    }

    private func startNode(
        _ number: Int, _ address: String, _ port: Int, _ description: LabDescription
    ) async throws {
        let name = Self.name(number)
        let nodeFolder = folder.appendingPathComponent(name)
        let state = nodeFolder.appendingPathComponent("state")
        try FileManager.default.createDirectory(at: nodeFolder, withIntermediateDirectories: true)
        try await LabUsers.add(description, stateFolder: state)
        let shareArguments = await shares?.arguments(of: name) ?? []
        // From here to the end nothing else runs on this actor: a node is either not started, or ended by `stop()`.
        guard !isStopping else { throw CommandFailure("stopped before all nodes were started") }
        var arguments = [
            "--state-folder", state.path, "--listen", address, "--endpoint-mapper-port", "\(port)",
            "--node-name", name, "--fqdn", "\(name).lab.test", "--domain", description.domain, "--local-disks", "none",
            "--log-folder", nodeFolder.appendingPathComponent("logs").path,
        ]
        for disk in description.disks { arguments += ["--disks", disk.target ?? disk.path] }
        arguments += shareArguments
        // Samba's test suites activate a class of their own to see whether activation works.
        arguments += ["--activation-probe", "--ready", "--stop-at-end-of-input"]
        nodes.append(
            try LabNode(
                name: name, address: address, daemon: daemon, arguments: arguments,
                log: nodeFolder.appendingPathComponent("log")))
    }

    /// Labs are for more than shares: without them they go on.
    private func startShares(_ addresses: [String]) async {
        do {
            try await shares?.start(addresses.enumerated().map { (name: Self.name($0 + 1), address: $1) })
        } catch {
            Terminal.complain("the nodes share no files: \(error)")
            await shares?.stop()
        }
    }

    private static func name(_ number: Int) -> String {
        "node\(number)"
    }

    private func watchEndings() {
        let nodes = nodes
        let endings = endingsContinuation
        Task {
            await withTaskGroup(of: Void.self) { group in
                for node in nodes {
                    group.addTask { for await message in node.ending { endings.yield(message) } }
                }
            }
            endings.finish()
        }
    }

    /// Ends every node that was started.
    func stop() async {
        isStopping = true
        await withTaskGroup(of: Void.self) { group in
            for node in nodes {
                group.addTask { await node.stop(within: Self.stopTime) }
            }
        }
        nodes = []
        await shares?.stop()
        await target?.stop()
        endingsContinuation.finish()
    }
}

/// A password for a lab's user.
enum LabPassword {
    /// Letters and digits that are not taken for one another: 24 of 54 are 138 bits.
    private static let alphabet = Array("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789")

    static func generate() -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<24).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] })
    }
}
