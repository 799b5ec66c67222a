import DCERPC
import ErrorCodes
import NDR
import Testing

@testable import DCOM

/// Every table that a client can make grow, at its bound and above it.
struct ExporterLimitsTests {
    private static let alice = ReferenceTableTests.alice
    private static let bob = ReferenceTableTests.bob

    private static func table(_ limits: ExporterLimits, objects: ClosedRange<UInt64>) -> ReferenceTable {
        var table = ReferenceTable(limits: limits)
        for oid in objects { _ = table.add(oid, owner: alice, now: .zero) }
        return table
    }

    private static func change(
        _ set: UInt64, _ sequence: UInt16, add: [UInt64] = [], remove: [UInt64] = [], owner: String = alice
    ) -> PingSets.Change {
        ReferenceTableTests.change(set, sequence, add: add, remove: remove, owner: owner)
    }

    @Test("a user has three quarters of what there is, unless it is said otherwise")
    func defaults() {
        let limits = ExporterLimits(objects: 1024, pingSets: 100)
        #expect(limits.objectsPerUser == 768 && limits.pingSetsPerUser == 75)
        #expect(ExporterLimits(objects: 1, pingSets: 2).objectsPerUser == 1)
        #expect(ExporterLimits(objects: 8, objectsPerUser: 8).objectsPerUser == 8)
    }

