import ArgumentParser
import ClusterEngine
import ClusterProtocols
import Foundation
import Security

/// `clusprep setup`: what a node needs to be one, and to be in a cluster.
struct SetupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Makes this host a node; shows and changes what a node is set up with.",
        discussion: """
            By itself, or with --answers FILE, it makes this host a node; "setup check" tells what is missing, "setup remove" \
            undoes it. The other commands work on this host's state folder, whether or not its daemon runs, or with --node on \
            another node.

              clusprep setup
              clusprep setup show
              clusprep setup certificates generate --install --node beta --user 'BETA\\admin'

            Secrets are read from standard input, never from the command line. With --node the first line of standard input \
            is the password, where it is no terminal. The exit status is 0 where it was done, 1 where it failed, 2 where \
            what was asked for was never configured, and 64 for a wrong command line.
            """,
        subcommands: [
            RunSetup.self, CheckSetup.self, RemoveSetup.self, UnitCommand.self, ShowSetup.self, HostLabelCommand.self,
            LevelsCommand.self, SecretCommand.self, CertificatesCommand.self,
            JoinCommand.self, KeytabCommand.self,
        ],
        defaultSubcommand: RunSetup.self)

    /// What was asked for was never configured.
    static let missingStatus = ExitCode(2)
}

/// `clusprep setup show`: everything but the secrets.
struct ShowSetup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows what a node is set up with; no secrets.",
        discussion: "  clusprep setup show --json | jq .levels.functional")

    /// What `--json` prints.
    struct Report: Encodable {
        struct Levels: Encodable {
            var functional: UInt16
            var upgrade: UInt16
        }
        struct Membership: Encodable {
            var cluster: String
            var id: String
            var since: String
        }
        /// Grows when a field changes its meaning or goes; new fields do not change it.
        var schema = 1
        var hostLabel: String
        var levels: Levels?
        var hasSecret: Bool
        var certificates: [CertificateEntry]
        /// Missing where the node is a member of no cluster, and for other nodes, which do not tell.
        var membership: Membership?
    }

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var place: SetupNodeOptions

    func run() async throws {
        let report = try await place.with { node in
            var report = Report(
                hostLabel: try await node.hostLabel(),
                levels: try await node.levels().map { Report.Levels(functional: $0.functional, upgrade: $0.upgrade) },
                hasSecret: try await node.secret() != nil, certificates: try await CertificateEntry.all(of: node))
            if let local = node as? LocalSetupNode, let membership = try await local.engine.membership() {
                report.membership = .init(
                    cluster: membership.clusterName, id: membership.clusterID.uuidString.lowercased(),
                    since: CertificateEntry.text(membership.since))
            }
            return report
        }
        let terminal = Terminal.standardOutput
        guard !json else { return terminal.line(try report.prettyJSON()) }
        terminal.line("Host label    \(report.hostLabel)")
        terminal.line("Levels        \(LevelsCommand.text(of: report.levels.map { ($0.functional, $0.upgrade) }))")
        terminal.line("Secret        \(report.hasSecret ? "configured" : "none")")
        if place.node.node == nil {
            terminal.line(
                "Member of     \(report.membership.map { "\($0.cluster) since \($0.since)" } ?? "no cluster")")
        }
        terminal.line("Certificates  \(report.certificates.isEmpty ? "none" : "\(report.certificates.count)")")
        guard !report.certificates.isEmpty else { return }
        terminal.line()
        CertificateEntry.table(report.certificates).forEach { terminal.line($0) }
    }
}

/// `clusprep setup label`.
struct HostLabelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "label", abstract: "Prints a node's host label.", discussion: "  clusprep setup label")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var place: SetupNodeOptions

    func run() async throws {
        let label = try await place.with { try await $0.hostLabel() }
        Terminal.standardOutput.line(json ? try ["hostLabel": label].prettyJSON() : label)
    }
}

/// `clusprep setup levels`.
struct LevelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "levels",
        abstract: "Prints the highest functional level and upgrade version that a node supports.",
        discussion: """
              clusprep setup levels --node beta --user 'BETA\\admin'

            Of this host: what this release supports; its daemon may be configured to present less.
            """)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var place: SetupNodeOptions

    func run() async throws {
        let levels = try await place.with { try await $0.levels() }
        let terminal = Terminal.standardOutput
        if json {
            let report = ["functional": levels?.functional, "upgrade": levels?.upgrade].compactMapValues { $0 }
            terminal.line(try report.prettyJSON())
        } else {
            terminal.line(Self.text(of: levels))
        }
        if levels == nil { throw SetupCommand.missingStatus }
    }

    static func text(of levels: (functional: UInt16, upgrade: UInt16)?) -> String {
        levels.map { "functional level \($0.functional), upgrade version \($0.upgrade)" }
            ?? "the node presents a system from before levels"
    }
}

/// `clusprep setup join`.
struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Records that this host is a member of a cluster.",
        discussion: """
              clusprep setup join blue --id 6f9619ff-8b86-d011-b42d-00c04fc964ff

            The record is what tells clients that the node is clustered, and names its certificates. It goes, with all that \
            belongs to it, when the node is evicted: clusprep cleanup.
            """)

    @Argument(help: "The cluster's name.")
    var cluster: String

    @Option(help: "The cluster's identity, the same on all of its nodes. Default a new one.", transform: Self.uuid)
    var id: UUID?

    @Option(help: "This host's state folder.")
    var stateFolder =
        ProcessInfo.processInfo.environment["CLUSPREPD_STATE_FOLDER"] ?? "/var/lib/clusprep"

    func run() async throws {
        let node = try LocalSetupNode(stateFolder: stateFolder)
        let membership = ClusterMembership(
            clusterName: cluster, clusterID: id ?? UUID(), since: Int64(Date().timeIntervalSince1970))
        try await node.engine.join(membership)
        Terminal.standardOutput.line(membership.clusterID.uuidString.lowercased())
    }

    @Sendable private static func uuid(_ text: String) throws -> UUID {
        guard let id = UUID(uuidString: text) else { throw ValidationError("\"\(text)\" is no UUID") }
        return id
    }
}
