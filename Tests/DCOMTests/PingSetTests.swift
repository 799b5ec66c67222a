import ErrorCodes
import NDR
import Testing

@testable import DCOM

/// The reference table with time moved by hand. The ping period is 120 s, and three may be missed.
struct ReferenceTableTests {
    static let alice = "S-1-5-21-1000"
    static let bob = "S-1-5-21-1001"
    static let iid: GUID = "aaaaaaaa-0000-4000-8000-000000000001"
    static let other: GUID = "bbbbbbbb-0000-4000-8000-000000000002"

    static func table(
        objects: [UInt64] = [1], limits: ExporterLimits = ExporterLimits()
    ) throws -> (ReferenceTable, [UInt64: GUID]) {
        var table = ReferenceTable(limits: limits)
        var ipids: [UInt64: GUID] = [:]
        for oid in objects {
            #expect(table.add(oid, owner: alice, now: .zero) == true)
            ipids[oid] = table.marshal(oid, iid: iid, references: 5, now: .zero)
        }
        return (table, ipids)
    }

    static func change(
        _ set: UInt64, _ sequence: UInt16, add: [UInt64] = [], remove: [UInt64] = [], owner: String = alice
    ) -> PingSets.Change {
        PingSets.Change(set: set, sequence: sequence, add: add, remove: remove, owner: owner)
    }

    // MARK: References

    @Test("the last reference of the last interface ends the object")
    func references() throws {
        var (table, ipids) = try Self.table()
        let first = try #require(ipids[1])
        let marshaled = table.marshal(1, iid: Self.other, references: 1, now: .zero)
        let second = try #require(marshaled)
        #expect(table.addReferences(first, public: 1, private: 2, user: Self.alice, now: .zero) == .ok)
        #expect(table.releaseReferences(first, public: 6, private: 0, user: Self.alice, now: .zero) == nil)
        #expect(table.object(of: first, user: Self.alice) == 1)
        #expect(table.releaseReferences(first, public: 0, private: 2, user: Self.alice, now: .zero) == nil)
        #expect(table.object(of: first, user: Self.alice) == nil)
        #expect(table.releaseReferences(second, public: 1, private: 0, user: Self.alice, now: .zero) == 1)
        #expect(table.objects.isEmpty && table.interfaces.isEmpty)
    }

    @Test("marshaling an interface again adds references to the same IPID")
    func marshalAgain() throws {
        var (table, ipids) = try Self.table()
        #expect(table.marshal(1, iid: Self.iid, references: 5, now: .zero) == ipids[1])
        let ipid = try #require(ipids[1])
        #expect(table.releaseReferences(ipid, public: 9, private: 0, user: Self.alice, now: .zero) == nil)
        #expect(table.releaseReferences(ipid, public: 1, private: 0, user: Self.alice, now: .zero) == 1)
        #expect(table.marshal(1, iid: Self.iid, references: 5, now: .zero) == nil)
    }

    @Test("releasing more than there is takes what there is, and adding never wraps around")
    func saturation() throws {
        var (table, ipids) = try Self.table()
        let ipid = try #require(ipids[1])
        for _ in 0..<3 {
            #expect(table.addReferences(ipid, public: .max, private: .max, user: Self.alice, now: .zero) == .ok)
        }
        #expect(table.releaseReferences(ipid, public: .max, private: .max, user: Self.alice, now: .zero) == nil)
        for _ in 0..<2 {
            _ = table.releaseReferences(ipid, public: .max, private: .max, user: Self.alice, now: .zero)
        }
        #expect(table.releaseReferences(ipid, public: .max, private: 0, user: Self.alice, now: .zero) == 1)
    }

