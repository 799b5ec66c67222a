import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Disks of the Logical Disk Manager; the header's layout is that of Linux' block/partitions/ldm.c.
@Suite(.offThePool) struct DynamicDiskTests {
    private let guid = "1b77da20-c717-11d0-a5be-00a0c91db73c"

    private func header(data: (UInt64, UInt64), database: (UInt64, UInt64), version: UInt16 = 2) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: 512)
        octets.setOctets(Array("PRIVHEAD".utf8), at: 0)
        octets.setLittleEndian(version.byteSwapped, at: 0x0C)
        octets.setLittleEndian(UInt16(12).byteSwapped, at: 0x0E)
        octets.setOctets(Array(guid.utf8), at: 0x30)
        octets.setOctets(Array("Node1Dg0".utf8), at: 0xF0)
        for (value, offset) in [(data.0, 0x11B), (data.1, 0x123), (database.0, 0x12B), (database.1, 0x133)] {
            octets.setLittleEndian(value.byteSwapped, at: offset)
        }
        return octets
    }

    /// An MBR disk of 100,000 blocks as Windows converts it: one partition for the volumes, the database in the last mebibyte.
    private func disk(first: UInt32 = 63) throws -> MemoryDevice {
        let device = MemoryDevice(blockCount: 100_000)
        try record(device, at: 0, [(0x42, first, 90_000)])
        let octets = header(data: (UInt64(first), 97_063 - UInt64(first)), database: (97_952, 2048))
        for block in [6, 97_952 + 1856, 99_999] as [UInt64] { try device.write(block: block, octets) }
        return device
    }

    @Test func readsTheHeader() throws {
        let device = try disk()
        let table = try PartitionTable.read(from: device)
        #expect(table.isDynamic)
        #expect(table.problems.isEmpty)
        #expect(
            table.dynamicDisk
                == DynamicDisk(
                    diskID: DiskGUID(guid), groupName: "Node1Dg0", databaseBlocks: 97_952..<100_000,
                    dataBlocks: 63..<97_063))
    }

    /// The header is in the only gap in front, and the volumes' space beyond the partition is not free.
    @Test func keepsAwayFromHeaderVolumesAndDatabase() throws {
        let device = try disk()
        let found = try PartitionTable.read(from: device).arbitrationSectors(on: device)
        // Behind the volumes at 97,063 and in front of the database with a block between.
        #expect(found == ArbitrationSectors(first: 97_949, second: 97_950))
        let large = try disk(first: 2048)
        #expect(try PartitionTable.read(from: large).arbitrationSectors(on: large).first == 2046)
    }

    @Test func usesACopyOfADamagedHeader() throws {
        for copies in 1...2 {
            let device = try disk()
            try device.patch(block: 6, at: 0, [0])
            if copies == 1 { try device.patch(block: 97_952 + 1856, at: 0x0D, [3]) }
            let table = try PartitionTable.read(from: device)
            #expect(table.dynamicDisk?.databaseBlocks == 97_952..<100_000)
            let reason = copies == 1 ? "block 99808: version 3" : "block 6: no signature"
            #expect(table.problems == [.dynamicHeaderDamaged(reason)])
            #expect(try table.arbitrationSectors(on: device).first == 97_949)
        }
    }

    @Test func refusesToGuessWithoutAHeader() throws {
        let device = MemoryDevice(blockCount: 100_000)
        try record(device, at: 0, [(0x42, 63, 90_000)])
        let table = try PartitionTable.read(from: device)
        #expect(table.isDynamic)
        #expect(table.dynamicDisk == nil)
        #expect(table.problems == [.dynamicDatabaseMissing("block 99999: no signature")])
        let error = #expect(throws: PartitionTableError.self) { try table.arbitrationSectors(on: device) }
        #expect(error?.hresult.rawValue == 0x8007_0571)
    }

    /// Ranges that leave the disk by one block, that are empty, or that overlap.
    @Test(arguments: [
        (UInt64(63), UInt64(99_938), UInt64(97_952), UInt64(2048)), (100_000, 1, 10, 1), (63, 0, 97_952, 2048),
        (63, 97_000, 97_952, 2049), (63, 97_000, 97_062, 10), (63, .max, 97_952, 2048), (63, 97_000, .max, .max),
    ])
    func refusesImpossibleHeaders(data: UInt64, dataCount: UInt64, database: UInt64, databaseCount: UInt64) throws {
        let device = MemoryDevice(blockCount: 100_000)
        try record(device, at: 0, [(0x42, 63, 90_000)])
        try device.write(block: 6, header(data: (data, dataCount), database: (database, databaseCount)))
        #expect(try PartitionTable.read(from: device).dynamicDisk == nil)
    }

    /// On a GPT disk the header is in the last block of the metadata partition.
    @Test(.needs("sgdisk")) func readsTheHeaderOfAGPTDisk() throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 64 << 20)
        let made = try Tool.run(
            "sgdisk",
            [
                "--clear", "--set-alignment=1", "--new=1:34:2081", "--typecode=1:5808C8AA-7E8F-42E0-85D2-E1E90434CFB3",
                "--new=2:4096:100000", "--typecode=2:AF9B60A0-1431-4F62-BC68-3311714A69AD", path,
            ])
        try #require(made.status == 0, "\(made.text)")
        let device = try FileDevice(path)
        #expect(
            try PartitionTable.read(from: device).problems == [.dynamicDatabaseMissing("block 2081: no signature")])
        try device.write(block: 2081, header(data: (4096, 126_000), database: (34, 2048)))
        let table = try PartitionTable.read(from: device)
        #expect(table.problems.isEmpty)
        #expect(table.dynamicDisk?.dataBlocks == 4096..<130_096)
        #expect(table.partitions.map(\.type.holdsVolume) == [false, true])
        #expect(try table.arbitrationSectors(on: device) == ArbitrationSectors(first: 4094, second: 4095))
    }
}
