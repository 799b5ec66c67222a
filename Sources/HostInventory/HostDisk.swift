import Reservations

/// A disk of this host.
public struct HostDisk: Sendable, Hashable {
    /// The device file, such as `/dev/sdb` or, for a disk with several paths, `/dev/dm-3`.
    public var device: String
    /// How it hangs on the host, and what the host does with it.
    public var attachment: DiskAttachment
    /// Who made it; may be empty.
    public var vendor: String
    /// What model it is; may be empty.
    public var model: String
    /// The revision of its firmware; may be empty.
    public var revision: String
    /// The serial number as far as the kernel knows it; may be empty.
    public var serial: String
    /// The world-wide identifier as the kernel writes it; nil where it knows none.
    public var worldWideIdentifier: String?
    /// The octets.
    public var size: UInt64
    /// Whether the medium can be taken out.
    public var isRemovable: Bool
    /// Whether the kernel refuses writes.
    public var isReadOnly: Bool
    /// The device files of its paths where a multipath map joins several; else empty.
    public var members: [String]

    init(_ node: BlockNode, roles: DiskAttachment.Roles) {
        // What a map does not know of itself its paths know.
        let members =
            node.kind == .multipathMap ? node.members.compactMap { BlockNode(name: $0, files: node.files) } : []
        let source = members.first ?? node
        device = node.device
        attachment = node.attachment(roles: roles)
        vendor = source.vendor
        model = source.model
        revision = source.revision
        serial = source.serial
        worldWideIdentifier = source.worldWideIdentifier
        size = node.size
        isRemovable = source.isRemovable
        isReadOnly = node.isReadOnly
        self.members = members.map(\.device)
    }
}
