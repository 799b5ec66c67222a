/// Opens a path to whatever disk a ``DiskTarget`` names.
public struct TargetOpener: Sendable {
    /// The initiator port that emulated and iSCSI units see.
    public let initiator: InitiatorIdentity
    private let credentials: ISCSICredentials?
    private let roles: @Sendable (String) throws -> DiskAttachment.Roles
    private let log: @Sendable (String) -> Void

    /// An opener.
    ///
    /// - Parameters:
    ///   - initiator: who opens; the same on every start of a node, or its registrations are orphaned.
    ///   - credentials: the secrets of targets that ask for them.
    ///   - roles: what this host does with a device, by its path. Where nobody says, every device counts as being in use, and
    ///     what would change it is refused.
    ///   - log: told what iSCSI sessions have to say: connections, reconnections, registrations lost meanwhile. It holds no
    ///     secrets.
    public init(
        initiator: InitiatorIdentity, credentials: ISCSICredentials? = nil,
        roles: @escaping @Sendable (String) throws -> DiskAttachment.Roles = { _ in .inUse },
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.initiator = initiator
        self.credentials = credentials
        self.roles = roles
        self.log = log
    }

    /// Opens the target.
    ///
    /// Blocks like a command: an iSCSI target has its time-out to connect and to log in.
    ///
    /// - Throws: ``EmulatedUnitError``, ``ISCSIError`` or what ``LocalTransport`` throws, by the kind of target.
    public func open(_ target: DiskTarget) throws -> any SCSITransport {
        switch target {
        case .image(let path): return try EmulatedLogicalUnit(image: path, initiator: initiator)
        case .local(let device): return try LocalTransport.open(device: device, roles: roles(device))
        case .iscsi(let target): return try open(target)
        }
    }

    private func open(_ target: ISCSITarget) throws -> any SCSITransport {
        let paths = target.portals.indices.map { index in
            ISCSITransport(
                target: target, path: index, initiator: initiator, secret: credentials?.secret(for: target.name),
                log: log)
        }
        if paths.count == 1 {
            try paths[0].connect()
            return paths[0]
        }
        return MultipathTransport(name: target.description, paths: paths)
    }
}
