import ClusterProtocols

/// Validate Cluster Network Configuration: the networks that a cluster of these nodes would have.
struct ClusterNetworks: NodeTest {
    let description = TestDescription(
        "cluster-network-configuration", "Validate Cluster Network Configuration", .network,
        "Tells which networks the nodes have in common, and whether the loss of one would cut them off from each other."
    )
    let success = "The loss of one network does not separate the nodes."
    let leastNodes = 2

    func run(_ context: NodeTestContext) async throws {
        let lists = context.ordered(try await context.forEachNode { try await context.adapters(of: $0) })
        var networks: [String: [String: [String]]] = [:]
        for (node, list) in lists {
            for adapter in list.adapters where adapter.isForClusters && adapter.isUp {
                for address in adapter.clusterAddresses {
                    networks[address.network, default: [:]][node, default: []].append(
                        "\(adapter.name) \(address.address)")
                }
            }
        }
        let sorted = networks.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
        context.recorder.add(
            TestResult.Table(
                "Networks", columns: ["Network"] + lists.map(\.node) + ["Shared by"],
                rows: sorted.map { network, places in
                    [network] + lists.map { places[$0.node]?.joined(separator: ", ") ?? "" }
                        + [places.count == lists.count ? "all nodes" : "\(places.count) of \(lists.count)"]
                }))
        judge(sorted, lists, context)
    }

    private func judge(
        _ networks: [(key: String, value: [String: [String]])], _ lists: [(node: String, value: NodeAdapters)],
        _ context: NodeTestContext
    ) {
        let command = NodeMethod.getIpConfigSerialized.name
        let groups = SameHost.groups(lists)
        // Daemons on one host need no network to reach each other.
        if lists.allSatisfy({ SameHost.share(lists[0].node, $0.node, groups) }), !groups.isEmpty {
            context.recorder.add(
                Finding(
                    .information, "network",
                    "The nodes run on one host, so that the loss of a network does not separate them.",
                    command: command))
            return
        }
        let shared = networks.filter { $0.value.count == lists.count }
        // A network of IPv4 and one of IPv6 over the same adapters fall together.
        let paths = Set(
            shared.map { network in
                network.value.sorted { $0.key < $1.key }.map { entry in
                    entry.key + ": " + entry.value.map { $0.prefix { $0 != " " } }.sorted().joined(separator: ",")
                }.joined(separator: "; ")
            })
        if shared.isEmpty {
            context.recorder.add(
                Finding(
                    .warning, "network", "There is no network that all nodes are in.",
                    advice:
                        "Clusters can span routed networks; Validate Network Communication tells whether the nodes reach each other. "
                        + "Where they are meant to be neighbours, look at their addresses and prefixes.",
                    command: command))
        } else if paths.count == 1 {
            context.recorder.add(
                Finding(
                    .warning, shared[0].key, "It is the only network that all nodes are in: a single point of failure.",
                    advice: "Connect the nodes by a second network, over other adapters and switches.", command: command
                ))
        }
        for (network, places) in networks where places.count > 1 && places.count < lists.count {
            let missing = lists.map(\.node).filter { places[$0] == nil }
            context.recorder.add(
                Finding(
                    .warning, network,
                    "\(missing.joined(separator: ", ")) \(missing.count == 1 ? "is" : "are") not in it; the other nodes are.",
                    advice: "Look at the addresses and prefixes there, and whether the adapter is up.", command: command
                ))
        }
    }
}
