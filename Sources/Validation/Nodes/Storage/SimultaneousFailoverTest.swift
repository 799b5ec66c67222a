/// Validate Simultaneous Failover.
struct SimultaneousFailoverTest: NodeTest {
    let description = TestDescription(
        "simultaneous-failover", "Validate Simultaneous Failover", .storage, changesDisks: true,
        writes: "a file on each NTFS volume, which is removed",
        "All disks of a node go to the next node at the same time, as when the node ends, with their data intact.")
    let needsDisks = true
    let leastNodes = 2
    let success = "All disks went over at the same time, with what was on them."

    func run(_ context: NodeTestContext) async throws {
        let nodes = context.nodes
        // Disk by disk another node, so that each node has something to lose and something to take.
        let owned = try await context.forEachDisk { disk -> Held? in
            guard let seats = try await context.seats(disk, atLeast: 2) else { return nil }
            let owner = seats[disk.index % seats.count]
            try await owner.own()
            let files = try await owner.writeFiles(partitions: try await owner.online())
            if files.isEmpty { context.missVolume(disk) }
            let next = seats[(disk.index + 1) % seats.count]
            return Held(owner: owner, next: next, files: files)
        }.compactMapValues(\.self)
        guard !owned.isEmpty, !nodes.isEmpty else { return }
        // Everybody lets go before anybody takes: what is tried is the taking, all at once.
        let free = try await context.forEachDisk { disk -> Held? in
            guard let held = owned[disk.index] else { return nil }
            try await held.owner.offline()
            try await held.owner.disown("Give the disk back, together with all others")
            return held
        }.compactMapValues(\.self)
        try await context.forEachDisk { disk in
            guard let held = free[disk.index] else { return }
            try await held.next.own("Take the disk, together with all others")
            _ = try await held.next.online()
            _ = try await held.next.verify(held.files, writtenBy: held.owner.node.name)
            try await held.next.delete(held.files)
            try await held.next.offline()
            try await held.next.disown()
        }
    }

    /// A disk with its owner, and the one that is to take it.
    private struct Held: Sendable {
        var owner: DiskSeat
        var next: DiskSeat
        var files: [TestFile]
    }
}
