/// Something that owns a whole disk, with or without a partition table on it: a member of an array or of a pool of disks, or
/// a table of another platform.
///
/// Such an owner keeps its metadata where a partition table shows nothing but free blocks, so nobody may write there.
enum DiskOwner {
    /// Looks for an owner by what it puts at the disk's beginning and end.
    ///
    /// - Returns: what it is, for people.
    static func find(on disk: TableDisk) throws(PartitionTableError) -> String? {
        if let owner = atBeginning(try disk.readBeginning(upTo: 8 << 10)) { return owner }
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
        if size >= 128 << 10 {
            let oldest = try disk.read(block: (size / 65536 - 1) * 65536 / UInt64(disk.blockSize))
            if isOldArray(oldest) { return "a member of an md array" }
        }
        let count = min(disk.blockCount, UInt64(max(2, (16 << 10) / disk.blockSize)))
        let tail = try disk.read(block: disk.blockCount - count, count: Int(count))
        if size >= 16 << 10 {
            let place = (size / 512 - 16) / 8 * 8 * 512
            let offset = size - UInt64(tail.count)
            if place >= offset, isArray(tail, at: Int(place - offset), ofDisk: place) {
                return "a member of an md array"
            }
        }
        // The anchors of two formats that firmware uses, and that md and dmraid assemble.
        if tail.has([0xDE, 0x11, 0xDE, 0x11], at: tail.count - disk.blockSize) { return "a member of a DDF array" }
        if tail.has("Intel Raid ISM Cfg Sig. ", at: tail.count - 2 * disk.blockSize) {
            return "a member of an Intel Matrix array"
        }
        return nil
    }

    private static let arrayMagic: UInt32 = 0xA92B_4EFC

    /// Version 0.90, in the byte order of the host that made it.
    private static func isOldArray(_ octets: [UInt8]) -> Bool {
        let little = (0..<3).map { octets.littleEndian(UInt32.self, at: 4 * $0) }
        let big = (0..<3).map { octets.bigEndian(UInt32.self, at: 4 * $0) }
        return [little, big].contains { $0[0] == arrayMagic && $0[1] == 0 && (90..<100).contains($0[2]) }
    }

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
