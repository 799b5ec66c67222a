import ArgumentParser
import ClusPrepClient
import HostInventory
import Reservations

/// `clusprep firewall`: what a node's firewall lets in, and a table that lets a cluster's traffic in.
struct FirewallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "firewall",
        abstract: "Shows whether a node's firewall lets a cluster's traffic in, and lets it in.",
        discussion: """
            Examples:
              clusprep firewall show
              clusprep firewall show --node beta.example.org --user 'LAB\\admin' --json
              clusprep firewall open --interface eth1
              clusprep firewall close
            """,
        subcommands: [FirewallShow.self, FirewallOpen.self, FirewallClose.self], defaultSubcommand: FirewallShow.self)
}

/// The ports that a node's objects are exported at, as an option.
struct ExporterPorts: ParsableArguments {
    @Option(
        name: .customLong("ports"),
        help: ArgumentHelp(
            "The TCP ports that this host's objects are reached at, or FIRST-LAST; another node knows its own.",
            valueName: "ports"),
        transform: { try ExporterPorts.range($0) })
    var range: ClosedRange<UInt16> = HostFirewall.dynamicPorts

    static func range(_ text: String) throws -> ClosedRange<UInt16> {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], 0 < first,
            first <= last
        else { throw ValidationError("\(text) is neither a port nor a range of ports FIRST-LAST") }
        return first...last
    }
}

/// `clusprep firewall show`.
struct FirewallShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows which groups of a cluster's traffic reach each adapter.",
        discussion: """
            Reads the kernel's whole ruleset, which takes root, or asks another node. What keeps a group out follows the \
            table: rules that drop its traffic, and rules that could not be evaluated, which count as if they did.

            Exit status: 0 if everything is let in everywhere, 2 if something is not, 1 if the firewall cannot be read.

            Example: clusprep firewall show --json
            """)

    @OptionGroup var node: NodeOptions
    @OptionGroup var ports: ExporterPorts

    @Flag(help: "Print JSON: an object with the number of its schema and the list of adapters.")
    var json = false

    func run() async throws {
        let report: FirewallReport
        if let client = try node.client() {
            report = try await Self.report(of: client)
        } else {
            report = try await Self.localReport(HostFirewall(exporterPorts: ports.range))
        }
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try report.prettyJSON())
        } else {
            report.lines(on: terminal).forEach { terminal.line($0) }
        }
        if !report.isOpen { throw ExitCode(2) }
    }

    private static func report(of client: ClusPrepClient) async throws -> FirewallReport {
        do {
            let firewall = try await client.firewall()
            let adapters = try await firewall.adapters()
            try await firewall.release()
            return FirewallReport(adapters: adapters.map(FirewallEntry.init))
        } catch {
            throw CommandFailure("cannot ask the node about its firewall: \(error)")
        }
    }

    /// The host's own adapters but loopback and tunnels, as a node tells them.
    static func localReport(_ firewall: HostFirewall) async throws -> FirewallReport {
        do {
            return try await BlockingExecutor(threads: 1).run {
                let adapters = try HostAdapters().list().filter { !$0.isFilteredForClusters }
                let verdicts = try firewall.verdicts(for: adapters)
                return FirewallReport(adapters: zip(adapters, verdicts).map(FirewallEntry.init))
            }
        } catch {
            throw CommandFailure("cannot read this host's firewall: \(error)")
        }
    }
}

/// `clusprep firewall open`.
struct FirewallOpen: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Makes the table inet clusprep, which accepts a cluster's traffic.",
        discussion: """
            The table is made anew in one step; nothing else changes. It lasts until the host restarts, or "firewall \
            close". A packet has to be accepted by every table, so where another one drops the traffic, the report that \
            follows says so and the exit status is 2: only that table's owner can let the traffic in, for instance \
            with firewall-cmd.

            Example: clusprep firewall open --interface eth1 --ports 49700
            """)

    @OptionGroup var ports: ExporterPorts

    @Option(
        name: .customLong("interface"),
        help: ArgumentHelp("Accept through this interface only; may be given several times.", valueName: "name"))
    var interfaces: [String] = []

    @Flag(help: "Print JSON as \"firewall show\" does.")
    var json = false

    func run() async throws {
        let firewall = HostFirewall(exporterPorts: ports.range)
        let interfaces = interfaces
        do {
            try await BlockingExecutor(threads: 1).run {
                try firewall.open(Set(ClusterTraffic.allCases), through: interfaces)
            }
        } catch {
            throw CommandFailure("\(error)")
        }
        var report = try await FirewallShow.localReport(firewall)
        if !interfaces.isEmpty {
            report.adapters.removeAll { !interfaces.contains($0.name ?? "") }
        }
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try report.prettyJSON())
        } else {
            report.lines(on: terminal).forEach { terminal.line($0) }
        }
        if !report.isOpen { throw ExitCode(2) }
    }
}

/// `clusprep firewall close`.
struct FirewallClose: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "close",
        abstract: "Removes the table inet clusprep, and nothing else.",
        discussion: """
            A table that is not there is no error.

            Example: clusprep firewall close
            """)

    func run() async throws {
        do {
            try await BlockingExecutor(threads: 1).run { try HostFirewall().close() }
        } catch {
            throw CommandFailure("\(error)")
        }
    }
}
