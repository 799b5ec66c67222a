import Logging
import NIOCore
import NIOPosix
import Security
import Synchronization

/// A server of DCE/RPC over TCP ([MS-RPCE] 2.1.1.1): its endpoints, their connections, and their life.
///
/// One event loop owns one connection; a call runs as a task on that loop's thread, and anything that waits gives it free.
/// Services that would block hand their work to threads of their own.
public final class RPCServer: Sendable {
    private struct State {
        var isStarted = false
        var listeners: [any Channel] = []
    }

    private let configuration: RPCServerConfiguration
    private let eventLoopGroup: any EventLoopGroup
    private let endpoints: [Endpoint]
    private let executors: [ObjectIdentifier: EventLoopTaskExecutor]
    private let state = Mutex(State())
    private let logger: Logger

    /// The threads that servers live on unless told otherwise, until the process ends: one for every two processors.
    ///
    /// What a short call costs is mostly the kernel's work of putting threads to sleep and waking them up. A thread that several
    /// connections keep busy finds the next requests waiting when it has answered, and does not sleep; twice as many threads
    /// sleep twice as often, and take the processors that the calls' own work needs.
    public static let eventLoops: any EventLoopGroup = MultiThreadedEventLoopGroup(
        numberOfThreads: max(1, System.coreCount / 2))

    /// Makes a server; it listens when it is started.
    ///
    /// - Parameters:
    ///   - configuration: the endpoints, providers and limits.
    ///   - eventLoopGroup: the threads that connections live on.
    ///   - logger: where connections and failed calls are told of.
    public init(
        configuration: RPCServerConfiguration,
        eventLoopGroup: any EventLoopGroup = RPCServer.eventLoops,
        logger: Logger = Logger(label: "rpc.server")
    ) {
        self.configuration = configuration
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        let budget = CallBudget(configuration.limits.maximumCallOctets)
        let longRequests = LongRequestPlaces(configuration.limits.maximumLongRequests)
        endpoints = configuration.endpoints.enumerated().map {
            Endpoint(
                index: $0, configuration: $1, server: configuration, budget: budget, longRequests: longRequests,
                logger: logger)
        }
        executors = Dictionary(
            eventLoopGroup.makeIterator().map { (ObjectIdentifier($0), EventLoopTaskExecutor($0)) }
        ) { first, _ in first }
    }

    /// Adds a service to an endpoint, also while the server runs: binds from now on find it.
    ///
    /// - Throws: ``RPCServerError/noSuchEndpoint(_:)``.
    public func register(_ service: any RPCService, at endpoint: Int) throws(RPCServerError) {
        guard endpoints.indices.contains(endpoint) else { throw .noSuchEndpoint(endpoint) }
        endpoints[endpoint].register(service)
    }

    /// Begins to listen on every endpoint, or on none.
    ///
    /// - Returns: the addresses that are listened on, in the order of the endpoints.
    /// - Throws: ``RPCServerError``.
    @discardableResult
    public func start() async throws(RPCServerError) -> [NetworkAddress] {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { throw .alreadyStarted }
        var listeners: [any Channel] = []
        for endpoint in endpoints {
            do {
                listeners.append(try await listen(endpoint))
            } catch {
                for listener in listeners { try? await listener.close() }
                throw .cannotListen(
                    host: endpoint.configuration.host, port: endpoint.configuration.port, cause: "\(error)")
            }
        }
        state.withLock { $0.listeners = listeners }
        let addresses = boundAddresses
        for address in addresses { logger.info("listening", metadata: ["rpc.endpoint": "\(address)"]) }
        return addresses
    }

    /// The addresses that are listened on, in the order of the endpoints; empty before the start.
    public var boundAddresses: [NetworkAddress] {
        state.withLock { $0.listeners.map { NetworkAddress($0.localAddress) } }
    }

    /// What all connections of all endpoints have counted since the start, those that are closed included; the counts wrap around.
    public var statistics: AssociationStatistics {
        var sum = AssociationStatistics()
        for counts in endpoints.map(\.statistics.counts) {
            sum.callsIn &+= counts[0]
            sum.callsOut &+= counts[1]
            sum.packetsIn &+= counts[2]
            sum.packetsOut &+= counts[3]
        }
        return sum
    }

    /// Starts the server if it is not started, and returns when it has been shut down. A cancelled task shuts it down.
    public func run() async throws {
        if !state.withLock({ $0.isStarted }) { try await start() }
        let listeners = state.withLock { $0.listeners }
        await withTaskCancellationHandler {
            for listener in listeners { try? await listener.closeFuture.get() }
        } onCancel: {
            for listener in listeners { listener.close(promise: nil) }
        }
        await shutdown()
    }

    /// Ends the server: it stops listening, lets the calls in flight finish, refuses new ones, closes each connection
    /// as soon as it has no call left, and every connection when the configured time is over.
    public func shutdown() async {
        let listeners = state.withLock { $0.listeners }
        for listener in listeners { try? await listener.close() }
        let channels = endpoints.flatMap(\.channels)
        guard !channels.isEmpty else { return }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ServerConnection.Drain()) }
        let limit = configuration.shutdownTime
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Cancelled when all connections are closed; who waits for the time to pass closes them.
                do { try await Task.sleep(for: limit) } catch { return }
                for channel in channels { channel.close(promise: nil) }
            }
            for channel in channels { try? await channel.closeFuture.get() }
            group.cancelAll()
        }
    }

    private func listen(_ endpoint: Endpoint) async throws -> any Channel {
        let executors = executors
        let limit = endpoint.limits.maximumConnections
        let logger = logger
        return try await ServerBootstrap(group: eventLoopGroup)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // One at a time, so that the limit is exact.
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptLimiter(limit: limit, logger: logger))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A client that lost its power never says so; after two hours, Linux' default, the kernel asks.
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            // A connection keeps its buffer while it is idle; requests that fill it make it grow.
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 1024, maximum: 65536)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let executor =
                        executors[ObjectIdentifier(channel.eventLoop)] ?? EventLoopTaskExecutor(channel.eventLoop)
                    try channel.pipeline.syncOperations.addHandler(
                        ServerConnection(endpoint: endpoint, executor: executor, channel: channel))
                }
            }
            .bind(host: endpoint.configuration.host, port: Int(endpoint.configuration.port))
            .get()
    }
}
