/// One of the four entries of a boot record (UEFI 2.10, 5.2.1).
struct MBREntry {
    let indicator: UInt8
    let type: UInt8
    let firstBlock: UInt32
    let blockCount: UInt32

    init(_ octets: ArraySlice<UInt8>) {
        indicator = octets.littleEndian(at: 0)
        type = octets.littleEndian(at: 4)
        firstBlock = octets.littleEndian(at: 8)
        blockCount = octets.littleEndian(at: 12)
    }

    var isUsed: Bool {
        type != 0 && blockCount != 0
    }

    var isExtended: Bool {
        [0x05, 0x0F, 0x85].contains(type) && isUsed
    }

    /// A boot sector of something else has code or text here.
    var isPlausible: Bool {
        indicator & 0x7F == 0
    }
}

/// Reads a master boot record and the chain of its logical partitions.
struct MBRReader {
    let disk: TableDisk

    /// Windows gives no letter beyond this; a longer chain is an attack.
    static let logicalPartitionLimit = 128

    func read(signature: UInt32, entries: [MBREntry]) throws(PartitionTableError) -> PartitionTable {
        var problems: [PartitionTableProblem] = []
        var candidates: [Candidate] = []
        var container: Range<UInt64>?
        for (index, entry) in entries.enumerated() where entry.isUsed {
            guard entry.isExtended else {
                candidates.append(candidate(entry, number: index + 1, base: 0, isLogical: false))
                continue
            }
            let range = UInt64(entry.firstBlock)..<UInt64(entry.firstBlock) + UInt64(entry.blockCount)
            if container != nil {
                problems.append(.secondExtended(entry: index + 1))
            } else if range.lowerBound == 0 || range.upperBound > disk.blockCount {
                problems.append(.outOfRange(entry: index + 1))
            } else {
                container = range
            }
        }
        let usable = min(1, disk.blockCount)..<disk.blockCount
        // Primaries must stay out of the extended partition; logical ones inside it are checked among themselves.
        if let container {
            for primary in candidates {
                let first = primary.partition.firstBlock
                if first < container.upperBound && container.lowerBound < first + primary.partition.blockCount {
                    problems.append(.overlap(entry: primary.entry, other: extendedEntry(entries)))
                }
            }
            candidates.removeAll { $0.partition.blocks.overlaps(container) }
            candidates += try logical(in: container, problems: &problems)
        }
        if try GPTReader(disk: disk).hasPrimary() { problems.append(.unannouncedGPT) }
        let partitions = candidates.settled(usable: usable, problems: &problems)
        return PartitionTable(
            style: .mbr(signature: signature), partitions: partitions, problems: problems, usableBlocks: usable,
            reservedBlocks: container.map { [$0] } ?? [])
    }

    private func extendedEntry(_ entries: [MBREntry]) -> Int {
        (entries.firstIndex(where: \.isExtended) ?? 0) + 1
    }

    private func candidate(_ entry: MBREntry, number: Int, base: UInt64, isLogical: Bool) -> Candidate {
        Candidate(
            entry: number,
            partition: Partition(
                number: number, firstBlock: base + UInt64(entry.firstBlock), blockCount: UInt64(entry.blockCount),
                type: .mbr(entry.type), attributes: entry.indicator == 0x80 ? 4 : 0, isLogical: isLogical))
    }

    /// Walks the chain: each record names one partition, relative to itself, and the next record, relative to the
    /// extended partition.
    private func logical(
        in container: Range<UInt64>, problems: inout [PartitionTableProblem]
    ) throws(PartitionTableError) -> [Candidate] {
        var result: [Candidate] = []
        var visited: Set<UInt64> = []
        var next: UInt64? = container.lowerBound
        while let block = next {
            next = nil
            guard container.contains(block) else {
                problems.append(.brokenChain("block \(block) is outside the extended partition"))
                break
            }
            guard visited.insert(block).inserted else {
                problems.append(.brokenChain("it returns to block \(block)"))
                break
            }
            guard visited.count <= Self.logicalPartitionLimit else {
                problems.append(.brokenChain("it has more than \(Self.logicalPartitionLimit) records"))
                break
            }
            let record = try disk.read(block: block)
            guard record.littleEndian(UInt16.self, at: 510) == 0xAA55 else {
                problems.append(.brokenChain("block \(block) has no signature"))
                break
            }
            let entries = (0..<2).map { MBREntry(record[(446 + 16 * $0)..<(462 + 16 * $0)]) }
            if entries[0].isUsed && !entries[0].isExtended {
                let found = candidate(entries[0], number: 4 + visited.count, base: block, isLogical: true)
                let first = found.partition.firstBlock
                // The record itself is not part of the partition, so a partition never begins there.
                if entries[0].firstBlock > 0, first < container.upperBound,
                    found.partition.blockCount <= container.upperBound - first
                {
                    result.append(found)
                } else {
                    problems.append(.outOfRange(entry: found.entry))
                }
            }
            if entries[1].isExtended { next = container.lowerBound + UInt64(entries[1].firstBlock) }
        }
        // A partition that covers a record of the chain could overwrite it.
        for candidate in result {
            if let record = visited.first(where: { candidate.partition.blocks.contains($0) }) {
                problems.append(.brokenChain("entry \(candidate.entry) covers the record in block \(record)"))
            }
        }
        result.removeAll { candidate in visited.contains { candidate.partition.blocks.contains($0) } }
        return result
    }
}
