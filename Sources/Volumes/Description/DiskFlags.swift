import Reservations

/// The Flags of DISK_PROPS and DISK_PROPS_EX ([MS-CSVP] 2.2.5, 2.2.6).
///
/// Of the flags in the specification's table these are never set, because nothing here could find out that they hold: a disk
/// of other cluster software, a snapshot, and the three of storage pools, which Linux does not have.
public struct DiskFlags: OptionSet, Sendable, Hashable {
    /// The bits on the wire.
    public var rawValue: UInt32

    /// Any bits.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// DISK_BOOT.
    public static let boot = DiskFlags(rawValue: 0x0000_0001)
    /// DISK_SYSTEM.
    public static let system = DiskFlags(rawValue: 0x0000_0002)
    /// DISK_PAGEFILE.
    public static let pagefile = DiskFlags(rawValue: 0x0000_0004)
    /// DISK_HIBERNATE.
    public static let hibernation = DiskFlags(rawValue: 0x0000_0008)
    /// DISK_CRASHDUMP.
    public static let crashDump = DiskFlags(rawValue: 0x0000_0010)
    /// DISK_REMOVABLE.
    public static let removable = DiskFlags(rawValue: 0x0000_0020)
    /// DISK_CLUSTERNOSUPP: write protected, without persistent reservations, or used by something else on this host.
    public static let clusterUnsupported = DiskFlags(rawValue: 0x0000_0040)
    /// DISK_BUSNOSUPP: see ``DiskAttachment/Bus/isClusterable``.
    public static let busUnsupported = DiskFlags(rawValue: 0x0000_0100)
    /// DISK_SYSTEMBUS.
    public static let systemBus = DiskFlags(rawValue: 0x0000_0200)
    /// DISK_ALREADY_CLUSTERED.
    public static let clustered = DiskFlags(rawValue: 0x0000_0400)
    /// DISK_SYTLE_MBR, as the specification spells it.
    public static let styleMBR = DiskFlags(rawValue: 0x0000_1000)
    /// DISK_STYLE_GPT.
    public static let styleGPT = DiskFlags(rawValue: 0x0000_2000)
    /// DISK_STYLE_RAW.
    public static let styleRaw = DiskFlags(rawValue: 0x0000_4000)
    /// DISK_PART_BASIC.
    public static let basic = DiskFlags(rawValue: 0x0000_8000)
    /// DISK_PART_DYNAMIC.
    public static let dynamic = DiskFlags(rawValue: 0x0001_0000)
    /// DISK_CLUSTERED_ONLINE.
    public static let clusteredOnline = DiskFlags(rawValue: 0x0002_0000)
    /// DISK_UNREADABLE.
    public static let unreadable = DiskFlags(rawValue: 0x0004_0000)
    /// DISK_MPIO.
    public static let multipath = DiskFlags(rawValue: 0x0008_0000)
    /// DISK_CLUSTERED_OTHER.
    public static let clusteredByOther = DiskFlags(rawValue: 0x0010_0000)
    /// DISK_MISSING.
    public static let missing = DiskFlags(rawValue: 0x0020_0000)
    /// DISK_REDUNDANT: the unit is in the list more than once.
    public static let redundant = DiskFlags(rawValue: 0x0040_0000)
    /// DISK_SNAPSHOT.
    public static let snapshot = DiskFlags(rawValue: 0x0080_0000)
    /// DISK_FAILING_IO: information about the disk could not be gathered.
    public static let failingIO = DiskFlags(rawValue: 0x0200_0000)
    /// DISK_NO_PAGE83.
    public static let noDeviceIdentifier = DiskFlags(rawValue: 0x0400_0000)
    /// DISK_COLLISION: another disk has the same signature or disk GUID.
    public static let collision = DiskFlags(rawValue: 0x0800_0000)
    /// DISK_OUTOFSPACE: a thin-provisioned unit is full.
    public static let outOfSpace = DiskFlags(rawValue: 0x1000_0000)
    /// DISK_POOL_DRIVE.
    public static let poolDrive = DiskFlags(rawValue: 0x2000_0000)
    /// DISK_POOL_DRIVE_NOT_TESTABLE.
    public static let poolDriveNotTestable = DiskFlags(rawValue: 0x4000_0000)
    /// DISK_POOL_CLUSTERED.
    public static let poolClustered = DiskFlags(rawValue: 0x8000_0000)

