/// Where one partition and its table go on a new disk, and the octets of the table.
struct PartitionTableLayout {
    let blockSize: Int
    let blockCount: UInt64
    let style: PartitionTable.Style
    let partition: Partition

    /// What partitions are aligned to, and what is left free at an MBR disk's end for a dynamic disk's database.
    static let alignment: UInt64 = 1 << 20

    private static let entryCount: UInt32 = 128
    private static let entrySize: UInt32 = 128

    /// Nil if the disk is too small for a partition, or too large for an MBR.
    init?(size: UInt64, blockSize: Int, style: PartitionTable.Style) {
        let unit = Self.alignment / UInt64(blockSize)
        blockCount = size / UInt64(blockSize)
        self.blockSize = blockSize
        self.style = style
        let end: UInt64
        let type: PartitionType
        var name = ""
        var uniqueID: DiskGUID?
        switch style {
        case .raw: return nil
        case .mbr:
            guard blockCount <= UInt64(UInt32.max), blockCount > 2 * unit else { return nil }
            end = (blockCount - unit) / unit * unit
            type = .mbrNTFS
        case .gpt:
            let backup = Self.entryBlocks(blockSize) + 1
            guard blockCount > backup + 2 * unit else { return nil }
            end = (blockCount - backup) / unit * unit
            type = .gptBasicData
            name = "Basic data partition"
            uniqueID = .random()
        }
        guard end > unit else { return nil }
        partition = Partition(
            number: 1, firstBlock: unit, blockCount: end - unit, type: type, name: name, uniqueID: uniqueID)
    }

    /// What is written where, in octets from the disk's beginning.
    var pieces: [(offset: UInt64, octets: [UInt8])] {
        switch style {
        case .raw: []
        case .mbr(let signature): [(0, masterBootRecord(signature: signature))]
        case .gpt(let diskID): guidPartitionTable(diskID: diskID)
        }
    }

    private func masterBootRecord(signature: UInt32) -> [UInt8] {
        var octets = bootRecord(
            type: 0x07, first: UInt32(truncatingIfNeeded: partition.firstBlock),
            count: UInt32(truncatingIfNeeded: partition.blockCount), chs: [0xFE, 0xFF, 0xFF])
        octets.setLittleEndian(signature, at: 440)
        return octets
    }

    /// A boot record with one entry. The beginning in cylinders, heads and sectors is the given one, the end out of reach.
    private func bootRecord(type: UInt8, first: UInt32, count: UInt32, chs: [UInt8]) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: blockSize)
        octets.setOctets(chs, at: 447)
        octets[450] = type
        octets.setOctets(type == 0xEE ? [0xFF, 0xFF, 0xFF] : [0xFE, 0xFF, 0xFF], at: 451)
        octets.setLittleEndian(first, at: 454)
        octets.setLittleEndian(count, at: 458)
        octets.setLittleEndian(UInt16(0xAA55), at: 510)
        return octets
    }

    private func guidPartitionTable(diskID: DiskGUID) -> [(offset: UInt64, octets: [UInt8])] {
        let blocks = Self.entryBlocks(blockSize)
        let last = blockCount - 1
        let entries = self.entries(blocks: blocks)
        var header = GPTHeader(
            block: 1, alternateBlock: last, firstUsable: 2 + blocks, lastUsable: last - blocks - 1, diskID: diskID,
            entriesBlock: 2, entryCount: Self.entryCount, entrySize: Self.entrySize,
            entriesChecksum: CRC32.checksum(entries.prefix(Int(Self.entryCount * Self.entrySize))))
        let primary = header.encoded(blockSize: blockSize)
        header.block = last
        header.alternateBlock = 1
        header.entriesBlock = last - blocks
        let backup = header.encoded(blockSize: blockSize)
        let size = UInt64(blockSize)
        // UEFI 2.10, 5.2.3: the protective entry begins at the header and takes the rest of the disk.
        let covered = UInt32(clamping: blockCount - 1)
        return [
            (0, bootRecord(type: 0xEE, first: 1, count: covered, chs: [0x00, 0x02, 0x00])),
            (size, primary), (2 * size, entries), ((last - blocks) * size, entries), (last * size, backup),
        ]
    }

    private func entries(blocks: UInt64) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: Int(blocks) * blockSize)
        guard case .gpt(let type) = partition.type, let uniqueID = partition.uniqueID else { return octets }
        octets.setOctets(type.octets, at: 0)
        octets.setOctets(uniqueID.octets, at: 16)
        octets.setLittleEndian(partition.firstBlock, at: 32)
        octets.setLittleEndian(partition.blocks.upperBound - 1, at: 40)
        for (index, unit) in partition.name.utf16.prefix(36).enumerated() {
            octets.setLittleEndian(unit, at: 56 + 2 * index)
        }
        return octets
    }

    private static func entryBlocks(_ blockSize: Int) -> UInt64 {
        let octets = Int(entryCount * entrySize)
        return UInt64((octets + blockSize - 1) / blockSize)
    }
}
