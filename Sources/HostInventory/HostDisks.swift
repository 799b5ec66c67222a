import Reservations

/// The disks of a Linux host, as `/sys` and `/proc` show them.
///
/// A disk is what a cluster could share: a whole disk that is not made of others on this host. Partitions, logical volumes, arrays, memory
/// disks and drives without a medium are none; the paths that dm-multipath or NVMe's own multipath join are one disk.
public struct HostDisks: Sendable {
    private let files: HostFiles
    private let includesLoopDevices: Bool

    /// The disks of this host, or of one that a test has made.
    ///
    /// - Parameters:
    ///   - root: the folder that stands for `/`.
    ///   - includesLoopDevices: whether files seen as devices count as disks, which is of use in tests.
    public init(root: String = "/", includesLoopDevices: Bool = false) {
        files = HostFiles(root: root)
        self.includesLoopDevices = includesLoopDevices
    }

    /// The disks, by device name: `sdb` before `sdaa`.
    ///
    /// - Throws: ``HostInventoryError/unavailable(path:)`` where the host shows no block devices at all.
    public func list() throws -> [HostDisk] {
        guard files.exists("/sys/block") else { throw HostInventoryError.unavailable(path: files.root + "/sys/block") }
        let nodes = files.names("/sys/block").compactMap { BlockNode(name: $0, files: files) }
        let usage = try DiskUsage(files: files)
        return nodes.filter(isDisk)
            .sorted { ($0.name.count, $0.name) < ($1.name.count, $1.name) }
            .map { HostDisk($0, roles: usage.roles(of: $0)) }
    }

    /// What the host does with one disk; none for a device that is no disk of the list.
    ///
    /// - Parameter device: a device file, a SCSI generic one included, or a symbolic link to one.
    /// - Throws: ``HostInventoryError/unavailable(path:)`` where the host does not tell what is mounted.
    public func roles(of device: String) throws -> DiskAttachment.Roles {
        try disk(of: device).map { try DiskUsage(files: files).roles(of: $0) } ?? []
    }

    /// The device file by which ``list()`` names a disk; nil for what is no block device.
    ///
    /// - Parameter device: a device file, a SCSI generic one included, or a symbolic link to one.
    public func device(of device: String) -> String? {
        disk(of: device)?.device
    }

    private func disk(of device: String) -> BlockNode? {
        guard let node = BlockNode(device: device, files: files) else { return nil }
        return node.wholeDisk.flatMap { BlockNode(name: $0, files: files) } ?? node
    }

    private func isDisk(_ node: BlockNode) -> Bool {
        // The path of a namespace that NVMe's multipath hides is not to be opened.
        guard node.size > 0, files.text(node.folder + "/hidden") != "1" else { return false }
        switch node.kind {
        case .scsi:
            // Type 0 is a direct-access block device; anything else with blocks is a drive or a processor's window.
            let type = files.text(node.folder + "/device/type") ?? "0"
            return ["0", "14"].contains(type) && !isPath(node)
        case .nvme, .multipathMap: return true
        case .loop: return includesLoopDevices
        case .other:
            // The boot areas of an MMC and its replay-protected block are parts of it.
            return !(node.name.hasPrefix("mmcblk") && (node.name.contains("boot") || node.name.hasSuffix("rpmb")))
        case .deviceMapper, .array, .memory, .removableDrive: return false
        }
    }

    /// Whether the disk is one of the paths of a map.
    private func isPath(_ node: BlockNode) -> Bool {
        node.holders.contains { BlockNode(name: $0, files: files)?.kind == .multipathMap }
    }
}

/// Why the host's disks cannot be told.
public enum HostInventoryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A file or folder of the kernel's that every Linux host has is not there.
    case unavailable(path: String)

    /// What is the matter.
    public var description: String {
        switch self {
        case .unavailable(let path):
            "\(path) cannot be read: disks of this host are found by sysfs and procfs only"
        }
    }
}
