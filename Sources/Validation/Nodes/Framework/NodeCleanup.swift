import ErrorCodes

/// Undoes what the tests have left: what a lost node holds, what an interrupted test wrote. Any node that has the disk can do it.
struct NodeCleanup: Sendable {
    let run: NodeRun
    let evenInUse: Bool

    /// Undoes everything that is in the ledger, and says what could not be undone and what to do about that.
    ///
    /// - Returns: what was done.
    func putBack() async -> [TestStep] {
        let open = run.ledger.open
        guard !open.isEmpty else {
            return [TestStep("Nothing of the tests is left on any disk", outcome: .good)]
        }
        let cleanup = self
        // A task of its own: the validation's may be cancelled, and this has to be done all the same.
        let work = Task { () -> [TestStep] in
            let recorder = TestRecorder(TestDescription("cleanup", "Clean-up", .storage, ""))
            // A node that was lost may be back: it answers, or it does not.
            await cleanup.lookForLostNodes()
            let context = NodeTestContext(run: cleanup.run, recorder: recorder)
            await withDiscardingTaskGroup { group in
                for disk in cleanup.run.disks where open.contains(where: { $0.disk.index == disk.index }) {
                    group.addTask { await cleanup.putBack(disk, context) }
                }
            }
            await context.close()
            return recorder.result(began: 0, success: "").steps
        }
        return await work.value
    }

    private func lookForLostNodes() async {
        let names = Set(run.lost.keys)
        await withDiscardingTaskGroup { group in
            for node in run.nodes where names.contains(node.name) {
                group.addTask {
                    let object = try? await CallLimit.run(.seconds(10), clock: run.clock) { try await node.storage() }
                    guard let object else { return }
                    run.find(node.name)
                    await CallLimit.giveBack(object, within: run.callLimit, clock: run.clock)
                }
            }
        }
    }

    private func putBack(_ disk: SharedDisk, _ context: NodeTestContext) async {
        var reason = "no node that has the disk answers any more"
        for node in run.nodes(with: disk) {
            do {
                try await putBack(disk, by: node, context)
                return
            } catch let failure as NodeFailure where failure.isLoss {
                continue
            } catch {
                // Perhaps the next one can.
                reason = "\(error)"
            }
        }
        note(disk, context, reason)
    }

    private func putBack(_ disk: SharedDisk, by node: any ValidatedNode, _ context: NodeTestContext) async throws {
        let seat = try await context.seat(disk, on: node)
        var remainder: Remainder?
        do {
            if entries(disk).contains(where: \.deed.endsWithObject) { try await freeReservation(seat) }
            try await removeFiles(seat)
        } catch let error as Remainder {
            remainder = error
        }
        for entry in entries(disk) {
            guard case .sector(let sector, _) = entry.deed else { continue }
            try await restore(sector, seat)
        }
        if let remainder { throw remainder }
    }

    /// Whoever has begun to use the disk meanwhile must not lose it to a clean-up.
    private func makeSureThatItIsOurs(_ disk: SharedDisk) throws {
        guard evenInUse || run.withdrawal(of: disk) == nil else {
            throw Remainder(words: "somebody else has come to use the disk")
        }
    }

    private func entries(_ disk: SharedDisk) -> [CleanupLedger.Entry] {
        run.ledger.open.filter { $0.disk.index == disk.index }
    }

