import NDR
import NIOCore
import Security
import Synchronization
import Testing

@testable import DCERPC

/// Requests of more than ``AssociationLimits/maximumRequest``, which administrators may send a few of at a time.
@Suite struct LongRequestTests {
    private static let limits = AssociationLimits(
        maximumRequest: 100, maximumAdministratorRequest: 200, maximumUnauthenticatedRequest: 50)

    /// A client with a security context of its own, on a connection to a server with these places.
    private struct Peer {
        var association: Association
        let security: MessageSecurity?
        private var lastCall: UInt32 = 1

        init(
            places: LongRequestPlaces = LongRequestPlaces(1), isAdministrator: Bool = true,
            level: AuthenticationLevel = .packetPrivacy
        ) {
            let context = TestSecurityContext(isAdministrator: isAdministrator)
            association = Association.secured(
                context, level: level.rawValue, limits: LongRequestTests.limits,
                environment: TestEnvironment(longRequests: places))
            // The context of the other end: the numbers of both directions begin at zero.
            security = level > .connect ? Client.security(TestSecurityContext(), level: level) : nil
        }

        /// Sends one request in fragments of these lengths, and tells what came of each.
        mutating func send(_ lengths: [Int], hint: Int = 0) throws -> [[Seen]] {
            lastCall += 1
            return try lengths.indices.map { index in
                var flags = PDUFlags()
                if index == 0 { flags.insert(.firstFragment) }
                if index == lengths.count - 1 { flags.insert(.lastFragment) }
                return try fragment(lengths[index], flags, hint: hint)
            }
        }

        mutating func begin(_ length: Int, hint: Int = 0) throws -> [Seen] {
            lastCall += 1
            return try fragment(length, .firstFragment, hint: hint)
        }

        mutating func fragment(_ length: Int, _ flags: PDUFlags, hint: Int = 0) throws -> [Seen] {
            try association.see(
                Client.request(
                    callID: lastCall, stub: [UInt8](repeating: 7, count: length), flags: flags, hint: UInt32(hint),
                    security: security))
        }

        func dispatched(_ length: Int) -> Seen {
            .dispatch(callID: lastCall, opnum: 0, stub: [UInt8](repeating: 7, count: length))
        }

        func refused(_ fault: RPCFault, notExecuted: Bool = false) -> Seen {
            .fault(fault, callID: lastCall, contextID: 1, notExecuted: notExecuted)
        }
    }

    @Test func administratorsMaySendMore() throws {
        var peer = Peer()
        #expect(try peer.send([100, 100]) == [[], [peer.dispatched(200)]])
        #expect(try peer.send([100, 101]) == [[], [peer.refused(.accessDenied), .close]])
    }

    @Test func theHintCountsAsTheLength() throws {
        var peer = Peer()
        #expect(try peer.send([1, 1], hint: 200) == [[], [peer.dispatched(2)]])
        #expect(try peer.begin(1, hint: 201) == [peer.refused(.accessDenied), .close])
    }

    @Test func othersMayNot() throws {
        var user = Peer(isAdministrator: false)
        #expect(try user.send([50, 50]) == [[], [user.dispatched(100)]])
        #expect(try user.send([50, 51]) == [[], [user.refused(.accessDenied), .close]])
        // Who signs nothing could be anybody who sits on the line.
        var unsigned = Peer(level: .connect)
        #expect(try unsigned.send([50, 50]) == [[], [unsigned.dispatched(100)]])
        #expect(try unsigned.send([50, 51]) == [[], [unsigned.refused(.accessDenied), .close]])
    }

    @Test(arguments: [0, 101]) func areFewAtATime(hint: Int) throws {
        let places = LongRequestPlaces(1)
        var first = Peer(places: places)
        var second = Peer(places: places)
        #expect(try first.begin(60, hint: hint) == [])
        #expect(try first.fragment(60, []) == [])
        // What is not long goes on, and so does the connection after a refusal, whose further fragments are dropped.
        #expect(try second.send([60, 40]) == [[], [second.dispatched(100)]])
        let refusals = try second.send([60, 41, 1], hint: hint)
        #expect(refusals.flatMap { $0 } == [second.refused(.serverTooBusy, notExecuted: true)])
        #expect(try second.send([60, 40]) == [[], [second.dispatched(100)]])
        // The place is the call's while somebody works on it.
        var call = first.association.receive(
            Client.request(stub: [1], flags: .lastFragment, security: first.security)
        ).first
        guard case .dispatch = call else {
            Issue.record("no call: \(String(describing: call))")
            return
        }
        #expect(try second.send([60, 41]).last == [second.refused(.serverTooBusy, notExecuted: true)])
        call = nil
        #expect(try second.send([60, 41]) == [[], [second.dispatched(101)]])
    }

