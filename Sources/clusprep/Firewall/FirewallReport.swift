import ClusPrepClient
import ClusterProtocols
import HostInventory

/// What `clusprep firewall show` prints.
struct FirewallReport: Encodable {
    var schema = 1
    var adapters: [FirewallEntry]

    /// Whether everything is let in everywhere.
    var isOpen: Bool { adapters.allSatisfy { $0.server && $0.management && $0.common } }

    /// The table, and below it what keeps traffic out.
    func lines(on terminal: Terminal) -> [String] {
        guard !adapters.isEmpty else { return ["no adapters that a cluster can use"] }
        var table = TextTable("ADAPTER", "PROFILE", "SERVER", "MANAGEMENT", "COMMON")
        for adapter in adapters {
            table.add(
                [adapter.title, adapter.profile]
                    + [adapter.server, adapter.management, adapter.common].map { $0 ? "allowed" : "refused" })
        }
        var lines = table.lines
        lines[0] = terminal.styled(lines[0], .bold)
        for adapter in adapters {
            lines += adapter.refusals.map { "\(adapter.title): \($0)" }
            lines += adapter.unevaluated.map { "\(adapter.title): not evaluated: \($0)" }
        }
        // A ruleset's names are its author's, and do not get to command the terminal.
        return [lines[0]] + lines.dropFirst().map(Terminal.printable)
    }
}

/// One adapter.
struct FirewallEntry: Encodable {
    var id: String
    /// The kernel's name; another node does not tell it.
    var name: String?
    var profile: String
    var server: Bool
    var management: Bool
    var common: Bool
    var refusals: [String] = []
    var unevaluated: [String] = []

    var title: String { name ?? id }

    /// An adapter of this host.
    init(_ adapter: HostAdapter, _ verdict: AdapterFirewall) {
        id = verdict.adapter.description
        name = adapter.name
        profile = "\(verdict.profile)"
        server = verdict.serverRules
        management = verdict.managementRules
        common = verdict.commonRules
        refusals = verdict.refusals
        unevaluated = verdict.unevaluated
    }

    /// An adapter of another node.
    init(_ adapter: FirewallClient.Adapter) {
        id = adapter.id.description
        profile = FirewallProfile(rawValue: adapter.profile.rawValue).map { "\($0)" } ?? "\(adapter.profile.rawValue)"
        server = adapter.serverRules
        management = adapter.managementRules
        common = adapter.commonRules
    }
}
