/// Whether nodes are several daemons on one host, as in a lab, and so have the same adapters.
enum SameHost {
    /// The groups of nodes that tell of the very same adapters, those of a single node left out; in the nodes' order.
    static func groups(_ lists: [(node: String, value: NodeAdapters)]) -> [[String]] {
        var groups: [(traits: Set<Trait>, nodes: [String])] = []
        for (node, list) in lists {
            let traits = Set(list.adapters.map(Trait.init))
            if let index = groups.firstIndex(where: { !traits.isEmpty && $0.traits == traits }) {
                groups[index].nodes.append(node)
            } else {
                groups.append((traits, [node]))
            }
        }
        return groups.map(\.nodes).filter { $0.count > 1 }
    }

    /// Whether two nodes are in one of the groups.
    static func share(_ one: String, _ other: String, _ groups: [[String]]) -> Bool {
        groups.contains { $0.contains(one) && $0.contains(other) }
    }

    /// What makes an adapter this one: two hosts that were copied from one image may have identifiers in common, but hardly
    /// hardware addresses and IP addresses as well.
    private struct Trait: Hashable {
        var id: String
        var hardwareAddress: String?
        var addresses: Set<NodeAdapter.Address>

        init(_ adapter: NodeAdapter) {
            id = adapter.id.map { "\($0)" } ?? adapter.name
            hardwareAddress = adapter.hardwareAddress
            addresses = Set(adapter.addresses)
        }
    }
}
