import ClusterProtocols
import DCERPC
import Logging
import NDR
import NIOCore
import NIOPosix
import Security
import Synchronization
import TestSupport
import Testing

@testable import Replay

/// Calls of captures that are made here, issued to servers that are made here.
@Suite("Issuing calls again")
struct ReplayerTests {
    /// Answers opnum 0 with a context handle, takes it back with 1, and does with 3 what the test wants.
    private final class Cluster: RPCService {
        let interface = clusapi.interface
        let handle = ContextHandle(uuid: .random())
        let name: @Sendable () async throws -> String
        let seen = Mutex<[UInt16]>([])

        init(name: @escaping @Sendable () async throws -> String = { "cluster" }) {
            self.name = name
        }

        func authorize(_ context: CallContext) throws {}

        func handle(
            opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
        ) async throws {
            seen.withLock { $0.append(opnum) }
            switch opnum {
            case 0:
                try clusapi.ApiOpenCluster.Response(returnValue: handle).encode(into: &encoder, for: .init())
            case 1:
                let request = try clusapi.ApiCloseCluster.Request(from: &decoder)
                guard request.Cluster == handle else { throw RPCFault.contextMismatch }
                try clusapi.ApiCloseCluster.Response().encode(into: &encoder, for: request)
            case 3:
                encoder.write(octets: try ReplayerTests.names(try await name()))
            default: throw RPCFault.operationRange
            }
        }
    }

    /// As long as it says in the place of a PDU's length.
    private static let garbage: [UInt8] =
        [UInt8](repeating: 0x55, count: 8) + [64, 0] + [UInt8](repeating: 0x55, count: 54)

    private static func names(_ cluster: String) throws -> [UInt8] {
        var encoder = NDREncoder()
        try clusapi.ApiGetClusterName.Response(ClusterName: WideString(cluster), NodeName: "node").encode(
            into: &encoder, for: .init())
        return encoder.bytes
    }

    // MARK: Captures

    private static func message(_ stub: [UInt8], _ time: Int64) -> CapturedMessage {
        CapturedMessage(
            stub: .plain(stub), representation: .littleEndianASCIIIEEE, fragments: 1, stubLength: stub.count,
            allocationHint: 0, began: CaptureTime(nanoseconds: time), ended: CaptureTime(nanoseconds: time),
            isComplete: true)
    }

    /// An association with one bind at time 0 and these calls: opnum, request, response, and the times of both.
    private static func association(
        _ id: Int, _ calls: [(UInt16, [UInt8], [UInt8], Int64, Int64)]
    ) -> (CapturedAssociation, [CapturedCall]) {
        var association = CapturedAssociation(
            id: id, client: CapturedEndpoint(address: "192.0.2.1", port: 50000),
            server: CapturedEndpoint(address: "192.0.2.2", port: 135), began: CaptureTime(nanoseconds: 0),
            ended: CaptureTime(nanoseconds: 100))
        association.negotiations = [
            CapturedNegotiation(
                isAlteration: false, callID: 1,
                offers: [
                    PresentationContextOffer(
                        id: 0, abstractSyntax: clusapi.interface.syntax, transferSyntaxes: [.ndr20])
                ], authenticationContext: nil, sent: CaptureTime(nanoseconds: 0),
                answer: .accepted([.accepted(.ndr20)]),
                position: 0)
        ]
        let captured = calls.enumerated().map { index, call in
            CapturedCall(
                id: id * 100 + index, association: id, position: index + 1, callID: UInt32(index + 2),
                presentationContext: 0, interface: clusapi.interface.syntax, transferSyntax: .ndr20, opnum: call.0,
                request: message(call.1, call.3), outcome: .response(message(call.2, call.4)))
        }
        return (association, captured)
    }

    private static let capturedHandle = ContextHandle(uuid: "00112233-4455-6677-8899-aabbccddeeff")

    /// Open, ask for the name, close.
    private static func session(_ id: Int = 1) throws -> (CapturedAssociation, [CapturedCall]) {
        var opened = NDREncoder()
        try clusapi.ApiOpenCluster.Response(returnValue: capturedHandle).encode(into: &opened, for: .init())
        var close = NDREncoder()
        let request = clusapi.ApiCloseCluster.Request(Cluster: capturedHandle)
        try request.encode(into: &close)
        var closed = NDREncoder()
        try clusapi.ApiCloseCluster.Response().encode(into: &closed, for: request)
        return association(
            id,
            [
                (0, [], opened.bytes, 1, 2), (3, [], try names("cluster"), 3, 4), (1, close.bytes, closed.bytes, 5, 6),
            ])
    }

