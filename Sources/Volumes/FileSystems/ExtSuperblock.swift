/// What the superblock of an ext2, ext3 or ext4 volume says before a library is let near it (Linux,
/// Documentation/filesystems/ext4/super.rst).
struct ExtSuperblock {
    /// In octets from the volume's beginning, and of it.
    static let offset: UInt64 = 1024
    static let length = 1024

    /// What can be done with the volume.
    enum Verdict {
        case writable
        /// Its files can be read; writing throws the error.
        case readable(VolumeError)
        case refused(VolumeError)
    }

    private let octets: [UInt8]

    /// The superblock's octets, of which there are ``length``.
    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    /// At most 16 UTF-8 units.
    var label: String {
        String(decoding: octets[120..<136].prefix { $0 != 0 }, as: UTF8.self)
    }

    /// The number of block groups; 0 where the fields make no sense.
    var groupCount: UInt64 {
        let perGroup = UInt64(field32(32))
        guard perGroup > 0, blockCount > firstBlock else { return 0 }
        return (blockCount - firstBlock + perGroup - 1) / perGroup
    }

    /// Whether nobody has to look at the volume before it is used.
    var isDirty: Bool { uncleanReason != nil }

    /// What may be done with the volume in a device of `size` octets.
    func verdict(_ fileSystem: FileSystem, size: UInt64) -> Verdict {
        if let damage = damage(size: size) { return .refused(.corrupt(detail: damage)) }
        let unknown = names(incompatible & ~Self.readable, Self.incompatibleNames)
        if !unknown.isEmpty { return .refused(.unsupportedFeatures(fileSystem, unknown)) }
        // The changes that are still in the log are missing from what a reader sees, as on an unclean NTFS volume.
        if let reason = uncleanReason { return .readable(.uncleanVolume(fileSystem, reason: reason)) }
        if readOnlyCompatible & Self.readOnlyFeature != 0 { return .readable(.writeProtected) }
        let hindrances =
            names(incompatible & ~Self.writable, Self.incompatibleNames)
            + names(readOnlyCompatible & ~Self.writableReadOnlyCompatible, Self.readOnlyCompatibleNames)
        return hindrances.isEmpty ? .writable : .readable(.unsupportedFeatures(fileSystem, hindrances))
    }

    private func field16(_ offset: Int) -> UInt16 { octets.littleEndian(at: offset) }
    private func field32(_ offset: Int) -> UInt32 { octets.littleEndian(at: offset) }

    private var incompatible: UInt32 { field32(96) }
    private var readOnlyCompatible: UInt32 { field32(100) }
    private var hasWideNumbers: Bool { incompatible & 0x80 != 0 }
    private var firstBlock: UInt64 { UInt64(field32(20)) }
    private var blockCount: UInt64 {
        UInt64(field32(4)) | (hasWideNumbers ? UInt64(field32(336)) << 32 : 0)
    }

    /// The library keeps a bit for each block and each inode, and all group descriptors; so many and no more.
    private static let blockLimit: UInt64 = 1 << 32
    private static let descriptorTableLimit: UInt64 = 64 << 20

    private func damage(size: UInt64) -> String? {
        let shift = field32(24)
        guard shift <= 6 else { return "blocks of 2^\(UInt64(shift) + 10) octets" }
        let blockSize: UInt64 = 1024 << UInt64(shift)
        guard blockCount > firstBlock, blockCount <= size / blockSize else {
            return "\(blockCount) blocks of \(blockSize) octets on a volume of \(size) octets"
        }
        guard blockCount <= Self.blockLimit else { return "more than 2^32 blocks" }
        guard firstBlock == (shift == 0 ? 1 : 0) || field32(28) != shift else {
            return "its first block is \(firstBlock)"
        }
        let descriptorSize = hasWideNumbers ? UInt64(field16(254)) : 32
        guard groupCount > 0, groupCount * descriptorSize <= Self.descriptorTableLimit else {
            return "\(groupCount) block groups"
        }
        let inodes = UInt64(field32(0))
        guard inodes > 0, UInt64(field32(40)) * groupCount == inodes else { return "\(inodes) inodes" }
        return nil
    }

    private var uncleanReason: String? {
        let state = field16(58)
        if incompatible & 0x4 != 0 { return "has a journal to be replayed" }
        if state & 0x1 == 0 { return "was not dismounted cleanly" }
        if state & 0x2 != 0 { return "was found damaged" }
        if state & 0x4 != 0 || field32(232) != 0 || readOnlyCompatible & 0x10000 != 0 {
            return "has removed files to be cleaned up"
        }
        return nil
    }

    private static let readOnlyFeature: UInt32 = 0x1000

    /// File types, journal to recover, metablock groups, extents, 64 bits, flexible groups, seeded checksums, large
    /// directories, data in inodes, encryption (of single files) and folders without cases.
    private static let writable: UInt32 =
        0x0002 | 0x0004 | 0x0010 | 0x0040 | 0x0080 | 0x0200 | 0x2000 | 0x4000 | 0x8000
        | 0x10000 | 0x20000
    /// Multiple-mount protection would have to be kept alive, and the inodes of extended attributes counted.
    private static let readable = writable | 0x0100 | 0x0400
    /// Sparse superblocks, large files, B-trees, huge files, group checksums, many links, large inodes, clusters, metadata
    /// checksums, verity (of single files). Quotas would have to be counted, and blocks are shared by nobody who writes.
    private static let writableReadOnlyCompatible: UInt32 =
        0x0001 | 0x0002 | 0x0004 | 0x0008 | 0x0010 | 0x0020 | 0x0040
        | 0x0200 | 0x0400 | 0x8000

    private static let incompatibleNames: [UInt32: String] = [
        0x1: "compression", 0x8: "journal_dev", 0x100: "mmp", 0x400: "ea_inode", 0x1000: "dirdata",
    ]
    private static let readOnlyCompatibleNames: [UInt32: String] = [
        0x80: "snapshot", 0x100: "quota", 0x800: "replica", 0x2000: "project", 0x4000: "shared_blocks",
    ]

    /// What e2fsprogs calls the features, or their numbers.
    private func names(_ bits: UInt32, _ known: [UInt32: String]) -> [String] {
        (0..<32).map { UInt32(1) << $0 }.filter { bits & $0 != 0 }
            .map { known[$0] ?? "feature 0x\(String($0, radix: 16))" }
    }
}
