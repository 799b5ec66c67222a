import ClusPrepClient
import ClusterProtocols

/// Validate Firewall Configuration: whether the nodes' firewalls let through what a cluster and its managers need.
struct FirewallConfiguration: NodeTest {
    let description = TestDescription(
        "firewall-configuration", "Validate Firewall Configuration", .network,
        "Asks each node whether its firewall lets cluster traffic, management and what both need in, adapter by adapter."
    )
    let success = "The firewalls let in what a cluster needs."

    func run(_ context: NodeTestContext) async throws {
        let answers = try await context.forEachNode { node in
            let adapters = try await context.adapters(of: node)
            let whole = try await context.withNetwork(on: node) { network in
                try await context.call(
                    "Ask whether the firewall lets cluster traffic and management in", on: node,
                    .queryFirewallConfiguration,
                    detail: {
                        "cluster traffic \(Self.word($0.serverRules)), management \(Self.word($0.managementRules))"
                    }
                ) { try await network.firewall() }
            }
            let each = try await context.unlessUnsupported("what its firewall lets reach each adapter", on: node) {
                try await context.withFirewall(on: node) { firewall in
                    try await context.call(
                        "Ask what the firewall lets reach each adapter", on: node, .getNextAdapterFirewallConfiguration,
                        detail: { "\($0.count) adapters" }
                    ) { try await firewall.adapters() }
                }
            }
            return Answer(
                adapters: adapters, serverRules: whole.serverRules, managementRules: whole.managementRules,
                each: each ?? [], isDetailed: each != nil)
        }
        for (node, answer) in context.ordered(answers) {
            context.recorder.add(
                TestResult.Table(
                    "Firewall of \(node)",
                    columns: ["Adapter", "Network profile", "Cluster traffic", "Management", "Common"],
                    rows: answer.each.map { adapter in
                        [
                            answer.name(of: adapter), Self.profile(adapter.profile), Self.word(adapter.serverRules),
                            Self.word(adapter.managementRules), Self.word(adapter.commonRules),
                        ]
                    }))
            judge(node, answer, context.recorder)
        }
    }

    private struct Answer: Sendable {
        var adapters: NodeAdapters
        var serverRules: Bool
        var managementRules: Bool
        var each: [FirewallClient.Adapter]
        /// Whether the node told of each adapter.
        var isDetailed: Bool

        func name(of adapter: FirewallClient.Adapter) -> String {
            adapters.adapters.first { $0.id == adapter.id }?.name ?? "\(adapter.id)"
        }

        /// Whether the nodes would use it to reach each other.
        func matters(_ adapter: FirewallClient.Adapter) -> Bool {
            guard let known = adapters.adapters.first(where: { $0.id == adapter.id }) else { return true }
            return known.isForClusters && known.isUp && !known.addresses.isEmpty
        }
    }

    private func judge(_ node: String, _ answer: Answer, _ recorder: TestRecorder) {
        let closed = answer.each.filter { answer.matters($0) && !($0.serverRules && $0.commonRules) }
        let open = answer.each.filter { answer.matters($0) && $0.serverRules && $0.commonRules }
        let ports = "3343/udp, 3343/tcp, 445/tcp, 135/tcp and ICMP echo have to get in from the other nodes"
        if !closed.isEmpty {
            let names = closed.map(answer.name).joined(separator: ", ")
            recorder.add(
                Finding(
                    open.isEmpty ? .error : .warning, node,
                    open.isEmpty
                        ? "The firewall keeps cluster traffic out at every adapter (\(names))."
                        : "The firewall keeps cluster traffic out at \(names).",
                    advice:
                        "On Windows, enable the rules of the groups Failover Clusters and Failover Cluster Common. On Linux, "
                        + "\(ports); clusprep firewall show names the rule.",
                    command: NodeMethod.getNextAdapterFirewallConfiguration.name))
        } else if !answer.serverRules, !answer.isDetailed {
            recorder.add(
                Finding(
                    .error, node, "The firewall keeps cluster traffic out.",
                    advice: "On Windows, enable the rules of the group Failover Clusters. On Linux, \(ports).",
                    command: NodeMethod.queryFirewallConfiguration.name))
        } else if !answer.serverRules {
            recorder.add(
                Finding(
                    .warning, node,
                    "The firewall keeps cluster traffic out somewhere, though at no adapter that a cluster would use.",
                    advice: "Nothing has to be done, unless such an adapter is to carry the cluster's traffic.",
                    command: NodeMethod.queryFirewallConfiguration.name))
        }
        if !answer.managementRules {
            recorder.add(
                Finding(
                    .warning, node, "The firewall keeps managers of the cluster out.",
                    advice:
                        "On Windows, enable the rules of the group Failover Cluster Manager. On Linux, let the port of the node's "
                        + "objects in; clusprep firewall show names the rule.",
                    command: NodeMethod.queryFirewallConfiguration.name))
        }
    }

    private static func word(_ isOpen: Bool) -> String { isOpen ? "let in" : "kept out" }

    private static func profile(_ profile: CLUSTER_NETWORK_PROFILE) -> String {
        switch profile {
        case .ClusterNetworkProfilePublic: "public"
        case .ClusterNetworkProfilePrivate: "private"
        case .ClusterNetworkProfileDomainAuthenticated: "domain"
        default: "\(profile.rawValue)"
        }
    }
}