    private static func traffic(_ parts: (CapturedAssociation, [CapturedCall])...) -> CapturedTraffic {
        var traffic = CapturedTraffic()
        traffic.associations = parts.map(\.0)
        traffic.calls = parts.flatMap(\.1)
        return traffic
    }

    // MARK: Servers

    private func withServer<Result>(
        _ service: any RPCService, _ body: (UInt16) async throws -> Result
    ) async throws -> Result {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = RPCServer(
            configuration: RPCServerConfiguration(
                endpoints: [RPCEndpoint(host: "127.0.0.1", services: [service])], providers: [],
                principalNames: [:], shutdownTime: .milliseconds(100)), logger: logger)
        let addresses = try await server.start()
        do {
            let result = try await body(addresses[0].port)
            await server.shutdown()
            return result
        } catch {
            await server.shutdown()
            throw error
        }
    }

    private func replay(_ traffic: CapturedTraffic, _ port: UInt16) async -> ReplayReport {
        await Replayer(.init(host: "127.0.0.1", port: port, timeLimit: .seconds(3600))).replay(traffic)
    }

    /// Says something to whoever connects. Not in the initializer, whose future the connection waits for.
    private final class Greeter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let octets: [UInt8]

        init(octets: [UInt8]) { self.octets = octets }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: octets)), promise: nil)
            context.fireChannelActive()
        }
    }

    @Test func theSameServerAnswersTheSame() async throws {
        let service = Cluster()
        let report = try await withServer(service) { port in await replay(Self.traffic(try Self.session()), port) }
        // The handle is another one, and comes back in the request to close it.
        #expect(report.calls.map(\.verdict) == [.allowed, .same, .same])
        #expect(report.negotiations.map(\.verdict) == [.same])
        #expect(report.exitStatus == 0)
        #expect(service.seen.withLock { $0 } == [0, 3, 1])
    }

    @Test func oneChangedAnswerIsReported() async throws {
        let report = try await withServer(Cluster(name: { "another" })) { port in
            await replay(Self.traffic(try Self.session()), port)
        }
        #expect(report.calls.map(\.verdict) == [.allowed, .differs, .same])
        #expect(
            report.calls.flatMap { $0.differences.filter { $0.allowed == nil } }.map(\.path) == [
                "clusapi.ApiGetClusterName.ClusterName"
            ])
        #expect(report.exitStatus == 1)
        #expect(
            report.calls[1].lines(showingAllowed: false) == [
                "call 101 on association 1, clusapi.ApiGetClusterName: differs",
                "  clusapi.ApiGetClusterName.ClusterName: \"cluster\" in the capture, \"another\" now",
            ])
    }

    @Test func aServerThatNeverAnswersHoldsNobodyUp() async throws {
        // The first call never ends, those of other associations do.
        let isFirst = Mutex(true)
        let asked = AsyncStream.makeStream(of: Void.self)
        let service = Cluster(name: {
            if isFirst.withLock({ first in
                defer { first = false }
                return first
            }) {
                asked.continuation.finish()
                try await Task.sleep(for: .seconds(3600))
            }
            return "cluster"
        })
        let silent = Self.association(
            1, [(3, [], try Self.names("cluster"), 1, 2), (3, [], try Self.names("cluster"), 3, 4)])
        let traffic = Self.traffic(silent, try Self.session(2))
        let clock = ManualClock()
        let told = AsyncStream.makeStream(of: Int.self)
        let report = try await withServer(service) { port in
            var options = Replayer.Options(host: "127.0.0.1", port: port, timeLimit: .seconds(3600))
            options.clock = clock
            let replayer = Replayer(options)
            async let replayed = replayer.replay(traffic) { told.continuation.yield($0.id) }
            for await _ in asked.stream {}
            // The other association's first call has its answer: nobody but the silent call waits for the clock.
            for await id in told.stream where id == 200 { break }
            await clock.sleepers(1)
            clock.advance(by: .seconds(3600))
            return await replayed
        }
        #expect(report.calls.map(\.verdict) == [.differs, .differs, .allowed, .same, .same])
        #expect(report.calls[0].detail?.hasPrefix("no answer within") == true)
        #expect(report.calls[1].detail?.hasPrefix("not tried") == true)
        #expect(report.exitStatus == 1)
    }

    @Test func callsAreUnderWayAtTheSameTimeAgain() async throws {
        // Neither answer comes before both requests are there.
        let arrivals = AsyncStream.makeStream(of: Void.self)
        let count = Mutex(0)
        let service = Cluster(name: {
            let isSecond = count.withLock { count in
                count += 1
                return count == 2
            }
            if isSecond {
                arrivals.continuation.finish()
            } else {
                for await _ in arrivals.stream {}
            }
            return "cluster"
        })
        let names = try Self.names("cluster")
        let first = Self.association(1, [(3, [], names, 1, 4)])
        let second = Self.association(2, [(3, [], names, 2, 3)])
        let report = try await withServer(service) { port in await replay(Self.traffic(first, second), port) }
        #expect(report.calls.map(\.verdict) == [.same, .same])
    }

    @Test func garbageIsSaidToBeGarbage() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Greeter(octets: Self.garbage))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(try #require(server.localAddress?.port))
        let report = await replay(Self.traffic(try Self.session()), port)
        try await server.close()
        #expect(report.negotiations.map(\.verdict) == [.differs])
        #expect(report.negotiations.allSatisfy { $0.detail?.contains("no answer within") == false })
        #expect(report.calls.map(\.verdict) == [.differs, .differs, .differs])
        #expect(report.exitStatus == 1)
    }

    /// A bind that was refused in the capture is the same if it is refused again, and not if there is nobody to refuse it.
    @Test func onlyARefusalIsTheSameAsARefusal() async throws {
        var (association, calls) = try Self.session()
        let unknown = SyntaxIdentifier(uuid: "00112233-4455-6677-8899-aabbccddeeff", major: 1, minor: 0)
        association.negotiations = [
            CapturedNegotiation(
                isAlteration: false, callID: 1,
                offers: [PresentationContextOffer(id: 0, abstractSyntax: unknown, transferSyntaxes: [.ndr20])],
                authenticationContext: nil, sent: CaptureTime(nanoseconds: 0),
                answer: .accepted([.rejected(.abstractSyntaxNotSupported)]), position: 0)
        ]
        let fault = CapturedCall.Outcome.fault(.unknownInterface, didNotExecute: true, at: CaptureTime(nanoseconds: 9))
        for index in calls.indices { calls[index].outcome = fault }
        // The second was called on a context that had been agreed on.
        calls[0].transferSyntax = nil
        calls[2].transferSyntax = nil
        let traffic = Self.traffic((association, calls))
        let refused = try await withServer(Cluster()) { port in await replay(traffic, port) }
        #expect(refused.negotiations.map(\.verdict) == [.same])
        #expect(refused.calls.map(\.verdict) == [.same, .differs, .same])
        // Without a server nobody refuses anything.
        let nowhere = Replayer(.init(host: ""))
        let failed = await nowhere.replay(traffic)
        #expect(failed.negotiations.map(\.verdict) == [.differs])
        #expect(failed.calls.map(\.verdict) == [.differs, .differs, .differs])
        association.negotiations[0].answer = .missing
        let unanswered = await nowhere.replay(Self.traffic((association, calls)))
        #expect(unanswered.negotiations.map(\.verdict) == [.notCompared])
    }

    @Test func aServerThatNobodyNamedIsNotCalled() async throws {
        let traffic = Self.traffic(try Self.session())
        var options = Replayer.Options(host: "", hosts: ["192.0.2.9": "127.0.0.1"])
        #expect(options.unnamedServers(of: traffic) == ["192.0.2.2"])
        let service = Cluster()
        let report = try await withServer(service) { [options] port in
            var options = options
            options.port = port
            return await Replayer(options).replay(traffic)
        }
        #expect(report.calls.map(\.verdict) == [.differs, .differs, .differs])
        #expect(report.negotiations.first?.detail == "refused now: no server takes the place of 192.0.2.2")
        #expect(service.seen.withLock { $0 } == [])
        options.rules.skippedAssociations[1] = "another's"
        #expect(options.unnamedServers(of: traffic).isEmpty)
        options = Replayer.Options(host: "", hosts: ["192.0.2.2": "127.0.0.1"])
        #expect(options.unnamedServers(of: traffic).isEmpty)
        #expect(Replayer.Options(host: "127.0.0.1").unnamedServers(of: traffic).isEmpty)
    }

    @Test func whatTheCaptureLacksIsNotIssued() async throws {
        var (association, calls) = try Self.session()
        calls[0].request = nil
        calls[1].request?.stub = .unreadable("no key")
        calls[2].outcome = .missing
        let report = try await withServer(Cluster()) { [association, calls] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(report.calls.map(\.verdict) == [.notReplayed, .notReplayed, .notCompared])
        #expect(report.calls[1].detail == "no key")
        #expect(report.exitStatus == 2)
        association.negotiations = []
        let unbound = try await withServer(Cluster()) { [association] port in
            await replay(Self.traffic((association, try Self.session().1)), port)
        }
        #expect(unbound.calls.map(\.verdict) == [.notReplayed, .notReplayed, .notReplayed])
    }
}
