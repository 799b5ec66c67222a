import ArgumentParser
import ClusPrepClient
import ClusterEngine
import Foundation
import Logging

/// `clusprep cleanup`: what is done with a node that was evicted from its cluster.
struct CleanupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cleanup",
        abstract: "Removes everything from a node that made it a member of a cluster.",
        discussion: """
            For a node that was evicted: its membership, the cluster's secret and certificates, its registrations on disks. \
            Users, the node's own identity and its log stay. It may be repeated; a clean-up that was interrupted is completed.

              clusprep cleanup --node beta --user 'BETA\\admin'
              clusprep cleanup --clear-disk 2 --node beta --user 'BETA\\admin'

            Without --node on this host's state folder, while its daemon does not run; what is on disks, the daemon takes off \
            them when it starts. With --clear-disk nothing is cleaned up but the registrations and the reservation on that \
            disk, everybody's.

            The exit status is 0 where all is done, 3 where it goes on on the node because the timeout was first, 1 where it \
            failed, and 64 for a wrong command line.
            """)

    /// It goes on.
    static let unfinishedStatus = ExitCode(3)

    @Option(help: ArgumentHelp("Begin after so many seconds.", valueName: "seconds"))
    var delay = 0.0

    @Option(
        help: ArgumentHelp("Wait so many seconds for the end, the delay included.", valueName: "seconds"))
    var timeout = 60.0

    @Flag(help: "Leave the cluster service running: the ownership of disks.")
    var noStop = false

    @Flag(help: "Tell the cluster service to stop, but do not wait until it has.")
    var noWait = false

    @Option(
        help: ArgumentHelp(
            "Only take all registrations and the reservation off the node's disk with this number.",
            valueName: "number"))
    var clearDisk: UInt32?

    @Flag(help: "Print JSON: what was done, and whether it is complete.")
    var json = false

    @Option(help: "This host's state folder; not with --node.")
    var stateFolder =
        ProcessInfo.processInfo.environment["CLUSPREPD_STATE_FOLDER"] ?? "/var/lib/clusprep"

    @OptionGroup var node: NodeOptions

    func validate() throws {
        for (name, value) in [("--delay", delay), ("--timeout", timeout)] {
            guard (0...4_294_967).contains(value) else {
                throw ValidationError("\(name) is a number of seconds, 0 to 4294967")
            }
        }
        guard clearDisk == nil || node.node != nil else { throw ValidationError("--clear-disk needs --node HOST") }
        guard clearDisk == nil || (!noStop && !noWait && delay == 0) else {
            throw ValidationError("--clear-disk cleans up nothing else: leave out --delay, --no-stop and --no-wait")
        }
    }

    /// What `--json` prints.
    struct Report: Encodable {
        /// Grows when a field changes its meaning or goes; new fields do not change it.
        var schema = 1
        /// `clean-up` or `clear-disk`.
        var action: String
        var isComplete: Bool
    }

    func run() async throws {
        let isComplete: Bool
        if let client = try node.client() {
            isComplete = try await remotely(client)
        } else {
            try await locally()
            isComplete = true
        }
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(
                try Report(action: clearDisk == nil ? "clean-up" : "clear-disk", isComplete: isComplete).prettyJSON())
        } else {
            terminal.line(isComplete ? "done" : "not yet done: it goes on on the node")
        }
        if !isComplete { throw Self.unfinishedStatus }
    }

    private func remotely(_ client: ClusPrepClient) async throws -> Bool {
        let cleanup = try await client.cleanup()
        do {
            let isComplete = try await ask(cleanup)
            try? await cleanup.release()
            return isComplete
        } catch {
            try? await cleanup.release()
            throw error
        }
    }

    private func ask(_ cleanup: CleanupClient) async throws -> Bool {
        if let clearDisk {
            try await cleanup.clearReservations(disk: clearDisk)
            return true
        }
        var options: CleanupClient.Options = []
        if noStop { options.insert(.dontStopService) }
        if noWait { options.insert(.dontAwaitServiceStop) }
        return try await cleanup.cleanUpEvictedNode(
            delay: UInt32(delay * 1000), timeout: UInt32(timeout * 1000), options: options)
    }

    /// As the daemon, which must not run: it would keep what it knows, and hold what it holds.
    private func locally() async throws {
        if delay > 0 { try await Task.sleep(for: .seconds(delay)) }
        let state: NodeState
        do {
            state = try NodeState.open(folder: stateFolder, as: .daemon)
        } catch .anotherDaemon(let folder, _) {
            throw CommandFailure(
                "the daemon works on \(folder): stop it, or let it clean up itself, with --node and --user")
        }
        let engine = ClusterEngine(state: state, node: .host())
        var logger = Logger(label: "clusprep.cleanup") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        let cleanup = EvictionCleanup(engine: engine, environment: .init(logger: logger))
        try await cleanup.begin(after: .zero, options: [.dontStopService]).finished.value.get()
    }
}
