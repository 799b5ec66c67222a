import ArgumentParser
import ClusPrepClient
import ClusterProtocols
import HostInventory
import Reservations

/// `clusprep updates`: which software a node has, and at which version.
struct UpdatesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "updates",
        abstract: "Lists the updates that are installed on this host, or on another node.",
        discussion: """
            An update is an installed package at its version, from the databases of dpkg and rpm. For each: the versions it \
            superseded here, and the vulnerabilities that its changelog says it repaired.

            Nodes of one cluster should have the same updates. What two nodes do not share:

              clusprep updates --json > here.json
              clusprep updates --node beta --user 'BETA\\admin' --json > beta.json
              diff <(jq -r .updates[].id here.json) <(jq -r .updates[].id beta.json)

            The exit status is 0 where the updates could be told, 1 where they could not, 64 for a wrong command line.
            """)

    @Flag(help: "List only updates that are known to repair a vulnerability.")
    var security = false

    @Flag(help: "Print only the number of updates that are installed.")
    var count = false

    @Flag(help: "Print JSON: an object with the number of its schema, the number of updates and the list of them.")
    var json = false

    @OptionGroup var node: NodeOptions

    func validate() throws {
        guard !count || !(json || security) else {
            throw ValidationError("--count prints a number and nothing else: leave out --json and --security")
        }
    }

    func run() async throws {
        let terminal = Terminal.standardOutput
        let client = try node.client()
        if count {
            terminal.line("\(try await count(client))")
            return
        }
        let listing = UpdateListing(try await updates(client), security: security)
        if json {
            terminal.line(try listing.prettyJSON())
        } else {
            listing.lines(on: terminal).forEach { terminal.line($0) }
        }
    }

    private func updates(_ client: ClusPrepClient?) async throws -> [UpdateListing.Entry] {
        guard let client else {
            return try await ofThisHost { try HostUpdates().list() }.map(UpdateListing.Entry.init)
        }
        return try await ofNode(client) { try await $0.updates() }.map(UpdateListing.Entry.init)
    }

    private func count(_ client: ClusPrepClient?) async throws -> Int {
        guard let client else { return try await ofThisHost { try HostUpdates().count() } }
        return Int(try await ofNode(client) { try await $0.count() })
    }

    private func ofThisHost<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        do {
            return try await BlockingExecutor(threads: 1).run(body)
        } catch let error as HostUpdatesError {
            throw CommandFailure("cannot list the updates of this host: \(error)")
        }
    }

    private func ofNode<T: Sendable>(
        _ client: ClusPrepClient, _ body: (UpdateClient) async throws -> T
    ) async throws -> T {
        do {
            let object = try await client.update()
            do {
                let result = try await body(object)
                try await object.release()
                return result
            } catch {
                // The first error counts.
                try? await object.release()
                throw error
            }
        } catch {
            throw CommandFailure("\(node.node ?? "the node") does not tell its updates: \(error)")
        }
    }
}
