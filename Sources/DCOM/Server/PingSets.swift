import ErrorCodes

/// The ping sets of an object resolver ([MS-DCOM] 3.1.2.1, SETID table), without a clock and without objects: events in,
/// what follows for the objects out.
struct PingSets: Equatable {
    struct Entry: Equatable {
        var owner: String
        var members: Set<UInt64>
        var sequence: UInt16
        var deadline: Duration
    }

    /// One client's ComplexPing.
    struct Change {
        /// Zero asks for a new set.
        var set: UInt64
        var sequence: UInt16
        var add: [UInt64] = []
        var remove: [UInt64] = []
        /// The caller's security identifier: a set answers only to who made it.
        var owner: String
    }

    /// What a change did. `joined` and `left` list each membership that began or ended, so that the objects can count them.
    struct Outcome: Equatable {
        var set: UInt64
        var result: Win32Error = .success
        var joined: [UInt64] = []
        var left: [UInt64] = []
    }

    let timing: PingTiming
    let limits: ExporterLimits
    private(set) var entries: [UInt64: Entry] = [:]
    /// The members of all sets, together.
    private(set) var memberships = 0

    init(timing: PingTiming, limits: ExporterLimits) {
        self.timing = timing
        self.limits = limits
    }

    /// SimplePing (3.1.2.5.1.2): false if there is no such set.
    mutating func ping(_ set: UInt64, owner: String, now: Duration) -> Bool {
        guard entries[set]?.owner == owner else { return false }
        entries[set]?.deadline = now + timing.timeout
        return true
    }

    /// ComplexPing (3.1.2.5.1.3).
    ///
    /// - Parameters:
    ///   - isKnown: whether the caller has an object of this identifier.
    ///   - newIdentifier: makes the identifier of a new set; never zero.
    mutating func apply(
        _ change: Change, now: Duration, isKnown: (UInt64) -> Bool, newIdentifier: () -> UInt64
    ) -> Outcome {
        var outcome = Outcome(set: change.set)
        var entry: Entry
        if change.set == 0 {
            guard entries.count < limits.pingSets,
                entries.values.count(where: { $0.owner == change.owner }) < limits.pingSetsPerUser
            else {
                outcome.result = .notEnoughMemory
                return outcome
            }
            entry = Entry(owner: change.owner, members: [], sequence: change.sequence, deadline: now)
        } else {
            guard let existing = entries[change.set], existing.owner == change.owner else {
                outcome.result = .invalidPingSet
                return outcome
            }
            guard !Self.isStale(change.sequence, comparedTo: existing.sequence) else { return outcome }
            entry = existing
        }

        // An object that is gone does not keep the others from being pinged: all of the list is worked off, and the
        // error is reported afterwards. In a new set the specification passes over unknown objects silently.
        for oid in change.add where !entry.members.contains(oid) {
            guard isKnown(oid) else {
                if change.set != 0 { outcome.result = .invalidOID }
                continue
            }
            guard entry.members.count < limits.objectsPerSet,
                memberships + outcome.joined.count < limits.memberships
            else {
                outcome.result = .notEnoughMemory
                continue
            }
            entry.members.insert(oid)
            outcome.joined.append(oid)
        }
        for oid in change.remove where entry.members.remove(oid) != nil {
            outcome.left.append(oid)
        }
        memberships += outcome.joined.count - outcome.left.count
        entry.deadline = now + timing.timeout
        entry.sequence = change.sequence
        if change.set == 0 {
            repeat { outcome.set = newIdentifier() } while outcome.set == 0 || entries[outcome.set] != nil
        }
        entries[outcome.set] = entry
        return outcome
    }

    /// Removes the sets whose time is over (3.1.2.6) and returns the memberships that ended.
    mutating func expire(now: Duration) -> [UInt64] {
        var left: [UInt64] = []
        for (set, entry) in entries where entry.deadline <= now {
            entries[set] = nil
            memberships -= entry.members.count
            left += entry.members.sorted()
        }
        return left
    }

    /// An object is gone: no set holds it any more.
    mutating func forget(_ oid: UInt64) {
        for set in entries.keys where entries[set]?.members.remove(oid) != nil { memberships -= 1 }
    }

    /// Whether a request was overtaken by a later one. The numbers wrap around, so the distance decides, not the size:
    /// otherwise a client's set would be dead after 65,535 changes.
    static func isStale(_ sequence: UInt16, comparedTo current: UInt16) -> Bool {
        let distance = current &- sequence
        return distance != 0 && distance < 0x8000
    }
}
