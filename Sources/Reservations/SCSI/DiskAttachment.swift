/// How a unit hangs on this host and what this host does with it: what the host knows and no SCSI command tells.
public struct DiskAttachment: Sendable, Hashable {
    /// A kind of bus; the numbers are those of DISK_PROPS ([MS-CSVP] 2.2.5).
    public enum Bus: UInt32, Sendable, CaseIterable {
        /// None of the others.
        case unknown = 0x00
        /// Parallel SCSI, or SCSI without more being known.
        case scsi = 0x01
        /// ATA packet interface.
        case atapi = 0x02
        /// Parallel ATA.
        case ata = 0x03
        /// IEEE 1394.
        case firewire = 0x04
        /// Serial storage architecture.
        case ssa = 0x05
        /// Fibre Channel.
        case fibreChannel = 0x06
        /// Universal serial bus.
        case usb = 0x07
        /// A redundant array of independent disks.
        case raid = 0x08
        /// iSCSI.
        case iSCSI = 0x09
        /// Serial attached SCSI.
        case sas = 0x0A
        /// Serial ATA.
        case sata = 0x0B
        /// Secure Digital.
        case sd = 0x0C
        /// MultiMediaCard.
        case mmc = 0x0D
        /// A virtual machine's disk.
        case virtual = 0x0E
        /// An image file.
        case fileBackedVirtual = 0x0F
        /// A storage space.
        case spaces = 0x10
        /// NVM Express. Not in the specification's table, but what Windows' STORAGE_BUS_TYPE says since Windows 8.1.
        case nvme = 0x11
    }

    /// A SCSI address ([MS-CSVP] 2.2.4), each part cut to the octet it has on the wire.
    public struct Address: Sendable, Hashable {
        /// The number of the adapter.
        public var port: UInt8
        /// The number of the bus.
        public var bus: UInt8
        /// The number of the target.
        public var target: UInt8
        /// The logical unit number.
        public var unit: UInt8

        /// From its parts.
        public init(port: UInt8 = 0, bus: UInt8 = 0, target: UInt8 = 0, unit: UInt8 = 0) {
            self.port = port
            self.bus = bus
            self.target = target
            self.unit = unit
        }
    }

    /// What this host uses the disk for.
    public struct Roles: OptionSet, Sendable, Hashable {
        /// The bits; of no meaning outside.
        public var rawValue: UInt32

        /// Any bits.
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// The firmware or the boot loader starts from it: it holds `/boot` or the EFI system partition.
        public static let boot = Roles(rawValue: 1 << 0)
        /// It holds the root file system.
        public static let system = Roles(rawValue: 1 << 1)
        /// The kernel pages to it.
        public static let pagefile = Roles(rawValue: 1 << 2)
        /// The kernel resumes from it.
        public static let hibernation = Roles(rawValue: 1 << 3)
        /// Crash dumps go to it.
        public static let crashDump = Roles(rawValue: 1 << 4)
        /// It hangs on the same adapter as the disk with the root file system.
        public static let systemBus = Roles(rawValue: 1 << 5)
        /// Something else on this host uses it: a mounted file system, a volume group, an array.
        public static let inUse = Roles(rawValue: 1 << 6)
        /// A member of a pool of disks: an array's, a volume group's.
        public static let pooled = Roles(rawValue: 1 << 7)

        /// Whether this host would be hurt by a foreign write: such a disk refuses every command that changes anything.
        public var isProtected: Bool {
            !isDisjoint(with: [.boot, .system, .pagefile, .hibernation, .crashDump, .inUse])
        }
    }

    /// The bus it is on.
    public var bus: Bus
    /// Its address; nil where it has none of this kind.
    public var address: Address?
    /// What to call the adapter, for people; may be empty.
    public var adapter: String
    /// What this host calls the disk, such as `/dev/sdb`; nil where it is no device of this host.
    public var device: String?
    /// The paths to the unit: 1, or more where several are used together.
    public var paths: Int
    /// Whether a multipath module of the host, or our own over several portals, stands between.
    public var isMultipath: Bool
    /// What the host does with it.
    public var roles: Roles

    /// From its parts.
    public init(
        bus: Bus = .unknown, address: Address? = nil, adapter: String = "", device: String? = nil, paths: Int = 1,
        isMultipath: Bool = false, roles: Roles = []
    ) {
        self.bus = bus
        self.address = address
        self.adapter = adapter
        self.device = device
        self.paths = paths
        self.isMultipath = isMultipath
        self.roles = roles
    }
}

extension SCSITransport {
    /// Nothing is known.
    public var attachment: DiskAttachment {
        DiskAttachment()
    }
}
