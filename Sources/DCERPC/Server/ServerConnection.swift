import Logging
import NDR
import NIOCore
import Security

/// Feeds one connection's ``Association`` and does what it wants done. No decision about the protocol is made here.
final class ServerConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Asks a connection to finish its calls and close.
    struct Drain: Sendable {}

    /// What is known once the connection is active. An object, because every step takes it in hand.
    private final class Active {
        let context: ChannelHandlerContext
        let number: UInt64
        let localAddress: NetworkAddress
        let remoteAddress: NetworkAddress

        init(_ context: ChannelHandlerContext, number: UInt64) {
            self.context = context
            self.number = number
            localAddress = NetworkAddress(context.channel.localAddress)
            remoteAddress = NetworkAddress(context.channel.remoteAddress)
        }
    }

    /// A call that a task works on.
    private enum RunningCall {
        /// The task is on its first steps, on this thread.
        case starting
        case task(Task<Void, Never>)

        func cancel() {
            if case .task(let task) = self { task.cancel() }
        }
    }

    private let endpoint: Endpoint
    private let executor: EventLoopTaskExecutor
    private var association: Association
    private var active: Active?
    private var acceptors: [UInt32: any SecurityAcceptor] = [:]
    /// By the calls' serial numbers: an orphaned call's identifier may be in use again.
    private var running: [UInt64: RunningCall] = [:]
    private var serials: [UInt32: UInt64] = [:]
    private var reported = AssociationStatistics()

    /// What is to be done as soon as what is being done has been done: the order of output is the order of its making.
    private var pendingActions: [AssociationAction] = []
    private var isPerforming = false
    private var isReading = false
    private var isReadHeld = false
    private var isFlushHeld = false
    private var isClosing = false
    private var isLongRequestWatched = false
    private var lastActivity = NIODeadline.now()
    private var outgoing = OutgoingPDUs()

    init(endpoint: Endpoint, executor: EventLoopTaskExecutor, channel: any Channel) {
        self.endpoint = endpoint
        self.executor = executor
        association = Association(
            secondaryAddress: (channel.localAddress?.port).map(String.init) ?? "",
            environment: ConnectionEnvironment(endpoint: endpoint, client: channel.remoteAddress?.ipAddress ?? ""),
            limits: endpoint.limits.association)
    }

    // MARK: The connection's life

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        guard let number = endpoint.add(channel) else {
            endpoint.logger.debug("refused: too many connections of one address")
            isClosing = true
            return context.close(promise: nil)
        }
        active = Active(context, number: number)
        log(.debug, "connected")
        watchUnauthenticated(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let group = association.group
        reportStatistics()
        association.connectionClosed()
        for call in running.values { call.cancel() }
        running = [:]
        serials = [:]
        acceptors = [:]
        if let active {
            log(.debug, "disconnected")
            endpoint.remove(active.number)
            endpoint.budget.forget(active.number)
        }
        active = nil
        endpoint.leaveGroup(group)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        log(.debug, "connection failed", cause: error)
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is Drain {
            perform(association.drain())
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// Closes the connection if it is silent for too long before anybody authenticated himself.
    private func watchUnauthenticated(_ context: ChannelHandlerContext) {
        let allowed = TimeAmount(endpoint.limits.unauthenticatedTime)
        context.eventLoop.assumeIsolated().scheduleTask(deadline: lastActivity + allowed) { [weak self] in
            guard let self, let active, !association.isAuthenticated else { return }
            let isSilent = lastActivity + allowed <= .now()
            // A call in flight is not silence, but only a bind entitles to calls.
            guard !association.isBound || (isSilent && !association.hasCalls) else {
                if association.hasCalls { lastActivity = .now() }
                return watchUnauthenticated(active.context)
            }
            log(.debug, "closed: not authenticated in time")
            active.context.close(promise: nil)
        }
    }

    /// Closes the connection if a long request stops coming: its place is one of few.
    private func watchLongRequest(_ context: ChannelHandlerContext) {
        guard association.isReceivingLongRequest, !isLongRequestWatched else { return }
        isLongRequestWatched = true
        let allowed = TimeAmount(endpoint.limits.longRequestSilence)
        context.eventLoop.assumeIsolated().scheduleTask(deadline: lastActivity + allowed) { [weak self] in
            guard let self, let active else { return }
            isLongRequestWatched = false
            guard association.isReceivingLongRequest else { return }
            // What we do not read is no silence of the client's.
            if isReadHeld || association.isPaused { lastActivity = .now() }
            guard lastActivity + allowed <= .now() else { return watchLongRequest(active.context) }
            log(.notice, "closed: the rest of a long request did not come")
            active.context.close(promise: nil)
        }
    }

    /// Tells the log. A logger with this connection's metadata would take a kilobyte of each connection, for lines that are
    /// hardly ever written.
    private func log(_ level: Logger.Level, _ message: Logger.Message, cause: @autoclosure () -> Any? = nil) {
        guard endpoint.logger.logLevel <= level else { return }
        var metadata: Logger.Metadata = [:]
        if let active {
            metadata["rpc.association"] = "\(active.number)"
            metadata["rpc.client"] = "\(active.remoteAddress)"
        }
        if let cause = cause() { metadata["rpc.cause"] = "\(cause)" }
        endpoint.logger.log(level: level, message, metadata: metadata)
    }

    // MARK: Octets

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        var buffer = unwrapInboundIn(data)
        isReading = true
        lastActivity = .now()
        guard let octets = buffer.readBytes(length: buffer.readableBytes) else { return }
        holdIfNeeded(context)
        perform(association.receive(octets))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flushIfHeld()
        reportStatistics()
        context.fireChannelReadComplete()
    }

    /// Reading waits while a token is with its acceptor, while the calls in flight, this connection's or all, have as many
    /// octets as they may, and while the client does not take its answers.
    func read(context: ChannelHandlerContext) {
        holdIfNeeded(context)
        if association.isPaused || !context.channel.isWritable {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        resumeReading(context)
        context.fireChannelWritabilityChanged()
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        guard isReadHeld, !association.isPaused, context.channel.isWritable else { return }
        isReadHeld = false
        context.read()
    }

    /// Holds the association while the server's budget is used up.
    private func holdIfNeeded(_ context: ChannelHandlerContext) {
        guard endpoint.budget.isUsedUp, let active else { return }
        let connection = NIOLoopBound(self, eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        if endpoint.budget.mustWait(active.number, { eventLoop.execute { connection.value.proceed() } }) {
            association.hold()
        }
    }

    private func proceed() {
        perform(association.proceed())
        if let active { resumeReading(active.context) }
    }

    private func flushIfHeld() {
        guard isFlushHeld, let active else { return }
        flush(active.context)
    }

    private func flush(_ context: ChannelHandlerContext) {
        isFlushHeld = false
        outgoing.finish { context.write(wrapOutboundOut($0), promise: nil) }
        context.flush()
    }

    private func reportStatistics() {
        endpoint.statistics.add(association.statistics, since: reported)
        reported = association.statistics
    }

    // MARK: Actions

    /// Does what the association wants. A call that is answered at once makes it want more in the middle of that, which waits
    /// for its turn.
    private func perform(_ actions: [AssociationAction]) {
        guard !isPerforming else { return pendingActions.append(contentsOf: actions) }
        isPerforming = true
        var batch = actions
        while let active, !batch.isEmpty {
            for action in batch { perform(action, active) }
            batch = pendingActions
            pendingActions = []
        }
        isPerforming = false
        guard let active, !isClosing else { return }
        if !isReading { flushIfHeld() }
        // It may have begun with octets read earlier, which waited for an acceptor or for the end of a call.
        watchLongRequest(active.context)
    }

    private func perform(_ action: AssociationAction, _ active: Active) {
        switch action {
        case .send(let pdu):
            isFlushHeld = true
            outgoing.append(pdu) { active.context.write(wrapOutboundOut($0), promise: nil) }
        case .dispatch(let call):
            start(call, active)
        case .authenticate(let contextID, let type, let token):
            authenticate(contextID, type, token, active)
        case .cancel(let callID):
            if let serial = serials[callID] { running[serial]?.cancel() }
        case .abandon(let callID, let serial):
            serials[callID] = nil
            running[serial]?.cancel()
        case .close(let reason):
            log(.debug, "closed", cause: reason)
            closeAfterOutput(active)
        }
    }

    /// Closes so that what was sent arrives: were the socket closed while octets wait to be read, the system would reset the
    /// connection, and the client might never see the fault that tells it why. So our side is closed, and what still
    /// comes is thrown away, for a while.
    private func closeAfterOutput(_ active: Active) {
        isClosing = true
        flush(active.context)
        active.context.close(mode: .output, promise: nil)
        active.context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingerTime) { [weak self] in
            self?.active?.context.close(promise: nil)
        }
    }

    private static let lingerTime = TimeAmount.seconds(1)

    private func start(_ call: IncomingCall, _ active: Active) {
        guard let service = endpoint.service(for: call.interface) else {
            return answer(call.callID, call.serial, .fault(.unknownInterface))
        }
        let context = CallContext(
            identity: call.identity, authenticationLevel: call.authenticationLevel,
            authenticationType: call.authenticationType, associationGroup: association.group,
            association: active.number, localAddress: active.localAddress, remoteAddress: active.remoteAddress,
            object: call.object, interface: call.interface, contextID: call.contextID, callID: call.callID)
        if let outcome = CallRunner.runAtOnce(call, by: service, context: context, logger: endpoint.logger) {
            call.place?.release()
            return answer(call.callID, call.serial, outcome)
        }
        let serial = call.serial
        let octets = call.stub.count
        let budget = endpoint.budget
        budget.take(octets)
        let connection = NIOLoopBound(self, eventLoop: active.context.eventLoop)
        let eventLoop = active.context.eventLoop
        // The task is this connection's: it is cancelled when the connection closes, and one by one on the client's wish,
        // which a child task of a group could not be. It begins here and now: a call that does not wait for anything has
        // its answer when this returns.
        serials[call.callID] = serial
        running[serial] = .starting
        let task = Task.immediate(executorPreference: executor) { [endpoint] in
            let outcome = await CallRunner.run(call, by: service, context: context, logger: endpoint.logger)
            // Whatever has become of the connection; and before the client hears, who may have the next one ready.
            call.place?.release()
            budget.giveBack(octets)
            eventLoop.runSoon { connection.value.finish(call.callID, serial, outcome) }
        }
        if running[serial] != nil { running[serial] = .task(task) }
    }

    private func finish(_ callID: UInt32, _ serial: UInt64, _ outcome: CallRunner.Outcome) {
        guard running.removeValue(forKey: serial) != nil else { return }
        if serials[callID] == serial { serials[callID] = nil }
        answer(callID, serial, outcome)
        if let active { resumeReading(active.context) }
    }

    private func answer(_ callID: UInt32, _ serial: UInt64, _ outcome: CallRunner.Outcome) {
        // Orphaned, though that may not have been performed yet: the answer is nobody's, least of all the call's that has the
        // identifier now.
        guard association.awaits(callID, serial: serial) else { return perform(association.ended(serial)) }
        switch outcome {
        case .reply(let stub): perform(association.reply(to: callID, stub: stub))
        case .fault(let fault): perform(association.fail(callID, with: fault))
        }
    }

    private func authenticate(
        _ contextID: UInt32, _ type: AuthenticationType, _ token: [UInt8], _ active: Active
    ) {
        guard let acceptor = acceptors[contextID] ?? makeAcceptor(type, active) else {
            return perform(association.authenticated(contextID, result: .refused))
        }
        acceptors[contextID] = acceptor
        let connection = NIOLoopBound(self, eventLoop: active.context.eventLoop)
        let eventLoop = active.context.eventLoop
        Task(executorPreference: executor) {
            do throws(SecurityError) {
                let step = try await acceptor.accept(token)
                eventLoop.runSoon { connection.value.authenticated(contextID, .step(step)) }
            } catch {
                eventLoop.runSoon { connection.value.refused(contextID, error) }
            }
        }
    }

    private func makeAcceptor(_ type: AuthenticationType, _ active: Active) -> (any SecurityAcceptor)? {
        endpoint.providers[type]?.makeAcceptor(
            for: SecurityPeer(address: active.remoteAddress.ip, localAddress: active.localAddress.ip))
    }

    private func refused(_ contextID: UInt32, _ error: SecurityError) {
        log(.info, "authentication refused", cause: error)
        authenticated(contextID, .refused)
    }

    private func authenticated(_ contextID: UInt32, _ result: TokenResult) {
        guard let active else { return }
        let actions = association.authenticated(contextID, result: result)
        // An acceptor whose exchange is over is of no use any more. The association knows when that is: an auth3 has the last
        // token, whatever the acceptor still waits for.
        if !association.isNegotiating(contextID) { acceptors[contextID] = nil }
        perform(actions)
        if association.isAuthenticated { endpoint.authenticated(active.number) }
        if self.active != nil { resumeReading(active.context) }
    }
}

extension EventLoop {
    /// Runs `body` on the loop: now if this is its thread, otherwise as soon as it comes to it.
    @inline(__always)
    func runSoon(_ body: @escaping @Sendable () -> Void) {
        if inEventLoop { body() } else { execute(body) }
    }
}

extension NetworkAddress {
    /// The address of a socket; empty if it has none.
    init(_ address: SocketAddress?) {
        self.init(ip: address?.ipAddress ?? "", port: UInt16(truncatingIfNeeded: address?.port ?? 0))
    }
}
