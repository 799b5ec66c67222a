import ErrorCodes
import Reservations
import TestSupport
import Testing

@testable import Volumes

@Suite(.offThePool) struct DamagedTableTests {
    private let diskID = DiskGUID.random()

    /// A GPT disk of 64 MiB in memory.
    private func gptDisk() throws -> MemoryDevice {
        let device = MemoryDevice(blockCount: 131_072)
        let layout = try #require(PartitionTableLayout(size: 64 << 20, blockSize: 512, style: .gpt(diskID: diskID)))
        for piece in layout.pieces { try device.write(block: piece.offset / 512, piece.octets) }
        return device
    }

    /// Changes fields of a header or of entries and makes the checksums right again.
    private func reseal(_ device: MemoryDevice, header block: UInt64, _ change: (inout [UInt8]) -> Void) throws {
        var octets = try device.read(block: block, count: 1)
        change(&octets)
        octets.setLittleEndian(UInt32(0), at: 16)
        octets.setLittleEndian(CRC32.checksum(octets[..<92]), at: 16)
        try device.write(block: block, octets)
    }

    private func setEntries(_ device: MemoryDevice, _ ranges: [ClosedRange<UInt64>]) throws {
        var entries = [UInt8](repeating: 0, count: 16384)
        for (index, range) in ranges.enumerated() {
            entries.setOctets(DiskGUID(wellKnown: "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").octets, at: index * 128)
            entries.setOctets(DiskGUID.random().octets, at: index * 128 + 16)
            entries.setLittleEndian(range.lowerBound, at: index * 128 + 32)
            entries.setLittleEndian(range.upperBound, at: index * 128 + 40)
        }
        for (header, first) in [(UInt64(1), UInt64(2)), (131_071, 131_039)] {
            try device.write(block: first, entries)
            try reseal(device, header: header) { $0.setLittleEndian(CRC32.checksum(entries), at: 88) }
        }
    }

    @Test func usesTheBackupOfADamagedPrimary() throws {
        // Signature, revision's neighbour the size, a field under the checksum, the checksum itself.
        for offset in [0, 12, 40, 16] {
            let device = try gptDisk()
            try device.patch(block: 1, at: offset, [0x5A])
            let table = try PartitionTable.read(from: device)
            #expect(table.style == .gpt(diskID: diskID))
            #expect(table.partitions.count == 1)
            guard case .primaryDamaged = table.problems.first, table.problems.count == 1 else {
                Issue.record("\(table.problems)")
                continue
            }
        }
    }

    @Test func usesTheBackupOfDamagedEntries() throws {
        let device = try gptDisk()
        try device.patch(block: 2, at: 32, [0xFF])
        let table = try PartitionTable.read(from: device)
        #expect(table.problems == [.primaryDamaged("wrong checksum of the entries")])
        #expect(table.partitions.map(\.firstBlock) == [2048])
    }

    @Test func reportsADamagedBackup() throws {
        let device = try gptDisk()
        try device.patch(block: 131_071, at: 0, [0])
        let table = try PartitionTable.read(from: device)
        #expect(table.problems == [.backupDamaged("no signature")])
        #expect(table.partitions.count == 1)
        // Nothing is hidden by that, so the sectors can be found.
        #expect(try table.arbitrationSectors(on: device) == ArbitrationSectors(first: 2046, second: 2047))
    }

    @Test func reportsCopiesThatDiffer() throws {
        let device = try gptDisk()
        try reseal(device, header: 131_071) { $0.setOctets(DiskGUID.random().octets, at: 56) }
        #expect(try PartitionTable.read(from: device).problems == [.copiesDiffer])
    }

    @Test func reportsABackupThatIsNotAtTheEnd() throws {
        let small = try gptDisk()
        let device = MemoryDevice(blockCount: 200_000)
        try device.write(block: 0, small.read(block: 0, count: 34))
        try device.write(block: 131_039, small.read(block: 131_039, count: 33))
        #expect(try PartitionTable.read(from: device).problems == [.backupNotAtEnd(block: 131_071)])
    }

