import ArgumentParser
import ClusPrepClient
import Foundation

/// `clusprep walk`: the specification's examples against a node.
struct WalkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "walk",
        abstract: "Walks examples 4.1 and 4.3 of [MS-CSVP] against a node, step by step.",
        discussion: """
            Takes one disk online, writes a file to it, reads it back and gives the disk back; then stores and retrieves the \
            node's secret, which REPLACES the secret that the node has. Meant for labs.
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
        for (title, client, disk) in try clients() {
            terminal.line()
            terminal.line(terminal.styled(title, .bold))
            var walk = Walk(client: client, terminal: terminal)
            await walk.sharedDiskOnline(disk: disk)
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

    private func clients() throws -> [(title: String, client: ClusPrepClient, disk: UInt32)] {
        if let host, let user {
            let parts = user.split(separator: "\\", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw ValidationError("--user is DOMAIN\\NAME") }
            let password = try PasswordPrompt.existing(for: user)
            let client = ClusPrepClient(
                host: host, port: port, credentials: .init(domain: parts[0], user: parts[1], password: password))
            return [("\(host) port \(port)", client, disk)]
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
            return (
                "\(node.name) at \(node.address) port \(node.endpointMapperPort)", client,
                UInt32(index % lab.disks.count)
            )
        }
    }
}
