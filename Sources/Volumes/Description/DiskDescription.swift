import Reservations

/// What is known of a disk at one moment: the content of a DISK_PROPS ([MS-CSVP] 2.2.5) or DISK_PROPS_EX (2.2.6) before it has its
/// form. Everything in it comes from what the disk says and from its transport's ``DiskAttachment``.
public struct DiskDescription: Sendable, Equatable {
    /// The zero-based number in the list of disks.
    public var number: UInt32
    /// What the disk was opened by.
    public var path: String
    /// The signature in its master boot record; nil for another style and for a record that was never given one.
    public var signature: UInt32?
    /// The disk GUID in its GUID partition table; nil for another style.
    public var diskID: DiskGUID?
    /// What is to be said about it.
    public var flags: DiskFlags
    /// Vendor, without padding; may be empty.
    public var vendor: String
    /// Product, without padding; may be empty.
    public var product: String
    /// The identifiers of page 83h, in the disk's order; empty where it has none.
    public var identifiers: [DeviceIdentifier]
    /// The serial number of page 80h without padding; nil where it has none.
    public var serialNumber: String?
    /// The octets of the medium; nil where the disk does not answer.
    public var size: UInt64?
    /// The octets of a logical block; nil where the disk does not answer.
    public var blockSize: Int?
    /// Whether the medium is write protected.
    public var isReadOnly: Bool
    /// How the disk hangs on this host.
    public var attachment: DiskAttachment
    /// Why it cannot be used, for logs; nil where it can.
    public var problem: String?

    /// A disk of which nothing is known but where it should be.
    public init(number: UInt32, path: String, flags: DiskFlags = [], problem: String? = nil) {
        self.number = number
        self.path = path
        self.flags = flags
        self.problem = problem
        vendor = ""
        product = ""
        identifiers = []
        isReadOnly = false
        attachment = DiskAttachment()
    }

    /// A disk that does not answer at all.
    public static func missing(number: UInt32, path: String, cause: String) -> DiskDescription {
        DiskDescription(number: number, path: path, flags: [.missing, .unreadable], problem: cause)
    }

    /// A disk that has been given a command and says nothing.
    public static func silent(number: UInt32, path: String) -> DiskDescription {
        DiskDescription(
            number: number, path: path, flags: [.missing, .unreadable, .failingIO],
            problem: "the disk does not answer")
    }

    /// Whether it could become a disk resource of a failover cluster.
    public var isClusterable: Bool {
        flags.isDisjoint(with: .unclusterable)
    }

    /// Why it could not, in words, in the order of the flags; empty where it could.
    public var obstacles: [String] {
        flags.intersection(.unclusterable).names.map { DiskFlags.obstacles[$0] ?? $0 }
    }

    /// What to call the disk: vendor and product, else the name this host gives it, else its number. Never empty.
    public var friendlyName: String {
        let name = [vendor, product].filter { !$0.isEmpty }.joined(separator: " ")
        return name.isEmpty ? attachment.device ?? "Disk \(number)" : name
    }

    /// The identifier of the logical unit by 2.2.6's precedence, as text: a SCSI name string as it is, the others as upper-case
    /// hexadecimal digits; nil where the unit has none of the three types (DISK_NO_PAGE83).
    public var page83ID: String? {
        DeviceIdentifier.preferred(identifiers)?.text
    }

    /// The number of paths to the disk: none where it is not there.
    public var pathCount: UInt32 {
        flags.contains(.missing) ? 0 : UInt32(clamping: max(1, attachment.paths))
    }
}

