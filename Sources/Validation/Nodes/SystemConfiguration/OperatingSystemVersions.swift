/// Validate Operating System Versions.
struct OperatingSystemVersions: NodeTest {
    let description = TestDescription(
        "operating-system-versions", "Validate Operating System Versions", .systemConfiguration,
        "All nodes of a cluster run the same version of the operating system.")
    let success = "The nodes run the same version."
    let leastNodes = 2

    func run(_ context: NodeTestContext) async throws {
        let versions = try await context.forEachNode { node in
            try await context.withNetwork(on: node) { network in
                try await context.call(
                    "Ask for the version", on: node, .initializeNode,
                    detail: { "\($0.majorVersion).\($0.minorVersion)" }
                ) { try await network.initialize(port: nil) }
            }
        }
        let byVersion = Dictionary(grouping: context.ordered(versions)) {
            "\($0.value.majorVersion).\($0.value.minorVersion)"
        }
        context.conclude(
            byVersion.count <= 1, "The nodes run one version", detail: byVersion.keys.sorted().joined(separator: ", "))
        if byVersion.count > 1 {
            context.recorder.add(
                Finding(
                    .error, context.nodes.map(\.name).joined(separator: ", "),
                    "The nodes run different versions: \(Self.words(byVersion.mapValues { $0.map(\.node) })).",
                    advice:
                        "Bring all nodes to one version. A cluster whose nodes differ is meant to last only for the length of an upgrade.",
                    command: NodeMethod.initializeNode.name))
        }
        let byProtocol = Dictionary(grouping: context.ordered(versions)) { "\($0.value.clusprepVersion)" }
        if byProtocol.count > 1 {
            context.recorder.add(
                Finding(
                    .warning, context.nodes.map(\.name).joined(separator: ", "),
                    "The nodes have different versions of this protocol: \(Self.words(byProtocol.mapValues { $0.map(\.node) })).",
                    advice: "Bring the cluster software of all nodes to one version.",
                    command: NodeMethod.initializeNode.name))
        }
    }

    /// "node1, node2: 10.0; node3: 6.3".
    static func words(_ groups: [String: [String]]) -> String {
        groups.sorted { $0.key < $1.key }.map { "\($0.value.joined(separator: ", ")): \($0.key)" }.joined(
            separator: "; ")
    }
}
