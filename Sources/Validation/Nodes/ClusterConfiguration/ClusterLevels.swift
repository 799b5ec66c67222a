import ErrorCodes

/// Validate Cluster Functional Level: whether the nodes can be in one cluster, as far as their software goes.
struct ClusterLevels: NodeTest {
    let description = TestDescription(
        "cluster-functional-level", "Validate Cluster Functional Level", .clusterConfiguration,
        "Tells the highest level of a cluster that each node supports: a cluster has the lowest of them.")
    let success = "The nodes support the same levels."

    /// What a node supports; nil for what an older release does not tell.
    struct Levels: Sendable, Hashable {
        var functional: UInt16?
        var upgrade: UInt16?
    }

    func run(_ context: NodeTestContext) async throws {
        let levels = context.ordered(try await context.forEachNode { try await Self.read($0, context) })
        context.recorder.add(
            TestResult.Table(
                "Levels", columns: ["Node", "Functional level", "Upgrade version"],
                rows: levels.map { node, levels in
                    [
                        node, levels.functional.map { "\($0)" } ?? "not told",
                        levels.upgrade.map { "\($0)" } ?? "not told",
                    ]
                }))
        let byLevel = Dictionary(grouping: levels) { $0.value }
        guard byLevel.count > 1 else { return }
        let words = levels.map { node, levels in
            "\(node): \(levels.functional.map { "\($0)" } ?? "none").\(levels.upgrade.map { "\($0)" } ?? "none")"
        }.joined(separator: "; ")
        context.recorder.add(
            Finding(
                .warning, levels.map(\.node).joined(separator: ", "), "The nodes support different levels: \(words).",
                advice: "The cluster stays at the lowest of them until all nodes are upgraded.",
                command: NodeMethod.getFunctionalLevel.name))
    }

    /// Asks a node. Releases before Windows Server 2016 do not have these methods ([MS-CSVP] appendix B).
    static func read(_ node: any ValidatedNode, _ context: NodeTestContext) async throws -> Levels {
        try await context.withSetup(on: node) { setup in
            var levels = Levels()
            do {
                levels.functional = try await context.call(
                    "Ask for the highest functional level", on: node, .getFunctionalLevel, detail: { "\($0)" }
                ) { try await setup.functionalLevel() }
                levels.upgrade = try await context.call(
                    "Ask for the highest upgrade version", on: node, .getUpgradeVersion, detail: { "\($0)" }
                ) { try await setup.upgradeVersion() }
            } catch let failure as NodeFailure where failure.isUnsupported {
                // What it does not have it does not tell.
            }
            return levels
        }
    }
}
