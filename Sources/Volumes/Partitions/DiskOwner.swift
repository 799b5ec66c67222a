/// Something that owns a whole disk, with or without a partition table on it: a member of an array or of a pool of disks, or
/// a table of another platform.
///
/// Such an owner keeps its metadata where a partition table shows nothing but free blocks, so nobody may write there.
enum DiskOwner {
    /// Looks for an owner by what it puts at the disk's beginning and end.
    ///
    /// - Returns: what it is, for people.
    static func find(on disk: TableDisk, head: [UInt8]) throws(PartitionTableError) -> String? {
        if let owner = atBeginning(head) { return owner }
        return try atEnd(disk)
    }

    private static func atBeginning(_ head: [UInt8]) -> String? {
        // LVM puts its label into one of the first four sectors, and says in it into which.
        for sector: UInt64 in 0..<4 where head.has("LABELONE", at: Int(sector) * 512) {
            if head.has("LVM2 001", at: Int(sector) * 512 + 24),
                head.littleEndian(UInt64.self, at: Int(sector) * 512 + 8) == sector
            {
                return "a physical volume of LVM"
            }
        }
        if isArray(head, at: 0, ofDisk: 0) { return "a member of an md array" }
        if isArray(head, at: 4096, ofDisk: 4096) { return "a member of an md array" }
        if head.has(bcache, at: 4096 + 24) { return "a device of bcache" }
        if head.has(bcachefs, at: 4096 + 24) { return "a device of bcachefs" }
        if head.has("LUKS", at: 0), head.has([0xBA, 0xBE], at: 4) { return "a volume encrypted with LUKS" }
        if head.has("ER", at: 0), head.has("PM", at: 512) || head.has("PM", at: 2048) || head.has("PM", at: 4096) {
            return "a disk with an Apple partition map"
        }
        return nil
    }

    /// Arrays keep their metadata behind the data, so that a member of a mirror looks like a disk of its own.
    private static func atEnd(_ disk: TableDisk) throws(PartitionTableError) -> String? {
        let size = disk.blockCount * UInt64(disk.blockSize)
        // The latest copy of the oldest md format begins 64 to 128 KiB before the end.
        let count = min(size, 128 << 10)
        let start = (size - count) / UInt64(disk.blockSize)
        let tail = try disk.read(block: start, count: Int(disk.blockCount - start))
        let offset = start * UInt64(disk.blockSize)
        if size >= 128 << 10 {
            let oldest = Int(size / 65536 * 65536 - 65536 - offset)
            // Written in the byte order of the host that made it; the format's version is 0.90.
            for value: (UInt32, UInt32, UInt32) in [
                (tail.littleEndian(at: oldest), tail.littleEndian(at: oldest + 4), tail.littleEndian(at: oldest + 8)),
                (tail.bigEndian(at: oldest), tail.bigEndian(at: oldest + 4), tail.bigEndian(at: oldest + 8)),
            ] where value.0 == arrayMagic && value.1 == 0 && value.2 >= 90 && value.2 < 100 {
                return "a member of an md array"
            }
        }
        if size >= 16 << 10 {
            let place = (size / 512 - 16) / 8 * 8 * 512
            if isArray(tail, at: Int(place - offset), ofDisk: place) { return "a member of an md array" }
        }
        // The anchors of two formats that firmware uses, and that md and dmraid assemble.
        if tail.has([0xDE, 0x11, 0xDE, 0x11], at: tail.count - disk.blockSize) { return "a member of a DDF array" }
        if tail.has("Intel Raid ISM Cfg Sig. ", at: tail.count - 2 * disk.blockSize) {
            return "a member of an Intel Matrix array"
        }
        return nil
    }

    private static let arrayMagic: UInt32 = 0xA92B_4EFC

    /// A superblock of md's version 1 says where it is.
    private static func isArray(_ octets: [UInt8], at offset: Int, ofDisk place: UInt64) -> Bool {
        guard offset >= 0, octets.count >= offset + 256 else { return false }
        return octets.littleEndian(UInt32.self, at: offset) == arrayMagic
            && octets.littleEndian(UInt32.self, at: offset + 4) == 1
            && octets.littleEndian(UInt64.self, at: offset + 128) == place / 512
    }

    private static let bcache: [UInt8] = [
        0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA, 0x82, 0x65, 0xF5, 0x7F, 0x48, 0xBA, 0x6D, 0x81,
    ]
    private static let bcachefs: [UInt8] = [
        0xC6, 0x85, 0x73, 0xF6, 0x66, 0xCE, 0x90, 0xA9, 0xD9, 0x6A, 0x60, 0xCF, 0x80, 0x3D, 0xF7, 0xEF,
    ]
}

extension [UInt8] {
    /// Whether these octets are there; false where the array ends before.
    fileprivate func has(_ octets: some Collection<UInt8>, at offset: Int) -> Bool {
        offset >= 0 && count >= offset + octets.count && self[offset..<offset + octets.count].elementsEqual(octets)
    }

    fileprivate func has(_ text: String, at offset: Int) -> Bool {
        has(text.utf8, at: offset)
    }
}
