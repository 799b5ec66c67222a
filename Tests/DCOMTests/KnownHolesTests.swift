import DCERPC
import ErrorCodes
import NDR
import Security
import Testing

@testable import DCOM

/// Holes that DCOM servers have had, or that servers with identifiers and counts tend to have: one test for each, named after it.
struct KnownHolesTests {
    @Test(
        "CVE-2021-26414: an activation below PKT_INTEGRITY is refused, whatever the client says later",
        arguments: [AuthenticationLevel.none, .connect, .call, .packet])
    func activationBelowIntegrity(level: AuthenticationLevel) async throws {
        let test = TestServer()
        for interface in [IActivation.interface, IRemoteSCMActivator.interface] {
            let service = try test.service(interface.syntax.uuid)
            #expect(throws: RPCFault.accessDenied) { try service.authorize(.test(level: level)) }
            try service.authorize(.test(level: .packetIntegrity))
        }
        await #expect(throws: RPCFault.accessDenied) {
            try await test.activate(clsid: TestObject.clsid, .test(level: level))
        }
        #expect(test.log.objects.isEmpty && test.server.exporter.objectCount == 0)
    }

    @Test("CVE-2021-26414: so are pings, OXID resolution, the remote unknown and objects' calls below their levels")
    func callsBelowTheirLevel() async throws {
        let test = TestServer()
        let ipid = try test.reference(try await test.activate()).ipid
        let weak = CallContext.test(level: .packet)
        let resolver = try test.objectExporter(weak)
        #expect(try await resolver.resolveOxid2(.init(pOxid: test.server.exporter.oxid)).returnValue == 5)
        #expect(try await resolver.complexPing(.init()).returnValue == 5)
        for iid in [DCOMIdentifier.remoteUnknown, DCOMIdentifier.remoteUnknown2] {
            #expect(throws: RPCFault(status: 0x8007_0005)) { try test.service(iid).authorize(weak) }
        }
        // Packet integrity activates, but does not call an interface that wants privacy.
        let service = try test.service(TestObject.a)
        #expect(throws: RPCFault.accessDenied) {
            try service.authorize(.test(level: .packetIntegrity, object: ipid))
        }
    }

    @Test("the hint never promises a level that an object's interface would refuse")
    func hint() async throws {
        let test = TestServer()
        let response = try await test.activate()
        let level = try #require(AuthenticationLevel(rawValue: UInt8(response.pAuthnHint)))
        for service in test.server.exporterServices { try service.authorize(.test(level: level)) }
        let resolved = try await test.objectExporter().resolveOxid2(.init(pOxid: test.server.exporter.oxid))
        #expect(resolved.pAuthnHint == response.pAuthnHint)
    }

    @Test("use after release: each identifier of a released object is dead, for calls, queries, counts and pings")
    func useAfterRelease() async throws {
        let test = TestServer()
        let response = try await test.activate([TestObject.a, TestObject.b])
        let (first, second) = (try test.reference(response, 0), try test.reference(response, 1))
        let unknown = try test.unknown1()
        _ = try await unknown.remRelease(
            .init(
                cInterfaceRefs: 2,
                InterfaceRefs: [first, second].map { REMINTERFACEREF(ipid: $0.ipid, cPublicRefs: 5) }))
        #expect(test.log.releasedCount == 1)
        for (iid, ipid) in [(TestObject.a, first.ipid), (TestObject.b, second.ipid)] {
            await #expect(throws: RPCFault(status: 0x8001_0108)) {
                try await doubled(1, by: test.proxy(iid, ipid: ipid))
            }
            let query = try await unknown.remQueryInterface(.init(ripid: ipid, cRefs: 1, cIids: 1, iids: [iid]))
            #expect(query.returnValue == .invalidObject)
            let query2 = try await test.unknown().remQueryInterface2(.init(ripid: ipid, cIids: 1, iids: [iid]))
            #expect(query2.returnValue == .invalidObject && query2.ppMIF == [nil])
            let added = try await unknown.remAddRef(
                .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: 1)]))
            #expect(added.pResults == [.objectNotRegistered])
        }
        let resolver = try test.objectExporter()
        let set = try await resolver.complexPing(.init(cAddToSet: 1, AddToSet: [first.oid])).pSetId
        let added = try await resolver.complexPing(
            .init(pSetId: set, SequenceNum: 1, cAddToSet: 1, AddToSet: [first.oid]))
        #expect(added.returnValue == 1911)
        // Nothing of it made anything alive again.
        #expect(test.log.releasedCount == 1 && test.server.exporter.objectCount == 0)
        #expect(test.log.objects[0].calls.withLock { $0.isEmpty })
    }

    @Test("use after one interface's release: its identifier is dead, and the interface gets another one")
    func useAfterInterfaceRelease() async throws {
        let test = TestServer()
        let response = try await test.activate([TestObject.a, TestObject.b])
        let (first, second) = (try test.reference(response, 0).ipid, try test.reference(response, 1).ipid)
        let unknown = try test.unknown1()
        _ = try await unknown.remRelease(
            .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: first, cPublicRefs: 5)]))
        #expect(test.log.releasedCount == 0)
        await #expect(throws: RPCFault(status: 0x8001_0108)) {
            try await doubled(1, by: test.proxy(TestObject.a, ipid: first))
        }
        let again = try await unknown.remQueryInterface(
            .init(ripid: second, cRefs: 1, cIids: 1, iids: [TestObject.a]))
        let new = try #require(again.ppQIResults?.first?.std.ipid)
        #expect(new != first)
        #expect(try await doubled(1, by: test.proxy(TestObject.a, ipid: new)) == 2)
    }

    @Test("another user's identifiers: to everybody else they look like forged ones, and their state does not change")
    func othersIdentifiers() async throws {
        let test = TestServer()
        let reference = try test.reference(try await test.activate())
        let (ipid, forged) = (reference.ipid, GUID.random())
        let (stranger, strangers) = (ClientIdentity.otherAdministrator, try test.unknown1(.otherAdministrator))
        for target in [ipid, forged] {
            await #expect(throws: RPCFault(status: 0x8001_0108)) {
                try await doubled(1, by: test.proxy(TestObject.a, ipid: target, stranger))
            }
            let query = try await strangers.remQueryInterface(
                .init(ripid: target, cRefs: 1, cIids: 1, iids: [TestObject.b]))
            #expect(query.returnValue == .invalidObject)
            let added = try await strangers.remAddRef(
                .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: target, cPublicRefs: 1)]))
            #expect(added.pResults == [.objectNotRegistered])
            let released = try await strangers.remRelease(
                .init(
                    cInterfaceRefs: 1,
                    InterfaceRefs: [REMINTERFACEREF(ipid: target, cPublicRefs: .max, cPrivateRefs: .max)]))
            #expect(released.returnValue == .ok)
        }
        // Nor can anybody keep somebody else's object alive, or end its set.
        let resolver = try test.objectExporter()
        let theirs = try test.objectExporter(.test(.otherAdministrator))
        let set = try await resolver.complexPing(.init(cAddToSet: 1, AddToSet: [reference.oid])).pSetId
        #expect(try await theirs.simplePing(.init(pSetId: set)).returnValue == 1912)
        let removal = try await theirs.complexPing(
            .init(pSetId: set, SequenceNum: 9, cDelFromSet: 1, DelFromSet: [reference.oid]))
        #expect(removal.returnValue == 1912)
        let foreign = try await theirs.complexPing(.init(cAddToSet: 1, AddToSet: [reference.oid]))
        let again = try await theirs.complexPing(
            .init(pSetId: foreign.pSetId, SequenceNum: 1, cAddToSet: 1, AddToSet: [reference.oid]))
        #expect(again.returnValue == 1911)
        #expect(try await doubled(1, by: test.proxy(TestObject.a, ipid: ipid)) == 2)
        _ = try await test.unknown1().remRelease(
            .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: 5)]))
        #expect(test.log.releasedCount == 1)
    }

    @Test("users without a security identifier are not one user: neither objects nor sets are shared among them")
    func usersWithoutIdentifier() async throws {
        let test = TestServer()
        let users = [("LAB.TEST", "alice"), ("LAB.TEST", "bob"), ("OTHER.TEST", "alice"), ("LAB.TEST", "Alice")].map {
            ClientIdentity(domain: $0.0, user: $0.1, sid: "", isAdministrator: true)
        }
        let reference = try test.reference(try await test.activate(clsid: TestObject.clsid, .test(users[0])))
        let mine = try test.objectExporter(.test(users[0]))
        let set = try await mine.complexPing(.init(cAddToSet: 1, AddToSet: [reference.oid])).pSetId
        for other in users.dropFirst() + [.administrator] {
            await #expect(throws: RPCFault(status: 0x8001_0108)) {
                try await doubled(1, by: test.proxy(TestObject.a, ipid: reference.ipid, other))
            }
            let query = try await test.unknown1(other).remQueryInterface(
                .init(ripid: reference.ipid, cRefs: 1, cIids: 1, iids: [TestObject.a]))
            #expect(query.returnValue == .invalidObject)
            #expect(try await test.objectExporter(.test(other)).simplePing(.init(pSetId: set)).returnValue == 1912)
        }
        #expect(try await mine.simplePing(.init(pSetId: set)).returnValue == 0)
        #expect(try await doubled(4, by: test.proxy(TestObject.a, ipid: reference.ipid, users[0])) == 8)
    }

    @Test("confusion of identifiers: an OID, an OXID, a set or the remote unknown's IPID is no object's IPID")
    func confusion() async throws {
        let test = TestServer()
        let reference = try test.reference(try await test.activate())
        let numbers = [reference.oid, reference.oxid].flatMap { number in
            let octets = withUnsafeBytes(of: number.littleEndian) { Array($0) }
            return [octets + octets, octets + Array(repeating: 0, count: 8)]
        }
        let identifiers =
            numbers.compactMap { GUID(littleEndianBytes: $0) } + [.zero, test.server.exporter.remoteUnknown]
        for ipid in identifiers {
            await #expect(throws: RPCFault(status: 0x8001_0108)) {
                try await doubled(1, by: test.proxy(TestObject.a, ipid: ipid))
            }
        }
        // And a set's identifier is not an object's, nor an object's a set's.
        let resolver = try test.objectExporter()
        #expect(try await resolver.simplePing(.init(pSetId: reference.oid)).returnValue == 1912)
        #expect(try await resolver.resolveOxid2(.init(pOxid: reference.oid)).returnValue == 1910)
    }

    @Test("identifiers cannot be guessed from others: they differ in most of their bits")
    func guessing() async throws {
        let test = TestServer()
        var previous = try test.reference(try await test.activate())
        for _ in 0..<20 {
            let next = try test.reference(try await test.activate())
            #expect((next.oid ^ previous.oid).nonzeroBitCount > 8)
            let bits = zip(next.ipid.littleEndianBytes, previous.ipid.littleEndianBytes)
                .reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
            #expect(bits > 24)
            previous = next
        }
    }
}