    @Test func aClosedConnectionKeepsNoPlace() throws {
        let places = LongRequestPlaces(1)
        var first = Peer(places: places)
        #expect(try first.begin(1, hint: 101) == [])
        #expect(first.association.isReceivingLongRequest)
        #expect(places.take() == nil)
        first.association.connectionClosed()
        #expect(places.take() != nil)
    }

    // MARK: A server

    @Test func aServerTakesThemOneAfterTheOther() async throws {
        // A busy machine is not to be taken for a client that has gone silent.
        let limits = RPCServerLimits(maximumLongRequests: 1, longRequestSilence: .seconds(3600))
        try await withServer([EchoService()], limits: limits) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            let stub = [UInt8](repeating: 0xA5, count: limits.association.maximumRequest + 1)
            for _ in 0..<3 {
                let answer = try await echo.raw(0, stub)
                #expect(answer == stub)
            }
            await client.close()
        }
    }

    @Test func aServerDoesNotWaitForTheRest() async throws {
        let limits = RPCServerLimits(
            association: AssociationLimits(maximumRequest: 100), maximumLongRequests: 1,
            longRequestSilence: .milliseconds(20))
        try await withServer([EchoService()], limits: limits) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            // Room for the first of two fragments, and for some of the second.
            try await client.channel.pipeline.addHandler(Cutter(after: 6_000), position: .first)
            await #expect(throws: (any Error).self) {
                _ = try await echo.raw(0, [UInt8](repeating: 0, count: 10_000)).count
            }
            try await client.channel.closeFuture.get()
        }
    }

    /// As above, of a request that was read with a call before it, and begins when that has ended.
    @Test func aServerDoesNotWaitForTheRestOfWhatHadToWait() async throws {
        let limits = RPCServerLimits(
            association: AssociationLimits(maximumRequest: 100, maximumCallOctets: 10), maximumLongRequests: 1,
            longRequestSilence: .milliseconds(20))
        let service = EchoService()
        try await withServer([service], limits: limits) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let echo = try await client.bind(EchoService.syntax, security: try initiator())
            let joiner = Joiner()
            try await client.channel.pipeline.addHandlers([Cutter(after: 6_000), joiner], position: .first)
            let slow = Task { try await echo.raw(2, [UInt8](repeating: 0, count: 10)) }
            for await _ in joiner.holds.stream { break }
            let long = Task { try await echo.raw(0, [UInt8](repeating: 0, count: 10_000)) }
            for await _ in service.waiting.stream { break }
            service.release.continuation.yield()
            await #expect(throws: (any Error).self) { try await long.value }
            _ = await slow.result
            try await client.channel.closeFuture.get()
        }
    }

    /// Keeps the first message back until the second comes, and sends both at once.
    private final class Joiner: ChannelOutboundHandler, Sendable {
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        /// Tells that the first is here.
        let holds = AsyncStream.makeStream(of: Void.self)
        private let first = Mutex<ByteBuffer?>(nil)

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            let octets = unwrapOutboundIn(data)
            defer { holds.continuation.yield() }
            let joined = first.withLock { first -> ByteBuffer? in
                guard var both = first else {
                    first = octets
                    return nil
                }
                both.writeImmutableBuffer(octets)
                first = ByteBuffer()
                return both
            }
            guard let joined else {
                promise?.succeed()
                return
            }
            context.write(wrapOutboundOut(joined), promise: promise)
        }
    }

    /// Lets so many octets through, and no more.
    private final class Cutter: ChannelOutboundHandler, Sendable {
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let room: Mutex<Int>

        init(after room: Int) {
            self.room = Mutex(room)
        }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            var octets = unwrapOutboundIn(data)
            let length = room.withLock { room in
                let length = min(room, octets.readableBytes)
                room -= length
                return length
            }
            guard let passed = octets.readSlice(length: length), passed.readableBytes > 0 else {
                promise?.succeed()
                return
            }
            context.write(wrapOutboundOut(passed), promise: promise)
        }
    }
}
