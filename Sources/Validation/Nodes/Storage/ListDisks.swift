/// List Disks.
struct ListDisks: NodeTest {
    let description = TestDescription(
        "list-all-disks", "List Disks", .storage,
        "Lists every disk that each node has, also those that no cluster could use.")
    let success = "The nodes' disks are listed."

    func run(_ context: NodeTestContext) async throws {
        let plan = context.run.plan
        for node in plan.nodes where node.failure == nil {
            let rows = plan.disks.compactMap { disk in disk.places[node.name].map { (disk, $0) } }
                .sorted { $0.1.number < $1.1.number }
                .map { disk, place in
                    [
                        "\(place.number)", disk.name, place.label, place.bus, place.flags.style ?? "unknown",
                        place.serialNumber ?? "", place.identifiers.first?.text ?? "none", "\(place.paths)",
                        place.isClusterable ? "yes" : place.flags.reasons.joined(separator: ", "),
                    ]
                }
            context.recorder.add(
                TestResult.Table(
                    "Disks of \(node.name)",
                    columns: [
                        "Number", "In this report", "Name", "Bus", "Partitions", "Serial number", "Identifier", "Paths",
                        "For a cluster",
                    ], rows: rows))
        }
    }
}
