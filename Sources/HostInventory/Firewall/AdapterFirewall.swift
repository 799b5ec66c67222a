/// What the host's firewall lets reach one adapter: the three groups of rules of IClusterFirewall ([MS-CSVP] 3.14.4.2).
public struct AdapterFirewall: Sendable, Hashable {
    /// The adapter.
    public var adapter: HostAdapter.ID
    /// The profile of the network behind it.
    public var profile: FirewallProfile
    /// Whether nodes reach each other through it: all of ``ClusterTraffic/server``.
    public var serverRules: Bool
    /// Whether those who manage and validate a cluster reach the node: all of ``ClusterTraffic/management``.
    public var managementRules: Bool
    /// Whether what both need passes: all of ``ClusterTraffic/common``.
    public var commonRules: Bool
    /// What kept a group from being told for sure, each with its place in the ruleset; such a group counts as not allowed.
    public var unevaluated: [String]
    /// What is refused for sure and by whom, each in a sentence for people.
    public var refusals: [String]

    /// A verdict with its parts.
    public init(
        adapter: HostAdapter.ID, profile: FirewallProfile, serverRules: Bool, managementRules: Bool, commonRules: Bool,
        unevaluated: [String] = [], refusals: [String] = []
    ) {
        self.adapter = adapter
        self.profile = profile
        self.serverRules = serverRules
        self.managementRules = managementRules
        self.commonRules = commonRules
        self.unevaluated = unevaluated
        self.refusals = refusals
    }
}

/// The kind of network that an adapter leads to (CLUSTER_NETWORK_PROFILE, [MS-CSVP] 2.2.15); the raw values are the wire's.
public enum FirewallProfile: UInt16, Sendable, Hashable, CaseIterable {
    /// One that strangers share.
    case `public` = 0
    /// One of the owner's own.
    case `private` = 1
    /// One of a domain that the host belongs to.
    case domain = 2
}

/// The groups of traffic that IClusterFirewall tells apart.
public enum ClusterTraffic: Sendable, Hashable, CaseIterable {
    /// What the nodes of a cluster send each other: "Failover Clusters" on Windows.
    case server
    /// What manages and validates a node: "Failover Cluster Manager" on Windows.
    case management
    /// What both need: "Failover Cluster Common" on Windows.
    case common
}