    /// What keeps a disk out of a cluster. The bus of the system disk is not among it: booting from the same adapter that carries the
    /// shared disks is common.
    public static let unclusterable: DiskFlags = [
        .boot, .system, .pagefile, .hibernation, .crashDump, .removable, .clusterUnsupported, .busUnsupported,
        .clustered,
        .dynamic, .unreadable, .clusteredByOther, .missing, .redundant, .snapshot, .failingIO, .noDeviceIdentifier,
        .collision, .outOfSpace, .poolDrive,
    ]

    /// The flags' names, each without its DISK_ prefix and in lower case with hyphens, by ascending bit.
    public var names: [String] {
        Self.table.filter { contains($0.flag) }.map(\.name)
    }

    private static let table: [(flag: DiskFlags, name: String)] = [
        (.boot, "boot"), (.system, "system"), (.pagefile, "pagefile"), (.hibernation, "hibernate"),
        (.crashDump, "crashdump"), (.removable, "removable"), (.clusterUnsupported, "clusternosupp"),
        (.busUnsupported, "busnosupp"), (.systemBus, "systembus"), (.clustered, "already-clustered"),
        (.styleMBR, "style-mbr"), (.styleGPT, "style-gpt"), (.styleRaw, "style-raw"), (.basic, "part-basic"),
        (.dynamic, "part-dynamic"), (.clusteredOnline, "clustered-online"), (.unreadable, "unreadable"),
        (.multipath, "mpio"), (.clusteredByOther, "clustered-other"), (.missing, "missing"),
        (.redundant, "redundant"), (.snapshot, "snapshot"), (.failingIO, "failing-io"),
        (.noDeviceIdentifier, "no-page83"), (.collision, "collision"), (.outOfSpace, "outofspace"),
        (.poolDrive, "pool-drive"), (.poolDriveNotTestable, "pool-drive-not-testable"),
        (.poolClustered, "pool-clustered"),
    ]

    /// What keeps a disk out of a cluster, in words, by the flag's name.
    static let obstacles = [
        "boot": "this host boots from it",
        "system": "it holds this host's root file system",
        "pagefile": "this host pages to it",
        "hibernate": "this host hibernates to it",
        "crashdump": "this host's crash dumps go to it",
        "removable": "its medium is removable",
        "clusternosupp": "it is write protected, has no persistent reservations, or is in use on this host",
        "busnosupp": "its bus cannot be shared by the nodes of a cluster",
        "already-clustered": "it is in a cluster already",
        "part-dynamic": "it is a dynamic disk",
        "unreadable": "it cannot be read",
        "clustered-other": "other cluster software has it",
        "missing": "it does not answer",
        "redundant": "it is seen more than once: use multipath",
        "snapshot": "it is a snapshot",
        "failing-io": "it does not say what it is",
        "no-page83": "it has no identifier in page 83h",
        "collision": "another disk has the same signature",
        "outofspace": "it is thinly provisioned and full",
        "pool-drive": "it is in a storage pool",
    ]
}

extension DiskAttachment.Bus {
    /// Whether failover clusters take disks on this kind of bus.
    ///
    /// The rule is that of Windows Server since 2008: Fibre Channel, iSCSI and serial attached SCSI, which several nodes reach and
    /// whose units know persistent reservations; storage spaces and file-backed virtual disks, which stand on those. Parallel SCSI
    /// ended with Windows Server 2008; ATA, SATA, USB, SD, MMC and IEEE 1394 lead to one host alone, and so does a RAID
    /// adapter. A virtual machine's disk and NVM Express go beyond Windows' list: their units may have persistent reservations,
    /// and those without are told by DISK_CLUSTERNOSUPP.
    public var isClusterable: Bool {
        switch self {
        case .fibreChannel, .iSCSI, .sas, .virtual, .fileBackedVirtual, .spaces, .nvme: true
        case .unknown, .scsi, .atapi, .ata, .firewire, .ssa, .usb, .raid, .sata, .sd, .mmc: false
        }
    }

    /// What to call it.
    public var name: String {
        switch self {
        case .unknown: "unknown"
        case .scsi: "SCSI"
        case .atapi: "ATAPI"
        case .ata: "ATA"
        case .firewire: "IEEE 1394"
        case .ssa: "SSA"
        case .fibreChannel: "Fibre Channel"
        case .usb: "USB"
        case .raid: "RAID"
        case .iSCSI: "iSCSI"
        case .sas: "SAS"
        case .sata: "SATA"
        case .sd: "SD"
        case .mmc: "MMC"
        case .virtual: "virtual"
        case .fileBackedVirtual: "file-backed virtual"
        case .spaces: "Spaces"
        case .nvme: "NVMe"
        }
    }
}
