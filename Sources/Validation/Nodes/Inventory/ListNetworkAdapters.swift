/// List Network Adapters: what a node tells of them, those that no cluster uses among them.
struct ListNetworkAdapters: NodeTest {
    let description = TestDescription(
        "list-network-adapters", "List Network Adapters", .inventory,
        "Tells which network adapters each node has, and which of them clusters leave alone.")
    let success = "The adapters are listed."

    func run(_ context: NodeTestContext) async throws {
        let lists = try await context.forEachNode { try await context.adapters(of: $0) }
        for (node, list) in context.ordered(lists) {
            context.recorder.add(
                TestResult.Table(
                    "Adapters of \(node)",
                    columns: [
                        "Adapter", "Description", "Identifier", "Hardware address", "State", "Speed", "iSCSI",
                        "Clusters",
                    ],
                    rows: list.adapters.map { adapter in
                        [
                            adapter.name, adapter.summary, adapter.id.map { "\($0)" } ?? "none",
                            adapter.hardwareAddress ?? "",
                            adapter.isUp ? "up" : "not up", adapter.speed.map(Self.words) ?? "not told",
                            adapter.carriesISCSI.map { $0 ? "yes" : "no" } ?? "not told",
                            adapter.isForClusters ? "may use it" : "leave it alone",
                        ]
                    }))
        }
    }

    /// A speed as adapters are sold: bits a second in decimal units.
    private static func words(_ octets: UInt64) -> String {
        let bits = Double(octets) * 8
        for (unit, size) in [("Tb/s", 1e12), ("Gb/s", 1e9), ("Mb/s", 1e6), ("kb/s", 1e3)] where bits >= size {
            return "\(SVGBars.number(bits / size)) \(unit)"
        }
        return "\(SVGBars.number(bits)) b/s"
    }
}
