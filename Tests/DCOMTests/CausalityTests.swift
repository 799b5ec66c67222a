import DCERPC
import ErrorCodes
import NDR
import Synchronization
import Testing

@testable import DCOM

/// Calls that belong to one causality chain ([MS-DCOM] 1.3.5, 3.1.1.5.4, 3.2.4.2).
struct CausalityTests {
    @Test("a call back into an object that serves a call is served, and the chain keeps its identifier")
    func callBack() async throws {
        let caller = CallBack()
        let test = TestServer(hold: { await caller.callBack() })
        let ipid = try test.reference(try await test.activate()).ipid
        caller.proxy.withLock { $0 = try? test.proxy(TestObject.a, ipid: ipid) }
        let header = ORPCTHIS(version: .current, cid: .random())
        // The object's method calls the same object over its proxy, three deep; were a call kept waiting for the one that makes
        // it, this would not return.
        #expect(try await call(test, header, ipid) == 14)
        let causalities = test.log.objects[0].calls.withLock { $0.map(\.causality) }
        #expect(causalities == Array(repeating: header.cid, count: 4))
    }

    @Test("a chain goes through several objects, and comes back out of it when the call has ended")
    func throughObjects() async throws {
        let caller = CallBack()
        let test = TestServer(hold: { await caller.callBack() })
        let first = try test.reference(try await test.activate()).ipid
        let second = try test.reference(try await test.activate()).ipid
        caller.proxy.withLock { $0 = try? test.proxy(TestObject.a, ipid: second) }
        for _ in 0..<2 {
            caller.depth.withLock { $0 = 2 }
            let header = ORPCTHIS(version: .current, cid: .random())
            #expect(try await call(test, header, first) == 14)
            let last = test.log.objects.map { $0.calls.withLock { $0.last?.causality } }
            #expect(last == [header.cid, header.cid])
            #expect(ORPCCall.current == nil)
        }
    }

    @Test("several calls with one causality identifier are each served, at the same time as well")
    func sharedIdentifier() async throws {
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let gate = Gate()
        let test = TestServer(hold: {
            start.yield()
            await gate.wait()
        })
        let ipid = try test.reference(try await test.activate()).ipid
        let header = ORPCTHIS(version: .current, cid: .random())
        try await withThrowingTaskGroup(of: UInt32.self) { group in
            for _ in 0..<4 { group.addTask { try await call(test, header, ipid) } }
            // All four have begun before one of them may end.
            var begun = 0
            for await _ in started {
                begun += 1
                if begun == 4 { break }
            }
            gate.open()
            for try await answer in group { #expect(answer == 14) }
        }
        #expect(Set(test.log.objects[0].calls.withLock { $0.map(\.causality) }) == [header.cid])
        // After its chain has ended an identifier may be used again; nothing remembers it.
        #expect(try await call(test, header, ipid) == 14)
    }

    @Test("a causality identifier of zeros is an identifier like any other")
    func zero() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        #expect(try await call(test, ORPCTHIS(version: .current, cid: .zero), ipid) == 14)
        #expect(test.log.objects[0].calls.withLock { $0.first?.causality } == .zero)
    }
}

/// Calls opnum 3 of interface A with seven, behind any header.
private func call(_ test: TestServer, _ header: ORPCTHIS, _ ipid: GUID) async throws -> UInt32 {
    try await LocalCaller(service: test.service(TestObject.a), context: .test(object: ipid)).call(
        opnum: 3,
        encode: { encoder in
            try encoder.encode(header)
            encoder.write(UInt32(7))
        },
        decode: { decoder in
            _ = try decoder.decode(ORPCTHAT.self)
            return try decoder.read(UInt32.self)
        })
}

/// What an object does that calls while it is called.
private final class CallBack: Sendable {
    let proxy = Mutex<InterfaceProxy?>(nil)
    let depth = Mutex(3)

    func callBack() async {
        let isDeepEnough = depth.withLock { depth in
            depth -= 1
            return depth < 0
        }
        guard !isDeepEnough, let proxy = proxy.withLock({ $0 }) else { return }
        _ = try? await doubled(1, by: proxy)
    }
}

/// Lets everybody through once it is open.
private final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
