/// Which log is asked for: ClusterLogType's five ([MS-CSVP] 2.2.28) and the performance history (3.18.4.5), with the events that
/// belong to each.
public enum LogKind: String, Sendable, Hashable, CaseIterable {
    /// Everything that happened, but for the measurements.
    case cluster
    /// What was not as it should be, and what concerns disks, their reservations and the log itself.
    case health
    /// How the node came into a cluster and out of it: set-up, clean-up, the daemon's start and end.
    case clusterSet = "set"
    /// What concerns adapters, the firewall, and connections.
    case network
    /// What concerns the routes between nodes, which on Windows NetFT keeps.
    case netft
    /// The measurements.
    case performance

    /// The component that measurements of a stream have: `performance.<stream>`.
    public static let measurements = "performance"

    /// Whether an event belongs into the log.
    public func includes(_ record: EventRecord) -> Bool {
        let area = record.component.prefix { $0 != "." }
        guard area != Self.measurements else { return self == .performance }
        switch self {
        case .cluster: return true
        case .health:
            return record.level == .warning || record.level == .error
                || ["storage", "disk", "iscsi", "shares", "log"].contains(area)
        case .clusterSet: return ["clusprepd", "setup", "cleanup", "engine"].contains(area)
        case .network: return ["network", "adapters", "firewall", "routes", "probes", "rpc", "dcom"].contains(area)
        case .netft: return ["routes", "probes"].contains(area)
        case .performance: return false
        }
    }
}
