import NDR
import Security
import Synchronization
import Testing

@testable import DCERPC

/// How much of a client's calls is kept at a time.
@Suite struct CallLoadTests {
    private func stub(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

    private func dispatch(_ callID: UInt32, _ count: Int) -> Seen {
        .dispatch(callID: callID, opnum: 0, stub: stub(count))
    }

    @Test(arguments: [(99, false), (100, true), (101, true)])
    func pausesAtTheLimit(octets: Int, pauses: Bool) throws {
        var association = Association.bound(limits: AssociationLimits(maximumCallOctets: 100))
        #expect(try association.see(Client.request(stub: stub(octets))) == [dispatch(2, octets)])
        #expect(association.isPaused == pauses)
        // Nothing is refused; the second call begins at once, or when the first has ended.
        #expect(try association.see(Client.request(callID: 3, stub: [])) == (pauses ? [] : [dispatch(3, 0)]))
        let answer = Seen.response(callID: 2, contextID: 1, length: 24)
        #expect(try association.reply(to: 2, stub: []).seen() == [answer] + (pauses ? [dispatch(3, 0)] : []))
        #expect(!association.isPaused)
    }

    @Test func everyEndOfACallMakesRoom() throws {
        let limits = AssociationLimits(maximumCallOctets: 100)
        var association = Association.bound(limits: limits)
        for id: UInt32 in 2...3 { _ = association.receive(Client.request(callID: id, stub: stub(50))) }
        #expect(association.isPaused)
        let fault = Seen.fault(.accessDenied, callID: 2, contextID: 1, notExecuted: false)
        #expect(try association.fail(2, with: .accessDenied).seen() == [fault])
        #expect(!association.isPaused)

        // Calls that came while there was no room begin one after the other, in their order.
        association = Association.bound(limits: limits)
        var octets: [UInt8] = []
        for id: UInt32 in 2...4 { octets += Client.request(callID: id, stub: stub(100)) }
        #expect(try association.see(octets) == [dispatch(2, 100)])
        #expect(try association.reply(to: 2, stub: []).seen().last == dispatch(3, 100))
        #expect(try association.reply(to: 3, stub: []).seen().last == dispatch(4, 100))
        #expect(association.reply(to: 4, stub: []).count == 1)
        #expect(!association.isPaused)
    }

    /// However small the limit, one call is served at a time, and many without a stub.
    @Test func theSmallestLimitServesOneCallAtATime() throws {
        var association = Association.bound(limits: AssociationLimits(maximumCallOctets: 1))
        #expect(try association.see(Client.request(callID: 2)) == [dispatch(2, 0)])
        #expect(try association.see(Client.request(callID: 3, stub: stub(5))) == [dispatch(3, 5)])
        #expect(try association.see(Client.request(callID: 4)) == [])
        #expect(association.reply(to: 2, stub: []).count == 1)
        #expect(try association.reply(to: 3, stub: []).seen().last == dispatch(4, 0))
    }

    @Test func anOrphanWeighsUntilItHasEnded() throws {
        let limits = AssociationLimits(maximumCalls: 1, maximumCallOctets: 100)
        var association = Association.bound(limits: limits)
        let first = association.receive(Client.request(stub: stub(60)))
        guard case .dispatch(let call) = first.first else {
            Issue.record("\(first)")
            return
        }
        #expect(try association.see(BarePDU.encoded(.orphaned, callID: 2)) == [.abandon(2)])
        #expect(!association.hasCalls)
        let busy = Seen.fault(.serverTooBusy, callID: 2, contextID: 1, notExecuted: true)
        #expect(try association.see(Client.request(stub: stub(1))) == [busy])
        #expect(association.ended(call.serial) == [])
        #expect(try association.see(Client.request(stub: stub(1))) == [dispatch(2, 1)])
        // Told twice, it counts once.
        #expect(association.ended(call.serial) == [])
        #expect(association.load.octets == 1)
    }

    @Test func holdsAndProceeds() throws {
        var association = Association.bound()
        association.hold()
        #expect(association.isPaused)
        #expect(try association.see(Client.request(stub: stub(3))) == [])
        #expect(try association.proceed().seen() == [dispatch(2, 3)])
        #expect(!association.isPaused)
        #expect(association.proceed() == [])
    }

    // MARK: The server's budget

    @Test func waitersAreCalledOnceThereIsRoom() {
        let budget = CallBudget(100)
        let called = Mutex<[Int]>([])
        budget.take(99)
        #expect(!budget.mustWait(1) { called.withLock { $0.append(1) } })
        budget.take(1)
        #expect(budget.mustWait(2) { called.withLock { $0.append(2) } })
        #expect(budget.mustWait(3) { called.withLock { $0.append(3) } })
        budget.forget(3)
        budget.take(50)
        budget.giveBack(50)
        #expect(called.withLock { $0 } == [])
        budget.giveBack(1)
        #expect(called.withLock { $0 } == [2])
        budget.giveBack(99)
        budget.take(100)
        budget.giveBack(100)
        #expect(called.withLock { $0 } == [2])
    }

    /// Two connections of a server whose budget one call uses up: the second's call begins when the first's has ended.
    @Test(arguments: [9, 10]) func connectionsShareTheServersBudget(octets: Int) async throws {
        let service = EchoService()
        try await withServer([service], limits: RPCServerLimits(maximumCallOctets: 10)) { _, port in
            let first = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let second = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let slow = try await first.bind(EchoService.syntax)
            let quick = try await second.bind(EchoService.syntax)
            let hasEnded = Mutex(false)
            async let waited = slow.raw(2, stub(octets))
            for await _ in service.waiting.stream { break }
            let answer = Task {
                let echo = try await quick.raw(0, [1])
                return (echo, hasEnded.withLock { $0 })
            }
            // With room, it is answered while the first waits; without, it is not.
            if octets < 10 { #expect(try await answer.value == ([1], false)) }
            hasEnded.withLock { $0 = true }
            service.release.continuation.yield()
            #expect(try await waited == [])
            #expect(try await answer.value == ([1], octets == 10))
            await first.close()
            await second.close()
        }
    }

    /// More than the connection may have in flight, in one go: all of it is served in the end.
    @Test func aConnectionGetsOnBeyondItsLimit() async throws {
        let limits = RPCServerLimits(
            association: AssociationLimits(maximumCallOctets: 10_000), maximumCallOctets: 20_000)
        try await withServer([EchoService()], limits: limits) { _, port in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
                    let echo = try await client.bind(EchoService.syntax)
                    for number in 0..<50 {
                        group.addTask {
                            let stub = [UInt8](repeating: UInt8(number), count: number * 400)
                            let answer = try await echo.raw(0, stub)
                            #expect(answer == stub)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}

/// The octets that align a verification trailer belong to no item ([MS-RPCE] 2.2.2.13).
@Suite struct VerificationTrailerPaddingTests {
    /// Bitmask (1) without the bit of header signing, the last command.
    private static let trailer = octets("8ae3137102f43671 01400400 00000000")

    private func call(_ stub: [UInt8]) throws -> IncomingCall {
        var association = Association.bound()
        let actions = association.receive(Client.request(stub: stub))
        guard case .dispatch(let call) = try #require(actions.first) else { throw EchoService.Failure.surprising }
        return call
    }

    @Test func isAllowedOnlyBeforeATrailer() throws {
        #expect(try call([1, 2, 3, 4]).paddingAllowance == 0)
        let padded = try call([1, 0xFF, 0xFF, 0xFF] + Self.trailer)
        #expect(padded.paddingAllowance == 3)
        #expect(padded.stub == [1, 0xFF, 0xFF, 0xFF])
        // At a multiple of four alone, so that a trailer elsewhere is data.
        let unaligned = try call([1] + Self.trailer)
        #expect(unaligned.paddingAllowance == 0)
        #expect(unaligned.stub == [1] + Self.trailer)
    }

    /// A service that wants one octet and nothing behind it.
    private struct Strict: RPCService {
        let interface = RPCInterface(syntax: EchoService.syntax, name: "Strict", isObject: false, operations: [])

        func authorize(_ context: CallContext) {}

        func handle(
            opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
        ) async throws {
            _ = try decoder.read(UInt8.self)
            try decoder.finish()
        }
    }

    /// Four octets more would be another item.
    @Test(
        arguments: [
            ([1, 0, 0, 0], true, true), ([1, 9, 9, 9], true, true), ([1, 0, 0, 0, 0, 0, 0, 0], true, false),
            ([1], false, true), ([1, 0], false, false), ([1, 0, 0, 0], false, false),
        ] as [([UInt8], Bool, Bool)])
    func strictServicesTakeIt(stub: [UInt8], hasTrailer: Bool, isTaken: Bool) async throws {
        try await withServer([Strict()]) { _, port in
            let client = try await RPCClient.connect(host: "127.0.0.1", port: port)
            let strict = try await client.bind(EchoService.syntax)
            let octets = stub + (hasTrailer ? Self.trailer : [])
            if isTaken {
                #expect(try await strict.raw(0, octets) == [])
            } else {
                await #expect(throws: RPCFault.badStubData) { try await strict.raw(0, octets) }
            }
            await client.close()
        }
    }
}
