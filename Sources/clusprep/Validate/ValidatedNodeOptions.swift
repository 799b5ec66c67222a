import ArgumentParser
import ClusPrepClient
import Foundation
import Security
import Validation

/// Which nodes are validated, and who calls them.
struct ValidatedNodeOptions: ParsableArguments {
    @Argument(help: "The names or addresses of the nodes.")
    var nodes: [String] = []

    @Option(help: ArgumentHelp("The folder of a running lab: its nodes are validated.", valueName: "dir"))
    var lab: String?

    @Option(help: "The endpoint mapper's port of the nodes.")
    var port: UInt16 = 135

    @Option(help: "The user, as DOMAIN\\NAME. The password is asked for, or read from standard input.")
    var user: String?

    @Flag(help: "Log on with the Kerberos tickets of kinit (KRB5CCNAME), instead of --user and a password.")
    var kerberos = false

    /// Checks what goes together, for a validation that is to be run.
    ///
    /// - Throws: `ValidationError`.
    func check() throws {
        guard (lab == nil) != nodes.isEmpty else {
            throw ValidationError("which nodes? Name them, or a lab's folder with --lab")
        }
        guard nodes.allSatisfy({ !$0.isEmpty }) else { throw ValidationError("a node needs a name or an address") }
        guard Set(nodes.map { $0.lowercased() }).count == nodes.count else {
            throw ValidationError("name each node once")
        }
        guard !kerberos || user == nil else { throw ValidationError("--kerberos and --user exclude each other") }
        if lab == nil {
            guard kerberos || user != nil else { throw ValidationError("give --user DOMAIN\\NAME, or --kerberos") }
        } else {
            guard !kerberos, user == nil else {
                throw ValidationError("--lab has a user of its own: leave --user and --kerberos out")
            }
        }
        guard port != 0 else { throw ValidationError("--port is a number from 1 to 65535") }
        guard user == nil || NodeOptions.account(user) != nil else { throw ValidationError("--user is DOMAIN\\NAME") }
    }

    /// The nodes, ready to be called.
    ///
    /// - Throws: what keeps the password or the lab from being read.
    func remoteNodes() throws -> [RemoteNode] {
        if let lab { return try Self.nodes(ofLab: lab) }
        if kerberos {
            return nodes.map { node in
                RemoteNode(
                    name: node, client: ClusPrepClient(host: node, port: port, target: .service("host", host: node)))
            }
        }
        guard let user, let account = NodeOptions.account(user) else { return [] }
        let password = try PasswordPrompt.existing(for: user)
        return nodes.map { node in
            RemoteNode(
                name: node,
                client: ClusPrepClient(
                    host: node, port: port,
                    credentials: .init(domain: account.domain, user: account.name, password: password)))
        }
    }

    private static func nodes(ofLab lab: String) throws -> [RemoteNode] {
        let folder = URL(fileURLWithPath: lab)
        guard let description = try LabDescription.read(folder: folder) else {
            throw CommandFailure("there is no lab in \(folder.path)")
        }
        return description.nodes.map { node in
            RemoteNode(
                name: node.name,
                client: ClusPrepClient(
                    host: node.address, port: UInt16(clamping: node.endpointMapperPort),
                    credentials: .init(
                        domain: description.domain, user: description.user, password: description.password)))
        }
    }
}
