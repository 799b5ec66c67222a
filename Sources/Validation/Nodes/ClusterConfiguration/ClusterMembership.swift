import ErrorCodes

/// Validate Cluster Membership: whether the nodes are in a cluster already.
struct ClusterMembership: NodeTest {
    let description = TestDescription(
        "cluster-membership", "Validate Cluster Membership", .clusterConfiguration,
        "Either none of the nodes is in a cluster, and they can form one, or all of them are.")
    let success = "The nodes agree on whether they are in a cluster."

    func run(_ context: NodeTestContext) async throws {
        let answers = context.ordered(
            try await context.forEachNode { node -> Bool? in
                let storage = try await context.storage(on: node)
                do {
                    return try await context.call(
                        "Ask whether the node is in a cluster", on: node, .isNodeClustered3,
                        detail: { $0 ? "it is" : "it is not" }
                    ) { try await storage.isClustered() }
                } catch let failure as NodeFailure where failure.isUnsupported {
                    return nil
                }
            })
        context.recorder.add(
            TestResult.Table(
                "Membership", columns: ["Node", "In a cluster"],
                rows: answers.map { [$0.node, $0.value.map { $0 ? "yes" : "no" } ?? "not told"] }))
        let members = answers.filter { $0.value == true }.map(\.node)
        let others = answers.filter { $0.value == false }.map(\.node)
        let command = NodeMethod.isNodeClustered3.name
        if !members.isEmpty, !others.isEmpty {
            context.recorder.add(
                Finding(
                    .error, members.joined(separator: ", "),
                    "In a cluster already, while \(others.joined(separator: ", ")) \(others.count == 1 ? "is" : "are") not.",
                    advice:
                        "To add nodes, validate them together with all nodes of that cluster. If the cluster is gone, evict its nodes "
                        + "with clusprep cleanup or Clear-ClusterNode.", command: command))
        } else if !members.isEmpty {
            context.recorder.add(
                Finding(
                    .information, members.joined(separator: ", "),
                    "In a cluster already: its disks are in use, and left alone.",
                    command: command))
        }
    }
}
