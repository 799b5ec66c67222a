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
        _ service: any RPCService, _ endpoint: RPCEndpoint = RPCEndpoint(host: "127.0.0.1"),
        _ body: (UInt16) async throws -> Result
    ) async throws -> Result {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = RPCServer(
            configuration: RPCServerConfiguration(
                endpoints: [RPCEndpoint(host: endpoint.host, port: endpoint.port, services: [service])], providers: [],
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
        // Nor is a refusal for another reason.
        association.negotiations[0].answer = .refused(.invalidChecksum)
        let otherwise = try await withServer(Cluster()) { [association, calls] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(otherwise.negotiations.map(\.verdict) == [.differs])
        #expect(otherwise.calls.map(\.verdict) == [.differs, .differs, .differs])
    }

    @Test func aServerThatNobodyNamedIsNotCalled() async throws {
        let traffic = Self.traffic(try Self.session())
        var options = Replayer.Options(host: "", hosts: ["192.0.2.9": "127.0.0.1"])
        #expect(options.unnamedServers(of: traffic) == ["192.0.2.2"])
        #expect(options.strangers(to: traffic) == ["192.0.2.9"])
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
        #expect(options.strangers(to: traffic).isEmpty)
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

    @Test func halfAnAnswerIsNotCompared() async throws {
        let (association, original) = try Self.session()
        var calls = original
        var half = Self.message(try Self.names("another"), 4)
        half.isComplete = false
        calls[1].outcome = .response(half)
        let report = try await withServer(Cluster()) { [calls] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(report.calls.map(\.verdict) == [.allowed, .notCompared, .same])
        #expect(report.exitStatus == 0)
    }

    /// The same as what? Nothing.
    @Test func aCaptureWithoutAnswersHasNothingThatIsTheSame() async throws {
        var (association, calls) = try Self.session()
        for index in calls.indices { calls[index].outcome = .missing }
        let report = try await withServer(Cluster()) { [association, calls] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(report.calls.map(\.verdict) == [.notCompared, .notCompared, .notCompared])
        #expect(report.exitStatus == 2)
        association.negotiations = []
        calls = []
        #expect(await replay(Self.traffic((association, calls)), 1).exitStatus == 2)
    }

    /// Numbers that are big endian cannot be turned round where nobody knows which octets are numbers.
    @Test func whatIsBigEndianAndNotUnderstoodIsNotIssued() async throws {
        let (association, original) = try Self.session()
        var calls = original
        func bigEndian(_ stub: [UInt8]) -> CapturedMessage {
            CapturedMessage(
                stub: .plain(stub),
                representation: .bigEndianASCIIIEEE, fragments: 1, stubLength: stub.count, allocationHint: 0,
                began: CaptureTime(nanoseconds: 3),
                ended: CaptureTime(nanoseconds: 3), isComplete: true)
        }
        calls[0].request = bigEndian([])
        calls[1] = CapturedCall(
            id: 101, association: 1, position: 2, callID: 3, presentationContext: 0,
            interface: clusapi.interface.syntax, transferSyntax: .ndr20, opnum: 1000, request: bigEndian([0, 0, 0, 1]),
            outcome: .fault(.operationRange, didNotExecute: true, at: CaptureTime(nanoseconds: 4)))
        let service = Cluster()
        let report = try await withServer(service) { [calls] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(report.calls.map(\.verdict) == [.allowed, .notReplayed, .same])
        #expect(service.seen.withLock { $0 } == [0, 1])
    }

    // MARK: Binds

    /// A client offers an interface in each transfer syntax by itself, and the server takes one ([MS-RPCE] 3.3.1.5.6).
    @Test func theTransferSyntaxThatWasNotChosenIsNoDifference() async throws {
        let (original, calls) = try Self.session()
        var association = original
        association.negotiations = [
            CapturedNegotiation(
                isAlteration: false, callID: 1,
                offers: [
                    PresentationContextOffer(
                        id: 1, abstractSyntax: clusapi.interface.syntax,
                        transferSyntaxes: [TransferSyntax.ndr64.identifier]),
                    PresentationContextOffer(
                        id: 0, abstractSyntax: clusapi.interface.syntax, transferSyntaxes: [.ndr20]),
                ], authenticationContext: nil, sent: CaptureTime(nanoseconds: 0),
                answer: .accepted([.rejected(.transferSyntaxesNotSupported), .accepted(.ndr20)]), position: 0)
        ]
        let report = try await withServer(Cluster()) { [association] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(report.negotiations.map(\.verdict) == [.same])
        #expect(report.calls.map(\.verdict) == [.allowed, .same, .same])
        #expect(report.exitStatus == 0)
    }

    /// What a server refuses does not keep it from accepting something else, in the same bind or in a later one.
    @Test(arguments: [[.refused, .refused, .accepted], [.refused, .accepted, .refused]] as [[Offered]])
    func refusalsBesideWhatIsAccepted(_ offered: [Offered]) async throws {
        let (original, calls) = try Self.session()
        var association = original
        var unknown: UInt8 = 0
        association.negotiations = [
            CapturedNegotiation(
                isAlteration: false, callID: 1,
                offers: offered.map { offer in
                    unknown += 1
                    return PresentationContextOffer(
                        id: offer == .accepted ? 0 : UInt16(unknown),
                        abstractSyntax: offer == .accepted
                            ? clusapi.interface.syntax : SyntaxIdentifier(uuid: .random(), major: 1, minor: 0),
                        transferSyntaxes: [.ndr20])
                }, authenticationContext: nil, sent: CaptureTime(nanoseconds: 0),
                answer: .accepted(
                    offered.map { $0 == .accepted ? .accepted(.ndr20) : .rejected(.abstractSyntaxNotSupported) }),
                position: 0)
        ]
        let together = try await withServer(Cluster()) { [association] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(together.negotiations.map(\.verdict) == [.same, .same, .same])
        #expect(together.exitStatus == 0)
        // The same, one by one.
        let whole = association.negotiations[0]
        association.negotiations = offered.indices.map { index in
            CapturedNegotiation(
                isAlteration: index > 0, callID: UInt32(index + 1), offers: [whole.offers[index]],
                authenticationContext: nil, sent: CaptureTime(nanoseconds: 0),
                answer: .accepted([
                    offered[index] == .accepted ? .accepted(.ndr20) : .rejected(.abstractSyntaxNotSupported)
                ]), position: index - 5)
        }
        let apart = try await withServer(Cluster()) { [association] port in
            await replay(Self.traffic((association, calls)), port)
        }
        #expect(apart.negotiations.map(\.verdict) == [.same, .same, .same])
        #expect(apart.exitStatus == 0)
    }

    enum Offered: Sendable {
        case accepted, refused
    }

    /// An alter_context that repeats a presentation context for another security context is made again, and what was called under
    /// that is not called without it.
    @Test func everySecurityContextIsMade() async throws {
        struct Stop: Error {}
        let (original, captured) = try Self.session()
        var (association, calls) = (original, captured)
        association.authentications = [
            CapturedAuthentication(contextID: 7, provider: .ntlm, mechanism: .ntlm, level: 6, access: .open)
        ]
        association.negotiations.append(
            CapturedNegotiation(
                isAlteration: true, callID: 2, offers: original.negotiations[0].offers, authenticationContext: 7,
                sent: CaptureTime(nanoseconds: 0), answer: .accepted([.accepted(.ndr20)]), position: 1))
        calls[1].protection = .init(contextID: 7, provider: .ntlm, level: 6)
        let asked = Mutex(0)
        let service = Cluster()
        let report = try await withServer(service) { [association, calls] port in
            await Replayer(
                .init(host: "127.0.0.1", port: port, timeLimit: .seconds(3600)) { _, _ in
                    asked.withLock { $0 += 1 }
                    throw Stop()
                }
            ).replay(Self.traffic((association, calls)))
        }
        #expect(asked.withLock { $0 } == 1)
        #expect(report.negotiations.map(\.verdict) == [.same, .differs])
        #expect(report.calls.map(\.verdict) == [.allowed, .differs, .same])
        #expect(service.seen.withLock { $0 } == [0, 1])

        // A security context that the capture has no negotiation for is none to call under.
        calls[1].protection = .init(contextID: 8, provider: .ntlm, level: 6)
        let unknown = try await withServer(service) { [calls] port in
            await Replayer(.init(host: "127.0.0.1", port: port, timeLimit: .seconds(3600)) { _, _ in throw Stop() })
                .replay(Self.traffic((original, calls)))
        }
        #expect(unknown.calls.map(\.verdict) == [.allowed, .notReplayed, .same])
    }

    // MARK: Connections

    /// Each session is over before the next one begins, on the server as well.
    @Test func connectionsEndWhenTheyDidInTheCapture() async throws {
        var traffic = CapturedTraffic()
        for id in 1...6 {
            var (association, calls) = try Self.session(id)
            let start = Int64(id) * 10
            association.closed = CaptureTime(nanoseconds: start + 8)
            // The server gives each session's group the same number once more.
            association.group = 5
            association.negotiations[0] = CapturedNegotiation(
                isAlteration: false, callID: 1, offers: association.negotiations[0].offers, authenticationContext: nil,
                sent: CaptureTime(nanoseconds: start), answer: association.negotiations[0].answer, position: 0)
            for (index, call) in calls.enumerated() {
                let time = start + 1 + Int64(index) * 2
                calls[index].request = Self.message(call.request?.stub.octets ?? [], time)
                calls[index].outcome = .response(Self.message(call.response?.stub.octets ?? [], time + 1))
            }
            traffic.associations.append(association)
            traffic.calls += calls
        }
        let steps = ReplaySchedule(traffic).steps
        #expect(steps.map(\.association) == (1...6).flatMap { Array(repeating: $0, count: 5) })
        let report = try await withServer(Cluster()) { [traffic] port in await replay(traffic, port) }
        #expect(report.negotiations.map(\.verdict) == Array(repeating: .same, count: 6))
        #expect(report.calls.allSatisfy { $0.verdict != .differs })
        #expect(report.exitStatus == 0)
    }

    /// A connection is not closed in front of what was done on it, whatever the packets' times.
    @Test func anEndIsTheEnd() throws {
        var (association, calls) = try Self.session()
        association.closed = CaptureTime(nanoseconds: 2)
        let steps = ReplaySchedule(Self.traffic((association, calls))).steps
        #expect(steps.map(\.isAlone) == [true, false, false, false, true])
        calls = []
        association.negotiations = []
        #expect(ReplaySchedule(Self.traffic((association, calls))).steps.count == 1)
    }

    /// A server that is called at two addresses named its port at one of them; two servers behind one name do not share ports.
    @Test func aPortIsTheServersWhateverAddressItWasCalledAt() async {
        let calls = Self.association(1, [])
        let other = CapturedAssociation(
            id: 2, client: calls.0.client, server: CapturedEndpoint(address: "198.51.100.2", port: 49700),
            began: calls.0.began, ended: calls.0.ended)
        let session = ReplaySession(Self.traffic(calls, (other, [])), .init(host: "live")) { _ in }
        let (first, second) = (await session.servers(1), await session.servers(2))
        var identities = IdentityMap()
        identities.learn(port: 49700, of: first, 50001)
        #expect(identities.port(49700, of: first) == 50001)
        #expect(identities.port(49700, of: second) == 50001)
        identities.learn(port: 49700, of: second, 50002)
        #expect(identities.port(49700, of: first) == 50001)
        #expect(identities.port(49700, of: second) == 50002)
        #expect(identities.port(49701, of: second) == 49701)
    }

    /// Two servers count their groups by themselves, with the same numbers.
    @Test func groupsAreTheirServers() async throws {
        let (one, calls) = try Self.session(1)
        let (two, others) = try Self.session(2)
        var first = one
        var second = CapturedAssociation(
            id: 2, client: two.client, server: CapturedEndpoint(address: "192.0.2.3", port: 135), began: two.began,
            ended: two.ended)
        second.negotiations = two.negotiations
        first.group = 5
        second.group = 5
        let options = Replayer.Options(
            host: "", hosts: ["192.0.2.2": "127.0.0.1", "192.0.2.3": "127.0.0.2"], timeLimit: .seconds(3600))
        let report = try await withServer(Cluster()) { [first, second] port in
            try await withServer(Cluster(), RPCEndpoint(host: "127.0.0.2", port: port)) { _ in
                var options = options
                options.port = port
                return await Replayer(options).replay(Self.traffic((first, calls), (second, others)))
            }
        }
        #expect(report.negotiations.map(\.verdict) == [.same, .same])
    }
}
