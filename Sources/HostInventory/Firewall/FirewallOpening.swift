/// The table of this project's own, which lets the cluster's traffic in as far as a table can.
///
/// A packet has to pass every base chain at the input hook, so accepting it here does not keep another table from dropping it: what
/// ``HostFirewall/verdicts(for:)`` says afterwards counts.
extension HostFirewall {
    /// The table's name, in the family inet.
    public static let tableName = "clusprep"

    /// Makes the table, or makes it anew, in one transaction; nothing else changes.
    ///
    /// - Parameters:
    ///   - groups: what to let in.
    ///   - adapters: the names of the adapters to let it in through; all where there are none.
    public func open(_ groups: Set<ClusterTraffic>, through adapters: [String] = []) throws(FirewallError) {
        let commands = try Self.commands(
            opening: groups, through: adapters, services: ClusterPackets(exporterPorts: exporterPorts).services)
        try NFTables().run(commands, for: "open the firewall")
    }

    /// Removes the table, and only it; one that is not there stays so.
    public func close() throws(FirewallError) {
        // To name the table first makes it be there, so that deleting it is no error.
        try NFTables().run("\(Self.naming)delete table inet \(Self.tableName)\n", for: "close the firewall")
    }

    private static let naming = "add table inet \(tableName)\n"

    static func commands(
        opening groups: Set<ClusterTraffic>, through adapters: [String], services: [ClusterPackets.Service]
    ) throws(FirewallError) -> String {
        for name in adapters {
            // What the kernel allows in a name (dev_valid_name) but for what would end the text.
            guard !name.isEmpty, name.utf8.count < 16,
                !name.contains(where: { "/\"\\*".contains($0) || $0.isWhitespace })
            else { throw .invalidName(name) }
        }
        let condition =
            adapters.isEmpty
            ? "" : "iifname { " + Set(adapters).sorted().map { "\"\($0)\"" }.joined(separator: ", ") + " } "
        var rules: [String] = []
        for service in services where !service.groups.isDisjoint(with: groups) {
            switch service.kind {
            case .tcp(let ports): rules.append("tcp dport \(Self.text(ports)) accept")
            case .udp(let ports): rules.append("udp dport \(Self.text(ports)) accept")
            case .echo: rules += ["icmp type echo-request accept", "icmpv6 type echo-request accept"]
            case .resolution: rules.append("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept")
            }
        }
        let lines = rules.map { "add rule inet \(tableName) input \(condition)\($0)\n" }
        return naming + "delete table inet \(tableName)\n" + naming
            + "add chain inet \(tableName) input { type filter hook input priority filter - 1; policy accept; }\n"
            + lines.joined()
    }

    private static func text(_ ports: ClosedRange<UInt16>) -> String {
        ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
    }
}