    @Test("to another user an IPID is as good as forged")
    func ownership() throws {
        var (table, ipids) = try Self.table()
        let ipid = try #require(ipids[1])
        #expect(table.object(of: ipid, user: Self.bob) == nil)
        #expect(table.beginCall(ipid, user: Self.bob, now: .zero) == nil)
        #expect(table.addReferences(ipid, public: 1, private: 0, user: Self.bob, now: .zero) == .objectNotRegistered)
        #expect(table.releaseReferences(ipid, public: 99, private: 0, user: Self.bob, now: .zero) == nil)
        #expect(table.object(of: ipid, user: Self.alice) == 1)
        #expect(
            table.addReferences(.random(), public: 1, private: 0, user: Self.alice, now: .zero) == .objectNotRegistered)
    }

    @Test("a call in progress holds an object that was released or whose client is silent")
    func callsHold() throws {
        var (table, ipids) = try Self.table(objects: [1, 2])
        let first = try #require(ipids[1])
        let second = try #require(ipids[2])
        #expect(table.beginCall(first, user: Self.alice, now: .zero)?.oid == 1)
        #expect(table.beginCall(first, user: Self.alice, now: .zero)?.oid == 1)
        #expect(table.beginCall(second, user: Self.alice, now: .zero)?.iid == Self.iid)
        #expect(table.releaseReferences(first, public: 5, private: 0, user: Self.alice, now: .zero) == nil)
        #expect(table.beginCall(first, user: Self.alice, now: .zero) == nil)
        #expect(table.endCall(1, now: .seconds(1)) == nil)
        #expect(table.endCall(1, now: .seconds(2)) == 1)
        #expect(table.collect(now: .seconds(10_000)) == [])
        #expect(table.endCall(2, now: .seconds(10_000)) == nil)
        #expect(table.collect(now: .seconds(10_359)) == [])
        #expect(table.collect(now: .seconds(10_360)) == [2])
    }

    @Test("the object limit holds, and a released object makes room")
    func objectLimit() throws {
        var (table, ipids) = try Self.table(objects: [1, 2], limits: ExporterLimits(objects: 2))
        #expect(table.add(3, owner: Self.alice, now: .zero) == false)
        let ipid = try #require(ipids[1])
        #expect(table.releaseReferences(ipid, public: 5, private: 0, user: Self.alice, now: .zero) == 1)
        #expect(table.add(3, owner: Self.alice, now: .zero) == true)
        #expect(table.add(3, owner: Self.alice, now: .zero) == false)
    }

    // MARK: Collection

    @Test("an object that nobody pings and nobody calls goes after three periods")
    func neverPinged() throws {
        var (table, ipids) = try Self.table()
        #expect(table.collect(now: .seconds(359)) == [])
        let ipid = try #require(ipids[1])
        _ = table.beginCall(ipid, user: Self.alice, now: .seconds(359))
        _ = table.endCall(1, now: .seconds(359))
        #expect(table.collect(now: .seconds(718)) == [])
        #expect(table.collect(now: .seconds(719)) == [1])
        #expect(table.object(of: ipid, user: Self.alice) == nil)
    }

    @Test("a set that is pinged in time keeps its objects; three missed periods end it")
    func pinged() throws {
        var (table, _) = try Self.table(objects: [1, 2])
        let (set, result) = table.ping(Self.change(0, 1, add: [1, 2]), now: .zero)
        #expect(result == .success && set != 0)
        for second in stride(from: 120, through: 1200, by: 120) {
            #expect(table.ping(set, user: Self.alice, now: .seconds(second)) == .success)
            #expect(table.collect(now: .seconds(second)) == [])
        }
        #expect(table.collect(now: .seconds(1559)) == [])
        #expect(table.collect(now: .seconds(1560)) == [1, 2])
        #expect(table.ping(set, user: Self.alice, now: .seconds(1560)) == .invalidPingSet)
    }

    @Test("an object of an expired set that was called within the last period is spared, until it is silent as well")
    func reclamation() throws {
        var (table, ipids) = try Self.table()
        _ = table.ping(Self.change(0, 1, add: [1]), now: .zero)
        let ipid = try #require(ipids[1])
        _ = table.beginCall(ipid, user: Self.alice, now: .seconds(300))
        _ = table.endCall(1, now: .seconds(300))
        #expect(table.collect(now: .seconds(360)) == [])
        #expect(table.collect(now: .seconds(659)) == [])
        #expect(table.collect(now: .seconds(660)) == [1])
    }

    @Test("an object in two sets outlives one of them")
    func twoSets() throws {
        var (table, _) = try Self.table()
        let first = table.ping(Self.change(0, 1, add: [1]), now: .zero).set
        let second = table.ping(Self.change(0, 1, add: [1]), now: .seconds(100)).set
        #expect(first != second)
        #expect(table.collect(now: .seconds(400)) == [])
        #expect(table.ping(first, user: Self.alice, now: .seconds(400)) == .invalidPingSet)
        #expect(table.collect(now: .seconds(460)) == [1])
    }

    @Test("a released object leaves its sets")
    func releasedLeavesSets() throws {
        var (table, ipids) = try Self.table()
        let set = table.ping(Self.change(0, 1, add: [1]), now: .zero).set
        let ipid = try #require(ipids[1])
        #expect(table.releaseReferences(ipid, public: 5, private: 0, user: Self.alice, now: .zero) == 1)
        #expect(table.sets.entries[set]?.members == [])
        #expect(table.collect(now: .seconds(360)) == [])
    }

    @Test("the end of the server releases everything")
    func removeAll() throws {
        var (table, ipids) = try Self.table(objects: [1, 2])
        _ = table.ping(Self.change(0, 1, add: [1]), now: .zero)
        #expect(table.removeAll() == [1, 2])
        #expect(table == ReferenceTable())
        #expect(table.object(of: try #require(ipids[1]), user: Self.alice) == nil)
        #expect(table.endCall(1, now: .zero) == nil)
    }

    // MARK: ComplexPing

    @Test("objects join and leave a set; who leaves has three periods to be used again")
    func membership() throws {
        var (table, _) = try Self.table(objects: [1, 2])
        let set = table.ping(Self.change(0, 1, add: [1]), now: .zero).set
        #expect(table.ping(Self.change(set, 2, add: [2], remove: [1]), now: .seconds(100)) == (set, .success))
        #expect(table.sets.entries[set]?.members == [2])
        #expect(table.collect(now: .seconds(459)) == [])
        #expect(table.collect(now: .seconds(460)) == [1, 2])
    }

    @Test("adding twice counts once, and removing what is not there is no error")
    func idempotent() throws {
        var (table, _) = try Self.table()
        let set = table.ping(Self.change(0, 1, add: [1, 1]), now: .zero).set
        #expect(table.ping(Self.change(set, 2, add: [1]), now: .zero).result == .success)
        #expect(table.objects[1]?.sets == 1)
        #expect(table.ping(Self.change(set, 3, remove: [1, 1, 77]), now: .zero).result == .success)
        #expect(table.objects[1]?.sets == 0)
    }

    @Test("an overtaken request changes nothing and is no error")
    func sequence() throws {
        var (table, _) = try Self.table(objects: [1, 2])
        let set = table.ping(Self.change(0, 5, add: [1]), now: .zero).set
        #expect(table.ping(Self.change(set, 4, add: [2]), now: .seconds(100)) == (set, .success))
        #expect(table.sets.entries[set]?.members == [1])
        #expect(table.sets.entries[set]?.deadline == .seconds(360))
        #expect(table.ping(Self.change(set, 5, add: [2]), now: .seconds(100)).result == .success)
        #expect(table.sets.entries[set]?.members == [1, 2])
    }

    @Test("sequence numbers wrap around")
    func wrapAround() {
        #expect(!PingSets.isStale(0, comparedTo: 0))
        #expect(!PingSets.isStale(1, comparedTo: 0))
        #expect(PingSets.isStale(0, comparedTo: 1))
        #expect(!PingSets.isStale(0, comparedTo: 0xFFFF))
        #expect(PingSets.isStale(0xFFFF, comparedTo: 0))
    }

    @Test("an unknown set, and one of another user, is OR_INVALID_SET")
    func unknownSet() throws {
        var (table, _) = try Self.table()
        let set = table.ping(Self.change(0, 1, add: [1]), now: .zero).set
        #expect(table.ping(set &+ 1, user: Self.alice, now: .zero) == .invalidPingSet)
        #expect(table.ping(set, user: Self.bob, now: .zero) == .invalidPingSet)
        #expect(table.ping(Self.change(set, 2, owner: Self.bob), now: .zero).result == .invalidPingSet)
        #expect(table.ping(Self.change(set &+ 1, 2), now: .zero).result == .invalidPingSet)
    }

    @Test("an unknown object is OR_INVALID_OID for a set there is, and passed over for a new one")
    func unknownObject() throws {
        var (table, _) = try Self.table(objects: [1, 2])
        let (set, result) = table.ping(Self.change(0, 1, add: [77, 1]), now: .zero)
        #expect(result == .success)
        #expect(table.ping(Self.change(set, 2, add: [77, 2]), now: .seconds(10)) == (set, .invalidOID))
        #expect(table.sets.entries[set]?.members == [1, 2])
        #expect(table.sets.entries[set]?.deadline == .seconds(370))
        // Somebody else's objects are unknown, too.
        let others = table.ping(Self.change(0, 1, add: [1], owner: Self.bob), now: .zero).set
        #expect(table.sets.entries[others]?.members == [])
    }

    @Test("the limits of sets and of their members hold")
    func limits() throws {
        var (table, _) = try Self.table(
            objects: [1, 2, 3], limits: ExporterLimits(pingSets: 2, objectsPerSet: 2))
        let (set, result) = table.ping(Self.change(0, 1, add: [1, 2]), now: .zero)
        #expect(result == .success)
        #expect(table.ping(Self.change(set, 2, add: [3]), now: .zero).result == .notEnoughMemory)
        #expect(table.ping(Self.change(set, 3, remove: [1]), now: .zero).result == .success)
        #expect(table.ping(Self.change(set, 4, add: [3]), now: .zero).result == .success)
        #expect(table.ping(Self.change(0, 1), now: .zero).result == .success)
        #expect(table.ping(Self.change(0, 1), now: .zero) == (0, .notEnoughMemory))
        _ = table.collect(now: .seconds(360))
        #expect(table.ping(Self.change(0, 1), now: .seconds(360)).result == .success)
    }
}

