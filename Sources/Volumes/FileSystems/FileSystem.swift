import Reservations

/// A kind of file system, recognised by what it puts at a volume's beginning.
public enum FileSystem: Hashable, Sendable, CaseIterable {
    /// Windows' own.
    case ntfs
    /// FAT with entries of 12 bits.
    case fat12
    /// FAT with entries of 16 bits.
    case fat16
    /// FAT with entries of 32 bits.
    case fat32
    /// exFAT.
    case exFAT
    /// The Resilient File System.
    case reFS
    /// The second extended file system.
    case ext2
    /// ext2 with a journal.
    case ext3
    /// ext3 with extents or other later features.
    case ext4
    /// XFS.
    case xfs
    /// Btrfs.
    case btrfs
    /// The Flash-Friendly File System.
    case f2fs
    /// The Journaled File System of OS/2 and Linux.
    case jfs
    /// ReiserFS, up to its version 3.6.
    case reiserFS
    /// The Global File System 2, a cluster's.
    case gfs2
    /// The Oracle Cluster File System 2.
    case ocfs2
    /// HFS Plus, with or without regard to case.
    case hfsPlus
    /// The Apple File System.
    case apfs

    /// The name that CprepDiskGetFSName gives ([MS-CSVP] 3.2.4.27): "NTFS" and "FAT" by the specification, for the others what
    /// Windows calls them, or Linux if Windows knows them not. A volume without any of them is "RAW" there, and nil here.
    public var name: String {
        switch self {
        case .ntfs: "NTFS"
        case .fat12, .fat16: "FAT"
        case .fat32: "FAT32"
        case .exFAT: "exFAT"
        case .reFS: "ReFS"
        case .ext2: "ext2"
        case .ext3: "ext3"
        case .ext4: "ext4"
        case .xfs: "xfs"
        case .btrfs: "btrfs"
        case .f2fs: "f2fs"
        case .jfs: "jfs"
        case .reiserFS: "reiserfs"
        case .gfs2: "gfs2"
        case .ocfs2: "ocfs2"
        case .hfsPlus: "hfsplus"
        case .apfs: "apfs"
        }
    }

    /// Whether its files are served; the others are only named.
    public var isServed: Bool {
        switch self {
        case .ntfs, .ext2, .ext3, .ext4: true
        default: false
        }
    }

    /// Looks at a partition's beginning. Blocking.
    ///
    /// - Returns: nil if there is no file system, or one that is not in the list.
    /// - Throws: ``VolumeError/device(_:)``.
    public static func probe(_ device: any BlockDevice, partition: Partition) throws(VolumeError) -> FileSystem? {
        guard let window = DeviceWindow(device, blocks: partition.blocks) else { return nil }
        let octets: [UInt8]
        do {
            octets = try window.read(at: 0, count: Int(min(UInt64(probedLength), window.size)))
        } catch {
            throw .device(error)
        }
        return recognize(octets)
    }

    /// As far as the latest of the signatures, that of Btrfs.
    static let probedLength = 68 << 10

    /// Recognises a file system by a volume's first ``probedLength`` octets, or those of them that it has.
    ///
    /// What holds no file system but other volumes, such as a physical volume of LVM, is none, whatever older signatures it
    /// left standing.
    static func recognize(_ octets: [UInt8]) -> FileSystem? {
        guard octets.count >= 512, !isContainer(octets) else { return nil }
        return bootSector(octets) ?? extended(octets) ?? signed(octets)
    }

    /// Whether the sector begins a FAT, exFAT, NTFS or ReFS volume rather than a partitioned disk.
    static func isBootSector(_ octets: [UInt8]) -> Bool {
        bootSector(octets) != nil
    }

    private static func bootSector(_ octets: [UInt8]) -> FileSystem? {
        switch octets[3..<11] {
        case ArraySlice("NTFS    ".utf8): return isNTFS(octets) ? .ntfs : nil
        case ArraySlice("EXFAT   ".utf8): return octets.littleEndian(UInt16.self, at: 510) == 0xAA55 ? .exFAT : nil
        case ArraySlice("ReFS\0\0\0\0".utf8): return octets[16..<20].elementsEqual("FSRS".utf8) ? .reFS : nil
        // BitLocker keeps the shape of its host's boot sector.
        case ArraySlice("-FVE-FS-".utf8): return nil
        default: return fat(octets)
        }
    }

    /// NTFS leaves the FAT fields of the parameter block empty.
    private static func isNTFS(_ octets: [UInt8]) -> Bool {
        let sectorSize = octets.littleEndian(UInt16.self, at: 11)
        return [256, 512, 1024, 2048, 4096].contains(sectorSize) && octets[13] != 0 && octets[16] == 0
            && octets.littleEndian(UInt16.self, at: 14) == 0 && octets.littleEndian(UInt64.self, at: 40) != 0
    }

    /// The variant follows from the number of clusters and from nothing else (Microsoft's FAT specification 1.03).
    private static func fat(_ octets: [UInt8]) -> FileSystem? {
        let sectorSize = Int(octets.littleEndian(UInt16.self, at: 11))
        let clusterSize = Int(octets[13])
        let reserved = Int(octets.littleEndian(UInt16.self, at: 14))
        let fats = Int(octets[16])
        let rootEntries = Int(octets.littleEndian(UInt16.self, at: 17))
        guard octets.littleEndian(UInt16.self, at: 510) == 0xAA55, octets[0] == 0xEB || octets[0] == 0xE9,
            [512, 1024, 2048, 4096].contains(sectorSize), clusterSize.nonzeroBitCount == 1, reserved > 0,
            (1...2).contains(fats), octets[21] == 0xF0 || octets[21] >= 0xF8
        else { return nil }
        let short = Int(octets.littleEndian(UInt16.self, at: 19))
        let sectors = short != 0 ? short : Int(octets.littleEndian(UInt32.self, at: 32))
        let shortFAT = Int(octets.littleEndian(UInt16.self, at: 22))
        let fatSize = shortFAT != 0 ? shortFAT : Int(octets.littleEndian(UInt32.self, at: 36))
        let data = sectors - reserved - fats * fatSize - (rootEntries * 32 + sectorSize - 1) / sectorSize
        guard fatSize > 0, data > 0 else { return nil }
        switch data / clusterSize {
        case ..<4085: return .fat12
        case ..<65525: return .fat16
        default: return .fat32
        }
    }

    /// The superblock of ext2 and its successors, told apart by their features as blkid does.
    private static func extended(_ octets: [UInt8]) -> FileSystem? {
        guard octets.count >= 2048, octets.littleEndian(UInt16.self, at: 1024 + 56) == 0xEF53 else { return nil }
        let compatible = octets.littleEndian(UInt32.self, at: 1024 + 92)
        let incompatible = octets.littleEndian(UInt32.self, at: 1024 + 96)
        let readOnlyCompatible = octets.littleEndian(UInt32.self, at: 1024 + 100)
        let journalDevice: UInt32 = 0x8
        guard incompatible & journalDevice == 0 else { return nil }
        // What ext3 knows: file types, a journal to recover, metablock groups; sparse superblocks, large files, B-trees.
        let later = incompatible & ~0x16 != 0 || readOnlyCompatible & ~0x7 != 0
        if later { return .ext4 }
        return compatible & 0x4 != 0 ? .ext3 : .ext2
    }
}
