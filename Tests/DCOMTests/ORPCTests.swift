import DCERPC
import ErrorCodes
import NDR
import Security
import Synchronization
import Testing

@testable import DCOM

/// Notes whether its end is a cancelled task's work.
private final class UndoingObject: COMObject {
    static let clsid: GUID = "dddddddd-0000-4000-8000-000000000005"
    let wasCancelled = Mutex<Bool?>(nil)

    func handlers(for iid: GUID) -> [RPCHandler?]? { iid == TestObject.a ? [] : nil }

    func released() async { wasCancelled.withLock { $0 = Task.isCancelled } }
}

/// Calls on objects and on the remote unknown, through the services.
struct ORPCTests {
    @Test("without extensions ORPCTHIS is 32 octets and ORPCTHAT 8")
    func sizes() throws {
        var encoder = NDREncoder()
        try encoder.encode(ORPCTHIS(version: .current, cid: "00112233-4455-6677-8899-aabbccddeeff"))
        // Version, flags, reserved1, cid, NULL.
        #expect(
            encoder.bytes
                == octets("05000700 00000000 00000000 33221100 5544 7766 8899aabbccddeeff 00000000"))
        encoder = NDREncoder()
        try encoder.encode(ORPCTHAT())
        #expect(encoder.bytes == octets("00000000 00000000"))
    }

    @Test("extensions reach the method, and what follows them is found")
    func extensions() async throws {
        let test = TestServer()
        let reference = try test.reference(try await test.activate())
        let id = GUID.random()
        // One extent of five octets: the array is padded to two pointers, the data to eight octets.
        let extent = ORPC_EXTENT(id: id, size: 5, data: [1, 2, 3, 4, 5, 0, 0, 0])
        let header = ORPCTHIS(
            version: .current, cid: .random(), extensions: ORPC_EXTENT_ARRAY(size: 1, extent: [extent, nil]))
        #expect(try await raw(test, header, ipid: reference.ipid) == 14)
        let call = try #require(test.log.objects[0].calls.withLock { $0.first })
        #expect(call.extensions == [ORPCCall.Extension(id: id, data: [1, 2, 3, 4, 5])])
        #expect(call.causality == header.cid)
        #expect(call.ipid == reference.ipid)
    }

    @Test("a call that is cancelled ends an object all the same")
    func releasedByACancelledCall() async throws {
        let object = UndoingObject()
        let type = COMClass(
            clsid: UndoingObject.clsid, name: "Undoing", interfaces: [COMInterface(interface(TestObject.a, "IA"))]
        ) { _ in object }
        let test = TestServer(more: [type])
        let ipid = try test.reference(try await test.activate(clsid: UndoingObject.clsid)).ipid
        let unknown = try test.unknown1()
        let call = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await unknown.remRelease(
                .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: 5)]))
        }
        call.cancel()
        try await call.value
        #expect(object.wasCancelled.withLock { $0 } == false)
    }

    @Test("within a call the causality chain goes on, outside of one it begins")
    func causality() async throws {
        let test = TestServer()
        let reference = try test.reference(try await test.activate())
        let proxy = try test.proxy(TestObject.a, ipid: reference.ipid)
        let chain = ORPCCall(causality: .random(), version: .current, ipid: .zero, extensions: [])
        _ = try await ORPCCall.$current.withValue(chain) { try await doubled(1, by: proxy) }
        _ = try await doubled(1, by: proxy)
        _ = try await doubled(1, by: proxy)
        let calls = test.log.objects[0].calls.withLock { $0.map(\.causality) }
        #expect(calls[0] == chain.causality)
        #expect(Set(calls).count == 3)
        #expect(ORPCCall.current == nil)
    }

    @Test("bad headers are refused with DCOM's own faults")
    func badHeaders() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        for (major, minor) in [(UInt16(5), UInt16(8)), (4, 1), (6, 0)] {
            let header = ORPCTHIS(version: COMVERSION(MajorVersion: major, MinorVersion: minor))
            await #expect(throws: RPCFault(status: 0x8001_0110)) { try await raw(test, header, ipid: ipid) }
        }
        await #expect(throws: RPCFault(status: 0x8001_0111)) {
            try await raw(test, ORPCTHIS(version: .current, flags: 1), ipid: ipid)
        }
        // A reserved field is ignored.
        #expect(try await raw(test, ORPCTHIS(version: .oldest, reserved1: 9), ipid: ipid) == 14)
    }

    @Test("a forged, a released, a missing and somebody else's IPID are RPC_E_DISCONNECTED")
    func disconnected() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        let header = ORPCTHIS(version: .current)
        let fault = RPCFault(status: 0x8001_0108)
        await #expect(throws: fault) { try await raw(test, header, ipid: .random()) }
        await #expect(throws: fault) { try await raw(test, header, ipid: nil) }
        await #expect(throws: fault) { try await raw(test, header, ipid: ipid, .otherAdministrator) }
        #expect(try await raw(test, header, ipid: ipid) == 14)
        _ = try await test.unknown1().remRelease(release(ipid, 5))
        await #expect(throws: fault) { try await raw(test, header, ipid: ipid) }
        // The remote unknown answers at its own IPID alone.
        let stranger = IRemUnknownClient(try test.proxy(DCOMIdentifier.remoteUnknown, ipid: ipid))
        await #expect(throws: fault) { try await stranger.remRelease(release(ipid, 1)) }
    }

    @Test("the IPID of one interface is not one of another")
    func wrongInterface() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        await #expect(throws: RPCFault(status: 0x8001_0113)) {
            try await doubled(1, by: test.proxy(TestObject.b, ipid: ipid))
        }
        // The call that was refused does not hold the object.
        _ = try await test.unknown1().remRelease(release(ipid, 5))
        #expect(test.log.releasedCount == 1)
    }

    @Test("IUnknown has no methods on the wire, and no interface has more than it has", arguments: [0, 1, 2, 4, 255])
    func opnums(opnum: UInt16) async throws {
        let test = TestServer()
        let response = try await test.activate([TestObject.a, DCOMIdentifier.unknown])
        let object = try test.proxy(TestObject.a, ipid: test.reference(response, 0).ipid)
        let unknown = try test.proxy(DCOMIdentifier.unknown, ipid: test.reference(response, 1).ipid)
        for proxy in [object, unknown] {
            await #expect(throws: RPCFault.operationRange) {
                try await proxy.call(opnum: opnum, encode: { _ in }, decode: { _ in })
            }
        }
    }

    @Test("each interface has its least level; the remote unknown refuses in its own way")
    func levels() async throws {
        let test = TestServer()
        let cases: [(GUID, AuthenticationLevel, RPCFault)] = [
            (TestObject.a, .packetPrivacy, .accessDenied), (TestObject.b, .packetIntegrity, .accessDenied),
            (DCOMIdentifier.remoteUnknown, .packetIntegrity, RPCFault(status: 0x8007_0005)),
            (DCOMIdentifier.remoteUnknown2, .packetIntegrity, RPCFault(status: 0x8007_0005)),
        ]
        for (iid, level, fault) in cases {
            let service = try test.service(iid)
            try service.authorize(.test(level: level))
            let below = try #require(AuthenticationLevel(rawValue: level.rawValue - 1))
            #expect(throws: fault) { try service.authorize(.test(level: below)) }
            #expect(throws: fault) { try service.authorize(.test(.ordinary)) }
            #expect(throws: fault) { try service.authorize(.test(.anonymous)) }
            #expect(throws: fault) { try service.authorize(.test(nil, level: .none)) }
        }
    }

    @Test("an object released during a call ends after it")
    func releasedDuringCall() async throws {
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let test = TestServer(hold: {
            start.yield()
            for await _ in gate { break }
        })
        let ipid = try test.reference(try await test.activate()).ipid
        let proxy = try test.proxy(TestObject.a, ipid: ipid)
        async let answer = doubled(3, by: proxy)
        for await _ in started { break }
        _ = try await test.unknown1().remRelease(release(ipid, 5))
        #expect(test.log.releasedCount == 0)
        test.time.advance(by: .seconds(1000))
        await test.server.exporter.collect()
        #expect(test.log.releasedCount == 0)
        open.yield()
        #expect(try await answer == 6)
        #expect(test.log.releasedCount == 1)
    }

    @Test("a request cut off at any octet is malformed, and does not hold the object")
    func truncated() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        let service = try test.service(TestObject.a)
        let context = CallContext.test(object: ipid)
        var request = NDREncoder()
        let extent = ORPC_EXTENT(id: .random(), size: 3, data: [1, 2, 3, 0, 0, 0, 0, 0])
        try request.encode(
            ORPCTHIS(version: .current, extensions: ORPC_EXTENT_ARRAY(size: 2, extent: [extent, extent])))
        request.write(UInt32(7))
        for count in 0..<request.bytes.count {
            await #expect(throws: NDRError.self) {
                var decoder = NDRDecoder(Array(request.bytes[..<count]))
                var encoder = NDREncoder()
                try await service.handle(opnum: 3, decoder: &decoder, encoder: &encoder, context: context)
            }
        }
        _ = try await test.unknown1().remRelease(release(ipid, 5))
        #expect(test.log.releasedCount == 1)
    }

    // MARK: The remote unknown

    @Test("RemQueryInterface finds what the object has")
    func queryInterface() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate())
        let unknown = try test.unknown1()
        let response = try await unknown.remQueryInterface(
            .init(ripid: first.ipid, cRefs: 2, cIids: 3, iids: [TestObject.b, .zero, TestObject.a]))
        #expect(response.returnValue == .false)
        let results = try #require(response.ppQIResults)
        #expect(results.map(\.hResult) == [.ok, .noInterface, .ok])
        #expect(results[0].std.cPublicRefs == 2)
        #expect(results[0].std.oid == first.oid && results[0].std.oxid == test.server.exporter.oxid)
        #expect(results[2].std.ipid == first.ipid)
        #expect(try await doubled(5, by: test.proxy(TestObject.b, ipid: results[0].std.ipid)) == 10)
        // Five references from the activation and two from here.
        _ = try await unknown.remRelease(release(first.ipid, 6))
        #expect(try await doubled(5, by: test.proxy(TestObject.a, ipid: first.ipid)) == 10)
        _ = try await unknown.remRelease(release(first.ipid, 1))
        #expect(test.log.releasedCount == 0)
        _ = try await unknown.remRelease(release(results[0].std.ipid, 2))
        #expect(test.log.releasedCount == 1)

        let all = try test.reference(try await test.activate())
        let good = try await unknown.remQueryInterface(.init(ripid: all.ipid, cRefs: 1, cIids: 1, iids: [TestObject.b]))
        #expect(good.returnValue == .ok)
        let none = try await unknown.remQueryInterface(.init(ripid: all.ipid, cRefs: 1, cIids: 1, iids: [.random()]))
        #expect(none.returnValue == .noInterface)
    }

    @Test("RemQueryInterface2 returns whole references")
    func queryInterface2() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate())
        let response = try await test.unknown().remQueryInterface2(
            .init(ripid: first.ipid, cIids: 2, iids: [TestObject.b, TestObject.missing]))
        #expect(response.phr == [.ok, .noInterface])
        #expect(response.ppMIF[1] == nil)
        let reference = try OBJREF(#require(response.ppMIF[0]))
        #expect(reference.iid == TestObject.b)
        #expect(reference.standard?.oid == first.oid)
        #expect(reference.resolverBindings?.strings.first == StringBinding(host: "192.0.2.1"))
    }

    @Test("RemQueryInterface of what is not there is RPC_E_INVALID_OBJECT")
    func queryInvalid() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        for (client, target) in [
            (try test.unknown1(), GUID.random()), (try test.unknown1(.otherAdministrator), ipid),
        ] {
            let response = try await client.remQueryInterface(
                .init(ripid: target, cRefs: 1, cIids: 1, iids: [TestObject.a]))
            #expect(response.returnValue == .invalidObject)
        }
    }

    @Test("RemAddRef answers each interface for itself")
    func addReferences() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        let unknown = try test.unknown1()
        let response = try await unknown.remAddRef(
            .init(
                cInterfaceRefs: 3,
                InterfaceRefs: [
                    REMINTERFACEREF(ipid: ipid, cPublicRefs: 1, cPrivateRefs: 1), REMINTERFACEREF(ipid: .random()),
                    REMINTERFACEREF(ipid: test.server.exporter.remoteUnknown, cPublicRefs: 1),
                ]))
        #expect(response.returnValue == .ok)
        #expect(response.pResults == [.ok, HRESULT(rawValue: 0x8004_01FB), .ok])
        _ = try await unknown.remRelease(release(ipid, 6))
        #expect(test.log.releasedCount == 0)
        _ = try await unknown.remRelease(
            .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPrivateRefs: 1)]))
        #expect(test.log.releasedCount == 1)
    }

    // MARK: Helpers

    private func release(_ ipid: GUID, _ count: UInt32) -> IRemUnknown.RemRelease.Request {
        .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: count)])
    }

    /// Calls opnum 3 of interface A with seven, behind any header.
    @discardableResult
    private func raw(
        _ test: TestServer, _ header: ORPCTHIS, ipid: GUID?, _ identity: ClientIdentity = .administrator
    ) async throws -> UInt32 {
        let caller = LocalCaller(
            service: try test.service(TestObject.a), context: .test(identity, object: ipid))
        return try await caller.call(
            opnum: 3,
            encode: { encoder in
                try encoder.encode(header)
                encoder.write(UInt32(7))
            },
            decode: { decoder in
                #expect(try decoder.decode(ORPCTHAT.self) == ORPCTHAT())
                return try decoder.read(UInt32.self)
            })
    }
}
