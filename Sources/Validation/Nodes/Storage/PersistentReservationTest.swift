import ErrorCodes

/// Validate SCSI-3 Persistent Reservation.
///
/// With keys of its own, over IClusterStorage3: to a disk each node is one initiator. What each command has to do is SPC-3 5.6.
struct PersistentReservationTest: NodeTest {
    let description = TestDescription(
        "persistent-reservation", "Validate SCSI-3 Persistent Reservation", .storage, changesDisks: true,
        writes: "registrations and reservations on each disk, and one sector that belongs to nothing",
        "Tries every persistent reservation command that a cluster uses, and whether what is reserved is kept from other nodes."
    )
    let needsDisks = true
    let leastNodes = 2
    let success = "Persistent reservations work as a cluster needs them."

    func run(_ context: NodeTestContext) async throws {
        try await context.forEachDisk { disk in
            guard let seats = try await context.seats(disk, atLeast: 2) else { return }
            let pairs = zip(seats, seats.dropFirst() + seats.prefix(1))
            for (one, other) in seats.count == 2 ? Array(pairs.prefix(1)) : Array(pairs) {
                do {
                    try await ReservationRound(one: one, other: other).run()
                } catch is ReservationRound.Broken {
                    // The finding is taken down; what follows would only show the same again.
                    break
                }
            }
        }
    }
}

/// Two nodes and a disk: what each of the two does to the other's reservation.
private struct ReservationRound {
    /// What follows builds on what has just failed.
    struct Broken: Error {}

    let one: DiskSeat
    let other: DiskSeat
    private let key: UInt64
    private let otherKey: UInt64

    init(one: DiskSeat, other: DiskSeat) {
        self.one = one
        self.other = other
        // "CV" and random octets: whoever finds one on a unit can tell what it is from.
        key = 0x4356_0000_0000_0000 | UInt64.random(in: 1...0x7FFF_FFFF_FFFF)
        otherKey = key ^ 0x8000_0000_0000
    }

    private var context: NodeTestContext { one.context }

    func run() async throws {
        let sector = try await one.scratchSectors().x
        try await registrations()
        try await reservation(sector)
        try await takeover(sector)
        try await end()
    }

    private func registrations() async throws {
        try await register(one, key)
        try await demand(
            one, .prRegister3, "A registration has to be seen by every node.", try await finds(key, from: other))
        try await register(other, otherKey)
        try await demand(
            other, .prRegister3, "A registration has to be seen by every node, also a second one.",
            try await finds(otherKey, from: one))
        let (wrong, new) = (otherKey, key ^ 1)
        let refusal = try await one.provoke("Change its key, naming a key that is not its own", .prRegister3) {
            try await $0.register($1, key: new, replacing: wrong)
        }
        try await demand(
            one, .prRegister3, "REGISTER with a key that the node is not registered with has to be refused.",
            refusal != nil)
    }

    private func reservation(_ sector: UInt32) async throws {
        try await reserve(one, key)
        try await demand(
            one, .prReserve3, "After RESERVE the node has to be the holder.", try await holds(key, one))
        let ofOther = otherKey
        let refusal = try await other.provoke("Reserve what another node has reserved", .prReserve3) {
            try await $0.reserve($1, key: ofOther)
        }
        try await demand(one, .prReserve3, "RESERVE by another node has to be refused.", refusal != nil)
        try await write(other, sector, "Write as a registered node that is not the holder", mustSucceed: true)

        try await unregister(other, otherKey)
        try await write(other, sector, "Write as a node that is not registered", mustSucceed: false)
        _ = try await other.ask(
            "Read as a node that is not registered (sector \(sector))", .rawRead,
            judging: { (result: Result<[UInt8], HRESULT>) in
                if case .success = result { (.good, nil) } else { (.doubtful, "Write Exclusive lets everybody read") }
            }
        ) { try await $0.timedRead(sector: sector, of: $1).octets }

        try await register(other, otherKey)
        // Either end of the command is right: a RELEASE by who does not hold does nothing (SPC-3 5.6.10.2).
        _ = try await other.ask(
            "Release what another node has reserved", .prRelease3, judging: { _ in (.note, nil) }
        ) { try await $0.releaseReservation(of: $1, key: ofOther) }
        try await demand(
            one, .prRelease3, "RELEASE by a node that is not the holder has to change nothing.",
            try await holds(key, one))
    }

