import NIOCore

/// Stops accepting connections while there are as many as allowed; the next ones wait in the kernel's backlog.
final class AcceptLimiter: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = any Channel

    private let limit: Int
    private var count = 0
    private var isReadHeld = false

    init(limit: Int) {
        self.limit = limit
    }

    func read(context: ChannelHandlerContext) {
        if count < limit { context.read() } else { isReadHeld = true }
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
        guard isReadHeld, context.channel.isActive else { return }
        isReadHeld = false
        context.read()
    }
}
