import ArgumentParser
import ClusPrepClient
import ClusterProtocols
import Foundation

/// `clusprep walk`: the specification's examples against a node.
struct WalkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "walk",
        abstract: "Walks the examples of [MS-CSVP] against a node, step by step.",
        discussion: """
            Takes one disk online, writes a file to it, reads it back and gives the disk back; asks for the node's adapters \
            and firewall, and sends a message from it to the next node; then stores and retrieves the node's secret, which \
            REPLACES the secret that the node has. Meant for labs.
            """)

    @Option(help: "The folder of a running lab: its nodes are walked in turn, each with another disk.")
    var lab: String?

    @Option(help: "The node's address.")
    var host: String?

    @Option(help: "The node's endpoint mapper port.")
    var port: UInt16 = 135

    @Option(help: "The user, as DOMAIN\\NAME. The password is asked for, or read from standard input.")
    var user: String?

    @Option(help: "The number of the disk.")
    var disk: UInt32 = 0

    func validate() throws {
        guard (lab == nil) != (host == nil) else { throw ValidationError("give either --lab or --host") }
        guard host == nil || user != nil else { throw ValidationError("--host needs --user DOMAIN\\NAME") }
    }

    func run() async throws {
        let terminal = Terminal.standardOutput
        var failures = 0
        for stop in try stops() {
            terminal.line()
            terminal.line(terminal.styled(stop.title, .bold))
            var walk = Walk(client: stop.client, terminal: terminal)
            await walk.sharedDiskOnline(disk: stop.disk)
            await walk.networkConfiguration(address: stop.address, peer: stop.peer)
            await walk.clusterSetup()
            failures += walk.failures
        }
        terminal.line()
        guard failures == 0 else {
            terminal.line(terminal.styled("The walk did not succeed.", .bad))
            throw ExitCode.failure
        }
        terminal.line(terminal.styled("The walk succeeded.", .good))
    }

    /// One node on the way.
    private struct Stop {
        var title: String
        var client: ClusPrepClient
        var disk: UInt32
        var address: NodeAddress?
        var peer: NodeAddress?
    }

    private func stops() throws -> [Stop] {
        if let host, let user {
            let parts = user.split(separator: "\\", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ValidationError("--user is DOMAIN\\NAME") }
            let password = try PasswordPrompt.existing(for: user)
            let client = ClusPrepClient(
                host: host, port: port, credentials: .init(domain: parts[0], user: parts[1], password: password))
            let address = NodeAddress(host)
            return [
                Stop(title: "\(host) port \(port)", client: client, disk: disk, address: address, peer: address)
            ]
        }
        let folder = URL(fileURLWithPath: lab ?? ".")
        guard let lab = try LabDescription.read(folder: folder) else {
            throw CommandFailure("there is no lab in \(folder.path)")
        }
        guard !lab.disks.isEmpty else { throw CommandFailure("the lab has no disks") }
        return lab.nodes.enumerated().map { index, node in
            let client = ClusPrepClient(
                host: node.address, port: UInt16(node.endpointMapperPort),
                credentials: .init(domain: lab.domain, user: lab.user, password: lab.password))
            let next = lab.nodes[(index + 1) % lab.nodes.count]
            return Stop(
                title: "\(node.name) at \(node.address) port \(node.endpointMapperPort)", client: client,
                disk: UInt32(index % lab.disks.count), address: NodeAddress(node.address),
                peer: NodeAddress(next.address))
        }
    }
}
