import Foundation
import Synchronization

/// The firewall of the host, which is that of the network namespace it is asked in.
///
/// Everything blocks, for milliseconds and more where rulesets are large: callers have a thread for it, which must not be an event
/// loop's.
public struct HostFirewall: Sendable {
    /// The dynamic ports of Windows since Server 2008, and of RFC 6335 6.
    public static let dynamicPorts: ClosedRange<UInt16> = 49152...65535

    /// Rules of iptables-nft have libnftables load libxtables, whose state is the whole process's.
    private static let turn = Mutex(())

    /// The ports that the node's objects are exported at: one, where the node is configured so.
    public var exporterPorts: ClosedRange<UInt16>

    /// The host's firewall.
    ///
    /// - Parameter exporterPorts: the ports that ``ClusterTraffic/management`` needs besides the endpoint mapper's.
    public init(exporterPorts: ClosedRange<UInt16> = HostFirewall.dynamicPorts) {
        self.exporterPorts = exporterPorts
    }

    /// What reaches each of the adapters, in their order.
    ///
    /// - Throws: ``FirewallError``; also where the process may not read the ruleset.
    public func verdicts(for adapters: [HostAdapter]) throws(FirewallError) -> [AdapterFirewall] {
        let snapshot = try Self.turn.withLock { _ throws(FirewallError) in try NFTables().snapshot() }
        let evaluation = FirewallEvaluation(
            ruleset: try Ruleset(json: snapshot.json, listing: snapshot.listing), foreign: Self.foreignTables(),
            exporterPorts: exporterPorts)
        return adapters.map(evaluation.verdict)
    }

    /// Tables of ip_tables and ip6_tables, the kernel's older firewall, which nftables knows nothing about. Whether they refuse anything
    /// is not evaluated.
    private static func foreignTables() -> [String] {
        ["ip_tables_names", "ip6_tables_names"].compactMap { file in
            // Of the thread, not of the process: threads may be in other network namespaces.
            guard let text = try? String(contentsOfFile: "/proc/thread-self/net/\(file)", encoding: .utf8) else {
                return nil
            }
            let tables = text.split(separator: "\n")
            guard !tables.isEmpty else { return nil }
            let program = file.hasPrefix("ip6") ? "ip6tables-legacy" : "iptables-legacy"
            return "tables of \(program), which nftables does not show: \(tables.joined(separator: ", "))"
        }
    }
}