    @Test("objects: as many as there may be, then none, then one for each that went")
    func objects() {
        var table = ReferenceTable(limits: ExporterLimits(objects: 3, objectsPerUser: 3))
        for oid in 1...3 { #expect(table.add(UInt64(oid), owner: Self.alice, now: .zero) == true) }
        #expect(table.add(4, owner: Self.alice, now: .zero) == false)
        #expect(table.collect(now: .seconds(360)) == [1, 2, 3])
        #expect(table.objectsByOwner.isEmpty)
        #expect(table.add(4, owner: Self.alice, now: .zero) == true)
        #expect(table.add(4, owner: Self.alice, now: .zero) == false)
    }

    @Test("objects of one user: the others keep their share")
    func objectsOfOneUser() throws {
        var table = ReferenceTable(limits: ExporterLimits(objects: 4, objectsPerUser: 2))
        for oid: UInt64 in [1, 2] { #expect(table.add(oid, owner: Self.alice, now: .zero) == true) }
        #expect(table.add(3, owner: Self.alice, now: .zero) == false)
        for oid: UInt64 in [3, 4] { #expect(table.add(oid, owner: Self.bob, now: .zero) == true) }
        #expect(table.add(5, owner: "S-1-5-21-1002", now: .zero) == false)
        let marshaled = table.marshal(1, iid: ReferenceTableTests.iid, references: 1, now: .zero)
        let ipid = try #require(marshaled)
        #expect(table.releaseReferences(ipid, public: 1, private: 0, user: Self.alice, now: .zero) == 1)
        #expect(table.objectsByOwner == [Self.alice: 1, Self.bob: 2])
        #expect(table.add(6, owner: Self.alice, now: .zero) == true)
        #expect(table.removeAll().count == 4 && table.objectsByOwner.isEmpty)
    }

    @Test("identifiers: one for each interface of an object, however often it is asked for")
    func identifiers() async throws {
        let test = TestServer()
        let first = try test.reference(try await test.activate())
        for _ in 0..<50 {
            let strange = (0..<20).map { _ in GUID.random() }
            _ = try await test.unknown1().remQueryInterface(
                .init(
                    ripid: first.ipid, cRefs: 1, cIids: 23,
                    iids: [TestObject.a, TestObject.b, DCOMIdentifier.unknown] + strange))
        }
        #expect(test.server.exporter.interfaceCount == 3)
    }

    @Test("ping sets: of all, and of one user")
    func pingSets() {
        var table = Self.table(ExporterLimits(pingSets: 3, pingSetsPerUser: 2), objects: 1...1)
        for _ in 0..<2 { #expect(table.ping(Self.change(0, 1), now: .zero).result == .success) }
        #expect(table.ping(Self.change(0, 1), now: .zero) == (0, .notEnoughMemory))
        #expect(table.ping(Self.change(0, 1, owner: Self.bob), now: .zero).result == .success)
        #expect(table.ping(Self.change(0, 1, owner: Self.bob), now: .zero) == (0, .notEnoughMemory))
        _ = table.collect(now: .seconds(360))
        #expect(table.ping(Self.change(0, 1), now: .seconds(360)).result == .success)
    }

    @Test("members of one set: the one too many is refused, the others of the request join")
    func members() {
        var table = Self.table(ExporterLimits(objectsPerSet: 2), objects: 1...4)
        let (set, result) = table.ping(Self.change(0, 1, add: [1, 2, 3]), now: .zero)
        #expect(result == .notEnoughMemory && set != 0)
        #expect(table.sets.entries[set]?.members == [1, 2])
        #expect(table.ping(Self.change(set, 2, add: [1, 2]), now: .zero).result == .success)
        #expect(table.ping(Self.change(set, 3, add: [4], remove: [1]), now: .zero).result == .notEnoughMemory)
        #expect(table.ping(Self.change(set, 4, add: [4]), now: .zero).result == .success)
    }

    @Test("memberships of all sets: they are given back by leaving, by release and by expiry")
    func memberships() throws {
        var table = Self.table(ExporterLimits(memberships: 3), objects: 1...3)
        let marshaled = table.marshal(3, iid: ReferenceTableTests.iid, references: 1, now: .zero)
        let ipid = try #require(marshaled)
        let first = table.ping(Self.change(0, 1, add: [1, 2]), now: .zero).set
        let second = table.ping(Self.change(0, 1, add: [3]), now: .zero).set
        #expect(table.sets.memberships == 3)
        #expect(table.ping(Self.change(second, 2, add: [1]), now: .zero).result == .notEnoughMemory)
        #expect(table.ping(Self.change(first, 2, remove: [1]), now: .zero).result == .success)
        #expect(table.ping(Self.change(second, 3, add: [1]), now: .zero).result == .success)
        #expect(table.sets.memberships == 3)
        #expect(table.releaseReferences(ipid, public: 1, private: 0, user: Self.alice, now: .zero) == 3)
        #expect(table.sets.memberships == 2)
        _ = table.collect(now: .seconds(360))
        #expect(table.sets.memberships == 0 && table.sets.entries.isEmpty)
    }

    @Test("what a thousand clients made that are gone leaves nothing behind")
    func vanished() {
        var table = ReferenceTable()
        for client in 0..<1000 as Range<UInt64> {
            let now = Duration.seconds(Int(client) * 40)
            _ = table.add(client + 1, owner: Self.alice, now: now)
            _ = table.marshal(client + 1, iid: ReferenceTableTests.iid, references: 5, now: now)
            if client.isMultiple(of: 2) { _ = table.ping(Self.change(0, 1, add: [client + 1]), now: now) }
            _ = table.collect(now: now)
            #expect(table.objects.count <= 10)
        }
        _ = table.collect(now: .seconds(100_000))
        #expect(table.objects.isEmpty && table.interfaces.isEmpty && table.objectsByOwner.isEmpty)
        #expect(table.sets.entries.isEmpty && table.sets.memberships == 0)
    }
}

/// Tells when its end begins, and ends when it is told.
private final class SlowObject: COMObject {
    let began = AsyncStream.makeStream(of: Void.self)
    let end = AsyncStream.makeStream(of: Void.self)

    func handlers(for iid: GUID) -> [RPCHandler?]? { iid == TestObject.a ? [] : nil }

    func released() async {
        began.continuation.yield()
        for await _ in end.stream { break }
    }
}

/// The collection of objects whose clients are gone.
struct CollectorTests {
    @Test("an object that does not end keeps no later one from being collected", .timeLimit(.minutes(5)))
    func anObjectThatDoesNotEnd() async throws {
        let exporter = ObjectExporter(timing: PingTiming(period: .milliseconds(4)))
        let type = COMClassDescription(name: "Slow", interfaces: [COMInterface(interface(TestObject.a, "IA"))])
        let (stuck, later) = (SlowObject(), SlowObject())
        _ = try exporter.export(stuck, of: type, iids: [TestObject.a], owner: "S-1-5-21-1-2-3-1000")
        let collector = Task { try await exporter.run() }
        for await _ in stuck.began.stream { break }
        _ = try exporter.export(later, of: type, iids: [TestObject.a], owner: "S-1-5-21-1-2-3-1000")
        var isCollected = false
        for await _ in later.began.stream {
            isCollected = true
            break
        }
        #expect(isCollected)
        for object in [stuck, later] { object.end.continuation.yield() }
        collector.cancel()
        _ = await collector.result
    }
}
