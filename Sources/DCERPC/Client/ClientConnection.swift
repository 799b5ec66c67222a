import NDR
import NIOCore
import Security

/// Feeds one connection's ``ClientAssociation`` and does what it wants done.
final class ClientConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private struct WaitingNegotiation {
        let syntax: SyntaxIdentifier
        let transferSyntaxes: [TransferSyntax]
        let offer: ClientAssociation.SecurityOffer?
        let initiator: (any SecurityInitiator)?
        let reusing: UInt32?
        let continuation: CheckedContinuation<NegotiatedContext, any Error>
    }

    private var association: ClientAssociation
    private var context: ChannelHandlerContext?
    private var initiator: (any SecurityInitiator)?
    private var negotiation: CheckedContinuation<NegotiatedContext, any Error>?
    /// Those that wait for the one before them: an association makes one at a time.
    private var waitingNegotiations: [WaitingNegotiation] = []
    private var calls: [UInt32: CheckedContinuation<CallAnswer, any Error>] = [:]
    /// The calls of the task that makes them, by a number of its own: a call can be given up before it has an identifier.
    private var callIDs: [UInt64: UInt32] = [:]
    private var tickets: [UInt32: UInt64] = [:]
    private var cancelledTickets: Set<UInt64> = []
    private var isSendingOn = false

    init(group: UInt32, maximumFragment: Int, maximumResponse: Int) {
        association = ClientAssociation(
            group: group, maximumFragment: maximumFragment, maximumResponse: maximumResponse)
    }

    var group: UInt32 { association.group }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        guard let octets = buffer.readBytes(length: buffer.readableBytes) else { return }
        perform(association.receive(octets))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        sendOn()
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        perform(association.connectionClosed())
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Requests

    func negotiate(
        _ syntax: SyntaxIdentifier, _ transferSyntaxes: [TransferSyntax], offer: ClientAssociation.SecurityOffer?,
        initiator: (any SecurityInitiator)?, reusing: UInt32?,
        _ continuation: CheckedContinuation<NegotiatedContext, any Error>
    ) {
        waitingNegotiations.append(
            WaitingNegotiation(
                syntax: syntax, transferSyntaxes: transferSyntaxes, offer: offer, initiator: initiator,
                reusing: reusing, continuation: continuation))
        perform([])
    }

    /// Begins the negotiation that waits longest.
    private func beginNegotiation() {
        let next = waitingNegotiations.removeFirst()
        negotiation = next.continuation
        initiator = next.initiator
        performNow(
            association.negotiate(
                next.syntax, transferSyntaxes: next.transferSyntaxes, security: next.offer, reusing: next.reusing))
    }

    func call(
        _ negotiated: NegotiatedContext, opnum: UInt16, object: GUID?, stub: [UInt8], ticket: UInt64,
        _ continuation: CheckedContinuation<CallAnswer, any Error>
    ) {
        guard cancelledTickets.remove(ticket) == nil else {
            return continuation.resume(throwing: CancellationError())
        }
        let (callID, actions) = association.call(negotiated, opnum: opnum, object: object, stub: stub)
        calls[callID] = continuation
        callIDs[ticket] = callID
        tickets[callID] = ticket
        perform(actions)
    }

    func cancel(_ ticket: UInt64) {
        guard let callID = callIDs.removeValue(forKey: ticket) else {
            cancelledTickets.insert(ticket)
            return
        }
        tickets[callID] = nil
        calls.removeValue(forKey: callID)?.resume(throwing: CancellationError())
        perform(association.abandon(callID))
    }

    /// Forgets a cancel that came after its call had ended.
    func forget(_ ticket: UInt64) {
        cancelledTickets.remove(ticket)
    }

    // MARK: Actions

    /// Does what is wanted. A long request goes out in parts, so that the server has something to do while the next one is sealed.
    private func perform(_ actions: [ClientAssociationAction]) {
        performNow(actions)
        // Where the connection is closed each fails at once, and with it all that wait behind it.
        while !waitingNegotiations.isEmpty, negotiation == nil { beginNegotiation() }
        sendOn()
    }

    /// Goes on with a long request for as long as the socket takes what is made. Made beyond that, it would lie here while this
    /// thread, which alone can hand it to the socket, makes more, and the server waits.
    private func sendOn() {
        // A flush can tell of the socket's having room before it returns.
        guard !isSendingOn else { return }
        isSendingOn = true
        while association.isSending, let context, context.channel.isWritable { performNow(association.sendOn()) }
        isSendingOn = false
    }

    private func performNow(_ actions: [ClientAssociationAction]) {
        var mustFlush = false
        for action in actions {
            switch action {
            case .send(let pdu):
                context?.write(wrapOutboundOut(ByteBuffer(bytes: pdu)), promise: nil)
                mustFlush = true
            case .initiate(let token):
                initiate(token)
            case .negotiated(let result):
                initiator = nil
                let continuation = negotiation
                negotiation = nil
                continuation?.resume(with: result.mapError { $0 as any Error })
            case .complete(let callID, let result):
                if let ticket = tickets.removeValue(forKey: callID) { callIDs[ticket] = nil }
                calls.removeValue(forKey: callID)?.resume(with: result.mapError(\.thrown))
            case .close:
                context?.flush()
                context?.close(promise: nil)
                mustFlush = false
            }
        }
        if mustFlush { context?.flush() }
    }

    private func initiate(_ token: [UInt8]) {
        guard let context, let initiator else { return }
        let eventLoop = context.eventLoop
        let connection = NIOLoopBound(self, eventLoop: eventLoop)
        Task {
            let result: Result<SecurityStep, SecurityError>
            do throws(SecurityError) {
                result = .success(try await initiator.initiate(token))
            } catch {
                result = .failure(error)
            }
            eventLoop.runSoon {
                let connection = connection.value
                connection.perform(connection.association.initiated(result))
            }
        }
    }
}

extension CallFailure {
    /// What ``RPCCaller/call(opnum:encode:decode:)`` throws for it.
    fileprivate var thrown: any Error {
        switch self {
        case .fault(let fault, _): fault
        case .association(let error): error
        }
    }
}
