import NDR
import NIOCore
import NIOPosix
import Security
import Synchronization

/// A connection to a server of DCE/RPC over TCP.
///
/// Calls can be made from any number of tasks at once; they are sent as they come, and share the connection as far as the
/// server can multiplex. A cancelled task gives its call up.
public final class RPCClient: Sendable {
    /// What this client takes of a server, and offers it.
    public struct Limits: Sendable, Hashable {
        /// The largest fragment to send and to receive.
        public var maximumFragment: Int
        /// The longest response, all its fragments together.
        public var maximumResponse: Int
        /// How long to wait for the connection.
        public var connectTime: Duration

        /// Makes limits; what is not named has its default.
        public init(
            maximumFragment: Int = 5840, maximumResponse: Int = 64 << 20, connectTime: Duration = .seconds(10)
        ) {
            self.maximumFragment = maximumFragment
            self.maximumResponse = maximumResponse
            self.connectTime = connectTime
        }
    }

    let channel: any Channel
    private let connection: NIOLoopBound<ClientConnection>
    private let nextTicket = Atomic<UInt64>(1)
    private let defaultSecurityID = Mutex<UInt32?>(nil)

    private init(channel: any Channel, connection: NIOLoopBound<ClientConnection>) {
        self.channel = channel
        self.connection = connection
    }

    /// Connects to a server.
    ///
    /// - Parameters:
    ///   - host: its address or name.
    ///   - port: its port; see ``EndpointMapperClient`` for how to learn it.
    ///   - group: the association group of another connection to the same server, to share context handles with; zero for
    ///     a new one.
    ///   - limits: what to take and offer.
    ///   - eventLoopGroup: the threads to live on.
    /// - Throws: ``RPCClientError/cannotConnect(host:port:cause:)``.
    public static func connect(
        host: String, port: UInt16, group: UInt32 = 0, limits: Limits = Limits(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws(RPCClientError) -> RPCClient {
        do {
            let (channel, connection) = try await ClientBootstrap(group: eventLoopGroup)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connectTimeout(TimeAmount(limits.connectTime))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            ClientConnection(
                                group: group, maximumFragment: limits.maximumFragment,
                                maximumResponse: limits.maximumResponse))
                    }
                }
                .connect(host: host, port: Int(port))
                // Before the event loop learns anything else: a server that hangs up takes the handlers out.
                .flatMapThrowing { channel in
                    let connection = try channel.pipeline.syncOperations.handler(type: ClientConnection.self)
                    return (channel, NIOLoopBound(connection, eventLoop: channel.eventLoop))
                }
                .get()
            return RPCClient(channel: channel, connection: connection)
        } catch let error as NIOConnectionError {
            // One line: the last address that was tried says enough.
            let cause =
                error.connectionErrors.last.map { "\($0.error)" } ?? error.dnsAError.map { "\($0)" } ?? "\(error)"
            throw .cannotConnect(host: host, port: port, cause: cause)
        } catch {
            throw .cannotConnect(host: host, port: port, cause: "\(error)")
        }
    }

    /// The address that we are reached at.
    public var localAddress: NetworkAddress { NetworkAddress(channel.localAddress) }
    /// The server's address.
    public var remoteAddress: NetworkAddress { NetworkAddress(channel.remoteAddress) }

    /// The association group that the server named in its answer to the first bind; zero before.
    public var group: UInt32 {
        get async throws {
            try await channel.eventLoop.submit { [connection] in connection.value.group }.get()
        }
    }

    /// Negotiates an interface, and authenticates if asked to. A connection does so one at a time; others wait for their turn.
    ///
    /// - Parameters:
    ///   - interface: the interface's identifier.
    ///   - transferSyntaxes: the transfer syntaxes that the server may choose from, in the order in which they are named to it:
    ///     NDR 2.0 before NDR64, as Windows has it, unless told. Objects are to be called in NDR 2.0 ([MS-DCOM] 2.1).
    ///   - security: who to authenticate as; nil to use the first security context of this connection, if there is one.
    ///   - level: how to protect the calls; only with `security`.
    /// - Throws: ``RPCClientError``.
    public func bind(
        _ interface: SyntaxIdentifier, transferSyntaxes: [TransferSyntax] = [.ndr20, .ndr64],
        security: (any SecurityInitiator)? = nil, level: AuthenticationLevel = .packetPrivacy
    ) async throws -> BoundInterface {
        var offer: ClientAssociation.SecurityOffer?
        if let security {
            do throws(SecurityError) {
                guard case .continueNeeded(let token) = try await security.initiate(nil) else {
                    throw .unexpectedToken("the exchange ended before it began")
                }
                offer = .init(type: security.authenticationType, level: level, token: token)
            } catch {
                throw RPCClientError.security(error)
            }
        }
        let reusing = security == nil ? defaultSecurityID.withLock { $0 } : nil
        let negotiated = try await withCheckedThrowingContinuation { continuation in
            channel.eventLoop.execute { [connection, offer] in
                connection.value.negotiate(
                    interface, transferSyntaxes, offer: offer, initiator: security, reusing: reusing, continuation)
            }
        }
        if let id = negotiated.securityID { defaultSecurityID.withLock { $0 = $0 ?? id } }
        return BoundInterface(client: self, context: negotiated, object: nil)
    }

    /// Closes the connection; calls in flight fail with ``RPCClientError/closed``.
    public func close() async {
        // It may be closed already, which is as good.
        try? await channel.close()
    }

    fileprivate func call(
        _ context: NegotiatedContext, opnum: UInt16, object: GUID?, stub: [UInt8]
    ) async throws -> CallAnswer {
        let ticket = nextTicket.wrappingAdd(1, ordering: .relaxed).oldValue
        let eventLoop = channel.eventLoop
        let connection = connection
        return try await withTaskCancellationHandler {
            defer { if Task.isCancelled { eventLoop.execute { connection.value.forget(ticket) } } }
            return try await withCheckedThrowingContinuation { continuation in
                eventLoop.execute {
                    connection.value.call(
                        context, opnum: opnum, object: object, stub: stub, ticket: ticket, continuation)
                }
            }
        } onCancel: {
            eventLoop.execute { connection.value.cancel(ticket) }
        }
    }
}

/// An interface of a server, ready to be called.
public struct BoundInterface: RPCCaller {
    /// The connection.
    public let client: RPCClient
    private let context: NegotiatedContext
    private let object: GUID?

    fileprivate init(client: RPCClient, context: NegotiatedContext, object: GUID?) {
        self.client = client
        self.context = context
        self.object = object
    }

    /// How the stubs of its calls are laid out: the transfer syntax that the server has chosen.
    public var transferSyntax: TransferSyntax { context.transferSyntax }

    /// The same, with calls that name an object: in DCOM, the IPID.
    public func withObject(_ object: GUID) -> BoundInterface {
        BoundInterface(client: client, context: context, object: object)
    }

    /// Makes one call; see ``RPCCaller``.
    public func call<Response: Sendable>(
        opnum: UInt16, encode: @Sendable (inout NDREncoder) throws -> Void,
        decode: @Sendable (inout NDRDecoder) throws -> Response
    ) async throws -> Response {
        var encoder = NDREncoder(syntax: context.transferSyntax)
        try encode(&encoder)
        let answer = try await client.call(context, opnum: opnum, object: object, stub: encoder.bytes)
        var decoder = NDRDecoder(
            answer.stub, representation: answer.representation, syntax: context.transferSyntax)
        return try decode(&decoder)
    }
}
