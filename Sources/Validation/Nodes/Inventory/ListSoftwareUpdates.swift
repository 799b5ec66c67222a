import ClusterProtocols

/// List Software Updates.
struct ListSoftwareUpdates: NodeTest {
    let description = TestDescription(
        "list-software-updates", "List Software Updates", .inventory, "Tells which updates are installed on each node.")
    let success = "The updates are listed."

    /// More make a report that nobody reads, and few browsers.
    private static let mostRows = 500

    func run(_ context: NodeTestContext) async throws {
        let lists = try await context.forEachNode { try await context.updates(of: $0) }
        for case (let node, let updates?) in context.ordered(lists) {
            var rows = updates.prefix(Self.mostRows).map { update in
                [update.id, update.title, (update.articleIDs + update.bulletinIDs).joined(separator: ", ")]
            }
            if updates.count > rows.count { rows.append(["…", "and \(updates.count - rows.count) more", ""]) }
            context.recorder.add(
                TestResult.Table(
                    "\(updates.count) updates of \(node)", columns: ["Update", "Title", "Articles and bulletins"],
                    rows: rows))
        }
    }
}

extension NodeTestContext {
    /// The updates that a node says are installed; nil where its release does not tell.
    func updates(of node: any ValidatedNode) async throws -> [NodeUpdate]? {
        try await unlessUnsupported("which updates it has", on: node) {
            try await withUpdates(on: node) { object in
                try await call(
                    "Ask for the updates", on: node, .getUpdates, detail: { "\($0.count) updates" }
                ) { try await object.updates() }
            }
        }
    }
}
