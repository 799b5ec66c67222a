import NDR
import Reservations
import Volumes

/// What is known of a disk at one moment: the content of a DISK_PROPS, before it has its form ([MS-CSVP] 2.2.5).
public struct DiskDescription: Sendable, Equatable {
    /// The flags of DISK_PROPS.
    public struct Flags: OptionSet, Sendable, Hashable {
        /// The bits on the wire.
        public var rawValue: UInt32

        /// Any bits.
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// DISK_REMOVABLE.
        public static let removable = Flags(rawValue: 0x0000_0020)
        /// DISK_CLUSTERNOSUPP.
        public static let clusterUnsupported = Flags(rawValue: 0x0000_0040)
        /// DISK_SYTLE_MBR, as the specification spells it.
        public static let styleMBR = Flags(rawValue: 0x0000_1000)
        /// DISK_STYLE_GPT.
        public static let styleGPT = Flags(rawValue: 0x0000_2000)
        /// DISK_STYLE_RAW.
        public static let styleRaw = Flags(rawValue: 0x0000_4000)
        /// DISK_PART_BASIC.
        public static let basic = Flags(rawValue: 0x0000_8000)
        /// DISK_PART_DYNAMIC.
        public static let dynamic = Flags(rawValue: 0x0001_0000)
        /// DISK_UNREADABLE.
        public static let unreadable = Flags(rawValue: 0x0004_0000)
        /// DISK_MISSING.
        public static let missing = Flags(rawValue: 0x0020_0000)
        /// DISK_FAILING_IO: information about the disk could not be gathered.
        public static let failingIO = Flags(rawValue: 0x0200_0000)
        /// DISK_NO_PAGE83.
        public static let noDeviceIdentifier = Flags(rawValue: 0x0400_0000)
        /// DISK_COLLISION: another disk of this server has the same identity.
        public static let collision = Flags(rawValue: 0x0800_0000)
    }

    /// The zero-based number.
    public var number: UInt32
    /// Where it is.
    public var path: String
    /// The identity that its partition table gives it.
    public var identity: StorageState.DiskIdentity
    /// What is to be said about it.
    public var flags: Flags
    /// Vendor and product, for people.
    public var product: String
    /// Why it cannot be used, for logs; nil where it can.
    public var problem: String?

    /// Whether it could become a disk resource of a failover cluster: it answers, can be read and written, is not removable, has
    /// an identity of its own, and is not a dynamic disk.
    public var isClusterable: Bool {
        flags.isDisjoint(with: [
            .removable, .clusterUnsupported, .dynamic, .unreadable, .missing, .failingIO, .noDeviceIdentifier,
            .collision,
        ])
    }

    /// A disk that does not answer at all.
    static func missing(number: UInt32, path: String, cause: String) -> DiskDescription {
        DiskDescription(
            number: number, path: path, identity: .init(), flags: [.missing, .unreadable], product: "", problem: cause)
    }

    /// A disk that has been given a command and says nothing.
    static func silent(number: UInt32, path: String) -> DiskDescription {
        DiskDescription(
            number: number, path: path, identity: .init(), flags: [.missing, .unreadable, .failingIO], product: "",
            problem: "the disk does not answer")
    }

    /// Looks at a disk. Blocking.
    static func of(_ disk: Disk, number: UInt32, path: String) -> DiskDescription {
        var description = DiskDescription(
            number: number, path: path, identity: .init(), flags: [],
            product: [disk.inquiry.vendor, disk.inquiry.product].filter { !$0.isEmpty }.joined(separator: " "),
            problem: nil)
        if disk.inquiry.isRemovable { description.flags.insert(.removable) }
        if disk.isReadOnly { description.flags.insert(.clusterUnsupported) }
        do {
            if DeviceIdentifier.preferred(try disk.identifiers()) == nil {
                description.flags.insert(.noDeviceIdentifier)
            }
        } catch {
            description.flags.formUnion([.failingIO, .noDeviceIdentifier])
            description.problem = "\(error)"
        }
        do {
            description.take(try PartitionTable.read(from: disk))
        } catch PartitionTableError.damagedGPT(let primary, let backup) {
            // It can be read; it only makes no sense.
            description.flags.insert(.styleRaw)
            description.problem = "\(PartitionTableError.damagedGPT(primary: primary, backup: backup))"
        } catch {
            description.flags.insert(.unreadable)
            description.problem = "\(error)"
        }
        return description
    }

    private mutating func take(_ table: PartitionTable) {
        switch table.style {
        case .mbr(let signature):
            flags.insert(.styleMBR)
            // Zero is what an MBR holds that was never given a signature.
            identity.signature = signature == 0 ? nil : signature
        case .gpt(let diskID):
            flags.insert(.styleGPT)
            identity.guid = GUID(littleEndianBytes: diskID.octets)
        case .raw:
            flags.insert(.styleRaw)
            return
        }
        flags.insert(table.isDynamic ? .dynamic : .basic)
    }

    /// Looks at all disks at once, and marks those that share an identity.
    static func of(_ disks: [NodeDisk]) async -> [DiskDescription] {
        var descriptions = await withTaskGroup(of: DiskDescription.self) { group in
            for disk in disks {
                group.addTask { await disk.describe() }
            }
            var descriptions: [DiskDescription] = []
            for await description in group { descriptions.append(description) }
            return descriptions
        }
        descriptions.sort { $0.number < $1.number }
        markCollisions(&descriptions)
        return descriptions
    }

    /// Marks the disks whose identity is not theirs alone.
    static func markCollisions(_ disks: inout [DiskDescription]) {
        for index in disks.indices where disks[index].identity != .init() {
            let identity = disks[index].identity
            if disks.indices.contains(where: { $0 != index && disks[$0].identity == identity }) {
                disks[index].flags.insert(.collision)
            }
        }
    }
}
