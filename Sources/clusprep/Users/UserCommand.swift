import ArgumentParser
import ClusterEngine
import Foundation

/// `clusprep user`: the accounts in a node's store.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Adds, removes and lists the users of a node.",
        discussion: """
            Works on the node's state folder, whether or not its daemon runs. A password is asked for without showing it, or \
            read from the first line of standard input; never taken from the command line.
            """,
        subcommands: [Add.self, Remove.self, List.self, Passwd.self])

    /// Where the node's state is.
    struct Node: ParsableArguments {
        @Option(help: "The node's state folder.")
        var stateFolder =
            ProcessInfo.processInfo.environment["CLUSPREPD_STATE_FOLDER"] ?? "/var/lib/clusprep"

        func directory() throws -> NodeUserDirectory {
            try NodeUserDirectory(state: try NodeState.open(folder: stateFolder, as: .tool))
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Adds a user.")

        @Argument(help: "The user's name.")
        var name: String

        @Flag(help: "Make the user a member of the administrators group: only those may call the node.")
        var admin = false

        @OptionGroup var node: Node

        func run() async throws {
            let directory = try node.directory()
            let account = try await directory.add(
                name: name, password: try PasswordPrompt.ask(for: name), isAdministrator: admin)
            Terminal.standardOutput.line("\(account.name)  \(account.sid)")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Removes a user.")

        @Argument(help: "The user's name.")
        var name: String

        @OptionGroup var node: Node

        func run() async throws {
            try await node.directory().remove(name: name)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the users.")

        @OptionGroup var node: Node

        func run() async throws {
            for account in try await node.directory().list() {
                var line = "\(account.name)  \(account.sid)"
                if account.isAdministrator { line += "  administrator" }
                if !account.isEnabled { line += "  disabled" }
                Terminal.standardOutput.line(line)
            }
        }
    }

    struct Passwd: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Gives a user another password.")

        @Argument(help: "The user's name.")
        var name: String

        @OptionGroup var node: Node

        func run() async throws {
            let directory = try node.directory()
            try await directory.setPassword(name: name, password: try PasswordPrompt.ask(for: name))
        }
    }
}
