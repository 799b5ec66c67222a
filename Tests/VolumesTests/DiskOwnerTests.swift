import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Disks that belong to something else as a whole, whatever their first block says.
@Suite(.offThePool) struct DiskOwnerTests {
    private func owner(_ device: any BlockDevice) throws -> String? {
        for case .owned(let owner) in try PartitionTable.read(from: device).problems { return owner }
        return nil
    }

    /// A partitioned disk of 64 MiB.
    private func disk() throws -> MemoryDevice {
        let device = MemoryDevice(blockCount: 131_072)
        try record(device, at: 0, [(7, 2048, 100_000)])
        return device
    }

    private func arraySuperblock(at sector: UInt64) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: 512)
        octets.setLittleEndian(UInt32(0xA92B_4EFC), at: 0)
        octets.setLittleEndian(UInt32(1), at: 4)
        octets.setLittleEndian(sector, at: 128)
        return octets
    }

    @Test func nobodyOwnsAnOrdinaryDisk() throws {
        #expect(try owner(disk()) == nil)
    }

    /// md(4): version 1.0 is 8 KiB before the end at a multiple of 4 KiB, 1.2 at 4 KiB. 131,072 sectors less 16 are such a
    /// multiple.
    @Test(arguments: [131_056, 8] as [UInt64]) func membersOfArrays(sector: UInt64) throws {
        let device = try disk()
        try device.write(block: sector, arraySuperblock(at: sector))
        #expect(try owner(device) == "a member of an md array")
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.count == 1)
        let error = #expect(throws: PartitionTableError.self) { try table.arbitrationSectors(on: device) }
        #expect(error?.hresult.rawValue == 0x8007_001B)
        // One that says it is somewhere else is the trace of another disk.
        try device.write(block: sector, arraySuperblock(at: sector + 8))
        #expect(try owner(device) == nil)
    }

    /// Version 0.90 is in the last 64 KiB that begin at a multiple of 64 KiB, in its host's byte order.
    @Test(arguments: [false, true]) func membersOfOldArrays(isBigEndian: Bool) throws {
        let device = MemoryDevice(blockCount: 131_100)
        try record(device, at: 0, [(7, 2048, 100_000)])
        let fields: [UInt32] = [0xA92B_4EFC, 0, 90]
        let octets = fields.flatMap { field in
            (0..<4).map { UInt8(truncatingIfNeeded: field >> (isBigEndian ? 24 - 8 * $0 : 8 * $0)) }
        }
        // 131,100 sectors hold 1024 pieces of 64 KiB and a rest; the last whole one begins at 1023 of 128 sectors.
        try device.patch(block: 1023 * 128, at: 0, octets)
        #expect(try owner(device) == "a member of an md array")
    }

    @Test(
        arguments: [
            (1, "LABELONE\u{1}\0\0\0\0\0\0\0\0\0\0\0 \0\0\0LVM2 001", "a physical volume of LVM"),
            (0, "ER", nil), (131_070, "Intel Raid ISM Cfg Sig. 1.3.00", "a member of an Intel Matrix array"),
        ] as [(UInt64, String, String?)])
    func signatures(block: UInt64, text: String, expected: String?) throws {
        let device = try disk()
        try device.patch(block: block, at: 0, Array(text.utf8))
        #expect(try owner(device) == expected)
    }

    @Test func applePartitionMaps() throws {
        let device = MemoryDevice(blockCount: 10_000)
        try device.patch(block: 0, at: 0, Array("ER".utf8))
        try device.patch(block: 1, at: 0, Array("PM".utf8))
        let table = try PartitionTable.read(from: device)
        #expect(table.style == .raw)
        #expect(table.problems == [.owned(by: "a disk with an Apple partition map")])
    }

    /// mkfs leaves the boot sector to its owner, so a boot record without partitions may stand in front of a file system.
    @Test(.needs("mkfs.ext4")) func aFileSystemBehindAnEmptyTable() throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 16 << 20)
        try #require(Tool.run("mkfs.ext4", ["-q", "-F", path]).status == 0)
        let device = try FileDevice(path)
        var boot = try device.read(block: 0, count: 1)
        boot.setLittleEndian(UInt16(0xAA55), at: 510)
        try device.write(block: 0, boot)
        #expect(try owner(device) == "a volume with the file system ext4")
        // With a partition it is the trace of what the disk was before.
        boot[450] = 0x83
        boot.setLittleEndian(UInt32(2048), at: 454)
        boot.setLittleEndian(UInt32(8192), at: 458)
        try device.write(block: 0, boot)
        #expect(try owner(device) == nil)
    }

    /// A file system from the first block on is the disk's only partition, as Windows shows a super floppy.
    @Test(.needs("mkntfs", "mkfs.fat", "mkfs.ext4")) func superFloppies() throws {
        let makers: [(String, [String], UInt8, FileSystem)] = [
            ("mkntfs", ["-F", "-Q", "-q"], 0x07, .ntfs), ("mkfs.fat", ["-F", "16"], 0x06, .fat16),
            ("mkfs.ext4", ["-q", "-F"], 0x83, .ext4),
        ]
        for (tool, options, type, fileSystem) in makers {
            let folder = try TemporaryFolder()
            let path = try folder.sparseFile("disk.img", size: 16 << 20)
            try #require(Tool.run(tool, options + [path]).status == 0)
            let device = try FileDevice(path)
            let table = try PartitionTable.read(from: device)
            #expect(table.style == .raw)
            #expect(
                table.partitions == [Partition(number: 1, firstBlock: 0, blockCount: 32_768, type: .mbr(type))])
            let partition = try #require(table.partitions.first)
            #expect(try FileSystem.probe(device, partition: partition) == fileSystem)
        }
    }

    /// A GPT behind a wiped boot record is nobody's table, but it is told.
    @Test(.needs("sgdisk")) func aTableWithoutABootRecord() throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 16 << 20)
        try #require(Tool.run("sgdisk", ["--clear", "--new=1:2048:+8M", path]).status == 0)
        let device = try FileDevice(path)
        try device.write(block: 0, [UInt8](repeating: 0, count: 512))
        let table = try PartitionTable.read(from: device)
        #expect(table.style == .raw)
        #expect(table.problems == [.unannouncedGPT])
    }
}
