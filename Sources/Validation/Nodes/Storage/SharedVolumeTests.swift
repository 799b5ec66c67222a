import ErrorCodes
import NDR

/// Validate CSV Network Bindings.
struct SharedVolumeBindingsTest: NodeTest {
    let description = TestDescription(
        "csv-network-bindings", "Validate CSV Network Bindings", .storage,
        "Each node shares files on the networks that nodes use, as cluster shared volumes need it.")
    let success = "Each node shares files."

    func run(_ context: NodeTestContext) async throws {
        try await context.forEachNode { node in
            let storage = try await context.storage(on: node)
            let result = try await context.ask(
                "Ask whether it shares files", on: node, .checkNetFtBindings3,
                judging: { if case .success = $0 { (.good, "it does") } else { (.doubtful, "it does not") } }
            ) { try await storage.checkFileSharing() }
            guard case .failure(let code) = result else { return }
            context.recorder.add(
                Finding(
                    .warning, node.name, "It does not share files (\(code)).",
                    advice: "Cluster shared volumes need an SMB server on each node; other clusters do without.",
                    command: NodeMethod.checkNetFtBindings3.name))
        }
    }
}

/// Validate CSV Settings.
struct SharedVolumeSettingsTest: NodeTest {
    let description = TestDescription(
        "csv-settings", "Validate CSV Settings", .storage, writes: "a share on each node, which is removed",
        "Each node reaches a share of each other node, as it has to for cluster shared volumes.")
    let leastNodes = 2
    let success = "Each node reached the shares of the others."

    func run(_ context: NodeTestContext) async throws {
        let id = GUID.random()
        let secret = (0..<32).map { _ in String(UInt8.random(in: 0...15), radix: 16) }.joined()
        // Each has to be set up before any is connected to ([MS-CSVP] 3.5.4.7).
        let addresses = try await context.forEachNode { node -> [String]? in
            let storage = try await context.storage(on: node)
            guard
                case .success = try await Self.ask(
                    "Set the test's share up", node, .csvTestSetup3, context,
                    {
                        try await storage.setUpShareTest(id: id, secret: secret)
                    }),
                case .success(let addresses) = try await Self.ask(
                    "Ask for its addresses", node, .createNewSmbShares3, context,
                    {
                        try await storage.shareAddresses()
                    })
            else { return nil }
            return addresses
        }.compactMapValues(\.self)
        try await context.forEachNode { node in
            let storage = try await context.storage(on: node)
            for (other, paths) in addresses.sorted(by: { $0.key < $1.key }) where other != node.name {
                _ = try await Self.ask("Connect to the share of \(other)", node, .connectToNewSmbShares3, context) {
                    try await storage.connect(toShares: paths)
                }
            }
        }
    }

    /// Calls a node; what it says against it is a warning, for a cluster can do without shared volumes.
    private static func ask<Answer: Sendable>(
        _ text: String, _ node: any ValidatedNode, _ method: NodeMethod, _ context: NodeTestContext,
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Result<Answer, HRESULT> {
        let result = try await context.ask(
            text, on: node, method, judging: { if case .success = $0 { (.good, nil) } else { (.doubtful, nil) } }, body)
        if case .failure(let code) = result {
            context.recorder.add(
                Finding(
                    .warning, node.name, "\(text): \(method.name) returned \(code).",
                    advice:
                        "Cluster shared volumes need an SMB server on each node that the others reach; other clusters do without.",
                    command: method.name))
        }
        return result
    }
}
