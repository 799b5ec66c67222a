import Reservations

/// Two sectors that raw reads and writes may use without disturbing any data ([MS-CSVP] 3.2.4.21).
///
/// Which ones never depends on what the two hold, so that every node that shares the disk finds the same two, before they are
/// used and after.
public struct ArbitrationSectors: Hashable, Sendable {
    /// In units of 512 octets, whatever the disk's blocks are, as CprepDiskRawRead counts them.
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
    /// Finds two sectors that belong to nothing: the last two blocks of the first gap before, between or behind the partitions
    /// that is nobody's.
    ///
    /// Never the first block, the tables and their backups, an extended partition, what a hybrid MBR names, a dynamic
    /// disk's headers, database and volumes, or the last mebibyte of an MBR disk, which becoming dynamic claims. The gap
    /// behind an MBR is where boot loaders embed themselves without telling anybody: it counts only where nobody has, or
    /// where the two are farther out than any loader reaches.
    ///
    /// - Throws: ``PartitionTableError/noFreeSectors``; ``PartitionTableError/unpartitioned`` and
    ///   ``PartitionTableError/owned(by:)`` for a disk that is one piece; ``PartitionTableError/ambiguous(_:)`` if the
    ///   table has problems that can hide an owner; or the device's failure. None of their codes is one that 3.2.4.21 gives
    ///   another meaning.
    public func arbitrationSectors(on device: any BlockDevice) throws(PartitionTableError) -> ArbitrationSectors {
        for case .owned(let owner) in problems { throw .owned(by: owner) }
        if case .raw = style { throw .unpartitioned }
        let hiding = problems.filter(\.hidesOwners)
        guard hiding.isEmpty else { throw .ambiguous(hiding) }
        let disk = try TableDisk(device)
        let factor = UInt64(disk.blockSize / 512)
        // The method's sector numbers have 32 bits.
        let reachable = (UInt64(UInt32.max) + 1) / factor
        for gap in gaps(blockSize: disk.blockSize) {
            let end = min(gap.upperBound, reachable)
            guard end >= 2, end - 2 >= gap.lowerBound else { continue }
            if mayHoldLoader(gap), try reachesLoader(before: end - 2, from: gap.lowerBound, on: disk) { continue }
            if let first = UInt32(exactly: (end - 2) * factor), let second = UInt32(exactly: (end - 1) * factor) {
                return ArbitrationSectors(first: first, second: second)
            }
        }
        throw .noFreeSectors
    }

    /// Loaders of MBR disks live right behind the MBR; on GPT disks they have a partition.
    private func mayHoldLoader(_ gap: Range<UInt64>) -> Bool {
        guard case .mbr = style else { return false }
        return gap.lowerBound == usableBlocks.lowerBound
    }

    /// The octets behind the MBR that a loader may take. GRUB's image with its Reed-Solomon codes ends at 895 sectors, because
    /// it has to fit below the end of low memory; others (SafeBoot, TrueCrypt) keep to the 62 sectors of the first track.
    private static let loaderReach = 512 << 10

    /// How many blocks in front of the two must be empty even beyond that.
    private static let guardBlocks: UInt64 = 8

    /// Whether somebody's code or data may extend to a block.
    private func reachesLoader(
        before block: UInt64, from start: UInt64, on disk: TableDisk
    ) throws(PartitionTableError) -> Bool {
        let reach = start + UInt64(Self.loaderReach / disk.blockSize)
        let isBeyond = block >= reach + Self.guardBlocks
        let watched = isBeyond ? block - Self.guardBlocks..<block : start..<block
        // Too small a gap leaves nothing to tell a loader by.
        guard watched.count >= Int(Self.guardBlocks) else { return true }
        return try !disk.read(block: watched.lowerBound, count: watched.count).isZero
    }

    /// The blocks that no partition and no structure owns, in ascending order.
    ///
    /// On a dynamic disk the header in the gap behind the MBR divides it: the part behind the header is still the loader's.
    private func gaps(blockSize: Int) -> [Range<UInt64>] {
        var limit = usableBlocks.upperBound
        if case .mbr = style {
            // The database of a dynamic disk takes the last mebibyte, and becoming dynamic or GPT claims it later.
            let tail = UInt64((1 << 20) / blockSize) + 1
            limit -= min(limit, tail)
        }
        let owned = (partitions.map(\.blocks) + reservedBlocks.filter { !isHeader($0) })
            .sorted { $0.lowerBound < $1.lowerBound }
        var result: [Range<UInt64>] = []
        var position = usableBlocks.lowerBound
        for range in owned {
            let end = min(range.lowerBound, limit)
            if end > position { result.append(position..<end) }
            position = max(position, range.upperBound)
        }
        if position < limit { result.append(position..<limit) }
        return result
    }

    /// Whether it is the dynamic disk's header, which does not end the gap it is in: it holds something, so only sectors
    /// beyond a loader's reach are taken from that gap.
    private func isHeader(_ range: Range<UInt64>) -> Bool {
        guard case .mbr = style else { return false }
        return range == DynamicDiskReader.headerBlock..<DynamicDiskReader.headerBlock + 1
    }
}
