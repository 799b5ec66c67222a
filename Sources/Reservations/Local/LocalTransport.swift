import Glibc

/// Disks of this host.
public enum LocalTransport {
    /// Opens a disk by its device file.
    ///
    /// | device | how it is spoken to |
    /// |---|---|
    /// | a SCSI disk (`/dev/sdX`, `/dev/sgN`) | SG_IO |
    /// | a dm-multipath map over SCSI disks | SG_IO on each of its paths, joined by ``MultipathTransport`` |
    /// | an NVMe namespace (`/dev/nvme0n1`) | NVM Express commands, translated |
    /// | any other block device (virtio, loop, MMC, a logical volume …) | reads and writes; no reservations |
    ///
    /// A disk with ``DiskAttachment/Roles/isProtected`` is opened for reading, and every command that could change anything is
    /// refused with ``SCSIError/protected(name:)`` before it reaches the disk. So is one that something in the kernel has
    /// claimed for itself, whatever the roles say: a file system mounted in another name space, a pool of ZFS, an exported unit.
    ///
    /// - Parameters:
    ///   - device: a device file, or a symbolic link to one such as those in `/dev/disk/by-id`.
    ///   - roles: what is known of what this host does with the disk.
    ///   - timeout: what a command is given.
    /// - Throws: ``LocalDeviceError``; ``SCSIError`` where an NVMe namespace does not say who it is.
    public static func open(
        device: String, roles: DiskAttachment.Roles, timeout: Duration = .seconds(30)
    ) throws -> any SCSITransport {
        try open(device: device, roles: roles, timeout: timeout, files: HostFiles())
    }

    static func open(
        device: String, roles: DiskAttachment.Roles, timeout: Duration, files: HostFiles
    ) throws -> any SCSITransport {
        guard let path = files.resolved(device) else { throw LocalDeviceError.missing(device: device) }
        guard let name = BlockNode.name(ofDevice: path) else { throw LocalDeviceError.notADisk(device: device) }
        var roles = roles
        let transport: any SCSITransport
        if files.exists("/sys/class/scsi_generic/" + name) {
            // A generic device without a disk, such as an enclosure, has nobody to claim it.
            let node = BlockNode(generic: name, files: files)
            if let node {
                try refusePathOfMap(node)
                if node.isClaimed { roles.insert(.inUse) }
            }
            transport = try scsi(node, path: path, roles, timeout, files)
        } else if let node = BlockNode(name: name, files: files) {
            if let disk = node.wholeDisk { throw LocalDeviceError.partition(device: device, disk: "/dev/" + disk) }
            // A path of a map is claimed by the map.
            try refusePathOfMap(node)
            if node.isClaimed { roles.insert(.inUse) }
            transport = try open(node, roles, readOnly: roles.isProtected, timeout: timeout)
        } else {
            throw LocalDeviceError.notADisk(device: device)
        }
        return roles.isProtected ? GuardedTransport(transport) : transport
    }

    /// Whether something on this host has a disk for itself, as ``open(device:roles:timeout:)`` asks: it may have begun to use
    /// the disk since.
    ///
    /// - Parameter device: a device file, a SCSI generic one included, or a symbolic link to one.
    public static func isClaimed(_ device: String) -> Bool {
        BlockNode(device: device, files: HostFiles())?.isClaimed ?? false
    }

    private static func refusePathOfMap(_ node: BlockNode) throws(LocalDeviceError) {
        guard node.kind == .scsi else { return }
        let holders = node.holders.lazy.compactMap { BlockNode(name: $0, files: node.files) }
        if let map = holders.first(where: { $0.kind == .multipathMap }) {
            throw .pathOfMap(device: node.device, map: map.device)
        }
    }

    private static func open(
        _ node: BlockNode, _ roles: DiskAttachment.Roles, readOnly: Bool, timeout: Duration
    ) throws -> any SCSITransport {
        let attachment = node.attachment(roles: roles)
        switch node.kind {
        case .scsi:
            let disk = path(node, roles, timeout)
            try disk.open()
            return disk
        case .multipathMap:
            let members = node.members.compactMap { BlockNode(name: $0, files: node.files) }
            guard !members.isEmpty, members.allSatisfy({ $0.kind == .scsi }) else { break }
            let paths = members.map { path($0, roles, timeout) }
            return MultipathTransport(name: node.device, paths: paths, attachment: attachment)
        case .nvme:
            let unit = try NVMeUnit.open(node, readOnly: readOnly, timeout: timeout)
            return TranslatedTransport(name: node.device, attachment: attachment, unit: unit)
        case .deviceMapper, .array, .loop, .memory, .removableDrive, .other: break
        }
        do {
            let unit = try BlockUnit.open(node, readOnly: readOnly, timeout: timeout)
            return TranslatedTransport(name: node.device, attachment: attachment, unit: unit)
        } catch {
            throw LocalDeviceError.cannotOpen(error)
        }
    }

    private static func path(_ node: BlockNode, _ roles: DiskAttachment.Roles, _ timeout: Duration) -> LocalPath {
        LocalPath(name: node.device, attachment: node.attachment(roles: roles)) {
            node.worldWideIdentifier
        } connect: {
            try scsi(node, path: node.device, roles, timeout, node.files)
        }
    }

    /// A device that takes SG_IO.
    ///
    /// - Parameter node: its disk; nil for a generic device without one, such as an enclosure.
    private static func scsi(
        _ node: BlockNode?, path: String, _ roles: DiskAttachment.Roles, _ timeout: Duration, _ files: HostFiles
    ) throws -> any SCSITransport {
        do {
            // Without O_NONBLOCK a drive without a medium would not open, and a generic device might wait for others.
            let flags = (roles.isProtected ? O_RDONLY : O_RDWR) | O_NONBLOCK
            let file = try OpenFile(files.root + path, flags: flags)
            return try SCSIGenericTransport(
                file: file, attachment: node?.attachment(roles: roles) ?? DiskAttachment(bus: .scsi, device: path),
                maximumTransfer: node?.maximumTransfer ?? 128 << 10, timeout: timeout)
        } catch {
            throw LocalDeviceError.cannotOpen(error)
        }
    }
}

extension BlockNode {
    /// Whether something on this host has the device for itself. The kernel tells whoever asks to have it alone, and there one
    /// asks again, as others may be asking at the same moment.
    fileprivate var isClaimed: Bool {
        // Maps of the partitions of a map claim it, and are no use of it by themselves.
        let holders = holders.compactMap { BlockNode(name: $0, files: files) }
        if !holders.isEmpty, holders.allSatisfy(\.isMapOfPartition) { return holders.contains(where: \.isClaimed) }
        for attempt in 0..<3 {
            do {
                _ = try OpenFile(files.root + device, flags: O_RDONLY | O_EXCL | O_NONBLOCK)
                return false
            } catch {
                guard error.number == EBUSY else { return false }
                if attempt < 2 { usleep(20_000) }
            }
        }
        return true
    }

    private var isMapOfPartition: Bool {
        files.text(folder + "/dm/uuid")?.hasPrefix("part") == true
    }
}
