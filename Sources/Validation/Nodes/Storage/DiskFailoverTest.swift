/// Validate Disk Failover.
struct DiskFailoverTest: NodeTest {
    let description = TestDescription(
        "disk-failover", "Validate Disk Failover", .storage, changesDisks: true,
        writes: "a file on each NTFS volume, which is removed",
        "Each disk goes from node to node, and what one owner has written is what the next one reads.")
    let needsDisks = true
    let leastNodes = 2
    let success = "Each owner read what the one before it had written."

    func run(_ context: NodeTestContext) async throws {
        try await context.forEachDisk { disk in
            guard let seats = try await context.seats(disk, atLeast: 2) else { return }
            var files: [TestFile] = []
            var writer: String?
            // Around, and back to where it began, so that each node has taken the disk from another one.
            let round = seats + seats.prefix(1)
            for (turn, seat) in round.enumerated() {
                try await seat.own(writer.map { "Take the disk that \($0) gave back" } ?? "Take the disk")
                let partitions = try await seat.online()
                if let writer {
                    let isIntact = try await seat.verify(files, writtenBy: writer)
                    try await seat.delete(files)
                    guard isIntact else { return }
                }
                if turn < round.count - 1 {
                    files = try await seat.writeFiles(partitions: partitions)
                    if files.isEmpty, writer == nil { context.missVolume(disk) }
                    writer = seat.node.name
                }
                try await seat.offline()
                try await seat.disown()
            }
        }
    }
}

extension NodeTestContext {
    /// Takes down that a disk has no volume to write to.
    func missVolume(_ disk: SharedDisk) {
        recorder.add(
            Finding(
                .warning, disk.name, "It has no NTFS volume, so only its ownership was moved, and no file with it.",
                advice: "Format it with NTFS, and validate again."))
    }
}
