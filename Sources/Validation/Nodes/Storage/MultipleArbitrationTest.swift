/// Validate Multiple Arbitration.
struct MultipleArbitrationTest: NodeTest {
    let description = TestDescription(
        "multiple-arbitration", "Validate Multiple Arbitration", .storage, changesDisks: true,
        writes: "registrations and reservations on each disk",
        "Of several nodes that arbitrate for a free disk at the same time exactly one gets it.")
    let needsDisks = true
    let leastNodes = 2
    let success = "Exactly one node got each disk."

    func run(_ context: NodeTestContext) async throws {
        try await context.forEachDisk { disk in
            guard let seats = try await context.seats(disk, atLeast: 2) else { return }
            var winners: [DiskSeat] = []
            for winner in try await Self.race(seats, context) {
                // A winner that has died meanwhile had to lose the disk to the next one.
                let answers = try await context.tolerating(disk.name) {
                    try await winner.call("Ask the winner who holds the reservation", .isPRPresent, detail: { "\($0)" })
                    {
                        try await $0.reservation(of: $1)
                    }
                }
                if answers != nil { winners.append(winner) }
            }
            let names = winners.map(\.node.name)
            // Of those that were lost nobody knows what they had.
            guard winners.count > 1 || context.run.nodes(with: disk).count == seats.count else {
                for winner in winners { try await winner.disown() }
                return
            }
            context.conclude(
                winners.count == 1, "Exactly one node got the disk", disk: disk,
                detail: names.isEmpty ? "nobody did" : names.joined(separator: ", "))
            if winners.count > 1 {
                context.blame(
                    disk, nil, .prArbitrate,
                    "\(names.joined(separator: " and ")) arbitrated for it at once, and each got it: both would write.",
                    advice: "Look at Validate SCSI-3 Persistent Reservation for the command that is at fault.")
            } else if winners.isEmpty {
                context.blame(
                    disk, nil, .prArbitrate, "All nodes arbitrated for it at once, and none got it.",
                    advice: "Look at Validate SCSI-3 Persistent Reservation for the command that is at fault.")
            }
            for winner in winners { try await winner.disown() }
        }
    }

    private static func race(_ seats: [DiskSeat], _ context: NodeTestContext) async throws -> [DiskSeat] {
        try await withThrowingTaskGroup(of: DiskSeat?.self) { group in
            for seat in seats {
                group.addTask {
                    let won = try await context.tolerating(seat.disk.name) { try await seat.race() }
                    return won == true ? seat : nil
                }
            }
            var winners: [DiskSeat] = []
            for try await winner in group { if let winner { winners.append(winner) } }
            return winners
        }
    }
}

extension DiskSeat {
    /// CprepDiskPRArbitrate where either end will do.
    ///
    /// - Returns: whether the node owns the disk.
    fileprivate func race() async throws -> Bool {
        context.run.ledger.add(.owned, disk, by: node.name)
        let result = try await ask(
            "Arbitrate at the same time as the others", .prArbitrate,
            judging: { result in
                if case .success = result { (.good, "owned") } else { (.note, "not owned") }
            }
        ) { try await $0.arbitrate($1) }
        if case .success = result { return true }
        context.run.ledger.strike(.owned, disk, by: node.name)
        return false
    }
}
