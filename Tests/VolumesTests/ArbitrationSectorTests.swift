import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// [MS-CSVP] 3.2.4.21: two sectors that belong to nothing.
@Suite(.offThePool) struct ArbitrationSectorTests {
    private func disk() -> MemoryDevice {
        MemoryDevice(blockCount: 100_000)
    }

    private func sectors(_ device: any BlockDevice) throws -> ArbitrationSectors {
        try PartitionTable.read(from: device).arbitrationSectors(on: device)
    }

    private func refusal(_ device: any BlockDevice) throws -> PartitionTableError {
        let table = try PartitionTable.read(from: device)
        return try #require(throws: PartitionTableError.self) { try table.arbitrationSectors(on: device) }
    }

    @Test func findsTheGapInFront() throws {
        let device = disk()
        try record(device, at: 0, [(7, 2048, 5000)])
        #expect(try sectors(device) == ArbitrationSectors(first: 2046, second: 2047))
        // What the two hold does not matter: every node finds the same two, before and after they were used.
        try device.write(block: 2046, [UInt8](repeating: 0xAB, count: 1024))
        #expect(try sectors(device) == ArbitrationSectors(first: 2046, second: 2047))
    }

    /// A partition from block 11 leaves the eight blocks and the two; from block 10 it does not.
    @Test(arguments: [(UInt32(11), UInt32(9)), (10, 97_949)])
    func keepsAPieceOfTheGapEmpty(first: UInt32, expected: UInt32) throws {
        let device = disk()
        try record(device, at: 0, [(7, first, 5000)])
        #expect(try sectors(device).first == expected)
    }

    /// In a gap of one track anything at all may be a loader's, and a loader reaches up to the partition: GRUB fills what there
    /// is with redundancy, FlexNet takes sector 32 alone.
    @Test(arguments: [1, 32, 60] as [UInt64]) func keepsAwayFromALoaderInTheFirstTrack(block: UInt64) throws {
        let device = disk()
        try record(device, at: 0, [(7, 63, 5000)])
        #expect(try sectors(device).first == 61)
        try device.patch(block: block, at: 100, [1])
        #expect(try sectors(device) == ArbitrationSectors(first: 97_949, second: 97_950))
    }

    /// GRUB's image ends at 895 sectors with its redundancy; the two of a gap of a mebibyte are far behind.
    @Test func usesTheFarEndOfALargeGapBehindALoader() throws {
        let device = disk()
        try record(device, at: 0, [(7, 2048, 5000)])
        for block in 1...895 as ClosedRange<UInt64> { try device.write(block: block, noise(512, seed: block)) }
        #expect(try sectors(device).first == 2046)
        // Something that reaches the eight blocks in front of the two, and something that ends before them.
        try device.patch(block: 2037, at: 511, [1])
        #expect(try sectors(device).first == 2046)
        try device.patch(block: 2038, at: 0, [1])
        #expect(try sectors(device).first == 97_949)
    }

    /// From block 1035 on a partition leaves the eight blocks beyond the 1024 that a loader may have; before that, the whole gap
    /// has to be empty.
    @Test(arguments: [(UInt32(1035), UInt32(1033)), (1034, 97_949)])
    func boundsALoadersReach(first: UInt32, expected: UInt32) throws {
        let device = disk()
        try record(device, at: 0, [(7, first, 5000)])
        try device.patch(block: 1, at: 0, [0xEB])
        #expect(try sectors(device).first == expected)
    }

    @Test func findsAGapBetween() throws {
        let device = disk()
        try record(device, at: 0, [(7, 1, 999), (7, 1001, 998), (7, 2001, 97_999), (5, 1999, 0)])
        // The gap of one block at 1000 is too small; that of two at 1999 is not.
        #expect(try sectors(device) == ArbitrationSectors(first: 1999, second: 2000))
    }

    @Test func aFullDiskHasNone() throws {
        let device = disk()
        try record(device, at: 0, [(7, 1, 97_950)])
        #expect(try refusal(device).hresult.rawValue == 0x8007_001B)
        // Two blocks less are enough: what is behind them is the last mebibyte.
        try record(device, at: 0, [(7, 1, 97_948)])
        #expect(try sectors(device) == ArbitrationSectors(first: 97_949, second: 97_950))
    }

    @Test func anExtendedPartitionIsNoGap() throws {
        let device = disk()
        try record(device, at: 0, [(7, 1, 999), (5, 1000, 96_951)])
        try record(device, at: 1000, [(7, 63, 1000)])
        #expect(try PartitionTable.read(from: device).problems.isEmpty)
        #expect(try refusal(device).hresult.rawValue == 0x8007_001B)
    }

