import DCERPC
import DCOM
import Logging
import Security

/// The ports a node listens on: for each address one of the endpoint mapper and the resolver, and one of the exporter.
struct Listeners {
    private(set) var addresses: [Node.Address] = []
    private(set) var servers: [RPCServer] = []

    /// Listens on every address, or on none. Clients are told one port of the exporter, whatever address they came by, so the
    /// first address' choice is the others' too.
    static func start(
        _ settings: Settings, dcom: DCOMServer, security: NodeSecurity
    ) async throws(StartupError) -> Listeners {
        let mapper = EndpointMapper(limits: settings.limits.mapper)
        var listeners = Listeners()
        var mapperPort = UInt16(settings.endpointMapperPort)
        var exporterPort = UInt16(settings.exporterPort)
        let resolverServices = [mapper as any RPCService] + dcom.resolverServices
        let connections = settings.listen.count * 2 * settings.limits.server.maximumConnections
        let room = DescriptorLimit.raise(forConnections: connections)
        if room < connections {
            Logger(label: "clusprepd").warning(
                "the limit of open files has room for \(room) connections, not for \(connections)")
        }
        for address in settings.listen {
            let server = RPCServer(
                configuration: RPCServerConfiguration(
                    endpoints: [
                        RPCEndpoint(host: address, port: mapperPort, services: resolverServices),
                        RPCEndpoint(host: address, port: exporterPort, services: dcom.exporterServices),
                    ],
                    providers: security.providers,
                    limits: settings.limits.server,
                    principalNames: security.principalNames,
                    shutdownTime: settings.shutdownTimeout))
            let bound: [NetworkAddress]
            do {
                bound = try await server.start()
            } catch {
                for server in listeners.servers { await server.shutdown() }
                throw StartupError(error, address: address)
            }
            listeners.servers.append(server)
            mapperPort = bound[0].port
            exporterPort = bound[1].port
            listeners.addresses.append(
                .init(address: address, endpointMapperPort: mapperPort, exporterPort: exporterPort))
            for (services, endpoint) in [(resolverServices, bound[0]), (dcom.exporterServices, bound[1])] {
                for service in services {
                    mapper.register(
                        interface: service.interface.syntax, endpoint: endpoint, annotation: service.interface.name)
                }
            }
        }
        dcom.exporterDidStart(port: exporterPort)
        return listeners
    }
}

extension StartupError {
    /// From what the server says of its start.
    init(_ error: RPCServerError, address: String) {
        switch error {
        case .cannotListen(let host, let port, let cause):
            var reason = cause
            if cause.contains("EADDRINUSE") || cause.contains("errno: 98") {
                reason = "the port is in use by another program"
            } else if cause.contains("EACCES") || cause.contains("errno: 13") {
                reason = "a port below 1024 needs root or CAP_NET_BIND_SERVICE"
            } else if cause.contains("errno: 99") {
                reason = "the address is not one of this host's"
            }
            self = .listen(address: host, port: Int(port), reason: reason)
        case .alreadyStarted, .noSuchEndpoint:
            self = .listen(address: address, port: 0, reason: "\(error)")
        }
    }
}