    private func takeover(_ sector: UInt32) async throws {
        let (key, otherKey) = (key, otherKey)
        try await other.call("Pre-empt the holder", .prPreempt3) { try await $0.preempt($1, owner: key, key: otherKey) }
        try await demand(
            other, .prPreempt3, "PREEMPT has to take the holder's registration off.",
            !(try await finds(key, from: other)))
        try await demand(
            other, .prPreempt3, "PREEMPT of the holder has to make the node that sent it the holder.",
            try await holds(otherKey, other))
        context.run.ledger.strike(.registered, one.disk, by: one.node.name)
        try await write(one, sector, "Write as the node that was pre-empted", mustSucceed: false)
        try await write(other, sector, "Write as the new holder", mustSucceed: true)

        try await other.call("Release the reservation", .prRelease3) {
            try await $0.releaseReservation(of: $1, key: otherKey)
        }
        try await demand(
            other, .prRelease3, "After RELEASE by its holder there has to be no reservation.",
            !(try await holds(otherKey, other)))
    }

    private func end() async throws {
        try await register(one, key)
        try await reserve(one, key)
        let key = key
        try await one.call("Clear all registrations", .prClear3) { try await $0.clearReservations(of: $1, key: key) }
        try await demand(
            one, .prClear3, "CLEAR has to take every registration off.", !(try await finds(0, from: other)))
        for seat in [one, other] { context.run.ledger.strike(.registered, seat.disk, by: seat.node.name) }
        try await register(one, key)
        try await reserve(one, key)
        try await unregister(one, key)
        try await demand(
            one, .prRegister3, "The reservation has to go with the registration of its holder.",
            !(try await finds(0, from: other)))
    }

    // MARK: Commands

    private func register(_ seat: DiskSeat, _ key: UInt64) async throws {
        context.run.ledger.add(.registered, seat.disk, by: seat.node.name)
        try await seat.call("Register", .prRegister3) { try await $0.register($1, key: key, replacing: 0) }
    }

    private func unregister(_ seat: DiskSeat, _ key: UInt64) async throws {
        try await seat.call("Take its registration off", .prRegister3) {
            try await $0.register($1, key: 0, replacing: key)
        }
        context.run.ledger.strike(.registered, seat.disk, by: seat.node.name)
    }

    private func reserve(_ seat: DiskSeat, _ key: UInt64) async throws {
        try await seat.call("Reserve", .prReserve3) { try await $0.reserve($1, key: key) }
    }

    private func finds(_ key: UInt64, from seat: DiskSeat) async throws -> Bool {
        try await seat.call(
            key == 0 ? "Look whether anybody is registered" : "Look for the key", .findKey3,
            detail: { $0 ? "found" : "not found" }
        ) { try await $0.isRegistered(key, on: $1) }
    }

    private func holds(_ key: UInt64, _ seat: DiskSeat) async throws -> Bool {
        try await seat.call(
            "Look whether it holds the reservation", .isPRPresent3, detail: { $0 ? "it does" : "it does not" }
        ) { try await $0.isReserved($1, key: key) }
    }

    private func write(_ seat: DiskSeat, _ sector: UInt32, _ text: String, mustSucceed: Bool) async throws {
        // A mark of this validation, which its end takes back: another one may be about to claim the disk with the same sector.
        let octets = DiskClaim(id: context.run.id).sector(filledWith: UInt8.random(in: 1...255))
        if mustSucceed {
            do {
                try await seat.write(octets, sector: sector, text)
            } catch let failure as NodeFailure where failure.code != nil {
                try await demand(seat, .rawWrite, "A registered node has to be let write (Registrants Only).", false)
            }
            return
        }
        let refusal = try await seat.provoke("\(text) (sector \(sector))", .rawWrite) {
            _ = try await $0.timedWrite(octets, sector: sector, of: $1)
        }
        try await demand(
            seat, .rawWrite, "A node that is not registered has to be kept from writing.", refusal != nil)
    }

    /// What is wrong with the disk where the condition does not hold.
    private func demand(_ seat: DiskSeat, _ method: NodeMethod, _ rule: String, _ condition: Bool) async throws {
        guard !condition else { return }
        context.conclude(false, rule, disk: seat.disk)
        context.blame(seat.disk, seat.node.name, method, "\(method.name): \(rule)")
        throw Broken()
    }
}