struct ClientPingSetTests {
    @Test("a client's set through its life")
    func life() {
        var set = ClientPingSet()
        #expect(set.next(for: []) == .none)
        let first = set.next(for: [1, 2])
        #expect(first == .complex(set: 0, sequence: 1, add: [1, 2], remove: []))
        set.applied(first, set: 9)
        #expect(set.next(for: [1, 2]) == .simple(set: 9))
        let second = set.next(for: [2, 3])
        #expect(second == .complex(set: 9, sequence: 2, add: [3], remove: [1]))
        // Not applied: the answer was lost, so the same change is due again.
        #expect(set.next(for: [2, 3]) == second)
        set.applied(second, set: 9)
        #expect(set.next(for: [2, 3]) == .simple(set: 9))
        set.forgotten()
        #expect(set.next(for: [2, 3]) == .complex(set: 0, sequence: 1, add: [2, 3], remove: []))
    }

    @Test("a set that became empty is not pinged any more")
    func empty() {
        var set = ClientPingSet()
        set.applied(set.next(for: [1]), set: 9)
        let last = set.next(for: [])
        #expect(last == .complex(set: 9, sequence: 2, add: [], remove: [1]))
        set.applied(last, set: 9)
        #expect(set.next(for: []) == .none)
        #expect(set.next(for: [4]) == .complex(set: 0, sequence: 1, add: [4], remove: []))
    }
}
