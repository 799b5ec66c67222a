import DCERPC
import ErrorCodes
import Logging
import NDR
import Security

/// A DCOM server: an object resolver and one object exporter ([MS-DCOM] 3.1).
///
/// It listens nowhere by itself. Its services go to two endpoints of an RPC server: ``resolverServices`` to the endpoint
/// mapper's (port 135), ``exporterServices`` to one of the exporter's own, whose port it is told by
/// ``exporterDidStart(port:)`` before the first client can need it.
public final class DCOMServer: Sendable {
    /// What a server can be told about itself.
    public struct Configuration: Sendable {
        /// Names of this host, which are offered to clients besides the address by which they reached us.
        public var hostNames: [String]
        /// Further addresses by which this host can be reached at the same ports: authenticated clients are told of them, those
        /// that fit the protocol by which they came first. Addresses of one link are told to nobody, those of the loopback
        /// interface to its own clients only.
        public var addresses: [String]
        /// The security providers that the endpoints take, in the order of preference.
        public var securityProviders: [AuthenticationType]
        /// The service principal names of providers that want one of their clients. A client asks for a ticket to nothing else,
        /// and names none where there is none here ([MS-DCOM] 3.2.4.2).
        public var principalNames: [AuthenticationType: String]
        /// How long a client may be silent.
        public var timing: PingTiming
        /// The bounds of what clients can make the server hold.
        public var limits: ExporterLimits

        /// From its parts.
        public init(
            hostNames: [String] = [], addresses: [String] = [], securityProviders: [AuthenticationType] = [.ntlm],
            principalNames: [AuthenticationType: String] = [:], timing: PingTiming = PingTiming(),
            limits: ExporterLimits = ExporterLimits()
        ) {
            self.hostNames = hostNames
            self.addresses = addresses
            self.securityProviders = securityProviders
            self.principalNames = principalNames
            self.timing = timing
            self.limits = limits
        }
    }

    /// The exporter that holds the objects.
    public let exporter: ObjectExporter
    /// For the resolver's endpoint: IObjectExporter, IRemoteSCMActivator and IActivation.
    public let resolverServices: [any RPCService]
    /// For the exporter's endpoint: the interfaces of all classes, IClassFactory, IUnknown, IRemUnknown and IRemUnknown2.
    public let exporterServices: [any RPCService]

    private let bindings: ServerBindings

    /// Makes a server of these classes.
    public init(
        classes: [COMClass], configuration: Configuration = Configuration(),
        authorization: DCOMAuthorization = DCOMAuthorization(), time: TimeSource = .system,
        logger: Logger = Logger(label: "dcom")
    ) {
        let exporter = ObjectExporter(
            timing: configuration.timing, limits: configuration.limits, time: time, logger: logger)
        let bindings = ServerBindings(
            hostNames: configuration.hostNames, addresses: configuration.addresses,
            security: configuration.securityProviders.map {
                SecurityBinding(
                    authenticationService: UInt16($0.rawValue), principal: configuration.principalNames[$0] ?? "")
            })
        let activator = Activator(
            classes: Dictionary(classes.map { ($0.clsid, $0) }) { first, _ in first }, exporter: exporter,
            bindings: bindings, logger: logger)
        self.exporter = exporter
        self.bindings = bindings

        let resolver = ObjectResolverService(exporter: exporter, bindings: bindings, authorization: authorization)
        let mayActivate: @Sendable (CallContext) throws -> Void = {
            try authorization.require($0, level: authorization.activationLevel)
        }
        resolverServices = [
            // Where Samba's tests find their class, they also find who understands their pings.
            classes.contains { $0.make == nil } ? SambaPingService(resolver: resolver) : Self.service(of: resolver),
            HandlerService(
                interface: IRemoteSCMActivator.interface,
                handlers: IRemoteSCMActivator.handlers(SCMActivatorService(activator: activator)),
                transferSyntaxes: RPCInterface.objectSyntaxes, authorize: mayActivate),
            HandlerService(
                interface: IActivation.interface,
                handlers: IActivation.handlers(ActivationService(activator: activator)),
                transferSyntaxes: RPCInterface.objectSyntaxes, authorize: mayActivate),
        ]
        exporterServices = Self.exporterServices(classes, exporter, bindings, authorization)
    }

    /// Two of its methods are open to everybody, so each of the others asks for itself.
    private static func service(of resolver: ObjectResolverService) -> any RPCService {
        HandlerService(
            interface: IObjectExporter.interface, handlers: IObjectExporter.handlers(resolver),
            transferSyntaxes: RPCInterface.objectSyntaxes, authorize: { _ in })
    }

    private static func exporterServices(
        _ classes: [COMClass], _ exporter: ObjectExporter, _ bindings: ServerBindings,
        _ authorization: DCOMAuthorization
    ) -> [any RPCService] {
        var interfaces: [GUID: COMInterface] = [:]
        // IUnknown has no methods on the wire, but clients bind to it to try a reference.
        let common = [IUnknown.interface, IClassFactory.interface]
            .map { COMInterface($0, minimumLevel: .packetIntegrity) }
        for interface in common + classes.flatMap(\.interfaces) {
            // Where two classes differ, the stricter one decides.
            guard let known = interfaces[interface.iid], known.minimumLevel >= interface.minimumLevel else {
                interfaces[interface.iid] = interface
                continue
            }
        }
        let objects = interfaces.values.map {
            ORPCService(
                interface: $0.interface, minimumLevel: $0.minimumLevel, exporter: exporter, authorization: authorization
            )
        }
        let unknown = RemoteUnknownService(exporter: exporter, bindings: bindings)
        let unknowns = [
            (IRemUnknown.interface, IRemUnknown.handlers(unknown)),
            (IRemUnknown2.interface, IRemUnknown2.handlers(unknown)),
        ].map { interface, handlers in
            ORPCService(
                interface: interface, minimumLevel: authorization.remoteUnknownLevel, exporter: exporter,
                authorization: authorization, remoteUnknown: handlers)
        }
        return objects + unknowns
    }

    /// The exporter's endpoint listens on this port. Before that, activations fail with RPC_S_SERVER_UNAVAILABLE.
    public func exporterDidStart(port: UInt16) {
        bindings.exporterPort = port
    }

    /// Collects the objects of silent clients for as long as the task runs.
    ///
    /// - Throws: `CancellationError` when it is cancelled.
    public func run() async throws {
        try await exporter.run()
    }

    /// Releases all objects. The endpoints have to be closed before, so that no call is in progress.
    public func shutdown() async {
        await exporter.releaseAll()
    }
}
