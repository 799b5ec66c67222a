/// The header of a GUID partition table (UEFI 2.10, 5.3.2).
struct GPTHeader: Equatable {
    static let signature = Array("EFI PART".utf8)
    static let size = 92

    var block: UInt64
    var alternateBlock: UInt64
    var firstUsable: UInt64
    var lastUsable: UInt64
    var diskID: DiskGUID
    var entriesBlock: UInt64
    var entryCount: UInt32
    var entrySize: UInt32
    var entriesChecksum: UInt32

    /// The octets of the entries; the limits are checked when a header is read.
    var entriesLength: Int {
        Int(entryCount) * Int(entrySize)
    }
}

/// Reads a GUID partition table and its backup.
struct GPTReader {
    let disk: TableDisk

    /// Entries in practice: 128 of 128 octets. This is what one allocation for them may come to.
    static let entriesLengthLimit = 1 << 20

    enum Copy {
        case sound(GPTHeader, entries: [UInt8])
        /// Why, and where the other copy is, where the header itself can be believed.
        case damaged(String, alternate: UInt64? = nil)
    }

    func read(mbr: [MBREntry]) throws(PartitionTableError) -> PartitionTable {
        guard disk.blockCount > 2 else { throw .damagedGPT(primary: "the disk is too small", backup: "likewise") }
        var problems: [PartitionTableProblem] = []
        if mbr.contains(where: { $0.isUsed && $0.type != 0xEE }) { problems.append(.hybrid) }
        let last = disk.blockCount - 1
        switch try copy(at: 1, isBackup: false) {
        case .sound(let header, let entries):
            if header.alternateBlock != last { problems.append(.backupNotAtEnd(block: header.alternateBlock)) }
            switch try copy(at: header.alternateBlock, isBackup: true) {
            case .sound(let backup, _):
                if !header.agrees(with: backup) { problems.append(.copiesDiffer) }
            case .damaged(let reason, _): problems.append(.backupDamaged(reason))
            }
            return table(header, entries, mbr, problems)
        case .damaged(let reason, let alternate):
            switch try backup(at: last, or: alternate) {
            case .sound(let header, let entries):
                if header.block != last { problems.append(.backupNotAtEnd(block: header.block)) }
                return table(header, entries, mbr, problems + [.primaryDamaged(reason)])
            case .damaged(let backupReason, _):
                throw .damagedGPT(primary: try otherBlockSize() ?? reason, backup: backupReason)
            }
        }
    }

    /// Whether there is a sound primary copy, announced or not.
    func hasPrimary() throws(PartitionTableError) -> Bool {
        guard disk.blockCount > 2, case .sound = try copy(at: 1, isBackup: false) else { return false }
        return true
    }

    /// The backup from the disk's end, where it belongs, or from where the primary says it is, as on a disk that has grown.
    private func backup(at last: UInt64, or alternate: UInt64?) throws(PartitionTableError) -> Copy {
        let atEnd = try copy(at: last, isBackup: true)
        guard case .damaged = atEnd, let alternate, alternate != last, alternate != 1 else { return atEnd }
        return try copy(at: alternate, isBackup: true)
    }

    /// Why there is no header where it should be, if the disk was partitioned through something that showed blocks of
    /// another size, such as a bridge that emulates 512 octets.
    private func otherBlockSize() throws(PartitionTableError) -> String? {
        for size in [512, 4096] where size != disk.blockSize {
            let block = UInt64(size / disk.blockSize)
            guard block < disk.blockCount else { continue }
            let octets = try disk.read(block: block)
            let offset = size % disk.blockSize
            if octets[offset..<offset + 8].elementsEqual(GPTHeader.signature) {
                return "it was made for blocks of \(size) octets, and these have \(disk.blockSize)"
            }
        }
        return nil
    }

    /// Reads one copy and checks everything that can be checked without the other.
    func copy(at block: UInt64, isBackup: Bool) throws(PartitionTableError) -> Copy {
        guard block > 0, block < disk.blockCount else { return .damaged("block \(block) is not on the disk") }
        var octets = try disk.read(block: block)
        guard octets.prefix(8).elementsEqual(GPTHeader.signature) else { return .damaged("no signature") }
        let size = Int(octets.littleEndian(UInt32.self, at: 12))
        guard size >= GPTHeader.size, size <= disk.blockSize else { return .damaged("a header of \(size) octets") }
        let checksum = octets.littleEndian(UInt32.self, at: 16)
        octets.setLittleEndian(UInt32(0), at: 16)
        guard CRC32.checksum(octets[..<size]) == checksum else { return .damaged("wrong checksum of the header") }
        let header = GPTHeader(octets)
        guard header.block == block else { return .damaged("the header says it is in block \(header.block)") }
        let alternate = header.alternateBlock
        if let reason = unusable(header, isBackup: isBackup) { return .damaged(reason, alternate: alternate) }
        let length = header.entriesLength
        let count = (length + disk.blockSize - 1) / disk.blockSize
        let entries = try disk.read(block: header.entriesBlock, count: count).prefix(length)
        guard CRC32.checksum(entries) == header.entriesChecksum else {
            return .damaged("wrong checksum of the entries", alternate: alternate)
        }
        return .sound(header, entries: Array(entries))
    }

