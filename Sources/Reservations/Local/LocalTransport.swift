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
    /// refused with ``SCSIError/protected(name:)`` before it reaches the disk.
    ///
    /// - Parameters:
    ///   - device: a device file, or a symbolic link to one such as those in `/dev/disk/by-id`.
    ///   - roles: what this host does with the disk.
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
        let readOnly = roles.isProtected
        let transport: any SCSITransport
        if let generic = disk(ofGeneric: name, files) {
            transport = try scsi(generic, path: path, roles, timeout, files)
        } else if let node = BlockNode(name: name, files: files) {
            if let disk = node.wholeDisk { throw LocalDeviceError.partition(device: device, disk: "/dev/" + disk) }
            transport = try open(node, roles, readOnly: readOnly, timeout: timeout)
        } else {
            throw LocalDeviceError.notADisk(device: device)
        }
        return readOnly ? GuardedTransport(transport) : transport
    }

    private static func open(
        _ node: BlockNode, _ roles: DiskAttachment.Roles, readOnly: Bool, timeout: Duration
    ) throws -> any SCSITransport {
        let attachment = node.attachment(roles: roles)
        switch node.kind {
        case .scsi:
            if let map = node.holders.lazy.compactMap({ BlockNode(name: $0, files: node.files) })
                .first(where: { $0.kind == .multipathMap })
            {
                throw LocalDeviceError.pathOfMap(device: node.device, map: map.device)
            }
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

    /// The disk behind a SCSI generic device: nil where the name is no generic device's, a nil inside where it has no disk.
    private static func disk(ofGeneric name: String, _ files: HostFiles) -> BlockNode?? {
        guard files.exists("/sys/class/scsi_generic/" + name) else { return nil }
        let disk = files.names("/sys/class/scsi_generic/\(name)/device/block").first
        return .some(disk.flatMap { BlockNode(name: $0, files: files) })
    }
}
