import ClusterProtocols

/// Validate Microsoft MPIO-Based Disks.
struct MultipathTest: NodeTest {
    let description = TestDescription(
        "mpio-disks", "Validate Microsoft MPIO-Based Disks", .storage,
        "Where several paths lead to a disk, one module has to combine them, the same on each node.")
    let success = "The paths to the disks are combined, or there is only one to each."

    func run(_ context: NodeTestContext) async throws {
        let modules = try await context.forEachNode { node in
            let storage = try await context.storage(on: node)
            return try await context.call(
                "Ask for the multipath modules", on: node, .getDsms,
                detail: { $0.isEmpty ? "none" : $0.map(\.name).joined(separator: ", ") }
            ) { try await storage.multipathModules() }
        }
        context.recorder.add(
            TestResult.Table(
                "Multipath modules", columns: ["Node", "Module", "Version"],
                rows: modules.sorted { $0.key < $1.key }.flatMap { node, list in
                    list.map {
                        [node, $0.name, "\($0.majorVersion).\($0.minorVersion).\($0.productBuild).\($0.qfeNumber)"]
                    }
                }))
        let versions = Set(modules.values.map { Set($0) })
        context.conclude(versions.count <= 1, "The nodes have the same modules")
        if versions.count > 1 {
            context.recorder.add(
                Finding(
                    .warning, "multipath modules", "The nodes do not have the same modules in the same versions.",
                    advice: "Give all nodes the same version of multipath-tools.", command: NodeMethod.getDsms.name))
        }
        for disk in context.run.plan.disks {
            for (node, place) in disk.places.sorted(by: { $0.key < $1.key }) {
                if place.flags.contains(.redundant) {
                    context.recorder.add(
                        Finding(
                            .error, "\(disk.name) on \(node)",
                            "The node sees it more than once, over paths that nothing combines.",
                            advice: "Have multipathd combine the paths, or leave one of them.",
                            command: NodeMethod.getProps3.name))
                } else if place.paths > 1, !place.flags.contains(.multipath) {
                    context.recorder.add(
                        Finding(
                            .warning, "\(disk.name) on \(node)",
                            "\(place.paths) paths lead to it, and no module says that it combines them.",
                            advice: "Look at multipath -ll on the node.", command: NodeMethod.getProps3.name))
                }
            }
            let counts = Set(disk.places.values.map(\.paths))
            if disk.exclusion == nil, counts.count > 1 {
                context.recorder.add(
                    Finding(
                        .warning, disk.name,
                        "Not as many paths lead to it from each node: "
                            + disk.places.sorted { $0.key < $1.key }.map { "\($0.value.paths) from \($0.key)" }
                            .joined(separator: ", ") + ".",
                        advice: "Look for a path that is down.", command: NodeMethod.getProps3.name))
            }
        }
    }
}