    /// Why a header whose checksum is right cannot be true.
    private func unusable(_ header: GPTHeader, isBackup: Bool) -> String? {
        guard header.entrySize >= 128, header.entrySize % 8 == 0, header.entrySize <= 4096 else {
            return "entries of \(header.entrySize) octets"
        }
        guard header.entryCount > 0, Int(header.entryCount) <= Self.entriesLengthLimit / Int(header.entrySize) else {
            return "\(header.entryCount) entries"
        }
        guard header.firstUsable <= header.lastUsable, header.lastUsable < disk.blockCount else {
            return "usable blocks \(header.firstUsable) to \(header.lastUsable)"
        }
        let blocks = UInt64((header.entriesLength + disk.blockSize - 1) / disk.blockSize)
        guard header.entriesBlock < disk.blockCount, blocks <= disk.blockCount - header.entriesBlock else {
            return "entries beyond the end of the disk"
        }
        let entries = header.entriesBlock..<header.entriesBlock + blocks
        let usable = header.firstUsable..<header.lastUsable + 1
        guard header.entriesBlock > 0, !entries.overlaps(usable), !entries.contains(header.block),
            !usable.contains(header.block), header.firstUsable > 1, !isBackup || header.block > header.lastUsable
        else { return "the table lies in the blocks it gives away" }
        return nil
    }

    private func table(
        _ header: GPTHeader, _ entries: [UInt8], _ mbr: [MBREntry], _ found: [PartitionTableProblem]
    ) -> PartitionTable {
        var problems = found
        let size = Int(header.entrySize)
        var candidates: [Candidate] = []
        for index in 0..<Int(header.entryCount) {
            let entry = entries[index * size..<(index + 1) * size]
            let type = DiskGUID(unchecked: Array(entry.prefix(16)))
            guard type != .zero else { continue }
            let first = entry.littleEndian(UInt64.self, at: 32)
            let last = entry.littleEndian(UInt64.self, at: 40)
            // An end before the beginning becomes an empty partition, which is out of every range.
            let count = last >= first && last < UInt64.max ? last - first + 1 : 0
            let units = (0..<36).map { entry.littleEndian(UInt16.self, at: 56 + 2 * $0) }.prefix { $0 != 0 }
            candidates.append(
                Candidate(
                    entry: index + 1,
                    partition: Partition(
                        number: index + 1, firstBlock: first, blockCount: count, type: .gpt(type),
                        name: String(decoding: units, as: UTF16.self),
                        uniqueID: DiskGUID(octets: entry.dropFirst(16).prefix(16)),
                        attributes: entry.littleEndian(at: 48))))
        }
        let usable = header.firstUsable..<header.lastUsable + 1
        let partitions = candidates.settled(usable: usable, problems: &problems)
        return PartitionTable(
            style: .gpt(diskID: header.diskID), partitions: partitions, problems: problems, usableBlocks: usable,
            reservedBlocks: reserved(header, mbr))
    }

    /// What is not to be given away although no entry owns it: the place at the disk's end where a backup of this size
    /// belongs, should the header count it among the usable blocks, the one the header names, and the partitions of a
    /// hybrid MBR.
    private func reserved(_ header: GPTHeader, _ mbr: [MBREntry]) -> [Range<UInt64>] {
        let blocks = UInt64((header.entriesLength + disk.blockSize - 1) / disk.blockSize)
        var result = [disk.blockCount - 1 - min(blocks, disk.blockCount - 1)..<disk.blockCount]
        if header.alternateBlock < disk.blockCount {
            result.append(header.alternateBlock..<header.alternateBlock + 1)
        }
        for entry in mbr where entry.isUsed && entry.type != 0xEE {
            let first = UInt64(entry.firstBlock)
            let end = min(first + UInt64(entry.blockCount), disk.blockCount)
            if first < end { result.append(first..<end) }
        }
        // Only what is inside matters: outside, nothing is given away.
        let usable = header.firstUsable..<header.lastUsable + 1
        return result.filter { $0.overlaps(usable) }
    }
}

extension GPTHeader {
    /// Reads the fields; the caller has checked length, signature and checksum.
    init(_ octets: [UInt8]) {
        block = octets.littleEndian(at: 24)
        alternateBlock = octets.littleEndian(at: 32)
        firstUsable = octets.littleEndian(at: 40)
        lastUsable = octets.littleEndian(at: 48)
        diskID = DiskGUID(unchecked: Array(octets[56..<72]))
        entriesBlock = octets.littleEndian(at: 72)
        entryCount = octets.littleEndian(at: 80)
        entrySize = octets.littleEndian(at: 84)
        entriesChecksum = octets.littleEndian(at: 88)
    }

    /// The header in a block of its own, with its checksum.
    func encoded(blockSize: Int) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: blockSize)
        octets.setOctets(Self.signature, at: 0)
        octets.setLittleEndian(UInt32(0x0001_0000), at: 8)
        octets.setLittleEndian(UInt32(Self.size), at: 12)
        octets.setLittleEndian(block, at: 24)
        octets.setLittleEndian(alternateBlock, at: 32)
        octets.setLittleEndian(firstUsable, at: 40)
        octets.setLittleEndian(lastUsable, at: 48)
        octets.setOctets(diskID.octets, at: 56)
        octets.setLittleEndian(entriesBlock, at: 72)
        octets.setLittleEndian(entryCount, at: 80)
        octets.setLittleEndian(entrySize, at: 84)
        octets.setLittleEndian(entriesChecksum, at: 88)
        octets.setLittleEndian(CRC32.checksum(octets[..<Self.size]), at: 16)
        return octets
    }

    /// Whether a backup describes the same disk in the same way.
    func agrees(with backup: GPTHeader) -> Bool {
        diskID == backup.diskID && firstUsable == backup.firstUsable && lastUsable == backup.lastUsable
            && entryCount == backup.entryCount && entrySize == backup.entrySize
            && entriesChecksum == backup.entriesChecksum && backup.alternateBlock == block
    }
}
