import Foundation

/// List Potential Cluster Disks.
struct ListPotentialDisks: NodeTest {
    let description = TestDescription(
        "list-disks", "List Potential Cluster Disks", .storage,
        "Tells which disks a cluster of these nodes could use, and why it could not use the others.")
    let success = "The disks that a cluster could use are listed."

    func run(_ context: NodeTestContext) async throws {
        let plan = context.run.plan
        let several = plan.presentNodes.count > 1
        context.recorder.add(
            TestResult.Table(
                "Disks that a cluster could use",
                columns: ["Disk", "Identifier", "Nodes and numbers", "Partitions", "Bus"],
                rows: plan.disks.filter { $0.exclusion == nil }.map(Self.row)))
        let others = plan.disks.filter { $0.exclusion != nil }
        if !others.isEmpty {
            context.recorder.add(
                TestResult.Table(
                    "Other disks",
                    columns: ["Disk", "Identifier", "Nodes and numbers", "Partitions", "Bus", "Why not"],
                    rows: others.map { Self.row($0) + [$0.exclusion ?? ""] }))
        }
        for (node, disks) in plan.silentDisks.sorted(by: { $0.key < $1.key }) {
            for (number, reason) in disks.sorted(by: { $0.key < $1.key }) {
                context.recorder.add(
                    Finding(
                        .warning, node, "Its disk \(number) could not be asked: \(reason).",
                        advice: "Look at the node's paths to that disk.", command: NodeMethod.getProps3.name))
            }
        }
        for name in plan.unknownDisks {
            context.recorder.add(
                Finding(
                    .error, name, "No node has a disk that goes by this name.",
                    advice:
                        "Name disks by their number in this report, by their identifier or by their partition table's.")
            )
        }
        for disk in others where disk.isInUse {
            context.recorder.add(
                Finding(
                    .warning, disk.name, "Somebody is registered with it; tests that would change it leave it alone.",
                    advice:
                        "If that is a running cluster, leave it alone. Of a validation that was killed, nodes let go within six "
                        + "minutes. What was left behind otherwise, clear with clusprep reservations, or test the disk all "
                        + "the same with --even-in-use."))
        }
        if plan.testedDisks.isEmpty {
            context.recorder.add(
                Finding(
                    .warning, "storage",
                    several
                        ? "No disk can be used by all of these nodes."
                        : "The node has no disk that a cluster could use.",
                    advice: "Look at the reasons in the table of the other disks."))
        }
    }

    private static func row(_ disk: SharedDisk) -> [String] {
        let places = disk.places.sorted { $0.key < $1.key }
        return [
            "\(disk.name) \(disk.label)".trimmingCharacters(in: .whitespaces), disk.identifier?.text ?? "none",
            places.map { "\($0.key): \($0.value.number)" }.joined(separator: ", "),
            places.compactMap { $0.value.flags.style }.first ?? "unknown", places.first?.value.bus ?? "",
        ]
    }
}
