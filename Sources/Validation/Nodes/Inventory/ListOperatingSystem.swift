import ErrorCodes

/// List Operating System Information: who the nodes are, and what they run.
struct ListOperatingSystem: NodeTest {
    let description = TestDescription(
        "list-operating-system", "List Operating System Information", .inventory,
        "Tells each node's name of itself, the version of its operating system, and the levels of the cluster that it supports."
    )
    let success = "The nodes are listed."

    func run(_ context: NodeTestContext) async throws {
        let rows = try await context.forEachNode { node in try await row(node, context) }
        context.recorder.add(
            TestResult.Table(
                "Nodes",
                columns: [
                    "Node", "Host label", "Full name", "Version", "Version of this protocol", "Functional level",
                    "Upgrade version",
                ],
                rows: context.ordered(rows).map { [$0.node] + $0.value }))
    }

    private func row(_ node: any ValidatedNode, _ context: NodeTestContext) async throws -> [String] {
        let levels = try await ClusterLevels.read(node, context)
        let label = try await context.withSetup(on: node) { setup in
            try await context.call(
                "Ask for the host label", on: node, .retrieveHostLabel, detail: { $0 }
            ) { try await setup.hostLabel() }
        }
        return try await context.withNetwork(on: node) { network in
            let names = try await context.call(
                "Ask for the node's full name", on: node, .getIpConfigSerialized,
                detail: { (list: NodeAdapters) in list.server }
            ) { try NodeAdapters(octets: try await network.adapterList(filtered: true)) }
            let known = try await context.call(
                "Ask for the versions", on: node, .initializeNode,
                detail: { "operating system \($0.majorVersion).\($0.minorVersion), protocol \($0.clusprepVersion)" }
            ) { try await network.initialize(port: nil) }
            return [
                label, names.server, "\(known.majorVersion).\(known.minorVersion)", "\(known.clusprepVersion)",
                levels.functional.map { "\($0)" } ?? "not told", levels.upgrade.map { "\($0)" } ?? "not told",
            ]
        }
    }
}
