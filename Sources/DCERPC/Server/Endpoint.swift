import Logging
import NDR
import NIOCore
import Security
import Synchronization

/// One endpoint at work: what its connections share.
final class Endpoint: Sendable {
    let index: Int
    let configuration: RPCEndpoint
    let limits: RPCServerLimits
    let providers: [AuthenticationType: any SecurityProvider]
    let principalNames: [AuthenticationType: String]
    let groups = AssociationGroups()
    let statistics = EndpointStatistics()
    let budget: CallBudget
    let longRequests: LongRequestPlaces
    let logger: Logger

    private let services: Mutex<[SyntaxIdentifier: any RPCService]>
    private let connections: Mutex<ConnectionTable<any Channel>>
    /// Connections are numbered across all endpoints and servers of the process.
    private static let nextAssociation = Atomic<UInt64>(1)

    init(
        index: Int, configuration: RPCEndpoint, server: RPCServerConfiguration, budget: CallBudget,
        longRequests: LongRequestPlaces, logger: Logger
    ) {
        self.index = index
        self.longRequests = longRequests
        self.budget = budget
        self.configuration = configuration
        limits = server.limits
        providers = Dictionary(server.providers.map { ($0.authenticationType, $0) }) { first, _ in first }
        principalNames = server.principalNames
        self.logger = logger
        connections = Mutex(
            ConnectionTable(
                maximumStrangers: limits.maximumUnauthenticatedConnections,
                maximumOfPeer: limits.maximumConnectionsPerAddress))
        services = Mutex(Dictionary(configuration.services.map { ($0.interface.syntax, $0) }) { _, last in last })
        let management = ManagementService(endpoint: self)
        services.withLock { $0[management.interface.syntax] = management }
    }

    func register(_ service: any RPCService) {
        services.withLock { $0[service.interface.syntax] = service }
    }

    func service(for syntax: SyntaxIdentifier) -> (any RPCService)? {
        services.withLock { $0[syntax] }
    }

    var interfaces: [SyntaxIdentifier] {
        services.withLock { Array($0.keys) }
    }

    func interface(serving syntax: SyntaxIdentifier) -> SyntaxIdentifier? {
        services.withLock { services in
            if services[syntax] != nil { return syntax }
            return services.keys.first {
                $0.uuid == syntax.uuid && $0.major == syntax.major && $0.minor >= syntax.minor
            }
        }
    }

    // MARK: Connections

    /// Adds a connection, of a stranger as yet, and gives it a number; nil if its address has too many, so that it has to be
    /// closed. Where there are too many strangers, the oldest one has to go.
    func add(_ channel: any Channel) -> UInt64? {
        let number = Self.nextAssociation.wrappingAdd(1, ordering: .relaxed).oldValue
        let peer = PeerNetwork(channel.remoteAddress)
        switch connections.withLock({ $0.add(number, channel, of: peer) }) {
        case .refused:
            return nil
        case .admitted(let oldest?):
            // Not louder: whoever can cause it can cause it all day.
            logger.debug("too many clients that are not authenticated: closing the oldest connection")
            // At once: what lingers to hear its end would still be counted.
            oldest.close(promise: nil)
        case .admitted(nil):
            break
        }
        return number
    }

    func remove(_ number: UInt64) {
        _ = connections.withLock { $0.remove(number) }
    }

    /// Takes note that a connection's client has proved who he is.
    func authenticated(_ number: UInt64) {
        connections.withLock { $0.authenticated(number) }
    }

    var channels: [any Channel] {
        connections.withLock(\.connections)
    }

    /// Takes a connection out of its association group; if it was the last, the services run down what they keep for it.
    func leaveGroup(_ group: UInt32) {
        guard group != 0, groups.leave(group) else { return }
        let services = services.withLock { Array($0.values) }
        Task {
            for service in services { await service.associationGroupEnded(group) }
        }
    }
}

/// An endpoint as one connection sees it.
struct ConnectionEnvironment: AssociationEnvironment {
    let endpoint: Endpoint
    let client: String

    func interface(serving syntax: SyntaxIdentifier) -> SyntaxIdentifier? { endpoint.interface(serving: syntax) }

    func transferSyntaxes(of interface: SyntaxIdentifier) -> [TransferSyntax] {
        endpoint.service(for: interface)?.transferSyntaxes ?? []
    }

    func supports(_ type: AuthenticationType) -> Bool { endpoint.providers[type] != nil }

    func joinGroup(_ id: UInt32) -> UInt32? { endpoint.groups.join(id, client: client) }

    func placeForLongRequest() -> LongRequestPlace? { endpoint.longRequests.take() }
}

/// The counts of all connections of an endpoint, those that are closed included.
final class EndpointStatistics: Sendable {
    private let callsIn = Atomic<UInt32>(0)
    private let callsOut = Atomic<UInt32>(0)
    private let packetsIn = Atomic<UInt32>(0)
    private let packetsOut = Atomic<UInt32>(0)

    /// Adds what a connection has counted since it last told.
    func add(_ now: AssociationStatistics, since then: AssociationStatistics) {
        callsIn.wrappingAdd(now.callsIn &- then.callsIn, ordering: .relaxed)
        callsOut.wrappingAdd(now.callsOut &- then.callsOut, ordering: .relaxed)
        packetsIn.wrappingAdd(now.packetsIn &- then.packetsIn, ordering: .relaxed)
        packetsOut.wrappingAdd(now.packetsOut &- then.packetsOut, ordering: .relaxed)
    }

    /// In the order of RPC_C_STATS_CALLS_IN and its followers ([C706] appendix Q).
    var counts: [UInt32] {
        [
            callsIn.load(ordering: .relaxed), callsOut.load(ordering: .relaxed), packetsIn.load(ordering: .relaxed),
            packetsOut.load(ordering: .relaxed),
        ]
    }
}
