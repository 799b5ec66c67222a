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
    /// There is no table to say which sectors are free.
    case unpartitioned
    /// The whole disk belongs to something else, such as an array.
    case owned(by: String)
    /// What belongs to whom cannot be told.
    case ambiguous([PartitionTableProblem])

    /// The device's own code; ERROR_NOT_SUPPORTED, ERROR_DISK_CORRUPT or ERROR_SECTOR_NOT_FOUND otherwise.
    ///
    /// [MS-CSVP] 3.2.4.21 leaves the code of a disk without free sectors open, as long as it is neither ERROR_FILE_NOT_FOUND
    /// nor ERROR_INVALID_SERVER_STATE.
    public var hresult: HRESULT {
        switch self {
        case .device(let cause): (cause as? any HRESULTConvertible)?.hresult ?? HRESULT(win32: .ioDevice)
        case .unusableDevice: HRESULT(win32: .notSupported)
        case .damagedGPT, .ambiguous: HRESULT(win32: .diskCorrupt)
        case .noFreeSectors, .unpartitioned, .owned: HRESULT(win32: .sectorNotFound)
        }
    }

    /// One line for people.
    public var description: String {
        switch self {
        case .device(let cause): "the disk failed: \(cause)"
        case .unusableDevice(let size, let count): "\(count) blocks of \(size) octets cannot hold a partition table"
        case .damagedGPT(let primary, let backup): "both copies of the GPT are damaged: \(primary); backup: \(backup)"
        case .noFreeSectors: "no two sectors of the disk belong to nothing"
        case .unpartitioned: "the disk has no partition table that says which of its sectors are free"
        case .owned(let owner): "none of the disk's sectors is free: it is \(owner)"
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
    /// The MBR in front of the GPT names other partitions, too; their blocks are among the reserved ones.
    case hybrid
    /// There is a sound GPT, but the MBR does not announce it; the MBR was used, or nothing where there is none.
    case unannouncedGPT
    /// An entry leaves the space that the disk or the table has; it was left out.
    case outOfRange(entry: Int)
    /// Two entries claim the same blocks; both were left out.
    case overlap(entry: Int, other: Int)
    /// The chain of logical partitions is cut, circular or too long; what came before was used.
    case brokenChain(String)
    /// A second extended partition was ignored.
    case secondExtended(entry: Int)
    /// The first private header of a dynamic disk is damaged; a copy was used.
    case dynamicHeaderDamaged(String)
    /// No private header of a dynamic disk can be read, so nobody knows where its volumes are.
    case dynamicDatabaseMissing(String)
    /// The disk as a whole belongs to something else, whatever its table says: this is what it is.
    case owned(by: String)

    /// Whether blocks may belong to somebody whom the partitions do not show.
    public var hidesOwners: Bool {
        switch self {
        case .outOfRange, .overlap, .brokenChain, .secondExtended, .copiesDiffer, .unannouncedGPT,
            .dynamicDatabaseMissing, .owned:
            true
        case .primaryDamaged, .backupDamaged, .backupNotAtEnd, .hybrid, .dynamicHeaderDamaged: false
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
        case .dynamicHeaderDamaged(let reason):
            "the dynamic disk's header is damaged (\(reason)), its copy was used"
        case .dynamicDatabaseMissing(let reason): "the dynamic disk's database cannot be found (\(reason))"
        case .owned(let owner): "the disk is \(owner)"
        }
    }
}
