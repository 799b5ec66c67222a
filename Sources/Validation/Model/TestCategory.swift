/// The categories of tests, by the names that Windows' reports give them.
public enum TestCategory: String, Sendable, Hashable, Codable, CaseIterable {
    /// What the nodes are made of.
    case inventory
    /// Adapters, addresses, routes and firewalls.
    case network
    /// Disks, reservations and file systems.
    case storage
    /// What the nodes' systems have to have in common.
    case systemConfiguration
    /// What the nodes know of a cluster.
    case clusterConfiguration

    /// The name that a report shows.
    public var title: String {
        switch self {
        case .inventory: "Inventory"
        case .network: "Network"
        case .storage: "Storage"
        case .systemConfiguration: "System Configuration"
        case .clusterConfiguration: "Cluster Configuration"
        }
    }
}
