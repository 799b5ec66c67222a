import Foundation
import Logging

/// The share that shows a folder of log files: a usershare of the smbd that this host runs, for reading only, and for
/// administrators only. It is there from ``open()`` to ``close()``, and what a crash leaves of it goes with the next ``open()``.
///
/// Administrators are root, the members of one Unix group, and whoever Samba counts among BUILTIN\Administrators.
public actor LogShare {
    /// What the share is made with.
    public struct Configuration: Sendable {
        /// The node's own folder, which exists: for the journal and the helper's configuration.
        public var stateFolder: String
        /// The folder that is shared; made by whoever makes files in it.
        public var folder: String
        /// The share's name.
        public var name = "clusprep-logs"
        /// The Unix group whose members may read.
        public var group: gid_t = 0
        /// The port of this node's SMB server.
        public var port: UInt16 = 445
        /// The addresses that serve shares; a wildcard stands for all but loopback and link-local ones.
        public var addresses: [IPAddress]
        /// smb.conf's path; nil for Samba's own choice.
        public var sambaConfiguration: String?
        /// The path of `clusprep-smb-probe`.
        public var probe: String
        /// Where Samba's programs are looked for, as in PATH.
        public var searchPath: String
        /// How long one of Samba's commands may take.
        public var commandTime = Duration.seconds(20)
        /// How long one connection to the server may take.
        public var connectionTime = Duration.seconds(10)

        /// With the usual values for everything else.
        public init(
            stateFolder: String, folder: String, addresses: [IPAddress], probe: String, searchPath: String
        ) {
            self.stateFolder = stateFolder
            self.folder = folder
            self.addresses = addresses
            self.probe = probe
            self.searchPath = searchPath
        }
    }

    private let configuration: Configuration
    private let journal: ShareJournal
    private let samba: SambaCommands
    private let prober: ShareProber
    private let logger: Logger
    private var isMade = false
    private var isClosed = false
    /// The last of the changes, each of which waits for the one before.
    private var lastChange: Task<Void, Never>?

    /// No share yet.
    public init(configuration: Configuration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        journal = ShareJournal(folder: configuration.stateFolder, name: "log-share.json")
        samba = SambaCommands(
            configuration: configuration.sambaConfiguration, searchPath: configuration.searchPath,
            timeout: configuration.commandTime)
        prober = ShareProber(
            program: configuration.probe, home: configuration.stateFolder + "/smb-client", port: configuration.port,
            timeout: configuration.connectionTime, logger: logger)
    }

    /// Removes what a crash left behind, and makes the share. What keeps it from being made is logged, and tried again with the
    /// first log.
    public func open() async {
        do {
            try await inTurn { service in
                try await service.removeLeftovers()
                try await service.make()
            }
        } catch let error as FileShareError {
            // Without Samba a node does everything but this.
            logger.notice("logs are not shared: \(error)")
        } catch {
            logger.error("logs are not shared: \(error)")
        }
    }

    /// The share's name; makes the share where there is none yet.
    ///
    /// - Throws: ``FileShareError`` where Samba is not installed, refuses the share, or answers on none of this host's addresses:
    ///   then nobody could reach the files by it.
    public func name() async throws -> String {
        try await inTurn { try await $0.make() }
        let addresses = HostAddresses.resolve(configuration.addresses)
        guard !addresses.isEmpty else { throw FileShareError.noAddress }
        let (found, silent) = try await prober.answering(addresses)
        guard !found.isEmpty else {
            throw FileShareError.notServed(
                addresses: silent.map { "\($0.address)" }, port: configuration.port,
                reason: silent.map(\.failure).max().map { "\($0)" } ?? "none asked")
        }
        return configuration.name
    }

    /// Removes the share. The files stay.
    public func close() async {
        isClosed = true
        do {
            try await inTurn { service in
                guard service.isMade else { return }
                service.isMade = false
                try await service.removeLeftovers()
            }
        } catch {
            logger.error("removing the share of logs: \(error)")
        }
    }

    /// Runs a change when those before it are done. It is done whole, also where the caller is cancelled.
    private func inTurn(_ body: @escaping @Sendable (isolated LogShare) async throws -> Void) async throws {
        let previous = lastChange
        let change = Task {
            await previous?.value
            try await body(self)
        }
        lastChange = Task { _ = await change.result }
        try await change.value
    }

    private func make() async throws {
        if isClosed { throw FileShareError.stopped }
        if isMade { return }
        try samba.checkInstalled()
        let (configuration, journal) = (configuration, journal)
        // The folder has to be there before it can be shared; it belongs to whoever puts files into it.
        try await BlockingCall.run {
            try ShareFolder.make(configuration.folder, readableBy: configuration.group)
        }
        if let path = try await samba.folder(ofShare: configuration.name), path != configuration.folder {
            throw FileShareError.shareTaken(name: configuration.name)
        }
        try await BlockingCall.run {
            try journal.write([.init(share: configuration.name, folder: configuration.folder, account: "")])
        }
        try await samba.addShare(
            configuration.name, folder: configuration.folder, comment: "clusprep logs",
            readers: SambaCommands.administrators(group: configuration.group))
        isMade = true
        logger.info("share \(configuration.name) of logs made")
    }

    private func removeLeftovers() async throws {
        let journal = journal
        let entries = try await BlockingCall.run { try journal.read() }
        guard !entries.isEmpty else { return }
        for entry in entries {
            // One that has become another's is none of ours.
            guard try await samba.folder(ofShare: entry.share) == entry.folder else { continue }
            try await samba.removeShare(entry.share)
            logger.info("share \(entry.share) of logs removed")
        }
        try await BlockingCall.run { try journal.write([]) }
    }
}

extension ShareFolder {
    /// Makes a folder that root, the daemon and a group may read. What leads there has to be there.
    static func make(_ path: String, readableBy group: gid_t) throws(FileShareError) {
        func failure() -> FileShareError { .fileFailed(path: path, reason: String(cString: strerror(errno))) }
        let isNew = mkdir(path, 0o750) == 0
        guard isNew || errno == EEXIST else { throw failure() }
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else { throw failure() }
        defer { close(folder) }
        var status = stat()
        guard fstat(folder, &status) == 0 else { throw failure() }
        guard status.st_uid == geteuid() || status.st_uid == 0, status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
            throw .fileFailed(path: path, reason: "others may change it; it has to be root's or the daemon's alone")
        }
        guard isNew || status.st_mode & S_IRWXO == 0 else {
            throw .fileFailed(path: path, reason: "others use it; logs need a folder of their own")
        }
        guard status.st_gid == group || fchown(folder, uid_t.max, group) == 0, fchmod(folder, 0o750) == 0 else {
            throw failure()
        }
    }
}
