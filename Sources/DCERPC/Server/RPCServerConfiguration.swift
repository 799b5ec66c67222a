import Security

/// A place where a server listens, and what it answers there.
public struct RPCEndpoint: Sendable {
    /// The address or host name to listen on; "0.0.0.0" or "::" for every address of the host.
    public var host: String
    /// The port; zero lets the system choose one.
    public var port: UInt16
    /// The services, besides the management interface, which every endpoint has.
    public var services: [any RPCService]

    /// Describes an endpoint.
    public init(host: String, port: UInt16 = 0, services: [any RPCService] = []) {
        self.host = host
        self.port = port
        self.services = services
    }
}

/// What clients may make a server keep. Each number can be configured.
public struct RPCServerLimits: Sendable, Hashable {
    /// The limits of one connection.
    public var association: AssociationLimits
    /// The connections of one endpoint. At the limit no more are accepted: the next ones wait in the kernel's backlog.
    public var maximumConnections: Int
    /// The connections of one endpoint that may come from one IPv4 address, or from one IPv6 network of 64 bits. One more, and the
    /// oldest of them whose client has not authenticated himself is closed; where all have, the new one is. Half of
    /// ``maximumConnections`` unless told: no address keeps all others out.
    public var maximumConnectionsPerAddress: Int
    /// How many of an endpoint's connections may be of clients who have not authenticated themselves, however busy they are.
    /// One more, and the oldest of them is closed when its calls are answered: so strangers never keep out those who would
    /// prove who they are. Three quarters of ``maximumConnections`` unless told.
    public var maximumUnauthenticatedConnections: Int
    /// The octets of the stubs of all calls in flight on all endpoints. When there are as many or more, no connection is read
    /// from until some calls have ended. See ``AssociationLimits/maximumCallOctets`` for what is not counted.
    public var maximumCallOctets: Int
    /// The requests longer than ``AssociationLimits/maximumRequest`` that may be arriving or in flight on all endpoints; one
    /// more is answered with ``RPCFault/serverTooBusy``, and the client may send it again later.
    public var maximumLongRequests: Int
    /// How long the client of such a request may be silent in the middle of it before its connection is closed.
    public var longRequestSilence: Duration
    /// How long a connection may stay without authenticating itself while it is silent; one that has never been bound may
    /// not stay longer than this at all.
    public var unauthenticatedTime: Duration

    /// Makes limits; what is not named has its default.
    public init(
        association: AssociationLimits = AssociationLimits(), maximumConnections: Int = 1024,
        maximumConnectionsPerAddress: Int? = nil, maximumUnauthenticatedConnections: Int? = nil,
        maximumCallOctets: Int = 256 << 20, maximumLongRequests: Int = 4, longRequestSilence: Duration = .seconds(30),
        unauthenticatedTime: Duration = .seconds(60)
    ) {
        self.association = association
        self.maximumConnections = max(1, maximumConnections)
        self.maximumConnectionsPerAddress = max(
            1, maximumConnectionsPerAddress ?? (self.maximumConnections - self.maximumConnections / 2))
        self.maximumUnauthenticatedConnections = max(
            1, maximumUnauthenticatedConnections ?? (self.maximumConnections - self.maximumConnections / 4))
        self.maximumCallOctets = maximumCallOctets
        self.maximumLongRequests = maximumLongRequests
        self.longRequestSilence = longRequestSilence
        self.unauthenticatedTime = unauthenticatedTime
    }
}

/// Everything an ``RPCServer`` is made from. It reads no environment; programs fill it from their own configuration.
public struct RPCServerConfiguration: Sendable {
    /// The endpoints.
    public var endpoints: [RPCEndpoint]
    /// The security providers that every endpoint offers.
    public var providers: [any SecurityProvider]
    /// The limits.
    public var limits: RPCServerLimits
    /// The principal's name to tell clients that ask the management interface for it, by provider.
    public var principalNames: [AuthenticationType: String]
    /// How long connections may finish their calls when the server shuts down.
    public var shutdownTime: Duration

    /// Makes a configuration; what is not named has its default.
    public init(
        endpoints: [RPCEndpoint] = [], providers: [any SecurityProvider] = [],
        limits: RPCServerLimits = RPCServerLimits(), principalNames: [AuthenticationType: String] = [:],
        shutdownTime: Duration = .seconds(10)
    ) {
        self.endpoints = endpoints
        self.providers = providers
        self.limits = limits
        self.principalNames = principalNames
        self.shutdownTime = shutdownTime
    }
}

/// Why a server does not listen.
public enum RPCServerError: Error, Sendable {
    /// The address cannot be listened on: in use, not ours, or not permitted. The text is the system's.
    case cannotListen(host: String, port: UInt16, cause: String)
    /// The server was started before.
    case alreadyStarted
    /// No endpoint of this number.
    case noSuchEndpoint(Int)
}

extension RPCServerError: CustomStringConvertible {
    /// One line for the one who starts the server.
    public var description: String {
        switch self {
        case .cannotListen(let host, let port, let cause): "cannot listen on \(host) port \(port): \(cause)"
        case .alreadyStarted: "the server was started before"
        case .noSuchEndpoint(let index): "the server has no endpoint \(index)"
        }
    }
}
