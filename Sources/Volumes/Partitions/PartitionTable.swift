import Reservations

/// How a disk is divided, and the identity its table gives it.
///
/// Reading trusts nothing: checksums, ranges, overlaps and chains are checked, and what does not hold is left out of
/// ``partitions`` and told in ``problems``. Nothing in ``partitions`` overlaps or leaves the disk.
public struct PartitionTable: Hashable, Sendable {
    /// The kind of table, with the disk's identity.
    public enum Style: Hashable, Sendable {
        /// A master boot record with its disk signature.
        case mbr(signature: UInt32)
        /// A GUID partition table with its disk GUID.
        case gpt(diskID: DiskGUID)
        /// No table. An empty disk has no partition; a file system from the first block on, which Windows calls a super floppy,
        /// is the only one.
        case raw
    }

    /// The kind of table.
    public var style: Style
    /// In ascending order of their numbers.
    public var partitions: [Partition]
    /// What is wrong with the table; empty for a sound one.
    public var problems: [PartitionTableProblem]
    /// Where partitions may be, in blocks: the usable blocks of a GPT, the blocks behind an MBR, nothing on a raw disk.
    public var usableBlocks: Range<UInt64>
    /// Blocks that are in use without being a partition's: extended partitions with their chain, what a hybrid MBR names
    /// beside the GPT, the place of a GPT's backup, a dynamic disk's header, database and volumes. They may overlap
    /// partitions and each other.
    public var reservedBlocks: [Range<UInt64>]
    /// What the Logical Disk Manager says of a dynamic disk; nil for a basic one, or where it cannot be read.
    public var dynamicDisk: DynamicDisk?

    /// A table from its parts.
    public init(
        style: Style, partitions: [Partition], problems: [PartitionTableProblem] = [], usableBlocks: Range<UInt64>,
        reservedBlocks: [Range<UInt64>] = [], dynamicDisk: DynamicDisk? = nil
    ) {
        self.style = style
        self.partitions = partitions
        self.problems = problems
        self.usableBlocks = usableBlocks
        self.reservedBlocks = reservedBlocks
        self.dynamicDisk = dynamicDisk
    }

    /// Whether the disk is a dynamic one (LDM).
    public var isDynamic: Bool {
        dynamicDisk != nil || partitions.contains { $0.type.isDynamic }
    }

    /// Reads a disk's table. Blocking.
    ///
    /// A table whose primary copy is damaged is read from its backup; see ``problems``.
    public static func read(from device: any BlockDevice) throws(PartitionTableError) -> PartitionTable {
        let disk = try TableDisk(device)
        let first = try disk.read(block: 0)
        var table = try read(disk, first: first)
        try DynamicDiskReader(disk: disk).complete(&table)
        if let owner = try DiskOwner.find(on: disk) {
            table.problems.append(.owned(by: owner))
            // What it begins with is the owner's first piece of data, and not a file system of the disk.
            if case .raw = table.style { table.partitions = [] }
        } else if table.partitions.isEmpty, table.style != .raw, let fileSystem = try fileSystem(on: disk) {
            table.problems.append(.owned(by: "a volume with the file system \(fileSystem.name)"))
        }
        return table
    }

    private static func read(_ disk: TableDisk, first: [UInt8]) throws(PartitionTableError) -> PartitionTable {
        let entries = (0..<4).map { MBREntry(first[(446 + 16 * $0)..<(462 + 16 * $0)]) }
        // The last two octets are those of a boot sector, too: a file system may begin in the first block.
        guard first.littleEndian(UInt16.self, at: 510) == 0xAA55, entries.allSatisfy(\.isPlausible),
            !FileSystem.isBootSector(first)
        else { return try unpartitioned(disk) }
        if entries.contains(where: { $0.type == 0xEE }) {
            return try GPTReader(disk: disk).read(mbr: entries)
        }
        return try MBRReader(disk: disk).read(signature: first.littleEndian(at: 440), entries: entries)
    }

