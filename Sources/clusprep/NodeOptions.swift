import ArgumentParser
import ClusPrepClient
import Foundation

/// Which node a command is about: this host, or one that is reached over the network.
struct NodeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The name or address of another node; this host if it is left out.", valueName: "host"))
    var node: String?

    @Option(help: "The endpoint mapper's port of the node.")
    var port: UInt16 = 135

    @Option(help: "The user, as DOMAIN\\NAME. The password is asked for, or read from standard input.")
    var user: String?

    func validate() throws {
        guard node == nil || user != nil else { throw ValidationError("--node needs --user DOMAIN\\NAME") }
        guard node != nil || user == nil else { throw ValidationError("--user needs --node HOST") }
        guard user.map({ $0.split(separator: "\\", maxSplits: 1).count == 2 }) ?? true else {
            throw ValidationError("--user is DOMAIN\\NAME")
        }
    }

    /// A client of the other node; nil where the command is about this host.
    ///
    /// - Throws: what keeps the password from being read.
    func client() throws -> ClusPrepClient? {
        guard let node, let user else { return nil }
        let parts = user.split(separator: "\\", maxSplits: 1).map(String.init)
        return ClusPrepClient(
            host: node, port: port,
            credentials: .init(domain: parts[0], user: parts[1], password: try PasswordPrompt.existing(for: user)))
    }
}
