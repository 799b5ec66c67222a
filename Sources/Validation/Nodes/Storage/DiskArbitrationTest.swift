import ErrorCodes

/// Validate Disk Arbitration.
struct DiskArbitrationTest: NodeTest {
    let description = TestDescription(
        "disk-arbitration", "Validate Disk Arbitration", .storage, changesDisks: true,
        writes: "registrations and reservations on each disk",
        "An owner that defends its disk keeps it, whoever challenges it; one that gives it back loses it to the next.")
    let needsDisks = true
    let leastNodes = 2
    let success = "Owners kept their disks, and challengers got them when they were free."

    func run(_ context: NodeTestContext) async throws {
        try await context.forEachDisk { disk in
            guard let seats = try await context.seats(disk, atLeast: 2) else { return }
            let (owner, challengers) = (seats[0], Array(seats.dropFirst()))
            try await owner.own("Take a free disk")
            // All at once: each waits for as long as the owner has to defend it.
            let thieves = try await Self.challenge(challengers, context)
            // Asked before anything is said: an owner that has died defends nothing.
            let presence = try await owner.call("Look who holds the reservation", .isPRPresent, detail: { "\($0)" }) {
                try await $0.reservation(of: $1)
            }
            for thief in thieves {
                context.blame(
                    disk, thief.node.name, .prArbitrate,
                    "It took the disk from \(owner.node.name), which was defending it.",
                    advice: "Look at Validate SCSI-3 Persistent Reservation for the command that is at fault.")
            }
            if !context.conclude(presence == .here, "The owner holds the reservation after the challenge", disk: disk) {
                if thieves.isEmpty {
                    context.blame(
                        disk, owner.node.name, .isPRPresent,
                        "The owner does not hold the reservation any more, and no challenger has it.")
                }
                return
            }
            guard thieves.isEmpty else { return }
            try await owner.disown("Stop defending")
            for challenger in challengers {
                try await challenger.own("Take the disk that was given back")
                try await challenger.disown()
            }
        }
    }

    /// - Returns: those who got what they must not get.
    private static func challenge(_ challengers: [DiskSeat], _ context: NodeTestContext) async throws -> [DiskSeat] {
        try await withThrowingTaskGroup(of: DiskSeat?.self) { group in
            for challenger in challengers {
                group.addTask {
                    let lost = try await context.tolerating(challenger.disk.name) {
                        try await challenger.arbitrate("Challenge an owner that defends itself", expecting: false)
                            != nil
                    }
                    return lost == false ? challenger : nil
                }
            }
            var thieves: [DiskSeat] = []
            for try await thief in group { if let thief { thieves.append(thief) } }
            return thieves
        }
    }
}
