/// Why the host's firewall could not be read or changed.
public enum FirewallError: Error, Sendable, Hashable {
    /// libnftables could not be started: it needs memory and a netlink socket.
    case unavailable
    /// The kernel or libnftables refused a command.
    ///
    /// - Parameters:
    ///   - operation: what was to be done, such as "list the ruleset".
    ///   - reason: libnftables' own words, on one line.
    case refused(operation: String, reason: String)
    /// What libnftables answered is no ruleset in the form of libnftables-json(5).
    case malformed(reason: String)
    /// A text that names no adapter.
    case invalidName(String)
}

extension FirewallError: CustomStringConvertible {
    /// What failed, and what to do.
    public var description: String {
        switch self {
        case .unavailable: "libnftables cannot be started: it needs memory and a netlink socket"
        case .refused(let operation, let reason):
            "cannot \(operation): \(reason). This needs root, or CAP_NET_ADMIN in the host's network namespace."
        case .invalidName(let name):
            "\"\(name)\" is no adapter's name: those have 1 to 15 octets, and no spaces, slashes, quotes or asterisks"
        case .malformed(let reason): "libnftables' description of the ruleset cannot be read: \(reason)"
        }
    }
}