    /// Takes the registrations of nodes that are lost off, and with them the reservation.
    func freeReservation(_ seat: DiskSeat) async throws {
        try makeSureThatItIsOurs(seat.disk)
        let holders = Set(entries(seat.disk).filter(\.deed.endsWithObject).map(\.node)).sorted().joined(separator: ", ")
        let isLeft = try await seat.call(
            "Look whether anybody is registered still", .findKey3, detail: { $0 ? "somebody is" : "nobody is" }
        ) { try await $0.isRegistered(0, on: $1) }
        if isLeft {
            // Nobody but the tests was registered when they began, or the user gave the others up.
            run.ledger.add(.registered, seat.disk, by: seat.node.name)
            try await seat.call("Register, to clear what \(holders) left", .prRegister) { try await $0.register($1) }
            try await seat.call("Clear what \(holders) left", .prClear) { try await $0.clearReservations(of: $1) }
            let remains = try await seat.call(
                "Make sure that nobody is registered", .findKey3, detail: { $0 ? "somebody is" : "nobody is" }
            ) { try await $0.isRegistered(0, on: $1) }
            guard !remains else { throw Remainder(words: "a registration stays whatever is done") }
        }
        run.ledger.strike { $0.disk.index == seat.disk.index && $0.deed.endsWithObject }
    }

    private func removeFiles(_ seat: DiskSeat) async throws {
        let files = entries(seat.disk).filter { if case .file = $0.deed { true } else { false } }
        guard !files.isEmpty else { return }
        try makeSureThatItIsOurs(seat.disk)
        try await seat.own("Take the disk, to remove a test's files")
        _ = try await seat.online()
        for entry in files {
            guard case .file(let name, let partition) = entry.deed else { continue }
            let result = try await seat.ask(
                "Remove \(name) from partition \(partition)", .deleteFile,
                judging: { result in
                    if case .failure(let code) = result, code != Win32Error.fileNotFound.hresult { return (.bad, nil) }
                    return (.good, nil)
                }
            ) { try await $0.deleteFile(name, disk: $1, partition: partition) }
            if case .failure(let code) = result, code != Win32Error.fileNotFound.hresult { continue }
            run.ledger.strike { $0 == entry }
        }
        try await seat.offline()
        try await seat.disown()
    }

    /// Puts a sector's octets back, as soon as the disk lets it.
    private func restore(_ sector: UInt32, _ seat: DiskSeat) async throws {
        var patience = Self.patience
        while true {
            do {
                return try await restoreNow(sector, seat)
            } catch let failure as NodeFailure where failure.code == Win32Error.busy.hresult && patience > .zero {
                // Another validation, to which this one gave way, has reserved the disk: its tests take seconds.
                try await run.clock.sleep(for: Self.pause)
                patience -= Self.pause
            }
        }
    }

    /// How long to wait for a disk that somebody else has reserved, and between two tries.
    private static let (patience, pause) = (Duration.seconds(30), Duration.milliseconds(500))

    /// Puts a sector's octets back. Where somebody else has claimed the disk meanwhile, it is theirs to do so.
    private func restoreNow(_ sector: UInt32, _ seat: DiskSeat) async throws {
        if run.withdrawal(of: seat.disk) != nil {
            let present = DiskClaim(sector: try await seat.read(sector: sector, "Look whose the sector is"))
            if let present, present.isAlive(at: .now), !run.isOwn(present) {
                run.ledger.strike { entry in
                    if case .sector(sector, _) = entry.deed { entry.disk.index == seat.disk.index } else { false }
                }
                return
            }
        }
        try await seat.restore(sector: sector)
    }

    /// What could not be undone, and how to do it by hand.
    private func note(_ disk: SharedDisk, _ context: NodeTestContext, _ reason: String) {
        for entry in entries(disk) {
            let help =
                switch entry.deed {
                case .owned, .registered, .online:
                    "A node that has ended has let go of it only if it could: look with clusprep reservations, and clear what is left."
                case .file(let name, _): "Remove the file \(name) from the volume."
                case .sector: "The sector belongs to nothing; what is in it does no harm."
                }
            context.recorder.add(
                TestStep(
                    "\(entry.deed.words) could not be undone", node: entry.node, disk: disk.name, outcome: .bad,
                    detail: "\(reason). \(help)", began: context.recorder.now))
        }
    }

    /// Nothing helps.
    private struct Remainder: Error, CustomStringConvertible {
        var words: String
        var description: String { words }
    }
}
