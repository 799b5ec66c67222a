/// Validate File System.
struct FileSystemTest: NodeTest {
    let description = TestDescription(
        "file-system", "Validate File System", .storage, changesDisks: true,
        writes: "registrations and reservations on each disk",
        "The volumes of shared disks have file systems that a failover cluster supports.")
    let needsDisks = true
    let success = "The volumes have file systems that a cluster supports."

    private static let supported: Set<String> = ["NTFS", "REFS", "CSVFS"]

    func run(_ context: NodeTestContext) async throws {
        let rows = try await context.forEachDisk { disk -> [[String]] in
            guard let seat = try await context.seats(disk).first else { return [] }
            try await seat.own()
            let partitions = try await seat.online()
            var rows: [[String]] = []
            for partition in 0..<partitions {
                let number = partition + 1
                let name = try await seat.call(
                    "Ask for the file system of partition \(number)", .getFSName, detail: { $0 }
                ) { try await $0.fileSystemName(of: $1, partition: number) }
                rows.append([disk.name, "\(number)", name])
                judge(name, number, disk, context)
            }
            if partitions == 0 {
                context.recorder.add(
                    Finding(
                        .warning, disk.name, "It has no partition.",
                        advice: "Make a partition, and format it with NTFS.",
                        command: NodeMethod.online.name))
            }
            try await seat.offline()
            try await seat.disown()
            return rows
        }
        context.recorder.add(
            TestResult.Table(
                "Volumes", columns: ["Disk", "Partition", "File system"],
                rows: rows.sorted { $0.key < $1.key }.flatMap(\.value)))
    }

    private func judge(_ name: String, _ partition: UInt32, _ disk: SharedDisk, _ context: NodeTestContext) {
        guard !Self.supported.contains(name.uppercased()) else { return }
        let isRaw = name.uppercased() == "RAW"
        context.recorder.add(
            Finding(
                isRaw ? .warning : .error, disk.name,
                isRaw
                    ? "Partition \(partition) has no file system that the node knows."
                    : "Partition \(partition) has \(name), which clusters do not support.",
                advice: "Format it with NTFS.", command: NodeMethod.getFSName.name))
    }
}
