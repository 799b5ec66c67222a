import Reservations
import Testing

@testable import Volumes

/// Writes a boot record of (type, first, count) entries.
func record(_ device: MemoryDevice, at block: UInt64, _ entries: [(UInt8, UInt32, UInt32)]) throws {
    var octets = [UInt8](repeating: 0, count: device.blockSize)
    for (index, entry) in entries.enumerated() {
        octets[446 + 16 * index + 4] = entry.0
        octets.setLittleEndian(entry.1, at: 446 + 16 * index + 8)
        octets.setLittleEndian(entry.2, at: 446 + 16 * index + 12)
    }
    octets.setLittleEndian(UInt32(0x1234_5678), at: 440)
    octets.setLittleEndian(UInt16(0xAA55), at: 510)
    try device.write(block: block, octets)
}

@Suite struct MasterBootRecordTests {
    private func disk() -> MemoryDevice {
        MemoryDevice(blockCount: 100_000)
    }

    @Test func leavesOutEntriesBeyondTheEnd() throws {
        let device = disk()
        // The last block that exists, the first that does not, and the boot record itself.
        try record(device, at: 0, [(7, 99_000, 1000), (7, 98_000, 2001), (7, 0, 10), (7, 0xFFFF_FFFF, 0xFFFF_FFFF)])
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.map(\.blocks) == [99_000..<100_000])
        #expect(table.problems == [.outOfRange(entry: 2), .outOfRange(entry: 3), .outOfRange(entry: 4)])
    }

    @Test func stopsAtAChainThatReturns() throws {
        let device = disk()
        try record(device, at: 0, [(5, 10_000, 50_000)])
        try record(device, at: 10_000, [(7, 100, 1000), (5, 2000, 1000)])
        try record(device, at: 12_000, [(7, 100, 500), (5, 0, 1000)])
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.map(\.blocks) == [10_100..<11_100, 12_100..<12_600])
        #expect(table.problems == [.brokenChain("it returns to block 10000")])
    }

    /// 128 records are read, the 129th is not.
    @Test(arguments: [128, 129]) func boundsTheChain(length: Int) throws {
        let device = disk()
        try record(device, at: 0, [(15, 1000, 90_000)])
        for index in 0..<length {
            let next = UInt32(index + 1) * 100
            let entries: [(UInt8, UInt32, UInt32)] = [(7, 10, 50), (5, next, 100)]
            try record(device, at: 1000 + UInt64(index) * 100, index == length - 1 ? [entries[0]] : entries)
        }
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.count == 128)
        #expect(table.problems.isEmpty == (length == 128))
    }

    @Test func staysInsideTheExtendedPartition() throws {
        let device = disk()
        try record(device, at: 0, [(7, 63, 5000), (5, 10_000, 10_000), (7, 19_999, 10)])
        // A partition over the end, then a record beyond it.
        try record(device, at: 10_000, [(7, 9000, 1001), (5, 10_000, 100)])
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.map(\.blocks) == [63..<5063])
        #expect(
            table.problems == [
                .overlap(entry: 3, other: 2), .outOfRange(entry: 5),
                .brokenChain("block 20000 is outside the extended partition"),
            ])
    }

    @Test func aLogicalPartitionMayNotCoverTheChain() throws {
        let device = disk()
        try record(device, at: 0, [(5, 10_000, 10_000)])
        try record(device, at: 10_000, [(7, 100, 5000), (5, 2000, 1000)])
        try record(device, at: 12_000, [(7, 6000, 100)])
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.map(\.blocks) == [18_000..<18_100])
        #expect(table.problems == [.brokenChain("entry 5 covers the record in block 12000")])
    }

    @Test func aRecordWithoutSignatureEndsTheChain() throws {
        let device = disk()
        try record(device, at: 0, [(5, 10_000, 10_000), (5, 30_000, 1000)])
        let table = try PartitionTable.read(from: device)
        #expect(table.partitions.isEmpty)
        #expect(table.problems == [.secondExtended(entry: 2), .brokenChain("block 10000 has no signature")])
    }

    @Test func anExtendedPartitionBeyondTheEndIsLeftOut() throws {
        let device = disk()
        try record(device, at: 0, [(5, 99_999, 2)])
        #expect(try PartitionTable.read(from: device).problems == [.outOfRange(entry: 1)])
        try record(device, at: 0, [(5, 99_998, 2)])
        #expect(try PartitionTable.read(from: device).problems == [.brokenChain("block 99998 has no signature")])
    }

    @Test func codeInPlaceOfEntriesIsNoTable() throws {
        let device = disk()
        try record(device, at: 0, [(7, 63, 5000)])
        try device.patch(block: 0, at: 446, [0x41])
        #expect(try PartitionTable.read(from: device).style == .raw)
    }
}
