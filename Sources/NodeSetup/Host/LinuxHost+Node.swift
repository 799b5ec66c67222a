import ClusterEngine
import Foundation
import HostInventory
import Reservations
import Security
import Volumes

extension LinuxHost {
    /// Whether OpenSSL has what NTLM is made of; else why not.
    public func cryptographyProblem() -> String? {
        do {
            try Cryptography.checkAvailable()
            return nil
        } catch {
            return "\(error)"
        }
    }

    // MARK: Users

    /// The node's users, by name; none where there is no state folder.
    public func users(stateFolder: String) async throws(SetupError) -> [String] {
        guard try status(of: stateFolder + "/cluster.db") != nil else { return [] }
        do {
            return try await directory(stateFolder).list().map(\.name)
        } catch {
            throw .refused(operation: "read the users in \(stateFolder)", reason: "\(error)")
        }
    }

    /// Adds a user to the node's store, which is made if it is not there.
    public func addUser(
        _ user: SetupAnswers.User, password: String, stateFolder: String
    ) async throws(SetupError) {
        do {
            try await directory(stateFolder).add(
                name: user.name, password: password, isAdministrator: user.administrator)
        } catch {
            throw .refused(operation: "add the user \(user.name)", reason: "\(error)")
        }
    }

    /// Removes a user.
    public func removeUser(_ name: String, stateFolder: String) async throws(SetupError) {
        do {
            try await directory(stateFolder).remove(name: name)
        } catch UserDirectoryError.notFound {
            return
        } catch {
            throw .refused(operation: "remove the user \(name)", reason: "\(error)")
        }
    }

    private func directory(_ stateFolder: String) throws -> NodeUserDirectory {
        try NodeUserDirectory(state: try NodeState.open(folder: stateFolder, as: .tool))
    }

    /// What a keytab lacks for a node of this name; nil where it is good.
    public func keytabProblem(path: String, fqdn: String) -> String? {
        do {
            let hosts = try KerberosKeytab(path: path).entries.map { $0.principal.lowercased() }
            // Every realm's: which one the node is in, the keytab says.
            let missing = ["host", "RPCSS"].filter { service in
                !hosts.contains { $0.hasPrefix("\(service)/\(fqdn)@".lowercased()) }
            }
            guard !missing.isEmpty else { return nil }
            return "\(path) has no usable keys of \(missing.map { "\($0)/\(fqdn)" }.joined(separator: ", "))"
        } catch {
            return "\(error)"
        }
    }

    // MARK: Firewall

    /// Makes the firewall's table of ours in the kernel.
    public func openFirewall(exporterPort: Int, interfaces: [String]) async throws(SetupError) {
        guard let port = UInt16(exactly: exporterPort) else { return }
        try await blocking("open the firewall") {
            try HostFirewall(exporterPorts: port...port).open(Set(ClusterTraffic.allCases), through: interfaces)
        }
    }

    /// Removes it.
    public func closeFirewall() async throws(SetupError) {
        try await blocking("close the firewall") { try HostFirewall().close() }
    }

    private func blocking<T: Sendable>(
        _ operation: String, _ body: @escaping @Sendable () throws -> T
    ) async throws(SetupError) -> T {
        do {
            return try await BlockingExecutor(threads: 1).run(body)
        } catch {
            throw .refused(operation: operation, reason: "\(error)")
        }
    }

    // MARK: Disks

    /// This host's disks and those behind portals, and what did not answer.
    public func disks(
        behind portals: [ISCSIPortal], credentials: String?
    ) async -> (found: [DiskCandidate], problems: [String]) {
        var targets: [DiskTarget] = []
        var problems: [String] = []
        do {
            targets = try HostDisks().list().map { .local($0.device) }
        } catch {
            problems.append("cannot find the disks of this host: \(error)")
        }
        do {
            let secrets = try portals.isEmpty ? nil : credentials.map { try ISCSICredentials(file: $0) }
            let behind = await ISCSIDiscovery.disks(
                behind: portals, initiator: Self.initiator, credentials: secrets, executor: BlockingExecutor(threads: 1)
            )
            targets += behind.found
            problems += behind.problems
        } catch {
            problems.append("cannot discover targets: \(error)")
        }
        var found: [DiskCandidate] = []
        for target in targets { found.append(await disk(target, credentials: credentials)) }
        return (found, problems)
    }

    /// One disk, looked at without changing it.
    public func disk(_ target: DiskTarget, credentials: String?) async -> DiskCandidate {
        let path = target.description
        do {
            return try await BlockingExecutor(threads: 1).run {
                if case .image(let file) = target, try status(of: file) == nil {
                    throw SetupError.file(path: file, operation: "open", reason: "there is no such file")
                }
                let roles: DiskAttachment.Roles
                if case .local(let device) = target { roles = try HostDisks().roles(of: device) } else { roles = [] }
                // Not even opened: what hangs or warns because of it would be this host's own.
                guard !roles.isProtected else {
                    return DiskCandidate(
                        target: path, name: path, size: nil, isProtected: true, obstacles: ["this host lives on it"])
                }
                let opener = TargetOpener(
                    initiator: Self.initiator, credentials: try credentials.map { try ISCSICredentials(file: $0) },
                    roles: { try HostDisks().roles(of: $0) })
                let description = DiskDescription.of(
                    try Disk(transport: try opener.open(target)), number: 0, path: path)
                // What the kernel alone has claimed is known now that it is open; and a unit behind a portal may be one that the
                // kernel's own initiator has brought here.
                let isOwn =
                    try description.attachment.roles.isProtected || Self.isProtected(description.identifiers)
                let obstacles = description.isClusterable ? [] : description.obstacles
                return DiskCandidate(
                    target: path, name: description.friendlyName, size: description.size, isProtected: isOwn,
                    obstacles: isOwn ? ["this host lives on it"] : obstacles, problem: description.problem)
            }
        } catch {
            return DiskCandidate(target: path, name: path, size: nil, problem: "\(error)")
        }
    }

    /// Whether this host lives on the disk with these identifiers, by whatever way it came here.
    private static func isProtected(_ identifiers: [DeviceIdentifier]) throws -> Bool {
        guard !identifiers.isEmpty else { return false }
        return try HostDisks().list().contains { disk in
            disk.attachment.roles.isProtected
                && disk.worldWideIdentifier.map { isName($0, amongst: identifiers) } == true
        }
    }

    /// Whether the kernel's name of a disk, such as `naa.6001405…`, is one of page 83h's identifiers.
    static func isName(_ name: String, amongst identifiers: [DeviceIdentifier]) -> Bool {
        let own = DeviceIdentifier.list(wwid: name)
        return identifiers.contains { identifier in
            identifier.association == .logicalUnit && identifier.isWorldWide
                && own.contains { $0.kind == identifier.kind && $0.value == identifier.value }
        }
    }

    /// Another one than the daemon's: two sessions of one initiator port would end each other.
    private static var initiator: InitiatorIdentity { .node("clusprep-setup." + ProcessInfo.processInfo.hostName) }
}
