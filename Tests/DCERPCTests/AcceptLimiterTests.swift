import Logging
import NIOCore
import NIOPosix
import Testing

@testable import DCERPC

/// Who may connect, and what happens when nobody can.
@Suite struct AcceptLimiterTests {
    /// Counts the reads that reach the socket; lives on the channel's loop.
    private final class ReadCounter: ChannelOutboundHandler {
        typealias OutboundIn = any Channel

        var reads = 0

        func read(context: ChannelHandlerContext) {
            reads += 1
        }
    }

    /// A listening socket without descriptors must not be asked again and again: the kernel reports it ready each time.
    @Test func pausesWhenTheSystemHasNoDescriptors() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let listener = try await ServerBootstrap(group: group).serverChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        let (counter, counts, isReading) = try await listener.eventLoop.submit {
            let counter = ReadCounter()
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let limiter = AcceptLimiter(limit: 2, pause: .nanoseconds(1), logger: logger)
            try listener.pipeline.syncOperations.addHandlers([counter, limiter], position: .last)
            var counts: [Int] = []
            listener.read()
            counts.append(counter.reads)
            listener.pipeline.fireErrorCaught(IOError(errnoCode: EMFILE, reason: "accept"))
            for _ in 0..<3 { listener.read() }
            counts.append(counter.reads)
            let isReading = try listener.syncOptions?.getOption(.autoRead)
            return (NIOLoopBound(counter, eventLoop: listener.eventLoop), counts, isReading)
        }.get()
        #expect(counts == [1, 1])
        // The read that failed is pending no more.
        #expect(isReading == false)
        // When the pause is over it asks again, once, though it was told three times.
        var reads = 1
        while reads < 2 {
            reads = try await listener.eventLoop.submit { counter.value.reads }.get()
        }
        #expect(reads == 2)
        #expect(try await listener.getOption(.autoRead).get())
        try await listener.close()
    }

    /// Two strangers at most: the third takes the place of the oldest, and one who has authenticated himself stays.
    @Test func strangersGiveWay() async throws {
        let limits = RPCServerLimits(maximumConnections: 8, maximumUnauthenticatedConnections: 2)
        try await withServer([EchoService()], limits: limits) { _, port in
            let known = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let safe = try await known.bind(EchoService.syntax, security: try initiator())
            #expect(try await safe.raw(0, [1]) == [1])
            var strangers: [BoundInterface] = []
            for _ in 0..<2 {
                let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
                strangers.append(try await client.bind(EchoService.syntax))
            }
            for stranger in strangers { #expect(try await stranger.raw(0, [2]) == [2]) }
            let late = try await RPCClient.connect(host: "127.0.0.1", port: port)
            #expect(try await late.bind(EchoService.syntax).raw(0, [3]) == [3])
            await #expect(throws: (any Error).self) { while true { _ = try await strangers[0].raw(0, [4]) } }
            #expect(try await strangers[1].raw(0, [5]) == [5])
            #expect(try await safe.raw(0, [6]) == [6])
        }
    }

    @Test(arguments: [(1, 1), (2, 2), (4, 3), (1024, 768)])
    func threeQuartersAreForStrangers(maximum: Int, strangers: Int) {
        #expect(RPCServerLimits(maximumConnections: maximum).maximumUnauthenticatedConnections == strangers)
    }
}
