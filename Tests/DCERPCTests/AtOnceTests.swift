import NDR
import NIOCore
import Synchronization
import Testing

@testable import DCERPC

/// Answers even operations at once and odd ones in a task of their own, and notes who was asked what.
private final class AtOnceService: RPCService {
    enum Step: Equatable {
        case authorized(UInt16)
        case atOnce(UInt16)
        case task(UInt16)
    }

    /// The operation that `authorize` refuses, those that throw, and one that waits.
    static let (refused, throwing, undecodable, waiting): (UInt16, UInt16, UInt16, UInt16) = (100, 102, 104, 105)

    let interface = RPCInterface(syntax: EchoService.syntax, name: "AtOnce", isObject: false, operations: [])
    let steps = Mutex<[Step]>([])
    let began = AsyncStream.makeStream(of: Void.self)
    let release = AsyncStream.makeStream(of: Void.self)

    /// The context does not name the operation; the steps of a call follow each other.
    func authorize(_ context: CallContext) throws {
        let opnum = context.object.map { UInt16(truncatingIfNeeded: $0.data1) } ?? 0
        steps.withLock { $0.append(.authorized(opnum)) }
        if opnum == Self.refused { throw RPCFault.accessDenied }
    }

    func handleAtOnce(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) throws -> Bool {
        steps.withLock { $0.append(.atOnce(opnum)) }
        if opnum == Self.throwing { throw RPCFault.unsupportedType }
        if opnum == Self.undecodable { _ = try decoder.read(UInt64.self) }
        // What it has read and written before it declines is nobody's.
        encoder.write(octets: decoder.rest)
        return opnum.isMultiple(of: 2)
    }

    func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws {
        steps.withLock { $0.append(.task(opnum)) }
        if opnum == Self.waiting {
            began.continuation.yield()
            for await _ in release.stream { break }
        }
        encoder.write(octets: decoder.rest)
    }

    func taken() -> [Step] {
        steps.withLock { steps in
            defer { steps = [] }
            return steps
        }
    }
}

extension BoundInterface {
    /// Calls an operation whose number the rule of who may call sees, too.
    fileprivate func numbered(_ opnum: UInt16, _ stub: [UInt8] = [1, 2, 3]) async throws -> [UInt8] {
        try await withObject(GUID(data1: UInt32(opnum), data2: 0, data3: 0, data4: 0)).raw(opnum, stub)
    }
}

/// Calls that are answered on the thread that reads them, and those that are not.
@Suite struct AtOnceTests {
    private func withService(
        _ body: (AtOnceService, BoundInterface) async throws -> Void
    ) async throws {
        let service = AtOnceService()
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            try await body(service, try await client.bind(EchoService.syntax, security: try initiator()))
            await client.close()
        }
    }

    @Test func isAuthorizedOnceAndHasNoTask() async throws {
        try await withService { (service, bound) async throws in
            #expect(try await bound.numbered(0) == [1, 2, 3])
            #expect(service.taken() == [.authorized(0), .atOnce(0)])
        }
    }

    @Test func whatIsNotAnsweredAtOnceIsAuthorizedOnceAndStartsAnew() async throws {
        try await withService { (service, bound) async throws in
            // Neither is the stub at its end nor are there octets in the answer already.
            #expect(try await bound.numbered(1) == [1, 2, 3])
            #expect(service.taken() == [.authorized(1), .atOnce(1), .task(1)])
        }
    }

    @Test func whoIsRefusedReachesNoHandler() async throws {
        try await withService { (service, bound) async throws in
            await #expect(throws: RPCFault.accessDenied) { try await bound.numbered(AtOnceService.refused) }
            #expect(service.taken() == [.authorized(AtOnceService.refused)])
            #expect(try await bound.numbered(2) == [1, 2, 3])
        }
    }

    @Test func whatIsThrownAtOnceIsTheAnswer() async throws {
        try await withService { (service, bound) async throws in
            await #expect(throws: RPCFault.unsupportedType) { try await bound.numbered(AtOnceService.throwing) }
            await #expect(throws: RPCFault.badStubData) { try await bound.numbered(AtOnceService.undecodable) }
            #expect(
                service.taken() == [
                    .authorized(AtOnceService.throwing), .atOnce(AtOnceService.throwing),
                    .authorized(AtOnceService.undecodable), .atOnce(AtOnceService.undecodable),
                ])
        }
    }

    @Test func oneThatWaitsHoldsNoneUp() async throws {
        try await withService { (service, bound) async throws in
            async let slow = bound.numbered(AtOnceService.waiting, [9])
            for await _ in service.began.stream { break }
            for opnum in UInt16(0)..<8 { #expect(try await bound.numbered(opnum) == [1, 2, 3]) }
            service.release.continuation.yield()
            #expect(try await slow == [9])
        }
    }

    /// A call that was orphaned before it was looked at does not answer the one that has its identifier.
    @Test func anOrphansAnswerIsNobodys() async throws {
        let service = AtOnceService()
        try await withServer([service]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let bound = try await client.bind(EchoService.syntax, transferSyntaxes: [.ndr20])
            // The bind was the client's call 1, its next one is 2. What is not flushed leaves with that, and is read with it.
            let orphan =
                Client.request(callID: 2, contextID: 0, stub: [9]) + BarePDU.encoded(.orphaned, callID: 2)
            client.channel.write(ByteBuffer(bytes: orphan), promise: nil)
            #expect(try await bound.raw(0, [1, 2, 3]) == [1, 2, 3])
            await client.close()
        }
    }

    /// It weighs no more when it is answered, though nobody hears the answer.
    @Test func anOrphanThatWasAnsweredAtOnceWeighsNothing() async throws {
        let limits = RPCServerLimits(association: AssociationLimits(maximumCalls: 4))
        try await withServer([], limits: limits) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let management = try await client.bind(mgmt.interface.syntax, transferSyntaxes: [.ndr20])
            // As many as may be in flight, so that none is refused, however many are read at a time.
            for id in 100..<104 as Range<UInt32> {
                let orphan =
                    Client.request(callID: id, contextID: 0, opnum: 2) + BarePDU.encoded(.orphaned, callID: id)
                try await client.channel.writeAndFlush(ByteBuffer(bytes: orphan))
            }
            // This one may be read with them, and be one too many; its answer says that all before was worked off.
            _ = try? await management.raw(2, [])
            #expect(try await management.raw(2, []).suffix(4) == [1, 0, 0, 0])
            await client.close()
        }
    }

    /// Many requests in one read, answered at once and by tasks: each gets its own answer, of many fragments, too.
    @Test func manyInOneReadAreAllAnswered() async throws {
        try await withService { (_, bound) async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in UInt16(0)..<64 {
                    group.addTask {
                        let stub = [UInt8](repeating: UInt8(number), count: Int(number) * 150)
                        let answer = try await bound.numbered(number, stub)
                        #expect(answer == stub)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// The management interface, which every endpoint has, answers everything at once.
    @Test func theManagementInterfaceNeedsNoTask() async throws {
        try await withServer([]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let management = try await client.bind(mgmt.interface.syntax, security: try initiator())
            await #expect(throws: RPCFault.operationRange) { try await management.raw(99, []) }
            for _ in 0..<3 { #expect(try await management.raw(2, []).suffix(4) == [1, 0, 0, 0]) }
            await client.close()
        }
    }
}
