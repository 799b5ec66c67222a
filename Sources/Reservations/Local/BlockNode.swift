/// A block device as sysfs shows it, no partition.
public struct BlockNode: Sendable, Hashable {
    /// What kind of driver stands behind it.
    public enum Kind: Sendable, Hashable {
        /// A direct-access device of the SCSI layer: it takes SCSI commands.
        case scsi
        /// A namespace of NVM Express.
        case nvme
        /// A map of dm-multipath.
        case multipathMap
        /// Any other map of the device mapper.
        case deviceMapper
        /// An array of md.
        case array
        /// A file seen as a device.
        case loop
        /// Memory seen as a device.
        case memory
        /// A CD or floppy drive.
        case removableDrive
        /// Anything else that has blocks: virtio, MMC, Xen, network block devices.
        case other
    }

    /// The name in sysfs, such as `sda`.
    public let name: String
    /// The resolved folder in sysfs.
    public let folder: String
    /// Where all of it is read.
    public let files: HostFiles

    /// The device of this name; nil where there is none.
    public init?(name: String, files: HostFiles) {
        guard !name.isEmpty, !name.contains("/"),
            let folder = files.resolved("/sys/class/block/" + name)
                ?? files.resolved("/sys/block/" + name)
        else { return nil }
        self.name = name
        self.folder = folder
        self.files = files
    }

    /// The disk behind a SCSI generic device; nil where there is none.
    public init?(generic name: String, files: HostFiles) {
        guard let disk = files.names("/sys/class/scsi_generic/\(name)/device/block").first else { return nil }
        self.init(name: disk, files: files)
    }

    /// The device behind a device file, a SCSI generic one included, or behind a symbolic link to one; nil where there is none.
    public init?(device: String, files: HostFiles) {
        guard let path = files.resolved(device), let name = BlockNode.name(ofDevice: path) else { return nil }
        if let node = BlockNode(name: name, files: files) ?? BlockNode(generic: name, files: files) {
            self = node
        } else {
            return nil
        }
    }

    /// The name in sysfs of a device file with every symbolic link followed; nil for a path outside `/dev`.
    public static func name(ofDevice path: String) -> String? {
        let parts = path.split(separator: "/")
        guard path.hasPrefix("/dev/"), parts.count >= 2 else { return nil }
        return parts.dropFirst().joined(separator: "!")
    }

    /// The device file. Sysfs writes `!` where a name has a slash, as in `cciss!c0d0`.
    public var device: String {
        "/dev/" + name.replacing("!", with: "/")
    }

    /// The kind, by what sysfs says rather than by the name where it says it.
    public var kind: Kind {
        if files.exists(folder + "/dm") {
            return files.text(folder + "/dm/uuid")?.hasPrefix("mpath-") == true ? .multipathMap : .deviceMapper
        }
        if files.exists(folder + "/md") { return .array }
        if files.exists(folder + "/loop") || name.hasPrefix("loop") { return .loop }
        if name.hasPrefix("ram") || name.hasPrefix("zram") || name.hasPrefix("pmem") { return .memory }
        if name.hasPrefix("sr") || name.hasPrefix("fd") { return .removableDrive }
        switch files.linkedName(folder + "/device/subsystem") {
        case "scsi": return .scsi
        case "nvme", "nvme-subsystem": return .nvme
        default: return .other
        }
    }

    /// The disk this is a partition of; nil for a whole disk.
    public var wholeDisk: String? {
        guard files.exists(folder + "/partition") else { return nil }
        return folder.split(separator: "/").dropLast().last.map(String.init)
    }

    /// The names of its partitions.
    public var partitions: [String] {
        files.names(folder).filter { files.exists("\(folder)/\($0)/partition") }
    }

    /// The devices made of it: maps, arrays.
    public var holders: [String] { files.names(folder + "/holders") }
    /// The devices it is made of.
    public var members: [String] { files.names(folder + "/slaves") }
    /// The device number, `MAJOR:MINOR`.
    public var number: String? { files.text(folder + "/dev") }
    /// The octets; sysfs counts in units of 512 whatever the block size.
    public var size: UInt64 { (files.number(folder + "/size") ?? 0) &* 512 }
    /// Whether the kernel refuses writes.
    public var isReadOnly: Bool { files.text(folder + "/ro") == "1" }
    /// Whether the medium can be taken out.
    public var isRemovable: Bool { files.text(folder + "/removable") == "1" }
    /// The most octets one command may carry: what the driver takes at once, in as many segments as it takes. Memory that lies in
    /// scattered pages has a segment for each, and one more where it does not begin with a page.
    var maximumTransfer: Int {
        let kibibytes = files.number(folder + "/queue/max_sectors_kb") ?? 512
        let segments = files.number(folder + "/queue/max_segments") ?? 128
        let octets = min(kibibytes.clamped(to: 4...1 << 20) << 10, (segments.clamped(to: 2...1 << 20) - 1) * 4096)
        return Int(octets)
    }

    // MARK: Identity

    /// Who made it; may be empty.
    public var vendor: String {
        kind == .scsi ? files.text(folder + "/device/vendor") ?? "" : ""
    }

    /// What model it is; may be empty.
    public var model: String {
        for file in ["/device/model", "/device/name", "/dm/name", "/loop/backing_file"] {
            if let text = files.text(folder + file), !text.isEmpty { return text }
        }
        return ""
    }

    /// The revision of its firmware; may be empty.
    public var revision: String {
        for file in ["/device/rev", "/device/firmware_rev", "/device/fwrev"] {
            if let text = files.text(folder + file), !text.isEmpty { return text }
        }
        return ""
    }

    /// The serial number as far as sysfs knows it: page 80h of a SCSI device, the controller's of an NVMe namespace; may be empty.
    public var serial: String {
        if let page = files.octets(folder + "/device/vpd_pg80"), page.count > 4 {
            return String(paddedText(page[4..<min(page.count, 4 + Int(page.field16(2)))]).drop { $0 == " " })
        }
        for file in ["/serial", "/device/serial"] {
            if let text = files.text(folder + file), !text.isEmpty { return text }
        }
        return ""
    }

    /// The world-wide identifier as the kernel writes it, such as `naa.5000c500…`, `eui.…` or `uuid.…`; nil where it knows none.
    public var worldWideIdentifier: String? {
        for file in ["/wwid", "/device/wwid"] {
            if let text = files.text(folder + file), !text.isEmpty { return text }
        }
        return nil
    }
}

extension UInt64 {
    fileprivate func clamped(to limits: ClosedRange<UInt64>) -> UInt64 {
        Swift.min(Swift.max(self, limits.lowerBound), limits.upperBound)
    }
}
