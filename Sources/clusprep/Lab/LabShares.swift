import Foundation

/// The SMB servers of a lab: one of Samba's smbd for each node, on the node's address, with a configuration, accounts and
/// shares of its own in the node's folder.
actor LabShares {
    private let daemon: URL
    private let folder: URL
    private var servers: [LabNode] = []
    /// The servers' folders.
    private var folders: [URL] = []
    /// The port of all of them; nil before they are started.
    private(set) var port: Int?

    private static let configurationName = "smb.conf"

    /// How long a server may take to start, and to stop.
    private static let patience = Duration.seconds(15)

    /// Servers that are not started yet; nil where they cannot be: smbd is not installed, or this is not root, without whom it
    /// cannot become the users who log on.
    init?(folder: URL) {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin").split(
            separator: ":")
        guard geteuid() == 0,
            let program = path.map({ "\($0)/smbd" }).first(where: FileManager.default.isExecutableFile)
        else { return nil }
        daemon = URL(fileURLWithPath: program)
        self.folder = folder
    }

    /// Starts a server for each node and waits until it answers.
    ///
    /// - Throws: ``CommandFailure``; what was started is to be ended with ``stop()``.
    func start(_ nodes: [(name: String, address: String)]) async throws {
        let addresses = nodes.map(\.address)
        // Clients of shares are told no port, so all nodes have the same.
        let port = try LabPorts.canTake(445, addresses) ? 445 : LabPorts.free(addresses)
        for (name, address) in nodes {
            let samba = folder(of: name)
            folders.append(samba)
            try prepare(samba, name: name, address: address, port: port)
            servers.append(
                try LabNode(
                    name: "smbd of \(name)", address: address, daemon: daemon,
                    // Its process group is its own already, and it refuses to make another.
                    arguments: ["-F", "--no-process-group", "-s", configuration(of: name)],
                    log: samba.appendingPathComponent("output")))
        }
        for server in servers { try await untilItAnswers(server, port) }
        self.port = port
    }

    /// What the node's daemon is told of its server. Files are read as who runs the lab, whose files they are.
    func arguments(of name: String) -> [String] {
        guard let port else { return [] }
        return [
            "--samba-configuration", configuration(of: name), "--share-port", "\(port)", "--share-user", "root",
            "--share-folder", folder.appendingPathComponent(name).appendingPathComponent("shares").path,
        ]
    }

    /// Ends them, and removes what was theirs: the next start makes everything anew.
    func stop() async {
        await withTaskGroup(of: Void.self) { group in
            for server in servers { group.addTask { await server.stop(within: Self.patience) } }
        }
        servers = []
        for folder in folders {
            await SambaHelpers(configuration: folder.appendingPathComponent(Self.configurationName).path)
                .end(within: Self.patience)
            try? FileManager.default.removeItem(at: folder)
        }
        folders = []
    }

    private func folder(of name: String) -> URL {
        folder.appendingPathComponent(name).appendingPathComponent("samba")
    }

    private func configuration(of name: String) -> String {
        folder(of: name).appendingPathComponent(Self.configurationName).path
    }

    private func prepare(_ samba: URL, name: String, address: String, port: Int) throws {
        // From a lab that was killed.
        try? FileManager.default.removeItem(at: samba)
        let shares = samba.appendingPathComponent("usershares").path
        let data = samba.appendingPathComponent("data").path
        for path in [shares, data] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        // smbd takes usershares only from a folder that is root's and sticky.
        guard chmod(shares, 0o1755) == 0 else { throw CommandFailure("cannot change the mode of \(shares)") }
        let text = """
            [global]
            netbios name = \(name.uppercased())
            workgroup = LAB
            server role = standalone server
            # With the mask, because only 127.0.0.1 is an interface's own address.
            interfaces = \(address)/8
            bind interfaces only = yes
            smb ports = \(port)
            disable netbios = yes
            lock directory = \(data)
            state directory = \(data)
            cache directory = \(data)
            private dir = \(data)
            pid directory = \(data)
            ncalrpc dir = \(data)/ncalrpc
            log file = \(samba.path)/log
            passdb backend = tdbsam
            usershare path = \(shares)
            usershare max shares = 100
            load printers = no
            printing = bsd
            printcap name = /dev/null
            disable spoolss = yes

            """
        try text.write(toFile: configuration(of: name), atomically: true, encoding: .utf8)
    }

    private func untilItAnswers(_ server: LabNode, _ port: Int) async throws {
        let deadline = ContinuousClock.now + Self.patience
        while !LabPorts.answers(server.address, port) {
            guard ContinuousClock.now < deadline else {
                throw CommandFailure("\(server.name) does not answer on \(server.address):\(port)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
