import NDR
import Security

/// What answers the calls on one interface at an endpoint.
public protocol RPCService: Sendable {
    /// The interface it answers.
    var interface: RPCInterface { get }

    /// The transfer syntaxes it is served in, the preferred one first; see ``RPCInterface/transferSyntaxes``.
    var transferSyntaxes: [TransferSyntax] { get }

    /// Decides whether this caller may call, before a single octet of the stub is decoded.
    ///
    /// - Throws: ``RPCFault/accessDenied`` to refuse. Anything else that it throws refuses too, with a neutral status.
    func authorize(_ context: CallContext) throws

    /// Answers one call.
    ///
    /// - Throws: ``RPCFault`` for a fault with that status; `NDRError` for one that says the stub is malformed; anything
    ///   else becomes ``RPCFault/unspecified`` on the wire, and its text goes to the log.
    func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws

    /// Answers one call at once, if that is a matter of microseconds and waits for nothing: it runs on the thread that reads the
    /// connection, and spares the call a task of its own.
    ///
    /// - Returns: whether the call is answered; if not, ``handle(opnum:decoder:encoder:context:)`` is asked, with a decoder
    ///   and an encoder that nobody has touched.
    /// - Throws: as ``handle(opnum:decoder:encoder:context:)`` does.
    func handleAtOnce(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) throws -> Bool

    /// Tells the service that the last connection of an association group has closed, so that the context handles which
    /// belong to it are run down ([MS-RPCE] 3.3.1.4.1 and 3.3.3.7.1).
    func associationGroupEnded(_ group: UInt32) async
}

extension RPCService {
    /// Most services take what suits their interface.
    public var transferSyntaxes: [TransferSyntax] { interface.transferSyntaxes }

    /// Most services have to wait for something, if only for an actor.
    public func handleAtOnce(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) throws -> Bool { false }

    /// Most services keep nothing for an association group.
    public func associationGroupEnded(_ group: UInt32) async {}
}

/// A service made of generated handlers and a rule of who may call them.
public struct HandlerService: RPCService {
    /// The interface it answers.
    public let interface: RPCInterface
    /// The transfer syntaxes it is served in, the preferred one first.
    public let transferSyntaxes: [TransferSyntax]

    private let handlers: [RPCHandler?]
    private let mayCall: @Sendable (CallContext) throws -> Void

    /// Makes a service.
    ///
    /// - Parameters:
    ///   - interface: the interface that the handlers belong to.
    ///   - handlers: one for each operation number; nil where there is no such method on the wire.
    ///   - transferSyntaxes: the transfer syntaxes, the preferred one first; nil for what suits the interface.
    ///   - authorize: who may call; throws ``RPCFault`` to refuse.
    public init(
        interface: RPCInterface, handlers: [RPCHandler?], transferSyntaxes: [TransferSyntax]? = nil,
        authorize: @escaping @Sendable (CallContext) throws -> Void
    ) {
        self.interface = interface
        self.transferSyntaxes = transferSyntaxes ?? interface.transferSyntaxes
        self.handlers = handlers
        mayCall = authorize
    }

    /// Asks the rule that the service was made with.
    public func authorize(_ context: CallContext) throws {
        try mayCall(context)
    }

    /// Passes the call to its handler; a number without one is ``RPCFault/operationRange``.
    public func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws {
        guard Int(opnum) < handlers.count, let handler = handlers[Int(opnum)] else { throw RPCFault.operationRange }
        try await handler(&decoder, &encoder, context)
    }
}
