import DCERPC
import Security
import Synchronization

/// Where this server can be reached, as it tells its clients ([MS-DCOM] 2.2.19).
///
/// A client gets the address by which it reached us first, because any other of this host may be behind a router for it. The
/// configured names follow, for clients that look for the name they were given. Whoever is authenticated is also told the other
/// configured addresses, those of the protocol that it came by before the others, so that a client with several networks finds
/// another way when one fails. Strangers, who may ask as well (ServerAlive2), are not told which networks this host is in.
final class ServerBindings: Sendable {
    private let hostNames: [String]
    private let addresses: [String]
    private let security: [SecurityBinding]
    private let port = Mutex<UInt16?>(nil)

    init(hostNames: [String], addresses: [String] = [], security: [SecurityBinding]) {
        self.hostNames = hostNames
        self.addresses = addresses
        self.security = security
    }

    convenience init(hostNames: [String], addresses: [String] = [], providers: [AuthenticationType]) {
        self.init(hostNames: hostNames, addresses: addresses, security: providers.map { SecurityBinding($0) })
    }

    /// The exporter's port, once it listens.
    var exporterPort: UInt16? {
        get { port.withLock { $0 } }
        set { port.withLock { $0 = newValue } }
    }

    /// The bindings of the resolver. They have no port: it is the well-known one (2.2.19.3).
    func resolver(for context: CallContext) -> DualStringArray {
        DualStringArray(strings: hosts(for: context).map { StringBinding(host: $0) }, security: security)
    }

    /// The bindings of the exporter, with its port; nil as long as it does not listen.
    func exporter(for context: CallContext) -> DualStringArray? {
        guard let port = exporterPort else { return nil }
        return DualStringArray(
            strings: hosts(for: context).map { StringBinding(host: $0, port: port) }, security: security)
    }

    private func hosts(for context: CallContext) -> [String] {
        let used = Self.unmapped(context.localAddress.ip)
        var hosts = [used]
        for name in hostNames where !hosts.contains(where: { $0.caseInsensitiveEquals(name) }) { hosts.append(name) }
        guard context.identity?.isAnonymous == false else { return hosts }
        let others = addresses.map(Self.unmapped).filter { other in
            !Self.isBound(toALink: other) && !Self.isLoopback(other) || Self.isLoopback(other) && Self.isLoopback(used)
        }
        let sameProtocol = others.filter { Self.isIPv6($0) == Self.isIPv6(used) }
        let otherProtocol = others.filter { Self.isIPv6($0) != Self.isIPv6(used) }
        for address in sameProtocol + otherProtocol
        where !hosts.contains(where: { $0.caseInsensitiveEquals(address) }) { hosts.append(address) }
        return hosts
    }

    /// A socket that listens for both protocols shows IPv4 clients in IPv6's form (RFC 4291, 2.5.5.2).
    private static func unmapped(_ address: String) -> String {
        let prefix = "::ffff:"
        guard address.lowercased().hasPrefix(prefix), address.contains(".") else { return address }
        return String(address.dropFirst(prefix.count))
    }

    private static func isIPv6(_ address: String) -> Bool { address.contains(":") }

    private static func isLoopback(_ address: String) -> Bool { address.hasPrefix("127.") || address == "::1" }

    /// Whether an address means something on one link only: link-local ones need the client's own name of that link (RFC 4007).
    private static func isBound(toALink address: String) -> Bool {
        let lowered = address.lowercased()
        return lowered.hasPrefix("169.254.")
            || isIPv6(lowered) && ["fe8", "fe9", "fea", "feb"].contains { lowered.hasPrefix($0) }
    }
}

extension String {
    /// Names and addresses are ASCII (RFC 1123, 2.1; RFC 4291, 2.2).
    fileprivate func caseInsensitiveEquals(_ other: String) -> Bool {
        lowercased() == other.lowercased()
    }
}
