/// Objects of the classes that are not about disks, each for the length of a body.
extension NodeTestContext {
    /// A ClusterNetwork2 of a node.
    func withNetwork<Value: Sendable>(
        on node: any ValidatedNode, _ body: (any NetworkCalls) async throws -> Value
    ) async throws -> Value {
        let object = try await call("Ask for a network object", on: node, .activation(of: "ClusterNetwork2")) {
            try await node.network()
        }
        return try await givingBack(object) { try await body(object) }
    }

    /// A ClusterSetup of a node.
    func withSetup<Value: Sendable>(
        on node: any ValidatedNode, _ body: (any SetupCalls) async throws -> Value
    ) async throws -> Value {
        let object = try await call("Ask for a set-up object", on: node, .activation(of: "ClusterSetup")) {
            try await node.setup()
        }
        return try await givingBack(object) { try await body(object) }
    }

    /// A ClusterFirewall of a node.
    func withFirewall<Value: Sendable>(
        on node: any ValidatedNode, _ body: (any FirewallCalls) async throws -> Value
    ) async throws -> Value {
        let object = try await call("Ask for a firewall object", on: node, .activation(of: "ClusterFirewall")) {
            try await node.firewall()
        }
        return try await givingBack(object) { try await body(object) }
    }

    /// A ClusterUpdate of a node.
    func withUpdates<Value: Sendable>(
        on node: any ValidatedNode, _ body: (any UpdateCalls) async throws -> Value
    ) async throws -> Value {
        let object = try await call("Ask for an update object", on: node, .activation(of: "ClusterUpdate")) {
            try await node.updates()
        }
        return try await givingBack(object) { try await body(object) }
    }

    /// Runs the body; where the node's release does not have what it calls, that is said, and nil returned.
    ///
    /// - Parameter what: what the node does not tell: "its updates".
    func unlessUnsupported<Value: Sendable>(
        _ what: String, on node: any ValidatedNode, _ body: () async throws -> Value
    ) async throws -> Value? {
        do {
            return try await body()
        } catch let failure as NodeFailure where failure.isUnsupported {
            recorder.add(
                Finding(
                    .warning, node.name, "The node's release does not tell \(what).",
                    advice: "Look at it on the node itself, or upgrade the node.", command: failure.method.name))
            return nil
        }
    }

    /// The network adapters of a node, those that no cluster uses among them.
    func adapters(of node: any ValidatedNode) async throws -> NodeAdapters {
        try await withNetwork(on: node) { network in
            try await call(
                "List the network adapters", on: node, .getIpConfigSerialized,
                detail: { (list: NodeAdapters) in "\(list.adapters.count) adapters of \(list.server)" }
            ) { try NodeAdapters(octets: try await network.adapterList(filtered: false)) }
        }
    }

    /// The answers of several nodes in the order in which the user named the nodes.
    func ordered<Value>(_ values: [String: Value]) -> [(node: String, value: Value)] {
        run.nodes.compactMap { node in values[node.name].map { (node.name, $0) } }
    }

    private func givingBack<Value: Sendable>(
        _ object: any NodeObject, _ body: () async throws -> Value
    ) async throws -> Value {
        let result: Result<Value, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        await CallLimit.giveBack(object, within: run.callLimit, clock: run.clock)
        return try result.get()
    }
}
