import ErrorCodes
import NDR

/// The OID and IPID tables of an exporter and the ping sets of its resolver ([MS-DCOM] 3.1.1.1, 3.1.2.1), as a state
/// machine: every event comes with the time, and the answer says which objects are to be released.
///
/// Decisions that the specification leaves open:
///
/// - **An IPID belongs to the user who was given it** (by security identifier). For anybody else it does not exist, and is
///   answered like a forged one. What a reference was passed on to somebody else for, he can activate himself.
/// - **An object that is in no ping set** is collected when it has neither been called nor marshaled for as long as a set may
///   be silent. The specification only times sets, so a client that activates and never pings would leak its object.
/// - **A call in progress holds its object**: it is released, or collected, when the last call has ended.
/// - **Private references** are kept as one count an interface, not as a list with one for each client identity (3.1.1.1):
///   nobody but its user can add to or release from an interface, so the list would have one entry.
/// - Reference counts saturate; a count of zero of both kinds ends an interface, and the last interface ends the object.
struct ReferenceTable: Equatable {
    struct Object: Equatable {
        var owner: String
        /// The interfaces that have been handed out, and their IPIDs.
        var interfaces: [GUID: GUID] = [:]
        /// When it was last called, marshaled, or taken out of its last ping set.
        var lastUse: Duration
        /// How many ping sets hold it.
        var sets = 0
        var callsInProgress = 0
    }

    struct Interface: Equatable {
        var iid: GUID
        var oid: UInt64
        var publicReferences: UInt64 = 0
        var privateReferences: UInt64 = 0
    }

    private(set) var objects: [UInt64: Object] = [:]
    private(set) var interfaces: [GUID: Interface] = [:]
    private(set) var sets: PingSets
    /// How many objects each user has who has any.
    private(set) var objectsByOwner: [String: Int] = [:]

    init(timing: PingTiming = PingTiming(), limits: ExporterLimits = ExporterLimits()) {
        sets = PingSets(timing: timing, limits: limits)
    }

    private var timing: PingTiming { sets.timing }

    // MARK: Objects and interfaces

    /// Enters an object. Nothing refers to it yet: ``marshal(_:iid:references:now:)`` follows in the same breath.
    ///
    /// - Returns: false if there is no room for another one.
    mutating func add(_ oid: UInt64, owner: String, now: Duration) -> Bool {
        guard objects.count < sets.limits.objects, objects[oid] == nil,
            objectsByOwner[owner, default: 0] < sets.limits.objectsPerUser
        else { return false }
        objectsByOwner[owner, default: 0] += 1
        objects[oid] = Object(owner: owner, lastUse: now)
        return true
    }

    /// Adds public references to an interface of an object, and an IPID if it has none yet (3.1.1.5.1).
    ///
    /// - Returns: the IPID; nil if there is no such object.
    mutating func marshal(
        _ oid: UInt64, iid: GUID, references: UInt32, now: Duration, newIdentifier: () -> GUID = GUID.random
    ) -> GUID? {
        guard objects[oid] != nil else { return nil }
        objects[oid]?.lastUse = now
        let ipid = objects[oid]?.interfaces[iid] ?? newIdentifier()
        objects[oid]?.interfaces[iid] = ipid
        interfaces[ipid, default: Interface(iid: iid, oid: oid)].publicReferences.saturate(adding: references)
        return ipid
    }

    /// The object behind an IPID of this user; nil if it is forged, released, or somebody else's.
    func object(of ipid: GUID, user: String) -> UInt64? {
        guard let oid = interfaces[ipid]?.oid, objects[oid]?.owner == user else { return nil }
        return oid
    }

    /// RemAddRef for one interface (3.1.1.5.6.1.2).
    mutating func addReferences(
        _ ipid: GUID, public publicCount: UInt32, private privateCount: UInt32, user: String, now: Duration
    ) -> HRESULT {
        guard let oid = object(of: ipid, user: user) else { return .objectNotRegistered }
        objects[oid]?.lastUse = now
        interfaces[ipid]?.publicReferences.saturate(adding: publicCount)
        interfaces[ipid]?.privateReferences.saturate(adding: privateCount)
        return .ok
    }

