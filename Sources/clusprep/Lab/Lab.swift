import Foundation

/// The nodes of a lab, from the first start to the last stop.
actor Lab {
    /// What to say when a node has ended by itself; finished when all have.
    nonisolated let endings: AsyncStream<String>

    private let endingsContinuation: AsyncStream<String>.Continuation
    private let folder: URL
    private let daemon: URL
    private var nodes: [LabNode] = []
    /// Whether the lab was told to end.
    private(set) var isStopping = false

    /// How long a node may take to stop, which includes giving up its disks.
    private static let stopTime = Duration.seconds(15)

    init(folder: URL, daemon: URL) {
        self.folder = folder
        self.daemon = daemon
        (endings, endingsContinuation) = AsyncStream.makeStream(of: String.self)
    }

    /// Makes what is missing, starts the nodes, and returns once each of them has answered a call.
    ///
    /// - Throws: ``CommandFailure``; what was started is to be ended with ``stop()``.
    func start(nodes count: Int, disks: Int) async throws -> LabDescription {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var description =
            try LabDescription.read(folder: folder)
            ?? LabDescription(domain: "LAB", user: "clusadmin", password: LabPassword.generate())
        description.disks = try LabDisks.prepare(in: folder, count: disks)
        description.nodes = []
        let addresses = (1...count).map { "127.0.0.\($0)" }
        let port = LabPorts.canTake135(addresses) ? 135 : 0
        for (index, address) in addresses.enumerated() {
            try await startNode(index + 1, address, port, description)
        }
        for node in nodes {
            let served = try await node.ready()
            description.nodes.append(
                .init(
                    name: node.name, address: node.address, endpointMapperPort: served.endpointMapperPort, pid: node.pid
                ))
        }
        for node in description.nodes { try await LabProbe.ask(node, of: description) }
        try description.write(folder: folder)
        watchEndings()
        return description
    }

    private func startNode(
        _ number: Int, _ address: String, _ port: Int, _ description: LabDescription
    ) async throws {
        let name = "node\(number)"
        let nodeFolder = folder.appendingPathComponent(name)
        let state = nodeFolder.appendingPathComponent("state")
        try FileManager.default.createDirectory(at: nodeFolder, withIntermediateDirectories: true)
        try await LabUsers.add(description, stateFolder: state)
        // From here to the end nothing else runs on this actor: a node is either not started, or ended by `stop()`.
        guard !isStopping else { throw CommandFailure("stopped before all nodes were started") }
        var arguments = [
            "--state-folder", state.path, "--listen", address, "--endpoint-mapper-port", "\(port)",
            "--node-name", name, "--fqdn", "\(name).lab.test", "--domain", description.domain,
        ]
        for disk in description.disks { arguments += ["--disks", disk.path] }
        // Samba's test suites activate a class of their own to see whether activation works.
        arguments += ["--activation-probe", "--ready", "--stop-at-end-of-input"]
        nodes.append(
            try LabNode(
                name: name, address: address, daemon: daemon, arguments: arguments,
                log: nodeFolder.appendingPathComponent("log")))
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

/// Which ports a lab's nodes can have.
enum LabPorts {
    /// Whether port 135 is free on all addresses, and ours to take.
    static func canTake135(_ addresses: [String]) -> Bool {
        addresses.allSatisfy { address in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            var yes: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout.size(ofValue: yes)))
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = in_port_t(135).bigEndian
            guard inet_pton(AF_INET, address, &name.sin_addr) == 1 else { return false }
            return withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
        }
    }
}
