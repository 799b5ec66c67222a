import DCERPC
import Security
import Synchronization

/// Where this server can be reached, as it tells its clients ([MS-DCOM] 2.2.19).
///
/// A client gets the address by which it reached us, because any other of this host may be behind a router for it. The
/// configured names follow, for clients that look for the name they were given.
final class ServerBindings: Sendable {
    private let hostNames: [String]
    private let security: [SecurityBinding]
    private let port = Mutex<UInt16?>(nil)

    init(hostNames: [String], providers: [AuthenticationType]) {
        self.hostNames = hostNames
        security = providers.map { SecurityBinding($0) }
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
        var address = context.localAddress.ip
        // A socket that listens for both protocols shows IPv4 clients in IPv6's form (RFC 4291, 2.5.5.2).
        let mapped = "::ffff:"
        if address.lowercased().hasPrefix(mapped), address.contains(".") { address.removeFirst(mapped.count) }
        return [address] + hostNames.filter { $0 != address }
    }
}
