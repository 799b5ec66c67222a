import ClusterProtocols
import HostInventory

/// What `clusprep network --json` prints.
struct AdapterListing: Encodable, Equatable {
    /// Grows when a field changes its meaning or goes; new fields do not change it.
    var schema = 1
    /// The name that the node gives itself; nil for this host.
    var server: String?
    /// The adapters in the order in which they are told.
    var adapters: [AdapterEntry]

    /// This host's.
    ///
    /// - Parameter filtered: without those that no cluster uses.
    init(_ adapters: [HostAdapter], filtered: Bool) {
        self.adapters = adapters.filter { !filtered || !$0.isFilteredForClusters }.map { AdapterEntry($0) }
    }

    /// What a node has answered: an ADAPTERLIST2, or an ADAPTERLIST, which begins with another length.
    ///
    /// - Throws: `LayoutError` for what is neither.
    init(octets: [UInt8]) throws {
        if octets.starts(with: [0x2E, 0]) {
            let list = try ADAPTERLIST(octets)
            (server, adapters) = (list.serverName, list.adapters.map { AdapterEntry($0) })
        } else {
            let list = try ADAPTERLIST2(octets)
            (server, adapters) = (list.serverName, list.adapters.map { AdapterEntry($0) })
        }
    }

    /// For people: a line for each adapter, and behind it what else there is to say.
    func lines(on terminal: Terminal) -> [String] {
        guard !adapters.isEmpty else { return ["No network adapters."] }
        var table = TextTable("ADAPTER", "STATUS", "SPEED", "MAC", "ADDRESSES")
        for adapter in adapters { table.add(Self.cells(of: adapter)) }
        let lines = table.lines
        var result = [terminal.styled(lines[0], .bold)]
        for (adapter, line) in zip(adapters, lines.dropFirst()) {
            result.append(adapter.filtered || adapter.status != "up" ? terminal.styled(line, .dim) : line)
            result += Self.details(of: adapter).map { "    " + terminal.styled($0, .dim) }
        }
        return result
    }

    private static func cells(of adapter: AdapterEntry) -> [String] {
        // More would make every line of the table as long.
        var addresses = adapter.addresses.prefix(2).map { "\($0.address)/\($0.prefixLength)" }
        if adapter.addresses.count > addresses.count {
            addresses.append("+\(adapter.addresses.count - addresses.count)")
        }
        return [
            Terminal.printable(adapter.name), adapter.status, adapter.bitsPerSecond.map(readableSpeed) ?? "-",
            adapter.hardwareAddress ?? "-", addresses.isEmpty ? "-" : addresses.joined(separator: " "),
        ]
    }

    private static func details(of adapter: AdapterEntry) -> [String] {
        var lines = [Terminal.printable(adapter.description), "id \(Terminal.printable(adapter.id))"]
        if !adapter.gateways.isEmpty { lines.append("gateways: " + adapter.gateways.joined(separator: " ")) }
        // The first two are in the table.
        let more = adapter.addresses.dropFirst(2).map { "\($0.address)/\($0.prefixLength)" }
        if !more.isEmpty { lines.append("more addresses: " + more.joined(separator: " ")) }
        let traits = [
            (adapter.dhcp, "DHCP"), (adapter.rdma == true, "RDMA"), (adapter.rss == true, "RSS"),
            (adapter.iscsi == true, "iSCSI"), (adapter.internalNetwork, "fit for a private network"),
            (adapter.filtered, "not used by clusters"),
        ]
        let named = traits.filter(\.0).map(\.1)
        if !named.isEmpty { lines.append(named.joined(separator: ", ")) }
        return lines
    }
}

/// A speed as adapters are sold and read: decimal units, rounded down to a tenth.
func readableSpeed(_ bits: UInt64) -> String {
    let units = ["b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"]
    var (unit, size): (Int, UInt64) = (0, 1)
    while unit < units.count - 1, bits / size >= 1000 { (unit, size) = (unit + 1, size * 1000) }
    guard unit > 0 else { return "\(bits) \(units[0])" }
    let tenths = bits / (size / 10)
    return tenths % 10 == 0 ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
}
