import HostInventory

/// A route to be probed: from an address of this host to one of another ([MS-CSVP] 3.6.1, LocalUnicastIP and RemoteUnicastIP).
public struct ProbedRoute: Sendable, Hashable {
    /// The address the probes come from. One this host does not have is no error: nothing can be sent, so the route is down.
    public var local: HostAddress
    /// The address the probes go to, of the same family.
    public var remote: HostAddress

    /// A route between two addresses.
    public init(local: HostAddress, remote: HostAddress) {
        self.local = local
        self.remote = remote
    }
}
