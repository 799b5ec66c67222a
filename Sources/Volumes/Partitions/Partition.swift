/// A part of a disk that a partition table names.
public struct Partition: Hashable, Sendable {
    /// From one, without gaps: primary entries in the order of the table, then logical ones in the order of their chain.
    public var number: Int
    /// In the device's blocks.
    public var firstBlock: UInt64
    /// In the device's blocks; never zero.
    public var blockCount: UInt64
    /// What it is meant to hold.
    public var type: PartitionType
    /// The name in a GPT entry; empty on MBR disks.
    public var name: String
    /// The partition's own GUID in a GPT entry.
    public var uniqueID: DiskGUID?
    /// The attribute bits of a GPT entry; bit 2 (legacy boot) for an active MBR partition.
    public var attributes: UInt64
    /// Whether it lies inside an extended MBR partition.
    public var isLogical: Bool

    /// A partition from its parts.
    public init(
        number: Int, firstBlock: UInt64, blockCount: UInt64, type: PartitionType, name: String = "",
        uniqueID: DiskGUID? = nil, attributes: UInt64 = 0, isLogical: Bool = false
    ) {
        self.number = number
        self.firstBlock = firstBlock
        self.blockCount = blockCount
        self.type = type
        self.name = name
        self.uniqueID = uniqueID
        self.attributes = attributes
        self.isLogical = isLogical
    }

    /// The blocks it owns.
    public var blocks: Range<UInt64> {
        firstBlock..<firstBlock + blockCount
    }
}

/// What a partition's entry says it is for.
public enum PartitionType: Hashable, Sendable, CustomStringConvertible {
    /// The octet of an MBR entry.
    case mbr(UInt8)
    /// The type GUID of a GPT entry.
    case gpt(DiskGUID)

    /// NTFS, HPFS or exFAT on an MBR disk.
    public static let mbrNTFS = PartitionType.mbr(0x07)
    /// The MBR entry that protects a GPT.
    public static let mbrProtective = PartitionType.mbr(0xEE)
    /// A dynamic disk's only MBR partition: its database is in the disk's last mebibyte.
    public static let mbrDynamic = PartitionType.mbr(0x42)

    /// A basic data partition of Windows.
    public static let gptBasicData = PartitionType.gpt(DiskGUID(wellKnown: "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"))
    /// Microsoft's reserved partition: space without a volume.
    public static let gptMicrosoftReserved = PartitionType.gpt(
        DiskGUID(wellKnown: "e3c9e316-0b5c-4db8-817d-f92df00215ae"))
    /// A dynamic disk's database.
    public static let gptDynamicMetadata = PartitionType.gpt(
        DiskGUID(wellKnown: "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"))
    /// A dynamic disk's data.
    public static let gptDynamicData = PartitionType.gpt(DiskGUID(wellKnown: "af9b60a0-1431-4f62-bc68-3311714a69ad"))
    /// The EFI system partition.
    public static let gptEFISystem = PartitionType.gpt(DiskGUID(wellKnown: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"))
    /// Where GRUB lives on a GPT disk that a BIOS boots.
    public static let gptBIOSBoot = PartitionType.gpt(DiskGUID(wellKnown: "21686148-6449-6e6f-744e-656564454649"))

    /// Whether a volume can be there: not so for reserved space, databases and boot loaders.
    public var holdsVolume: Bool {
        switch self {
        case .gptMicrosoftReserved, .gptDynamicMetadata, .gptBIOSBoot, .mbrProtective: false
        default: true
        }
    }

    /// Whether it makes its disk a dynamic one.
    public var isDynamic: Bool {
        switch self {
        case .gptDynamicMetadata, .gptDynamicData, .mbrDynamic: true
        default: false
        }
    }

    /// Two hexadecimal digits, or the GUID.
    public var description: String {
        switch self {
        case .mbr(let type):
            let digits = String(type, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        case .gpt(let guid): return guid.description
        }
    }
}