    /// Neither an empty disk nor one that is a single file system says which sectors are free.
    @Test(.needs("mkntfs", "mkfs.ext4")) func aDiskWithoutTableHasNone() throws {
        guard case .unpartitioned = try refusal(disk()) else {
            Issue.record("an empty disk")
            return
        }
        for maker in [("mkntfs", ["-F", "-Q", "-q"]), ("mkfs.ext4", ["-q", "-F"])] {
            let folder = try TemporaryFolder()
            let path = try folder.sparseFile("volume", size: 16 << 20)
            try #require(Tool.run(maker.0, maker.1 + [path]).status == 0)
            let error = try refusal(FileDevice(path))
            #expect(error.hresult.rawValue == 0x8007_001B)
            guard case .unpartitioned = error else {
                Issue.record("\(error)")
                continue
            }
        }
    }

    /// On a disk of 4096-octet blocks the two sectors of 512 octets lie in different blocks.
    @Test func largeBlocks() throws {
        let device = MemoryDevice(blockCount: 20_000, blockSize: 4096)
        try record(device, at: 0, [(7, 256, 1000)])
        #expect(try sectors(device) == ArbitrationSectors(first: 254 * 8, second: 255 * 8))
    }

    /// Sector numbers have 32 bits: a gap that begins before the limit is used up to it, one behind it is not.
    @Test func staysBelowTheLimitOfSectorNumbers() throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 4 << 40)
        let device = try FileDevice(path)
        for (end, expected) in [(UInt64(4_294_967_294), UInt32(4_294_967_294)), (4_294_967_295, nil)] {
            let table = PartitionTable(
                style: .gpt(diskID: .random()),
                partitions: [Partition(number: 1, firstBlock: 34, blockCount: end - 34, type: .gptBasicData)],
                usableBlocks: 34..<8_000_000_000)
            #expect((try? table.arbitrationSectors(on: device))?.first == expected)
        }
    }

    /// sgdisk's judgement: where the usable blocks begin and end with tables of other than 128 entries.
    @Test(.needs("sgdisk"), arguments: [56, 128, 1024])
    func keepsAwayFromTablesOfAnySize(entries: Int) throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 64 << 20)
        let made = try Tool.run(
            "sgdisk",
            ["--clear", "--set-alignment=1", "--resize-table=\(entries)", "--new=1:0:-2", "--typecode=1:0700", path])
        try #require(made.status == 0, "\(made.text)")
        let device = try FileDevice(path)
        let table = try PartitionTable.read(from: device)
        #expect(table.problems.isEmpty)
        // Two blocks are left behind the only partition, and the backup's entries begin right after them.
        let found = try table.arbitrationSectors(on: device)
        let tableBlocks = UInt64(entries * 128 + 511) / 512
        #expect(UInt64(found.second) == 131_072 - 1 - tableBlocks - 1)
        #expect(table.partitions.first?.blocks.upperBound == UInt64(found.first))
        try device.write(block: UInt64(found.first), noise(1024))
        let verdict = try Tool.run("sgdisk", ["--verify", path])
        #expect(verdict.text.contains("No problems found"), "\(verdict.text)")
    }

    /// A header that gives away the blocks at the disk's end, where its backup would be if there were a sound one.
    @Test func keepsAwayFromTheBackupsPlace() throws {
        let device = MemoryDevice(blockCount: 10_000)
        try record(device, at: 0, [(0xEE, 1, 9999)])
        var entries = [UInt8](repeating: 0, count: 1024)
        entries.setOctets(DiskGUID(wellKnown: "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").octets, at: 0)
        entries.setLittleEndian(UInt64(4), at: 32)
        entries.setLittleEndian(UInt64(5000), at: 40)
        let header = GPTHeader(
            block: 1, alternateBlock: 9999, firstUsable: 4, lastUsable: 9999, diskID: .random(), entriesBlock: 2,
            entryCount: 8, entrySize: 128, entriesChecksum: CRC32.checksum(entries))
        try device.write(block: 1, header.encoded(blockSize: 512) + entries)
        let table = try PartitionTable.read(from: device)
        #expect(table.problems == [.backupDamaged("no signature")])
        // Eight entries take two blocks, and the header is the last one.
        #expect(try table.arbitrationSectors(on: device) == ArbitrationSectors(first: 9995, second: 9996))
    }

    /// What a hybrid MBR names beside the GPT is somebody's, too.
    @Test(.needs("sgdisk")) func keepsAwayFromAHybridsPartitions() throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 64 << 20)
        let made = try Tool.run(
            "sgdisk", ["--clear", "--new=1:2048:+8M", "--new=2:40960:+8M", "--hybrid=1", path])
        try #require(made.status == 0, "\(made.text)")
        let device = try FileDevice(path)
        #expect(try PartitionTable.read(from: device).problems == [.hybrid])
        #expect(try sectors(device) == ArbitrationSectors(first: 2046, second: 2047))
        // An entry of the MBR alone takes the gap in front: its octets are type, CHS, first block and count.
        var boot = try device.read(block: 0, count: 1)
        boot.setOctets([0, 0, 0, 0, 0x83, 0, 0, 0], at: 446 + 48)
        boot.setLittleEndian(UInt32(34), at: 446 + 56)
        boot.setLittleEndian(UInt32(2014), at: 446 + 60)
        try device.write(block: 0, boot)
        #expect(try sectors(device) == ArbitrationSectors(first: 40_958, second: 40_959))
    }
}
