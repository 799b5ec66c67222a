import Logging
import NIOCore

/// Stops accepting connections while there are as many as allowed, and for a while when the system has no descriptor left for
/// another; the next ones wait in the kernel's backlog.
final class AcceptLimiter: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = any Channel

    private let limit: Int
    private let pause: TimeAmount
    private let logger: Logger
    private var count = 0
    private var isReadHeld = false
    private var isPaused = false

    init(limit: Int, pause: TimeAmount = .seconds(1), logger: Logger) {
        self.limit = limit
        self.pause = pause
        self.logger = logger
    }

    func read(context: ChannelHandlerContext) {
        if count < limit, !isPaused { context.read() } else { isReadHeld = true }
    }

    /// The connection that could not be accepted stays in the backlog, and the kernel would report it again at once. To hold back
    /// the next read is not enough: the one that failed is still pending, until automatic reading is switched off.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isPaused {
            isPaused = true
            setReading(false, context)
            logger.warning(
                "cannot accept connections", metadata: ["rpc.cause": "\(error)", "rpc.connections": "\(count)"])
            let limiter = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: pause) {
                let (limiter, context) = limiter.value
                limiter.endPause(context)
            }
        }
        context.fireErrorCaught(error)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        count += 1
        let limiter = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        unwrapInboundIn(data).closeFuture.whenComplete { _ in
            eventLoop.runSoon {
                let (limiter, context) = limiter.value
                limiter.connectionClosed(context)
            }
        }
        context.fireChannelRead(data)
    }

    private func connectionClosed(_ context: ChannelHandlerContext) {
        count -= 1
        readIfHeld(context)
    }

    /// Only time ends a pause: the descriptor that a closed connection gives back may be somebody else's by now.
    private func endPause(_ context: ChannelHandlerContext) {
        isPaused = false
        // Switching it on reads, by way of our `read`.
        setReading(true, context)
        readIfHeld(context)
    }

    private func readIfHeld(_ context: ChannelHandlerContext) {
        guard isReadHeld, !isPaused, count < limit, context.channel.isActive else { return }
        isReadHeld = false
        context.read()
    }

    private func setReading(_ isAutomatic: Bool, _ context: ChannelHandlerContext) {
        do {
            try context.channel.syncOptions?.setOption(.autoRead, value: isAutomatic)
        } catch {
            // It fails for a channel that is closed, which reads nothing any more.
            logger.debug("listening has ended", metadata: ["rpc.cause": "\(error)"])
        }
    }
}
