import Reservations

@testable import Volumes

/// Partition tables: any octets, and tables that are right but for a few octets, with their checksums made right again.
struct PartitionTarget: FuzzTarget {
    private struct Template: Sendable {
        var contents: [UInt8]
        var blockSize: Int
        var blockCount: UInt64
    }

    private let templates: [Template]

    init() {
        templates = [
            Template(contents: [], blockSize: 512, blockCount: 8192), Self.mbr(blockSize: 512),
            Self.gpt(blockSize: 512),
            Self.gpt(blockSize: 4096), Self.dynamic, Self.mbr(blockSize: 4096),
        ]
    }

    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let choice = input.octet()
        let template = templates[Int(choice & 0x0F) % templates.count]
        let disk = MemoryDisk(
            contents: template.contents, blockSize: template.blockSize, blockCount: template.blockCount,
            writable: 0..<0)
        while !input.isEmpty { patch(disk, &input) }
        if choice & 0x80 == 0 {
            for block in [1, disk.blockCount - 1] { reseal(disk, header: block) }
        }
        guard let table = try? PartitionTable.read(from: disk) else { return }
        check(table, disk)
        guard let sectors = try? table.arbitrationSectors(on: disk) else { return }
        check(sectors, of: table, disk)
    }

    /// Places worth changing: the boot record's entries, both headers, both arrays of entries, the records of the chain and
    /// the disk's ends, by number; or anywhere.
    private func patch(_ disk: MemoryDisk, _ input: inout FuzzInput) {
        let place = input.octet()
        let offset = UInt64(input.integer(UInt16.self))
        let size = UInt64(disk.blockSize)
        let last = disk.blockCount - 1
        let base: UInt64 =
            switch place & 0x0F {
            case 0: 446
            case 1: size
            case 2: 2 * size
            case 3: last * size
            case 4: (last - 2) * size
            case 5: Self.chain * size
            case 6: (Self.chain + 64) * size
            case 7: 6 * size
            case 8: last * size - min(last * size, 128 << 10)
            case 9: (disk.blockCount - 192) * size
            case 10: 4096
            default: 0
            }
        let wide = place & 0x80 != 0 ? offset * size : offset & 0x1FF
        disk.patch(at: base + wide, input.octets(1 + Int(place >> 4 & 0x07) * 4))
    }

    /// Makes a header's checksums right, so that what is behind them is reached.
    private func reseal(_ disk: MemoryDisk, header block: UInt64) {
        guard var header = try? disk.read(block: block, count: 1) else { return }
        let length = Int(header.littleEndian(UInt32.self, at: 80)) &* Int(header.littleEndian(UInt32.self, at: 84))
        let first = header.littleEndian(UInt64.self, at: 72)
        let count = (length + disk.blockSize - 1) / disk.blockSize
        if (1...4096).contains(length), first < disk.blockCount,
            let entries = try? disk.read(block: first, count: count)
        {
            header.setLittleEndian(CRC32.checksum(entries.prefix(length)), at: 88)
        }
        let size = Int(header.littleEndian(UInt32.self, at: 12))
        header.setLittleEndian(UInt32(0), at: 16)
        if size <= header.count { header.setLittleEndian(CRC32.checksum(header.prefix(size)), at: 16) }
        disk.patch(at: block * UInt64(disk.blockSize), header)
    }

    private func check(_ table: PartitionTable, _ disk: MemoryDisk) {
        promise(table.partitions.map(\.number) == Array(1..<table.partitions.count + 1), "numbers with gaps")
        promise(table.usableBlocks.upperBound <= disk.blockCount, "usable blocks beyond the disk")
        var position: UInt64 = 0
        for partition in table.partitions.sorted(by: { $0.firstBlock < $1.firstBlock }) {
            promise(partition.blockCount > 0, "an empty partition")
            promise(partition.firstBlock >= position, "partitions overlap")
            promise(partition.blockCount <= disk.blockCount - partition.firstBlock, "a partition leaves the disk")
            position = partition.blocks.upperBound
        }
        promise(table.reservedBlocks.allSatisfy { $0.upperBound <= disk.blockCount }, "reserved blocks off the disk")
        promise(!table.problems.contains { $0.description.isEmpty }, "a problem without words")
    }

    private func check(_ sectors: ArbitrationSectors, of table: PartitionTable, _ disk: MemoryDisk) {
        let factor = UInt64(disk.blockSize / 512)
        let blocks = [UInt64(sectors.first) / factor, UInt64(sectors.second) / factor]
        promise(blocks[0] != blocks[1], "two sectors in one block")
        for block in blocks {
            promise(table.usableBlocks.contains(block) && block > 0, "block \(block) is not usable")
            promise(!table.partitions.contains { $0.blocks.contains(block) }, "block \(block) is a partition's")
            promise(!table.reservedBlocks.contains { $0.contains(block) }, "block \(block) is reserved")
            if case .gpt = table.style { promise(block > 1 && block < disk.blockCount - 1, "a header's block") }
        }
        // Who uses the two must find them again, and the table as it was.
        for block in blocks {
            disk.patch(at: block * UInt64(disk.blockSize), [UInt8](repeating: 0x5A, count: disk.blockSize))
        }
        let again = try? PartitionTable.read(from: disk)
        promise(again == table, "using the sectors changed the table")
        promise((try? again?.arbitrationSectors(on: disk)) == sectors, "using the sectors moved them")
    }

    // MARK: Tables to begin with

    private static let chain: UInt64 = 1024

    private static func record(_ blockSize: Int, _ entries: [(UInt8, UInt32, UInt32)]) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: blockSize)
        for (index, entry) in entries.enumerated() {
            octets[450 + 16 * index] = entry.0
            octets.setLittleEndian(entry.1, at: 454 + 16 * index)
            octets.setLittleEndian(entry.2, at: 458 + 16 * index)
        }
        octets.setLittleEndian(UInt16(0xAA55), at: 510)
        return octets
    }

    private static func mbr(blockSize: Int) -> Template {
        let count: UInt64 = 8192
        var octets = [UInt8](repeating: 0, count: Int(chain + 66) * blockSize)
        octets.setOctets(record(blockSize, [(0x07, 24, 900), (0x05, UInt32(chain), 2048), (0x83, 4000, 500)]), at: 0)
        octets.setOctets(record(blockSize, [(0x07, 8, 40), (0x05, 64, 256)]), at: Int(chain) * blockSize)
        octets.setOctets(record(blockSize, [(0x0B, 8, 100)]), at: Int(chain + 64) * blockSize)
        return Template(contents: octets, blockSize: blockSize, blockCount: count)
    }

    private static func gpt(blockSize: Int) -> Template {
        let count: UInt64 = 4096
        var entries = [UInt8](repeating: 0, count: 1024)
        for (index, range) in [64...511, 600...1999, 2000...4000].enumerated() {
            entries.setOctets(DiskGUID(wellKnown: "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").octets, at: index * 128)
            entries.setLittleEndian(UInt64(range.lowerBound), at: index * 128 + 32)
            entries.setLittleEndian(UInt64(range.upperBound), at: index * 128 + 40)
        }
        var header = GPTHeader(
            block: 1, alternateBlock: count - 1, firstUsable: 8, lastUsable: count - 8, diskID: .zero, entriesBlock: 2,
            entryCount: 8, entrySize: 128, entriesChecksum: CRC32.checksum(entries))
        var octets = [UInt8](repeating: 0, count: Int(count) * blockSize)
        octets.setOctets(record(blockSize, [(0xEE, 1, UInt32(count - 1))]), at: 0)
        octets.setOctets(header.encoded(blockSize: blockSize), at: blockSize)
        octets.setOctets(entries, at: 2 * blockSize)
        header.block = count - 1
        header.alternateBlock = 1
        header.entriesBlock = count - 3
        octets.setOctets(entries, at: Int(count - 3) * blockSize)
        octets.setOctets(header.encoded(blockSize: blockSize), at: Int(count - 1) * blockSize)
        return Template(contents: octets, blockSize: blockSize, blockCount: count)
    }

    private static var dynamic: Template {
        let count: UInt64 = 8192
        var octets = [UInt8](repeating: 0, count: 7 * 512)
        octets.setOctets(record(512, [(0x42, 2048, 3000)]), at: 0)
        octets.setOctets(Array("PRIVHEAD".utf8), at: 6 * 512)
        for (value, offset) in [(UInt64(2) << 48, 12), (2048, 283), (3000, 291), (count - 2048, 299), (2048, 307)] {
            octets.setLittleEndian(value.byteSwapped, at: 6 * 512 + offset)
        }
        return Template(contents: octets, blockSize: 512, blockCount: count)
    }
}