extension DiskDescription {
    /// Looks at a disk. Blocking.
    ///
    /// Nothing that the disk refuses to say, or says wrongly, ends the look; it becomes a flag.
    public static func of(_ disk: Disk, number: UInt32, path: String) -> DiskDescription {
        var description = DiskDescription(number: number, path: path)
        description.vendor = disk.inquiry.vendor
        description.product = disk.inquiry.product
        description.size = disk.blockCount.multipliedReportingOverflow(by: UInt64(disk.blockSize)).partialValue
        description.blockSize = disk.blockSize
        description.isReadOnly = disk.isReadOnly
        description.take(disk.transport.attachment)
        if disk.inquiry.isRemovable { description.flags.insert(.removable) }
        // Validation writes to the disk, and a cluster disk fails over by reservations.
        if disk.isReadOnly || !disk.knowsReservations { description.flags.insert(.clusterUnsupported) }
        description.takeIdentity(of: disk)
        if disk.isOutOfSpace { description.flags.insert(.outOfSpace) }
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

    /// Takes over how the disk hangs on this host, with the flags that follow from it.
    public mutating func take(_ attachment: DiskAttachment) {
        self.attachment = attachment
        let roles = attachment.roles
        for (role, flag) in Self.flagsOfRoles where roles.contains(role) { flags.insert(flag) }
        // In somebody else's hands on this host: mounted, part of a volume group or of an array.
        if !roles.isDisjoint(with: [.inUse, .pooled]) { flags.insert(.clusterUnsupported) }
        if !attachment.bus.isClusterable { flags.insert(.busUnsupported) }
        if attachment.isMultipath { flags.insert(.multipath) }
    }

    private static let flagsOfRoles: [(DiskAttachment.Roles, DiskFlags)] = [
        (.boot, .boot), (.system, .system), (.pagefile, .pagefile), (.hibernation, .hibernation),
        (.crashDump, .crashDump), (.systemBus, .systemBus),
    ]

    private mutating func takeIdentity(of disk: Disk) {
        do {
            identifiers = try disk.identifiers()
        } catch SCSIError.checkCondition(let sense) where sense.key == .illegalRequest {
            // It has no such page.
        } catch {
            flags.insert(.failingIO)
            problem = "\(error)"
        }
        if DeviceIdentifier.preferred(identifiers) == nil { flags.insert(.noDeviceIdentifier) }
        // Page 80h is optional, and so is everything in it.
        serialNumber = try? disk.serialNumber()
    }

    private mutating func take(_ table: PartitionTable) {
        switch table.style {
        case .mbr(let signature):
            flags.insert(.styleMBR)
            // Zero is what an MBR holds that was never given a signature.
            self.signature = signature == 0 ? nil : signature
        case .gpt(let diskID):
            flags.insert(.styleGPT)
            self.diskID = diskID
        case .raw:
            flags.insert(.styleRaw)
            return
        }
        flags.insert(table.isDynamic ? .dynamic : .basic)
    }

    /// Marks what only a look at all disks together shows: those that are one unit seen more than once (DISK_REDUNDANT), and those
    /// whose signature or disk GUID another unit has, too (DISK_COLLISION).
    public static func markRelations(_ disks: inout [DiskDescription]) {
        // Each disk belongs to a unit; a disk without an identifier is a unit by itself.
        let units = disks.indices.map { index in
            DeviceIdentifier.preferred(disks[index].identifiers).map(UnitIdentity.named) ?? .unnamed(index)
        }
        let views = Dictionary(units.map { ($0, 1) }, uniquingKeysWith: +)
        var owners: [TableIdentity: Set<UnitIdentity>] = [:]
        for index in disks.indices {
            if let table = disks[index].tableIdentity { owners[table, default: []].insert(units[index]) }
        }
        for index in disks.indices {
            if views[units[index], default: 0] > 1 { disks[index].flags.insert(.redundant) }
            if let table = disks[index].tableIdentity, owners[table, default: []].count > 1 {
                disks[index].flags.insert(.collision)
            }
        }
    }

    private var tableIdentity: TableIdentity? {
        diskID.map(TableIdentity.guid) ?? signature.map(TableIdentity.signature)
    }

    private enum TableIdentity: Hashable {
        case guid(DiskGUID)
        case signature(UInt32)
    }

    private enum UnitIdentity: Hashable {
        case named(DeviceIdentifier)
        case unnamed(Int)
    }
}
