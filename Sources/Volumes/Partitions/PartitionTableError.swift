import ErrorCodes

/// Why a partition table could not be read or has no room.
public enum PartitionTableError: HRESULTConvertible, CustomStringConvertible {
    /// The device failed; the cause is its own error.
    case device(any Error)
    /// The device's block size or count is beyond what partition tables know.
    case unusableDevice(blockSize: Int, blockCount: UInt64)
    /// Neither copy of the GPT can be used.
    case damagedGPT(primary: String, backup: String)
    /// No two sectors belong to nothing.
    case noFreeSectors
    /// What belongs to whom cannot be told.
    case ambiguous([PartitionTableProblem])

    /// The device's own code; ERROR_NOT_SUPPORTED, ERROR_DISK_CORRUPT or ERROR_SECTOR_NOT_FOUND otherwise.
    public var hresult: HRESULT {
        switch self {
        case .device(let cause): (cause as? any HRESULTConvertible)?.hresult ?? HRESULT(win32: .ioDevice)
        case .unusableDevice: HRESULT(win32: .notSupported)
        case .damagedGPT, .ambiguous: HRESULT(win32: .diskCorrupt)
        case .noFreeSectors: HRESULT(win32: .sectorNotFound)
        }
    }

    /// One line for people.
    public var description: String {
        switch self {
        case .device(let cause): "the disk failed: \(cause)"
        case .unusableDevice(let size, let count): "\(count) blocks of \(size) octets cannot hold a partition table"
        case .damagedGPT(let primary, let backup): "both copies of the GPT are damaged: \(primary); backup: \(backup)"
        case .noFreeSectors: "no two sectors of the disk belong to nothing"
        case .ambiguous(let problems):
            "the partition table contradicts itself: " + problems.map(\.description).joined(separator: "; ")
        }
    }
}

/// What is wrong with a table that still says something.
public enum PartitionTableProblem: Hashable, Sendable, CustomStringConvertible {
    /// The GPT at the disk's beginning is damaged; the one at its end was used.
    case primaryDamaged(String)
    /// The GPT at the disk's end is damaged; the one at its beginning was used.
    case backupDamaged(String)
    /// The backup is not in the disk's last block, as after the disk grew.
    case backupNotAtEnd(block: UInt64)
    /// Both copies are sound and say different things; the first was used.
    case copiesDiffer
    /// The MBR in front of the GPT names other partitions, too; they were ignored.
    case hybrid
    /// There is a sound GPT, but the MBR does not announce it; the MBR was used.
    case unannouncedGPT
    /// An entry leaves the space that the disk or the table has; it was left out.
    case outOfRange(entry: Int)
    /// Two entries claim the same blocks; both were left out.
    case overlap(entry: Int, other: Int)
    /// The chain of logical partitions is cut, circular or too long; what came before was used.
    case brokenChain(String)
    /// A second extended partition was ignored.
    case secondExtended(entry: Int)

    /// Whether blocks may belong to somebody whom the partitions do not show.
    public var hidesOwners: Bool {
        switch self {
        case .outOfRange, .overlap, .brokenChain, .secondExtended, .copiesDiffer, .unannouncedGPT, .hybrid: true
        case .primaryDamaged, .backupDamaged, .backupNotAtEnd: false
        }
    }

    /// One line for people.
    public var description: String {
        switch self {
        case .primaryDamaged(let reason): "the primary GPT is damaged (\(reason)), its backup was used"
        case .backupDamaged(let reason): "the backup GPT is damaged (\(reason))"
        case .backupNotAtEnd(let block): "the backup GPT is in block \(block), not in the last one"
        case .copiesDiffer: "the GPT and its backup differ"
        case .hybrid: "the protective MBR names other partitions, too"
        case .unannouncedGPT: "there is a GPT without a protective MBR"
        case .outOfRange(let entry): "entry \(entry) reaches outside the disk"
        case .overlap(let entry, let other): "entries \(entry) and \(other) overlap"
        case .brokenChain(let reason): "the chain of logical partitions breaks off: \(reason)"
        case .secondExtended(let entry): "entry \(entry) is a second extended partition"
        }
    }
}
