import ClusterProtocols

/// Validate IP Configuration: addresses that contradict each other, within a node and between nodes.
struct IPConfiguration: NodeTest {
    let description = TestDescription(
        "ip-configuration", "Validate IP Configuration", .network,
        "Every address belongs to one node, every node has an address that others can reach, and no two adapters of a node are in "
            + "one network.")
    let success = "The addresses of the nodes agree with each other."

    func run(_ context: NodeTestContext) async throws {
        let lists = context.ordered(try await context.forEachNode { try await context.adapters(of: $0) })
        for (node, list) in lists {
            context.recorder.add(
                TestResult.Table(
                    "Adapters of \(node)",
                    columns: ["Adapter", "State", "Hardware address", "Addresses", "DHCP", "Gateways"],
                    rows: list.adapters.map(Self.row)))
        }
        let groups = SameHost.groups(lists)
        for group in groups {
            context.recorder.add(
                Finding(
                    .warning, group.joined(separator: ", "),
                    "These nodes tell of the very same adapters: they run on one host, as in a lab.",
                    advice:
                        "Fine for trying things out. A cluster that is to outlive a host needs a host for each node.",
                    command: NodeMethod.getIpConfigSerialized.name))
        }
        // Whoever runs on the same host is reached by the loopback adapter.
        let isOneHost = groups.first?.count == lists.count
        for (node, list) in lists { judge(node, list, needsAddress: !isOneHost, context.recorder) }
        compareNames(lists, context.recorder)
        compare(lists, groups, "address", context.recorder) { list in
            list.adapters.filter(\.isForClusters).flatMap { $0.addresses.filter { !$0.isLinkLocal && !$0.isLoopback } }
                .map(\.address.description)
        }
        compare(lists, groups, "hardware address", context.recorder) { list in
            list.adapters.filter(\.isForClusters).compactMap(\.hardwareAddress)
        }
        compareDHCP(lists, context.recorder)
    }

    private static func row(_ adapter: NodeAdapter) -> [String] {
        [
            adapter.summary == adapter.name || adapter.summary.isEmpty
                ? adapter.name : "\(adapter.name) (\(adapter.summary))",
            adapter.isUp ? "up" : "not up", adapter.hardwareAddress ?? "",
            adapter.addresses.map { "\($0.address)/\($0.prefixLength)" }.joined(separator: ", "),
            adapter.usesDHCP ? "yes" : "no", adapter.gateways.map(\.description).joined(separator: ", "),
        ]
    }

    // MARK: One node

    private func judge(_ node: String, _ list: NodeAdapters, needsAddress: Bool, _ recorder: TestRecorder) {
        let usable = list.adapters.filter { $0.isForClusters && $0.isUp }
        if needsAddress, usable.allSatisfy(\.clusterAddresses.isEmpty) {
            recorder.add(
                Finding(
                    .warning, node, "No adapter that is up has an address that other nodes could reach.",
                    advice: "Give an adapter of the node an address, by hand or by DHCP.",
                    command: NodeMethod.getIpConfigSerialized.name))
        }
        for adapter in usable where !adapter.addresses.isEmpty && adapter.clusterAddresses.isEmpty {
            recorder.add(
                Finding(
                    .warning, "\(node), \(adapter.name)",
                    "The adapter has addresses of its own link only: nothing gave it another.",
                    advice:
                        "If it is to carry the cluster's traffic, look at the DHCP server or set an address by hand.",
                    command: NodeMethod.getIpConfigSerialized.name))
        }
        var networks: [String: [String]] = [:]
        for adapter in usable {
            for network in Set(adapter.clusterAddresses.map(\.network)) {
                networks[network, default: []].append(adapter.name)
            }
        }
        for (network, adapters) in networks.sorted(by: { $0.key < $1.key }) where adapters.count > 1 {
            recorder.add(
                Finding(
                    .warning, node, "\(adapters.joined(separator: " and ")) are in one network, \(network).",
                    advice:
                        "A cluster uses only one adapter of a node in each network. Put each into a network of its own, or make "
                        + "a team of them.", command: NodeMethod.getIpConfigSerialized.name))
        }
    }

    // MARK: Between nodes

    /// What must not be twice, is twice.
    private func compare(
        _ lists: [(node: String, value: NodeAdapters)], _ groups: [[String]], _ what: String, _ recorder: TestRecorder,
        _ texts: (NodeAdapters) -> [String]
    ) {
        var owners: [String: [String]] = [:]
        for (node, list) in lists {
            for text in Set(texts(list)) { owners[text, default: []].append(node) }
        }
        for (text, nodes) in owners.sorted(by: { $0.key < $1.key }) where nodes.count > 1 {
            // Daemons on one host have everything in common, which is said once.
            if nodes.allSatisfy({ SameHost.share(nodes[0], $0, groups) }) { continue }
            recorder.add(
                Finding(
                    .error, nodes.joined(separator: ", "), "They have the same \(what), \(text).",
                    advice: "Give each node a \(what) of its own: what is meant for one reaches the other.",
                    command: NodeMethod.getIpConfigSerialized.name))
        }
    }

    private func compareNames(_ lists: [(node: String, value: NodeAdapters)], _ recorder: TestRecorder) {
        for (name, nodes) in Dictionary(grouping: lists, by: { $0.value.server.lowercased() }).sorted(by: {
            $0.key < $1.key
        })
        where nodes.count > 1 {
            recorder.add(
                Finding(
                    .error, nodes.map(\.node).joined(separator: ", "), "They call themselves the same: \(name).",
                    advice: "If one node was named twice, name it once. Otherwise give each host a name of its own.",
                    command: NodeMethod.getIpConfigSerialized.name))
        }
    }

    /// A network in which some nodes take addresses from DHCP and others do not: Windows' clusters do not form a network of it.
    private func compareDHCP(_ lists: [(node: String, value: NodeAdapters)], _ recorder: TestRecorder) {
        var kinds: [String: (dynamic: Set<String>, fixed: Set<String>)] = [:]
        for (node, list) in lists {
            for adapter in list.adapters where adapter.isForClusters && adapter.isUp {
                for address in adapter.clusterAddresses where address.address.family == .v4 {
                    if adapter.usesDHCP {
                        kinds[address.network, default: ([], [])].dynamic.insert(node)
                    } else {
                        kinds[address.network, default: ([], [])].fixed.insert(node)
                    }
                }
            }
        }
        for (network, kind) in kinds.sorted(by: { $0.key < $1.key }) where !kind.dynamic.isEmpty && !kind.fixed.isEmpty
        {
            recorder.add(
                Finding(
                    .warning, network,
                    "\(kind.dynamic.sorted().joined(separator: ", ")): address by DHCP; "
                        + "\(kind.fixed.sorted().joined(separator: ", ")): address set by hand.",
                    advice:
                        "Do the same on all nodes: a cluster's own addresses in a network come the one way or the other.",
                    command: NodeMethod.getIpConfigSerialized.name))
        }
    }
}
