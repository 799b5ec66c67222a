import ErrorCodes
import Foundation

/// Keeps two validations from testing one disk at the same time, and a validation from a disk that somebody has begun to use.
///
/// Before its first test that changes disks a validation claims each of them, with the two sectors that belong to nothing
/// (CprepDiskGetArbSectors) and the first half of Lamport's fast mutual exclusion (1987): write X, give way where Y is taken, write Y, give
/// way where X has changed. Of any number that do so at the same time at most one goes on, and each of the others knows of whom. That
/// needs no reservation, which the tests themselves make and break, and works over whichever nodes.
actor DiskGuard {
    private let run: NodeRun
    private let evenInUse: Bool
    /// The sector with the claim, by the disk's index.
    private var claims: [Int: UInt32] = [:]
    /// The disks for which a claim was tried.
    private var tried: Set<Int> = []

    init(run: NodeRun, evenInUse: Bool) {
        self.run = run
        self.evenInUse = evenInUse
    }

    /// Before a test: claims the disks that are not claimed yet, and makes sure of the others. A disk that somebody else uses is withdrawn.
    ///
    /// - Throws: `CancellationError`.
    func enter(_ context: NodeTestContext) async throws {
        let (claims, tried) = (claims, tried)
        let id = run.id
        let taken = try await context.forEachDisk { disk -> UInt32? in
            while let node = context.run.nodes(with: disk).first {
                do {
                    let seat = try await context.seat(disk, on: node)
                    return try await self.secure(
                        seat, DiskClaim(id: id), in: claims[disk.index],
                        isFirst: !tried.contains(disk.index))
                } catch let failure as NodeFailure where failure.isLoss {
                    // The next node that has it will do as well.
                    context.report(failure)
                } catch let failure as NodeFailure where failure.code == Win32Error.busy.hresult {
                    self.withdraw(disk, "somebody else has reserved it", context)
                    return nil
                }
            }
            return nil
        }
        for (index, sector) in taken { if let sector { self.claims[index] = sector } }
        self.tried.formUnion(taken.keys)
        // A disk that could not be looked at is nobody's, whatever was known of it before the last test.
        for disk in context.disks where taken.index(forKey: disk.index) == nil { self.claims[disk.index] = nil }
        // What cannot be claimed for another reason is not tested either; the finding is taken down.
        for disk in context.disks where self.claims[disk.index] == nil && !run.nodes(with: disk).isEmpty {
            withdraw(disk, "it could not be marked as being tested", context)
        }
    }

    /// After a test: a disk that somebody else has come to use meanwhile is withdrawn, for then its results mean nothing.
    func leave(_ context: NodeTestContext) async {
        let check = NodeTestContext(run: run, recorder: context.recorder)
        _ = try? await check.forEachDisk { disk -> Void in
            guard let node = check.run.nodes(with: disk).first else { return }
            let seat = try await check.seat(disk, on: node)
            // What a lost node has left is not somebody else's.
            let isOurs = check.run.ledger.open.contains { $0.disk.index == disk.index && $0.deed.endsWithObject }
            guard !isOurs, try await self.isForeign(seat) else { return }
            let reason = "somebody else has registered with it during the test"
            context.recorder.doubt(disk.name, because: reason)
            self.withdraw(disk, reason, context)
        }
        await check.close()
    }

    // MARK: Pieces

    /// - Returns: the sector with the claim; nil where the disk was withdrawn.
    private nonisolated func secure(
        _ seat: DiskSeat, _ claim: DiskClaim, in sector: UInt32?, isFirst: Bool
    ) async throws -> UInt32? {
        // What a lost node has left is not somebody else's; whoever is registered after that is.
        let run = seat.context.run
        if run.ledger.open.contains(where: { $0.disk.index == seat.disk.index && $0.deed.endsWithObject }) {
            try await NodeCleanup(run: run, evenInUse: evenInUse).freeReservation(seat)
        }
        if try await isForeign(seat) {
            withdraw(seat.disk, "somebody has registered with it since the validation began", seat.context)
            return nil
        }
        guard let sector else { return isFirst ? try await self.claim(seat, claim) : nil }
        let found = DiskClaim(sector: try await seat.read(sector: sector, "Look at the validation's claim"))
        guard let found, found.id == claim.id || found.isAlive(at: claim.renewed) else {
            // Who gave way may have taken our mark back together with its own.
            return try await self.claim(seat, claim)
        }
        guard found.id == claim.id else {
            withdraw(seat.disk, found.words, seat.context)
            return nil
        }
        try await seat.write(claim.sector, sector: sector, "Renew the validation's claim")
        return sector
    }

    private nonisolated func withdraw(_ disk: SharedDisk, _ reason: String, _ context: NodeTestContext) {
        context.run.withdraw(disk, because: reason)
        context.miss("\(disk.name) was left alone: \(reason).")
        context.recorder.add(
            Finding(
                .warning, disk.name, "It was left alone: \(reason).",
                advice: "Wait until the other one has ended, and validate again."))
    }

    /// Whether anybody is registered while none of our nodes should be.
    private nonisolated func isForeign(_ seat: DiskSeat) async throws -> Bool {
        guard !evenInUse else { return false }
        let answer = try await seat.ask(
            "Look whether anybody is registered", .findKey3,
            judging: { result in
                switch result {
                case .success(let found): (found ? .doubtful : .good, found ? "somebody is" : "nobody is")
                case .failure: (.note, "it cannot tell")
                }
            }
        ) { try await $0.isRegistered(0, on: $1) }
        guard case .failure(let code) = answer else { return (try? answer.get()) ?? false }
        let failure = NodeFailure(
            node: seat.node.name, method: .findKey3, kind: .answered(code), disk: seat.disk.name)
        guard failure.isUnsupported else { throw failure }
        // An older release tells of reservations, if not of registrations.
        let presence = try await seat.call(
            "Look whether anybody has reserved it", .isPRPresent, detail: { "\($0)" }
        ) { try await $0.reservation(of: $1) }
        return presence != .absent
    }

    /// - Returns: the sector that has the claim now; nil where somebody else was faster.
    private nonisolated func claim(_ seat: DiskSeat, _ claim: DiskClaim) async throws -> UInt32? {
        let (x, y) = try await seat.scratchSectors()
        // Looked at first: who is at work there should not have to notice anything.
        if let found = try await other(seat, y, claim) { return try await give(way: found, seat, claim, []) }
        if evenInUse, seat.disk.isInUse { try await removeOthers(seat) }
        try await seat.write(claim.sector, sector: x, "Announce the validation")
        if let found = try await other(seat, y, claim) { return try await give(way: found, seat, claim, [x]) }
        try await seat.write(claim.sector, sector: y, "Claim the disk for the validation")
        let last = DiskClaim(sector: try await seat.read(sector: x, "Look whether anybody else announced one"))
        guard last?.id == claim.id else { return try await give(way: last, seat, claim, [y, x]) }
        // Somebody who was to give way may have written Y once more, after us.
        try await seat.write(claim.sector, sector: y, "Confirm the claim")
        return y
    }

    /// Takes off the registrations that the user gave up, and with them a reservation that would keep the tests from writing.
    private nonisolated func removeOthers(_ seat: DiskSeat) async throws {
        let ledger = seat.context.run.ledger
        ledger.add(.registered, seat.disk, by: seat.node.name)
        try await seat.call("Register, to remove the registrations of others", .prRegister) {
            try await $0.register($1)
        }
        try await seat.call("Remove the registrations of others", .prClear) {
            try await $0.clearReservations(of: $1)
        }
        ledger.strike(.registered, seat.disk, by: seat.node.name)
    }

    /// Takes back what was written of a claim, as far as it is still there, and leaves the disk alone.
    private nonisolated func give(
        way found: DiskClaim?, _ seat: DiskSeat, _ claim: DiskClaim, _ sectors: [UInt32]
    ) async throws -> UInt32? {
        withdraw(
            seat.disk, found?.words ?? "another validation, which gave way as well, claimed it at the same time",
            seat.context)
        for sector in sectors {
            let present = DiskClaim(sector: try await seat.read(sector: sector, "Look what has become of the claim"))
            if present?.id == claim.id {
                try await seat.restore(sector: sector)
            } else {
                seat.context.run.ledger.strike { entry in
                    if case .sector(sector, _) = entry.deed { entry.disk.index == seat.disk.index } else { false }
                }
            }
        }
        return nil
    }

    /// The living claim of somebody else in a sector.
    private nonisolated func other(_ seat: DiskSeat, _ sector: UInt32, _ own: DiskClaim) async throws -> DiskClaim? {
        let found = DiskClaim(
            sector: try await seat.read(sector: sector, "Look whether another validation has claimed it"))
        guard let found, found.id != own.id, found.isAlive(at: own.renewed) else { return nil }
        return found
    }
}
