import Reservations
import Volumes

/// A block that may be written without disturbing anybody.
enum ScratchBlock {
    /// What was found of a disk.
    enum Finding {
        /// This block belongs to nothing.
        case block(UInt64)
        /// None is known, and why.
        case none(String)
    }

    /// Looks for one: what the partition table leaves free, or the last but one block of an empty disk.
    ///
    /// - Throws: what keeps the disk from being read.
    static func find(on disk: Disk) throws -> Finding {
        let table: PartitionTable
        do throws(PartitionTableError) {
            table = try PartitionTable.read(from: disk)
        } catch {
            return .none("\(error)")
        }
        if case .raw = table.style, !table.problems.contains(where: { if case .owned = $0 { true } else { false } }) {
            return try isBlank(disk)
                ? .block(disk.blockCount - 2) : .none("the disk has no partition table, and is not empty")
        }
        do throws(PartitionTableError) {
            let sectors = try table.arbitrationSectors(on: disk)
            return .block(UInt64(sectors.first) * 512 / UInt64(disk.blockSize))
        } catch {
            return .none("\(error)")
        }
    }

    /// Whether the first mebibyte and the last one hold nothing, where whoever owns a disk without partitions writes his name.
    private static func isBlank(_ disk: Disk) throws -> Bool {
        let count = min(UInt64((1 << 20) / disk.blockSize), disk.blockCount)
        guard disk.blockCount >= 2 else { return false }
        for first in [0, disk.blockCount - count] {
            guard try disk.read(block: first, count: Int(count)).allSatisfy({ $0 == 0 }) else { return false }
        }
        return true
    }
}
