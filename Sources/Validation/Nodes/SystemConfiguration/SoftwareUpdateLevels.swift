import ClusterProtocols

/// Validate Software Update Levels: what one node has and another has not.
struct SoftwareUpdateLevels: NodeTest {
    let description = TestDescription(
        "software-update-levels", "Validate Software Update Levels", .systemConfiguration,
        "All nodes have the same updates, or updates that supersede them.")
    let success = "The nodes have the same updates."
    let leastNodes = 2

    /// More are counted, and not named.
    private static let mostNamed = 200

    func run(_ context: NodeTestContext) async throws {
        let answers = context.ordered(try await context.forEachNode { try await context.updates(of: $0) })
        let lists = answers.compactMap { answer in answer.value.map { (node: answer.node, value: $0) } }
        let missing = Self.missing(lists)
        context.conclude(missing.isEmpty, "Every node has what the others have", detail: "\(missing.count) differences")
        guard !missing.isEmpty else { return }
        var rows = missing.prefix(Self.mostNamed).map {
            [$0.update.title.isEmpty ? $0.update.id : $0.update.title, $0.update.id, $0.nodes.joined(separator: ", ")]
        }
        if missing.count > rows.count { rows.append(["…", "and \(missing.count - rows.count) more", ""]) }
        context.recorder.add(
            TestResult.Table("Updates that are missing", columns: ["Update", "Identifier", "Missing on"], rows: rows))
        for node in lists.map(\.node) {
            let count = missing.count { $0.nodes.contains(node) }
            guard count > 0 else { continue }
            context.recorder.add(
                Finding(
                    .warning, node,
                    "\(count) \(count == 1 ? "update that another node has is" : "updates that other nodes have are") missing.",
                    advice: "Install the updates of the table, and restart the node if they ask for it.",
                    command: NodeMethod.getUpdates.name))
        }
    }

    /// The updates that some nodes have and others have not, with the nodes that have not; in the order in which they are told.
    static func missing(_ lists: [(node: String, value: [NodeUpdate])]) -> [(update: NodeUpdate, nodes: [String])] {
        // What a node has an update for counts as had: the newer one contains it.
        let had = lists.map { Set($0.value.flatMap { [$0.id] + $0.supersededIDs }) }
        var seen: Set<String> = []
        var missing: [(update: NodeUpdate, nodes: [String])] = []
        for update in lists.flatMap(\.value) where seen.insert(update.id).inserted {
            let without = zip(lists, had).filter { !$1.contains(update.id) }.map(\.0.node)
            if !without.isEmpty { missing.append((update, without)) }
        }
        return missing
    }
}