    /// A disk without a table: the file system on it, if there is one, has all of it.
    private static func unpartitioned(_ disk: TableDisk) throws(PartitionTableError) -> PartitionTable {
        var table = PartitionTable(style: .raw, partitions: [], usableBlocks: 0..<0)
        if let fileSystem = try fileSystem(on: disk) {
            table.partitions = [
                Partition(
                    number: 1, firstBlock: 0, blockCount: disk.blockCount, type: .mbr(fileSystem.partitionType))
            ]
        } else if try GPTReader(disk: disk).hasPrimary() {
            table.problems = [.unannouncedGPT]
        }
        return table
    }

    /// The file system that begins with the disk.
    private static func fileSystem(on disk: TableDisk) throws(PartitionTableError) -> FileSystem? {
        FileSystem.recognize(try disk.readBeginning(upTo: 128 << 10))
    }
}

extension FileSystem {
    /// The octet that an MBR entry has for it, as Windows and Linux choose it.
    fileprivate var partitionType: UInt8 {
        switch self {
        case .fat12: 0x01
        case .fat16: 0x06
        case .fat32: 0x0C
        case .ntfs, .exFAT, .reFS: 0x07
        default: 0x83
        }
    }
}

/// The disk under a table, with its failures typed.
struct TableDisk {
    let device: any BlockDevice
    let blockSize: Int
    let blockCount: UInt64

    init(_ device: any BlockDevice) throws(PartitionTableError) {
        self.device = device
        blockSize = device.blockSize
        blockCount = device.blockCount
        guard blockSize >= 512, blockSize <= 65536, blockSize.nonzeroBitCount == 1, blockCount > 0,
            blockCount <= UInt64(Int64.max) / UInt64(blockSize)
        else { throw .unusableDevice(blockSize: blockSize, blockCount: blockCount) }
    }

    /// The first blocks: so many octets, which is a multiple of every block size, or all that there are.
    func readBeginning(upTo octets: Int) throws(PartitionTableError) -> [UInt8] {
        try read(block: 0, count: Int(min(blockCount, UInt64(max(1, octets / blockSize)))))
    }

    func read(block: UInt64, count: Int = 1) throws(PartitionTableError) -> [UInt8] {
        let octets: [UInt8]
        do {
            octets = try device.read(block: block, count: count)
        } catch {
            throw .device(error)
        }
        guard octets.count == count * blockSize else { throw .device(TruncatedRead(block: block)) }
        return octets
    }
}

/// A device that returned less than it was asked for.
struct TruncatedRead: Error, CustomStringConvertible {
    let block: UInt64

    var description: String {
        "the device returned less than a block at block \(block)"
    }
}

/// One of the entries of a table, before it has a number.
struct Candidate {
    /// The place in the table, from one, for messages.
    var entry: Int
    var partition: Partition
}

extension [Candidate] {
    /// Numbers what neither leaves `usable` nor overlaps, and reports the rest.
    func settled(usable: Range<UInt64>, problems: inout [PartitionTableProblem]) -> [Partition] {
        var sound: [Candidate] = []
        for candidate in self {
            let partition = candidate.partition
            let (end, overflow) = partition.firstBlock.addingReportingOverflow(partition.blockCount)
            if overflow || partition.blockCount == 0 || partition.firstBlock < usable.lowerBound
                || end > usable.upperBound
            {
                problems.append(.outOfRange(entry: candidate.entry))
            } else {
                sound.append(candidate)
            }
        }
        let rejected = sound.overlapping(problems: &problems)
        return sound.filter { !rejected.contains($0.entry) }.enumerated().map { index, candidate in
            var partition = candidate.partition
            partition.number = index + 1
            return partition
        }
    }

    /// The entries that share blocks with another one.
    private func overlapping(problems: inout [PartitionTableProblem]) -> Set<Int> {
        let sorted = sorted { ($0.partition.firstBlock, $0.entry) < ($1.partition.firstBlock, $1.entry) }
        var rejected: Set<Int> = []
        // The entry that reaches farthest so far: whatever begins before its end overlaps it.
        var farthest: Candidate?
        for candidate in sorted {
            if let farthest, candidate.partition.firstBlock < farthest.partition.blocks.upperBound {
                problems.append(.overlap(entry: farthest.entry, other: candidate.entry))
                rejected.formUnion([farthest.entry, candidate.entry])
            }
            if candidate.partition.blocks.upperBound > farthest?.partition.blocks.upperBound ?? 0 {
                farthest = candidate
            }
        }
        return rejected
    }
}
