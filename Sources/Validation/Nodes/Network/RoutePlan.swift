import ClusterProtocols

/// The routes between nodes that are worth probing.
struct RoutePlan: Sendable {
    /// One way from a node to another.
    struct Leg: Sendable, Hashable {
        var from: String
        var to: String
        var local: NodeAddress
        var remote: NodeAddress
        /// The network that both ends are in; nil where routers are between them.
        var network: String?

        /// What reports call it.
        var name: String { "\(from) \(local) to \(to) \(remote)" }
    }

    /// The legs by the node that probes them; the place in the list is the route's index.
    private(set) var legs: [String: [Leg]] = [:]
    /// Pairs of nodes between which there is nothing to probe.
    private(set) var unconnected: [(from: String, to: String)] = []

    /// More than nodes in a cluster have, and few enough to be shown.
    private static let mostLegsOfNode = 1024
    /// The addresses of a node that are looked at: what a node tells is not to be believed in any number.
    private static let mostAddresses = 128

    /// The routes between all pairs of nodes, in both directions: from each address to the addresses in the same network, or, where two nodes
    /// have no network in common, to all of the same family.
    init(_ lists: [(node: String, value: NodeAdapters)]) {
        let addresses = Self.candidates(lists)
        for (from, locals) in addresses {
            for (to, remotes) in addresses where to != from {
                let pairs = locals.flatMap { local in
                    remotes.filter { $0.address.family == local.address.family }.map { (local, $0) }
                }
                let near = pairs.filter { $0.isNeighbour(of: $1) }
                let chosen = (near.isEmpty ? pairs : near).map { local, remote in
                    Leg(
                        from: from, to: to, local: local.address, remote: remote.address,
                        network: near.isEmpty ? nil : local.network)
                }
                if chosen.isEmpty { unconnected.append((from, to)) }
                let room = Self.mostLegsOfNode - (legs[from]?.count ?? 0)
                legs[from, default: []] += chosen.prefix(max(0, room))
            }
        }
    }

    /// The addresses by which each node can be reached; of daemons on a host without a network its own address for itself.
    private static func candidates(
        _ lists: [(node: String, value: NodeAdapters)]
    ) -> [(node: String, addresses: [NodeAdapter.Address])] {
        let usable = lists.map { node, list in
            let all = list.adapters.lazy.filter { $0.isForClusters && $0.isUp }.flatMap(\.clusterAddresses)
            return (node: node, addresses: Array(all.prefix(mostAddresses)))
        }
        let groups = SameHost.groups(lists)
        guard usable.allSatisfy(\.addresses.isEmpty), groups.first?.count == lists.count else { return usable }
        return lists.map { node, list in
            (node, list.adapters.flatMap(\.addresses).filter { $0.isLoopback }.prefix(1).map(\.self))
        }
    }

    /// What a node is asked to probe; nil where it has nothing to probe.
    func request(for node: String) -> RouteRequest? {
        guard let legs = legs[node], let first = legs.first else { return nil }
        // The identifier of all routes to a node: the address of the first of them.
        var virtual: [String: NodeAddress] = [:]
        for leg in legs where virtual[leg.to] == nil { virtual[leg.to] = leg.remote }
        let routes = legs.enumerated().map { index, leg in
            RouteRequest.Route(
                remoteVirtual: virtual[leg.to] ?? leg.remote, local: leg.local, remote: leg.remote, index: UInt32(index)
            )
        }
        return RouteRequest(localVirtual: first.local, routes: routes)
    }
}