    /// The header at the end is gone as well, but the one at the beginning still says where its backup is.
    @Test func findsABackupThatIsNotAtTheEndOfADamagedTable() throws {
        let small = try gptDisk()
        let device = MemoryDevice(blockCount: 200_000)
        try device.write(block: 0, small.read(block: 0, count: 34))
        try device.write(block: 131_039, small.read(block: 131_039, count: 33))
        try device.patch(block: 2, at: 32, [0xFF])
        let table = try PartitionTable.read(from: device)
        #expect(
            table.problems == [
                .backupNotAtEnd(block: 131_071), .primaryDamaged("wrong checksum of the entries"),
            ])
        #expect(table.partitions.map(\.firstBlock) == [2048])
        #expect(try table.arbitrationSectors(on: device) == ArbitrationSectors(first: 2046, second: 2047))
    }

    /// A disk partitioned through a bridge that shows blocks of another size.
    @Test func namesTheBlockSizeATableWasMadeFor() throws {
        let small = try gptDisk()
        let large = MemoryDevice(blockCount: 131_072 / 8, blockSize: 4096)
        for block in 0..<UInt64(8) {
            try large.write(block: block, small.read(block: block * 8, count: 8))
        }
        let error = #expect(throws: PartitionTableError.self) { try PartitionTable.read(from: large) }
        #expect("\(try #require(error))".contains("made for blocks of 512 octets, and these have 4096"))
    }

    @Test func refusesTwoDamagedCopies() throws {
        let device = try gptDisk()
        try device.patch(block: 1, at: 0, [0])
        try device.patch(block: 131_071, at: 60, [0])
        let error = #expect(throws: PartitionTableError.self) { try PartitionTable.read(from: device) }
        guard case .damagedGPT("no signature", "wrong checksum of the header") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.hresult == HRESULT(rawValue: 0x8007_0571))
    }

    /// Headers whose checksum is right and whose contents are an attack: each is as good as a damaged one.
    @Test(arguments: [
        (84, UInt32(0)), (84, 64), (84, 8192), (84, 129), (80, 0), (80, 0xFFFF_FFFF), (80, 8193), (72, 0), (72, 1),
        (72, 131_071), (72, 4000), (40, 0), (40, 2), (48, 131_072), (48, 10), (24, 2),
    ])
    func refusesImpossibleHeaders(offset: Int, value: UInt32) throws {
        let device = try gptDisk()
        try reseal(device, header: 1) { $0.setLittleEndian(value, at: offset) }
        let table = try PartitionTable.read(from: device)
        guard case .primaryDamaged = table.problems.first else {
            Issue.record("\(table.problems)")
            return
        }
        #expect(table.partitions.count == 1)
    }

    /// 8192 entries of 128 octets are the mebibyte that is read at most; see also 8193 above.
    @Test func readsTheLargestTable() throws {
        let device = MemoryDevice(blockCount: 131_072)
        try device.write(block: 0, gptDisk().read(block: 0, count: 1))
        var header = GPTHeader(
            block: 1, alternateBlock: 131_071, firstUsable: 4096, lastUsable: 120_000, diskID: diskID, entriesBlock: 2,
            entryCount: 8192, entrySize: 128,
            entriesChecksum: CRC32.checksum([UInt8](repeating: 0, count: 1 << 20)))
        try device.write(block: 1, header.encoded(blockSize: 512))
        header.block = 131_071
        header.alternateBlock = 1
        header.entriesBlock = 125_000
        try device.write(block: 131_071, header.encoded(blockSize: 512))
        let table = try PartitionTable.read(from: device)
        #expect(table.problems.isEmpty)
        #expect(table.usableBlocks == 4096..<120_001)
    }

    @Test func leavesOutWhatOverlapsOrLeavesTheDisk() throws {
        let device = try gptDisk()
        try setEntries(
            device,
            [
                2048...4095, 4096...8191, 8000...9000, 34...34, 33...33, 131_038...131_038, 131_038...131_039,
                20_000...UInt64.max, 30_000...40_000, 31_000...32_000, 35_000...36_000,
            ])
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.map(\.blocks) == [2048..<4096, 34..<35, 131_038..<131_039])
        #expect(table.partitions.map(\.number) == [1, 2, 3])
        #expect(
            table.problems == [
                .outOfRange(entry: 5), .outOfRange(entry: 7), .outOfRange(entry: 8), .overlap(entry: 2, other: 3),
                .overlap(entry: 9, other: 10), .overlap(entry: 9, other: 11),
            ])
        #expect(throws: PartitionTableError.self) { try table.arbitrationSectors(on: device) }
    }

    @Test func leavesOutAnEntryThatEndsBeforeItBegins() throws {
        let device = try gptDisk()
        var entries = try device.read(block: 2, count: 32)
        entries.setLittleEndian(UInt64(2000), at: 40)
        try device.write(block: 2, entries)
        try reseal(device, header: 1) { $0.setLittleEndian(CRC32.checksum(entries), at: 88) }
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.isEmpty)
        #expect(table.problems == [.copiesDiffer, .outOfRange(entry: 1)])
    }

    @Test func ignoresAGPTThatTheMBRDoesNotAnnounce() throws {
        let device = try gptDisk()
        try device.patch(block: 0, at: 450, [0x07])
        let table = try PartitionTable.read(from: device)
        #expect(table.style == .mbr(signature: 0))
        #expect(table.problems == [.unannouncedGPT])
    }

    @Test func refusesDevicesOfOddShape() {
        #expect(throws: PartitionTableError.self) {
            try PartitionTable.read(from: MemoryDevice(blockCount: 100, blockSize: 520))
        }
        #expect(throws: PartitionTableError.self) {
            try PartitionTable.read(from: MemoryDevice(blockCount: 100, blockSize: 256))
        }
        #expect(throws: PartitionTableError.self) { try PartitionTable.read(from: MemoryDevice(blockCount: 0)) }
    }

    @Test func keepsTheDevicesOwnError() throws {
        let device = FaultyDevice(MemoryDevice(blockCount: 100))
        device.plan.withLock {
            $0.reads = 0
            $0.failure = Win32Error.busy
        }
        let error = #expect(throws: PartitionTableError.self) { try PartitionTable.read(from: device) }
        #expect(error?.hresult == HRESULT(rawValue: 0x8007_00AA))
    }
}
