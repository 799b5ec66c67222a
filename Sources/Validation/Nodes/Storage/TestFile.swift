/// What a failover test leaves on a disk for the next owner: a file on each volume that takes one.
struct TestFile: Sendable {
    /// The partition, from one.
    var partition: UInt32
    /// The file's name: of the tests' own, so that it overwrites nobody's.
    var name: String
    /// What is in it.
    var octets: [UInt8]
}

extension DiskSeat {
    /// Writes a file of random octets to each volume with NTFS.
    ///
    /// - Parameter partitions: what ``online()`` returned.
    func writeFiles(partitions: UInt32) async throws -> [TestFile] {
        var files: [TestFile] = []
        for partition in 1..<(partitions + 1) {
            let isNTFS = try await ask(
                "Ask whether partition \(partition) has NTFS", .partitionIsNtfs,
                judging: { (result: Result<Bool, _>) in
                    guard case .success(let isNTFS) = result else { return (.doubtful, nil) }
                    return (.note, isNTFS ? "it has" : "it has not")
                }
            ) { try await $0.isNTFS($1, partition: partition) }
            guard case .success(true) = isNTFS else { continue }
            let file = TestFile(
                partition: partition, name: "clusprep-validation-\(context.run.id.uuidString.prefix(8)).tmp",
                octets: (0..<65_536).map { _ in UInt8.random(in: .min ... .max) })
            context.run.ledger.add(.file(file.name, partition: partition), disk, by: node.name)
            try await call(
                "Write \(file.octets.count) octets to \(file.name) on partition \(partition)", .writeFileData
            ) {
                try await $0.writeFile(file.name, file.octets, disk: $1, partition: file.partition)
            }
            files.append(file)
        }
        return files
    }

    /// Makes sure that the files are as they were written.
    ///
    /// - Returns: whether they are; what is wrong with them is taken down.
    func verify(_ files: [TestFile], writtenBy writer: String) async throws -> Bool {
        var isIntact = true
        for file in files {
            let result = try await ask(
                "Compare \(file.name) on partition \(file.partition) with what \(writer) wrote", .verifyFileData,
                judging: { if case .success = $0 { (.good, "the same octets") } else { (.bad, "not the same") } }
            ) { try await $0.verifyFile(file.name, file.octets, disk: $1, partition: file.partition) }
            guard case .failure(let code) = result else { continue }
            isIntact = false
            context.blame(
                disk, node.name, .verifyFileData,
                "\(file.name) on partition \(file.partition) is not what \(writer) wrote before it gave the disk up (\(code)).",
                advice: "Look for a cache between node and disk that keeps writes to itself.")
        }
        return isIntact
    }

    /// Removes the files.
    func delete(_ files: [TestFile]) async throws {
        for file in files {
            try await call("Remove \(file.name) from partition \(file.partition)", .deleteFile) {
                try await $0.deleteFile(file.name, disk: $1, partition: file.partition)
            }
            context.run.ledger.strike { entry in
                entry.disk.index == disk.index && entry.deed == .file(file.name, partition: file.partition)
            }
        }
    }
}
