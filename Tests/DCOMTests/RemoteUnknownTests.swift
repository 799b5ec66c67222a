import DCERPC
import ErrorCodes
import NDR
import Security
import Testing

@testable import DCOM

/// Reference counts and interfaces through IRemUnknown and IRemUnknown2 ([MS-DCOM] 3.1.1.5.6, 3.1.1.5.7).
struct RemoteUnknownTests {
    @Test("each interface of a query has a result of its own, in the request's order, the same one twice as well")
    func severalInterfaces() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate())
        let strange = GUID.random()
        let iids = [TestObject.b, strange, TestObject.a, TestObject.missing, TestObject.b, DCOMIdentifier.unknown]
        let response = try await test.unknown1().remQueryInterface(
            .init(ripid: first.ipid, cRefs: 3, cIids: 6, iids: iids))
        #expect(response.returnValue == .false)
        let results = try #require(response.ppQIResults)
        #expect(results.map(\.hResult) == [.ok, .noInterface, .ok, .noInterface, .ok, .ok])
        #expect(results.map(\.std.cPublicRefs) == [3, 0, 3, 0, 3, 3])
        #expect(results[0].std.ipid == results[4].std.ipid && results[2].std.ipid == first.ipid)
        #expect(Set([results[0], results[2], results[5]].map(\.std.ipid)).count == 3)
        // What failed names no reference at all.
        #expect(results[1].std == STDOBJREF() && results[3].std == STDOBJREF())
        // Asked for twice, given twice.
        #expect(try await release(test, results[0].std.ipid, 5) == 0)
        #expect(try await doubled(1, by: test.proxy(TestObject.b, ipid: results[0].std.ipid)) == 2)
        #expect(try await release(test, results[0].std.ipid, 1) == 0)
        await #expect(throws: RPCFault(status: 0x8001_0108)) {
            try await doubled(1, by: test.proxy(TestObject.b, ipid: results[0].std.ipid))
        }
    }

    @Test("S_OK for all, S_FALSE for some, E_NOINTERFACE for none; nothing asked for is nothing missed")
    func summaries() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        let cases: [([GUID], HRESULT)] = [
            ([TestObject.a], .ok), ([TestObject.a, TestObject.b], .ok), ([TestObject.a, .random()], .false),
            ([.random()], .noInterface), ([.random(), .zero], .noInterface), ([], .ok),
        ]
        for (iids, expected) in cases {
            let count = UInt16(iids.count)
            let first = try await test.unknown1().remQueryInterface(
                .init(ripid: ipid, cRefs: 1, cIids: count, iids: iids))
            #expect(first.returnValue == expected && first.ppQIResults?.count == iids.count)
            let second = try await test.unknown().remQueryInterface2(.init(ripid: ipid, cIids: count, iids: iids))
            #expect(second.returnValue == expected)
            #expect(second.phr == first.ppQIResults?.map(\.hResult))
        }
    }

    @Test("RemQueryInterface2's references are whole, and each carries five references")
    func wholeReferences() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate())
        let response = try await test.unknown().remQueryInterface2(
            .init(ripid: first.ipid, cIids: 3, iids: [TestObject.b, .zero, DCOMIdentifier.unknown]))
        #expect(response.returnValue == .false && response.phr == [.ok, .noInterface, .ok])
        #expect(response.ppMIF.map { $0 == nil } == [false, true, false])
        for (index, iid) in [(0, TestObject.b), (2, DCOMIdentifier.unknown)] {
            let reference = try OBJREF(#require(response.ppMIF[index]))
            #expect(reference.iid == iid)
            let standard = try #require(reference.standard)
            #expect(standard.flags == 0 && standard.cPublicRefs == 5)
            #expect(standard.oid == first.oid && standard.oxid == test.server.exporter.oxid)
            // 2.2.19.3: a resolver's binding has no endpoint.
            #expect(reference.resolverBindings?.strings.allSatisfy { $0.port == nil } == true)
        }
        let failed = try await test.unknown().remQueryInterface2(
            .init(ripid: .random(), cIids: 2, iids: [TestObject.a, TestObject.b]))
        #expect(failed.returnValue == .invalidObject && failed.ppMIF == [nil, nil])
    }

    @Test("128 interfaces may be asked for at once, 129 are E_OUTOFMEMORY")
    func tooManyInterfaces() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        for (count, expected) in [(128, HRESULT.ok), (129, .outOfMemory)] {
            let iids = Array(repeating: TestObject.a, count: count)
            let first = try await test.unknown1().remQueryInterface(
                .init(ripid: ipid, cRefs: 1, cIids: UInt16(count), iids: iids))
            let second = try await test.unknown().remQueryInterface2(
                .init(ripid: ipid, cIids: UInt16(count), iids: iids))
            #expect(first.returnValue == expected && second.returnValue == expected)
        }
    }

    @Test("the remote unknown is an object, too: it has its two interfaces, and is never released or collected")
    func remoteUnknownItself() async throws {
        let test = TestServer()
        let exporter = test.server.exporter
        let unknown = try test.unknown1()
        let response = try await unknown.remQueryInterface(
            .init(
                ripid: exporter.remoteUnknown, cRefs: 2, cIids: 4,
                iids: [
                    DCOMIdentifier.remoteUnknown, DCOMIdentifier.remoteUnknown2, DCOMIdentifier.unknown, TestObject.a,
                ]))
        let results = try #require(response.ppQIResults)
        #expect(response.returnValue == .false && results.map(\.hResult) == [.ok, .ok, .ok, .noInterface])
        #expect(results.prefix(3).allSatisfy { $0.std.ipid == exporter.remoteUnknown && $0.std.oid != 0 })
        // A client may ping for it; the set stays empty, and no error is made of it.
        let resolver = try test.objectExporter()
        let oid = results[0].std.oid
        let made = try await resolver.complexPing(.init(cAddToSet: 1, AddToSet: [oid]))
        #expect(made.returnValue == 0)
        let again = try await resolver.complexPing(
            .init(pSetId: made.pSetId, SequenceNum: 1, cAddToSet: 1, AddToSet: [oid]))
        #expect(again.returnValue == 0)
        #expect(try await release(test, exporter.remoteUnknown, 1000) == 0)
        test.time.advance(by: .seconds(3600))
        await exporter.collect()
        #expect(try await release(test, exporter.remoteUnknown, 1) == 0)
    }

    @Test("an interface queried for no references is there, and holds its object")
    func noReferences() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate())
        let response = try await test.unknown1().remQueryInterface(
            .init(ripid: first.ipid, cRefs: 0, cIids: 1, iids: [TestObject.b]))
        let second = try #require(response.ppQIResults?.first)
        #expect(second.hResult == .ok && second.std.cPublicRefs == 0)
        _ = try await release(test, first.ipid, 5)
        #expect(try await doubled(3, by: test.proxy(TestObject.b, ipid: second.std.ipid)) == 6)
        // Its end is a release of whatever size, or three silent periods.
        _ = try await release(test, second.std.ipid, 0)
        #expect(test.log.releasedCount == 1)
    }

    // MARK: Counts

    @Test("private references hold an interface as public ones do, and are released by themselves")
    func privateReferences() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        #expect(try await add(test, ipid, public: 0, private: 2) == [.ok])
        _ = try await release(test, ipid, 5)
        #expect(test.log.releasedCount == 0)
        // Public references that are not there take nothing of the private ones.
        _ = try await release(test, ipid, .max)
        _ = try await release(test, ipid, 0, private: 1)
        #expect(try await doubled(1, by: test.proxy(TestObject.a, ipid: ipid)) == 2)
        _ = try await release(test, ipid, 0, private: 1)
        #expect(test.log.releasedCount == 1)
    }

    @Test("private references are their owner's: nobody else adds or releases any")
    func privateOfOthers() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        #expect(try await add(test, ipid, public: 0, private: 1) == [.ok])
        #expect(
            try await add(test, ipid, public: 1, private: 1, by: .otherAdministrator) == [.objectNotRegistered])
        // Not an error, since a release never is; but nothing happens.
        #expect(try await release(test, ipid, .max, private: .max, by: .otherAdministrator) == 0)
        #expect(try await doubled(1, by: test.proxy(TestObject.a, ipid: ipid)) == 2)
        _ = try await release(test, ipid, 5, private: 1)
        #expect(test.log.releasedCount == 1)
    }

    @Test("a release of more than there is takes what is there; what was added never wraps around")
    func overAndUnderflow() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        for _ in 0..<3 { #expect(try await add(test, ipid, public: .max, private: .max) == [.ok]) }
        // Were the counts 32 bits wide, five and three times 2^32 - 1 would be two.
        _ = try await release(test, ipid, 2, private: 0)
        _ = try await release(test, ipid, 0, private: .max)
        _ = try await release(test, ipid, 0, private: .max)
        #expect(test.log.releasedCount == 0)
        for _ in 0..<4 { _ = try await release(test, ipid, .max, private: .max) }
        #expect(test.log.releasedCount == 1)
        #expect(try await add(test, ipid, public: 1, private: 0) == [.objectNotRegistered])
        #expect(try await release(test, ipid, 1) == 0)
    }

    @Test("one request may name an interface several times, and interfaces of several objects")
    func severalInOneRequest() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate()).ipid
        let second = try test.reference(try await test.activate()).ipid
        let unknown = try test.unknown1()
        let added = try await unknown.remAddRef(
            .init(
                cInterfaceRefs: 4,
                InterfaceRefs: [first, .random(), second, first].map { REMINTERFACEREF(ipid: $0, cPublicRefs: 1) }))
        #expect(added.returnValue == .ok && added.pResults == [.ok, .objectNotRegistered, .ok, .ok])
        let released = try await unknown.remRelease(
            .init(
                cInterfaceRefs: 4,
                InterfaceRefs: [(first, 6), (second, 6), (GUID.random(), 1), (first, 1)].map {
                    REMINTERFACEREF(ipid: $0.0, cPublicRefs: UInt32($0.1))
                }))
        #expect(released.returnValue == .ok)
        #expect(test.log.releasedCount == 2 && test.server.exporter.objectCount == 0)
        #expect(try await unknown.remRelease(.init()).returnValue == .ok)
        #expect(try await unknown.remAddRef(.init()).pResults == [])
    }

    // MARK: Helpers

    private func release(
        _ test: TestServer, _ ipid: GUID, _ count: UInt32, private privateCount: UInt32 = 0,
        by user: ClientIdentity = .administrator
    ) async throws -> UInt32 {
        try await test.unknown1(user).remRelease(
            .init(
                cInterfaceRefs: 1,
                InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: count, cPrivateRefs: privateCount)])
        ).returnValue.rawValue
    }

    private func add(
        _ test: TestServer, _ ipid: GUID, public count: UInt32, private privateCount: UInt32,
        by user: ClientIdentity = .administrator
    ) async throws -> [HRESULT] {
        try await test.unknown1(user).remAddRef(
            .init(
                cInterfaceRefs: 1,
                InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: count, cPrivateRefs: privateCount)])
        ).pResults
    }
}
