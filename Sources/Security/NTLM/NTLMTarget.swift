/// Which server a client means to reach, by the service principal name that its proof covers: MsvAvTargetName of
/// [MS-NLMP] 2.2.2.1. A proof that was made for another server and relayed to this one shows there.
public enum NTLMTargetPolicy: Sendable, Hashable {
    /// A client that names a server has to name this one. One that names none, or says that it has the name from a source that
    /// proves nothing, is let in ([MS-NLMP] 3.2.5.1.2).
    case ifNamed
    /// Each client has to name this server.
    case required
    /// Whatever the client names.
    case any
}

/// The host that a service principal name speaks of.
struct NTLMTarget: Sendable, Equatable {
    let host: String

    /// Reads `class/host[:port][/name]`; a name without a class is a host. IPv6 addresses may stand in brackets, and their
    /// zone does not matter.
    init(_ name: String) {
        let parts = name.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        var host = parts.count > 1 ? parts[1] : parts.first ?? ""
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            host = host[host.index(after: host.startIndex)..<end]
        } else if host.count(where: { $0 == ":" }) == 1, let colon = host.firstIndex(of: ":") {
            host = host[..<colon]
        }
        if host.contains(":") { host = host.prefix { $0 != "%" } }
        // A full name may end with the root's dot.
        if host.hasSuffix("."), !host.dropLast().isEmpty { host = host.dropLast() }
        self.host = String(host)
    }

    /// Whether it is one of these hosts, whatever the case.
    func isOne(of hosts: [String]) -> Bool {
        let host = NTLMName(AddressGroup.canonical(host))
        return hosts.contains { !$0.isEmpty && NTLMName(AddressGroup.canonical($0)).matches(host) }
    }
}
