/// A disk under Windows' Logical Disk Manager: its volumes are in a database, and not in the partition table.
///
/// The layout of the private header is nowhere specified; this follows what Linux' LDM driver and libldm agree on.
public struct DynamicDisk: Hashable, Sendable {
    /// The disk's own identity; nil where the header's text is no GUID.
    public var diskID: DiskGUID?
    /// The name of the disk group; may be empty.
    public var groupName: String
    /// Where the database is, in the device's blocks.
    public var databaseBlocks: Range<UInt64>
    /// Where volumes may be, in the device's blocks.
    public var dataBlocks: Range<UInt64>

    /// A dynamic disk from its parts.
    public init(diskID: DiskGUID?, groupName: String, databaseBlocks: Range<UInt64>, dataBlocks: Range<UInt64>) {
        self.diskID = diskID
        self.groupName = groupName
        self.databaseBlocks = databaseBlocks
        self.dataBlocks = dataBlocks
    }
}

/// Reads the private header of a dynamic disk.
///
/// On an MBR disk it is in block 6, with copies 192 blocks before the disk's end and in its last block; on a GPT disk in the
/// last block of the metadata partition.
struct DynamicDiskReader {
    let disk: TableDisk

    /// Where an MBR disk keeps its first private header: in what a boot loader takes for a free gap.
    static let headerBlock: UInt64 = 6

    /// Adds what the private header says to a table whose partitions tell of a dynamic disk.
    func complete(_ table: inout PartitionTable) throws(PartitionTableError) {
        guard table.partitions.contains(where: \.type.isDynamic) else { return }
        var places: [UInt64]
        switch table.style {
        case .raw: return
        case .mbr:
            places = [Self.headerBlock]
            if disk.blockCount > 2048 { places += [disk.blockCount - 192, disk.blockCount - 1] }
            if disk.blockCount > Self.headerBlock {
                table.reservedBlocks.append(Self.headerBlock..<Self.headerBlock + 1)
            }
        case .gpt:
            places = table.partitions.filter { $0.type == .gptDynamicMetadata }.map { $0.blocks.upperBound - 1 }
        }
        var reason = "there is no partition for its database"
        for (index, place) in places.enumerated() where place < disk.blockCount {
            switch read(try disk.read(block: place)) {
            case .failure(let defect):
                reason = "block \(place): \(defect.reason)"
            case .success(let found):
                if index > 0 { table.problems.append(.dynamicHeaderDamaged(reason)) }
                table.dynamicDisk = found
                table.reservedBlocks += [found.databaseBlocks, found.dataBlocks]
                return
            }
        }
        table.problems.append(.dynamicDatabaseMissing(reason))
    }

    /// Why a block is no private header.
    private struct Defect: Error {
        var reason: String
    }

    private func read(_ octets: [UInt8]) -> Result<DynamicDisk, Defect> {
        guard octets.starts(with: "PRIVHEAD".utf8) else { return .failure(Defect(reason: "no signature")) }
        let version = octets.bigEndian(UInt16.self, at: 12)
        guard version == 2 else { return .failure(Defect(reason: "version \(version)")) }
        guard let data = range(octets, at: 283), let database = range(octets, at: 299), !data.overlaps(database) else {
            return .failure(Defect(reason: "its ranges are not on the disk"))
        }
        return .success(
            DynamicDisk(
                diskID: DiskGUID(text(octets[48..<112])), groupName: text(octets[240..<272]),
                databaseBlocks: database, dataBlocks: data))
    }

    /// A beginning and a length, both in blocks.
    private func range(_ octets: [UInt8], at offset: Int) -> Range<UInt64>? {
        let start = octets.bigEndian(UInt64.self, at: offset)
        let count = octets.bigEndian(UInt64.self, at: offset + 8)
        guard count > 0, start < disk.blockCount, count <= disk.blockCount - start else { return nil }
        return start..<start + count
    }

    private func text(_ octets: ArraySlice<UInt8>) -> String {
        String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
    }
}
