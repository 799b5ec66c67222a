import Reservations

/// Two sectors that raw reads and writes may use without disturbing any data ([MS-CSVP] 3.2.4.21).
///
/// Which ones depends on the partition table alone, never on what the sectors hold, so that every node that shares the
/// disk finds the same two.
public struct ArbitrationSectors: Hashable, Sendable {
    /// In units of 512 octets, whatever the disk's blocks are.
    public var first: UInt32
    /// In units of 512 octets; on a disk with larger blocks it lies in another block than ``first``.
    public var second: UInt32

    /// Two sectors.
    public init(first: UInt32, second: UInt32) {
        self.first = first
        self.second = second
    }
}

extension PartitionTable {
    /// Finds two sectors that belong to nothing: the last two blocks of the first gap that is before, between or behind
    /// the partitions.
    ///
    /// Never the first block, the tables and their backups, an extended partition, a dynamic disk's database in the last
    /// mebibyte of an MBR disk, or a boot loader embedded behind an MBR: the blocks in front of the two must be empty
    /// there.
    ///
    /// - Throws: ``PartitionTableError/noFreeSectors``, ``PartitionTableError/ambiguous(_:)`` if the table has problems
    ///   that can hide an owner, or the device's failure.
    public func arbitrationSectors(on device: any BlockDevice) throws(PartitionTableError) -> ArbitrationSectors {
        let hiding = problems.filter(\.hidesOwners)
        guard hiding.isEmpty else { throw .ambiguous(hiding) }
        let disk = try TableDisk(device)
        for gap in gaps(blockSize: disk.blockSize) {
            let count = gap.upperBound - gap.lowerBound
            guard count >= 2 else { continue }
            let first = gap.upperBound - 2
            if mayHoldLoader(gap) {
                guard count >= 2 + Self.guardBlocks,
                    try disk.read(block: first - Self.guardBlocks, count: Int(Self.guardBlocks)).isZero
                else { continue }
            }
            let factor = UInt64(disk.blockSize / 512)
            if let x = UInt32(exactly: first * factor), let y = UInt32(exactly: (first + 1) * factor) {
                return ArbitrationSectors(first: x, second: y)
            }
        }
        throw .noFreeSectors
    }

    /// How many blocks in front of the two must be empty where a boot loader may be.
    private static let guardBlocks: UInt64 = 8

    /// Loaders of MBR disks live right behind the MBR; on GPT disks they have a partition.
    private func mayHoldLoader(_ gap: Range<UInt64>) -> Bool {
        guard case .mbr = style else { return false }
        return gap.lowerBound == usableBlocks.lowerBound
    }

    /// The blocks that no partition and no structure owns, in ascending order.
    private func gaps(blockSize: Int) -> [Range<UInt64>] {
        var limit = usableBlocks.upperBound
        switch style {
        case .raw: return []
        case .gpt: break
        case .mbr:
            // The database of a dynamic disk takes the last mebibyte, and becoming dynamic or GPT claims it later.
            let tail = UInt64((1 << 20) / blockSize) + 1
            limit -= min(limit, tail)
        }
        let owned = (partitions.map(\.blocks) + reservedBlocks).sorted { $0.lowerBound < $1.lowerBound }
        var result: [Range<UInt64>] = []
        var position = usableBlocks.lowerBound
        for range in owned {
            if range.lowerBound > position { result.append(position..<min(range.lowerBound, max(position, limit))) }
            position = max(position, range.upperBound)
        }
        if position < limit { result.append(position..<limit) }
        return result
    }
}