    /// RemRelease for one interface (3.1.1.5.6.1.3). What is not there is passed over.
    ///
    /// - Returns: the object, if this was the last reference to it and no call holds it.
    mutating func releaseReferences(
        _ ipid: GUID, public publicCount: UInt32, private privateCount: UInt32, user: String, now: Duration
    ) -> UInt64? {
        guard let oid = object(of: ipid, user: user), var interface = interfaces[ipid] else { return nil }
        interface.publicReferences.subtract(publicCount)
        interface.privateReferences.subtract(privateCount)
        guard interface.publicReferences == 0, interface.privateReferences == 0 else {
            interfaces[ipid] = interface
            objects[oid]?.lastUse = now
            return nil
        }
        interfaces[ipid] = nil
        objects[oid]?.interfaces[interface.iid] = nil
        return dropIfUnused(oid)
    }

    // MARK: Calls

    /// A call begins. The object stays alive until ``endCall(_:now:)``.
    ///
    /// - Returns: the object and the interface that the IPID stands for, or nil as ``object(of:user:)``.
    mutating func beginCall(_ ipid: GUID, user: String, now: Duration) -> (oid: UInt64, iid: GUID)? {
        guard let oid = object(of: ipid, user: user), let iid = interfaces[ipid]?.iid else { return nil }
        objects[oid]?.callsInProgress += 1
        objects[oid]?.lastUse = now
        return (oid, iid)
    }

    /// A call has ended.
    ///
    /// - Returns: the object, if its last reference went while the call was running.
    mutating func endCall(_ oid: UInt64, now: Duration) -> UInt64? {
        guard objects[oid] != nil else { return nil }
        objects[oid]?.callsInProgress -= 1
        objects[oid]?.lastUse = now
        return dropIfUnused(oid)
    }

    private mutating func dropIfUnused(_ oid: UInt64) -> UInt64? {
        guard let object = objects[oid], object.interfaces.isEmpty, object.callsInProgress == 0 else { return nil }
        drop(oid)
        return oid
    }

    private mutating func drop(_ oid: UInt64) {
        guard let object = objects.removeValue(forKey: oid) else { return }
        for ipid in object.interfaces.values { interfaces[ipid] = nil }
        if object.sets > 0 { sets.forget(oid) }
        let others = objectsByOwner[object.owner, default: 1] - 1
        objectsByOwner[object.owner] = others > 0 ? others : nil
    }

    // MARK: Pinging

    /// SimplePing.
    mutating func ping(_ set: UInt64, user: String, now: Duration) -> Win32Error {
        sets.ping(set, owner: user, now: now) ? .success : .invalidPingSet
    }

    /// ComplexPing; the set's identifier and the result.
    mutating func ping(
        _ change: PingSets.Change, now: Duration, newIdentifier: () -> UInt64 = { .random(in: 1 ... .max) }
    ) -> (set: UInt64, result: Win32Error) {
        let outcome = sets.apply(
            change, now: now, isKnown: { objects[$0]?.owner == change.owner }, newIdentifier: newIdentifier)
        for oid in outcome.joined { objects[oid]?.sets += 1 }
        for oid in outcome.left {
            objects[oid]?.sets -= 1
            objects[oid]?.lastUse = now
        }
        return (outcome.set, outcome.result)
    }

    /// Garbage collection (3.1.2.6 and 3.1.1.6.2).
    ///
    /// - Returns: the objects that are to be released; the table has forgotten them.
    mutating func collect(now: Duration) -> [UInt64] {
        var collected: [UInt64] = []
        for oid in sets.expire(now: now) {
            guard var object = objects[oid] else { continue }
            object.sets -= 1
            objects[oid] = object
            // Its client is gone, unless it still calls: then it is watched like an object that nobody pings.
            guard object.sets == 0, object.callsInProgress == 0, now - object.lastUse >= timing.period else { continue }
            drop(oid)
            collected.append(oid)
        }
        for (oid, object) in objects
        where object.sets == 0 && object.callsInProgress == 0 && now - object.lastUse >= timing.timeout {
            drop(oid)
            collected.append(oid)
        }
        return collected.sorted()
    }

    /// The server ends: every object is to be released.
    mutating func removeAll() -> [UInt64] {
        let all = objects.keys.sorted()
        self = ReferenceTable(timing: timing, limits: sets.limits)
        return all
    }
}

extension UInt64 {
    fileprivate mutating func saturate(adding count: UInt32) {
        let (sum, overflow) = addingReportingOverflow(UInt64(count))
        self = overflow ? .max : sum
    }

    /// A count that is larger than what is there takes all of it (3.1.1.5.6.1.3).
    fileprivate mutating func subtract(_ count: UInt32) {
        self -= Swift.min(self, UInt64(count))
    }
}
