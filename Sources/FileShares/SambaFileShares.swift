import Foundation
import Logging

/// ``FileShareService`` with Samba: usershares of the smbd that this host runs, read by a Unix account that Samba knows for as
/// long as a test lasts; and libsmbclient, in a program of its own, for the other nodes' shares.
public actor SambaFileShares: FileShareService {
    /// What a node's shares are made with.
    public struct Configuration: Sendable {
        /// The node's own folder, which exists: for the journal and the helper's configuration.
        public var stateFolder: String
        /// Where shares' folders are made; made if missing. The account needs a way there.
        public var shareFolder = "/run/clusprep-shares"
        /// The Unix account that other nodes log on as. The same on all nodes of a test.
        public var user = "clusprep"
        /// The port of this node's SMB server, and of every other's.
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
        /// How long one connection to another node may take.
        public var connectionTime = Duration.seconds(10)

        /// With the usual values for everything else.
        public init(stateFolder: String, addresses: [IPAddress], probe: String, searchPath: String) {
            self.stateFolder = stateFolder
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
    private var current: (share: TestShare, entry: ShareJournal.Entry, holders: Set<ShareHolder>)?
    private var isStopped = false
    /// The last of the changes, each of which waits for the one before.
    private var lastChange: Task<Void, Never>?
    private var connections: [Int: Task<Void, any Error>] = [:]
    private var connectionNumber = 0

    /// A service without shares. What an earlier one left behind is removed by ``recover()``, or with the first share.
    public init(configuration: Configuration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        journal = ShareJournal(folder: configuration.stateFolder)
        samba = SambaCommands(
            configuration: configuration.sambaConfiguration, searchPath: configuration.searchPath,
            timeout: configuration.commandTime)
        prober = ShareProber(
            program: configuration.probe, home: configuration.stateFolder + "/smb-client", port: configuration.port,
            timeout: configuration.connectionTime, logger: logger)
    }

    /// Removes what a crash left behind. What cannot be removed stays on record and is logged.
    public func recover() async {
        do {
            try await inTurn { try await $0.removeLeftovers() }
        } catch {
            logger.error("shares of an earlier run are still there: \(error)")
        }
    }

    // MARK: FileShareService

    /// See ``FileShareService/check()``. smbd has to be installed and to answer on each address.
    public func check() async throws {
        try refuseIfStopped()
        let (_, silent) = try await servers()
        if !silent.isEmpty { throw notServed(silent) }
    }

    /// See ``FileShareService/paths()``.
    public func paths() async throws -> [SharePath] {
        try refuseIfStopped()
        let (found, silent) = try await servers()
        for (address, failure) in silent {
            logger.warning("no SMB server on port \(configuration.port) of \(address): \(failure)")
        }
        if found.isEmpty { throw notServed(silent) }
        // More than that no other node takes.
        return found.prefix(SharePath.maximumCount).map(SharePath.init)
    }

    /// See ``FileShareService/makeShare(_:for:)``.
    public func makeShare(_ share: TestShare, for holder: ShareHolder) async throws {
        try await inTurn { try await $0.make(share, for: holder) }
    }

    /// See ``FileShareService/removeShare(of:)``.
    public func removeShare(of holder: ShareHolder) async {
        do {
            try await inTurn { service in
                guard service.current?.holders.remove(holder) != nil, service.current?.holders.isEmpty == true
                else { return }
                try await service.removeCurrent()
            }
        } catch {
            logger.error("removing a test's share: \(error)")
        }
    }

    /// See ``FileShareService/connect(to:share:)``.
    public func connect(to paths: [SharePath], share: TestShare) async throws {
        try refuseIfStopped()
        let (prober, user) = (prober, configuration.user)
        connectionNumber += 1
        let number = connectionNumber
        let task = Task { try await prober.connect(to: paths, share: share, user: user) }
        connections[number] = task
        defer { connections[number] = nil }
        do {
            try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        } catch is CancellationError where isStopped {
            throw FileShareError.stopped
        }
    }

    /// See ``FileShareService/stop()``.
    public func stop() async {
        isStopped = true
        for connection in connections.values { connection.cancel() }
        do {
            try await inTurn { try await $0.removeCurrent() }
        } catch {
            logger.error("removing a test's share: \(error)")
        }
    }

    // MARK: Changes, one after the other

    /// Runs a change when those before it are done. It is done whole, also where the caller is cancelled.
    private func inTurn<Value: Sendable>(
        _ body: @escaping @Sendable (isolated SambaFileShares) async throws -> Value
    ) async throws -> Value {
        let previous = lastChange
        let change = Task {
            await previous?.value
            return try await body(self)
        }
        lastChange = Task { _ = await change.result }
        return try await change.value
    }

    private func make(_ share: TestShare, for holder: ShareHolder) async throws {
        try refuseIfStopped()
        if let current {
            guard current.share == share else { throw FileShareError.busy }
            self.current?.holders.insert(holder)
            return
        }
        try samba.checkInstalled()
        try await removeLeftovers()
        let (configuration, journal) = (configuration, journal)
        let user = try await BlockingCall.run { try Self.account(configuration) }
        guard try await !samba.hasAccount(configuration.user) else {
            throw FileShareError.accountTaken(name: configuration.user)
        }
        let folder = ShareFolder(path: configuration.shareFolder + "/" + share.name)
        let entry = ShareJournal.Entry(share: share.name, folder: folder.path, account: configuration.user)
        try await BlockingCall.run { try journal.write([entry]) }
        do {
            try await BlockingCall.run { try folder.make(token: share.token) }
            try await samba.addAccount(entry.account, password: share.password)
            try await samba.addShare(entry.share, folder: entry.folder, user: user)
        } catch {
            // The first error counts; what cannot be undone now stays on record.
            do {
                try await remove(entry)
            } catch {
                logger.error("undoing a test's share: \(error)")
            }
            throw error
        }
        current = (share, entry, [holder])
        logger.info("share \(share.name) made")
    }

    private func removeCurrent() async throws {
        guard let current else { return }
        // Whatever comes of it: what is left is the journal's.
        self.current = nil
        try await remove(current.entry)
        logger.info("share \(current.share.name) removed")
    }

    private func removeLeftovers() async throws {
        guard current == nil else { return }
        let journal = journal
        for entry in try await BlockingCall.run({ try journal.read() }) {
            try await remove(entry)
            logger.notice("share \(entry.share) of an earlier run removed")
        }
    }

    /// Removes everything of an entry that is there, and then the entry. One thing that stays does not keep the others.
    private func remove(_ entry: ShareJournal.Entry) async throws {
        var failure: (any Error)?
        for step in [
            { try await self.samba.removeShare(entry.share) },
            { try await self.samba.removeAccount(entry.account) },
            { try await BlockingCall.run { try ShareFolder(path: entry.folder).remove() } },
        ] {
            do {
                try await step()
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        let journal = journal
        try await BlockingCall.run { try journal.write([]) }
    }

    // MARK: What is asked of the host

    private func refuseIfStopped() throws(FileShareError) {
        if isStopped { throw .stopped }
    }

    private func servers() async throws -> (
        found: [IPAddress], silent: [(address: IPAddress, failure: FileShareError.ConnectionFailure)]
    ) {
        try samba.checkInstalled()
        let addresses = HostAddresses.resolve(configuration.addresses)
        guard !addresses.isEmpty else { throw FileShareError.noAddress }
        return try await prober.answering(addresses)
    }

    private func notServed(
        _ silent: [(address: IPAddress, failure: FileShareError.ConnectionFailure)]
    ) -> FileShareError {
        .notServed(
            addresses: silent.map { "\($0.address)" }, port: configuration.port,
            reason: silent.map(\.failure).max().map { "\($0)" } ?? "none asked")
    }

    /// The account's number. Who knows the test knows the account's password while the test lasts, so the account has to be one
    /// to which the host's SMB server gives nothing else.
    private static func account(_ configuration: Configuration) throws(FileShareError) -> uid_t {
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        var record = passwd()
        var found: UnsafeMutablePointer<passwd>?
        guard getpwnam_r(configuration.user, &record, &buffer, buffer.count, &found) == 0, found != nil else {
            throw .noAccount(name: configuration.user)
        }
        guard record.pw_uid != 0 || configuration.sambaConfiguration != nil else {
            throw .accountIsRoot(name: configuration.user)
        }
        return record.pw_uid
    }
}
