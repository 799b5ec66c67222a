import ErrorCodes
import Logging
import Reservations
import Volumes

/// One disk of this node, as all activations on the node share it.
///
/// To the disk the whole node is one initiator with one key. So an activation that arbitrates for a disk which another one on
/// this node owns joins in the ownership, and the reservation goes when the last of them gives it up; volumes are mounted
/// once and dismounted when the last activation takes them offline. What clients do to the reservation with commands of their
/// own is in `NodeDisk+Reservations.swift`.
///
/// Commands to one disk follow each other; a slow disk holds up nobody else's. A disk that never answers holds up those who
/// call it for ``Environment/callLimit``.
public actor NodeDisk {
    /// One activation, as far as its disks know it.
    public struct Holder: Hashable, Sendable {
        private let number: UInt64

        /// A holder that is none of the others.
        public static func new() -> Holder {
            Holder(number: .random(in: 0 ... .max))
        }
    }

    /// One time of owning the disk, from an arbitration that was won to the end or the loss of it: tells late news of an old
    /// loss from that of a new one.
    public struct Tenure: Hashable, Sendable {
        private let number: UInt64

        static func new() -> Tenure {
            Tenure(number: .random(in: 0 ... .max))
        }
    }

    /// Hears that the tenure has ended without anybody here having ended it.
    public typealias LossListener = @Sendable (Tenure) async -> Void

    /// What all disks of a node have in common.
    public struct Environment: Sendable {
        /// Makes a disk's command path; called again at the next preparation where it failed before.
        public var open: @Sendable (_ path: String) throws -> Disk
        /// What this node registers for clients that name no key of their own: no other node's, and best the one it owns disks
        /// with, so that the one and the other do not disturb each other.
        public var key: ReservationKey
        /// Arbitrates for and defends a disk.
        public var makeOwnership:
            @Sendable (_ disk: Disk, _ lost: @escaping @Sendable (OwnershipLoss) -> Void) -> DiskOwnership
        /// Where commands block.
        public var executor: BlockingExecutor
        /// Whether this host uses a disk that was free when it was opened: somebody has mounted it, say. Blocks like a
        /// command.
        public var isInUse: @Sendable (Disk) throws -> Bool = { _ in false }
        /// What the waiting goes by.
        public var clock: any Clock<Duration> = ContinuousClock()
        /// How long a disk may take to be described before it counts as one that does not answer.
        public var patience = Duration.seconds(5)
        /// How long a call may take, waiting for the calls before it included, before it is answered without the disk having
        /// said anything. What Windows gives a disk for one command.
        public var callLimit = Duration.seconds(60)
        /// The same for an arbitration, in which a node may have to wait for several challenges.
        public var arbitrationLimit = Duration.seconds(180)
        /// What those limits go by.
        public var callClock: any Clock<Duration> = ContinuousClock()
        /// How long to wait before a registration that could not be taken off the disk is tried again.
        public var retryInterval = Duration.seconds(3)
        /// Hears what happens to disks.
        public var logger: Logger

        /// From its parts.
        public init(
            open: @escaping @Sendable (_ path: String) throws -> Disk, key: ReservationKey,
            makeOwnership:
                @escaping @Sendable (_ disk: Disk, _ lost: @escaping @Sendable (OwnershipLoss) -> Void) -> DiskOwnership,
            executor: BlockingExecutor, logger: Logger
        ) {
            self.open = open
            self.key = key
            self.makeOwnership = makeOwnership
            self.executor = executor
            self.logger = logger
        }
    }

    /// The zero-based number, which is the disk's place in the configuration, whether or not others are there.
    public nonisolated let number: UInt32
    /// Where its image is.
    public nonisolated let path: String

    let environment: Environment
    let logger: Logger
    /// Commands, mounting and files.
    let queue = CallQueue()
    /// Arbitration and its end. A challenge takes seconds, in which the disk is there for everything else. Who waits here
    /// may wait in `queue` besides, never the other way round.
    let ownershipQueue = CallQueue()
    var disk: Disk?
    var ownership: DiskOwnership?
    /// Who owns the disk, and what to call when it is lost.
    var owners: [Holder: LossListener] = [:]
    var mounted: Mounted?
    /// The tenure of ``ownership``.
    var tenure: Tenure?
    /// News of tenures that have not been taken up yet.
    var earlyLosses: Set<Tenure> = []
    /// While this node challenges, its registration would let its writes through another's reservation (SPC-3 5.6.1, table 32:
    /// Registrants Only).
    var isChallenging = false
    /// Whether this node's key may be on the disk although the node does not own it: from before a crash, until the first look;
    /// and after a command that should have removed it and failed.
    var mayBeRegistered = true
    /// Whether another session than the present one may have left this node's key on the disk.
    var mayBeRegisteredElsewhere = true
    /// The keys that this node's registration may have while it may have one. On a disk whose nexus is the host's, only a
    /// registration with one of them is this node's.
    var possibleKeys: Set<ReservationKey>
    /// Which unit those keys are on: the one that was opened last.
    private var identity: DiskIdentity?
    var withdrawal: Task<Void, Never>?
    /// Whose commands have registered this node, and what of the reservation is theirs.
    var claims: [Holder: Claim] = [:]
    /// The key this node is registered with while there are claims.
    var claimedKey: ReservationKey
    /// Whether registrations are to outlast a loss of power, once asked.
    var persistsReservations: Bool?
    private var look: Task<DiskDescription, Never>?

    struct Mounted {
        let table: PartitionTable
        let volumes: [Volume]
        var holders: Set<Holder>
    }

    /// A disk that is not touched yet.
    public init(number: UInt32, path: String, environment: Environment) {
        self.number = number
        self.path = path
        self.environment = environment
        claimedKey = environment.key
        possibleKeys = [environment.key]
        var logger = environment.logger
        logger[metadataKey: "disk"] = "\(number)"
        self.logger = logger
    }

    deinit {
        withdrawal?.cancel()
    }

    /// Whether a command, or an arbitration, is under way.
    public var isBusy: Bool {
        get async {
            if await queue.isOccupied { return true }
            return await ownershipQueue.isOccupied
        }
    }

    // MARK: Looking

    /// Looks at the disk: what it is, and which identity its partition table gives it. A disk that cannot be used is described
    /// as such, and so is one that has not answered for ``Environment/patience``; its command goes on.
    public func describe() async -> DiskDescription {
        // All who ask wait for one and the same look: a disk that never answers collects no more of them.
        let look = look ?? Task { await self.describeAnew() }
        self.look = look
        let description = await firstValue(of: look, within: environment.patience, by: environment.clock)
        return description ?? .silent(number: number, path: path)
    }

    private func describeAnew() async -> DiskDescription {
        defer { look = nil }
        let (number, path) = (number, path)
        do {
            // Only to have a disk opened anew that has been broken, or that the host has begun or ceased to use; what is
            // wrong with it, the description finds out.
            do {
                await queue.run { await self.closeProtected() }
                try await blocking(first: { try await self.refuseWhereProtected() }) { disk in
                    try disk.testUnitReady()
                }
            } catch is SCSIError {
            } catch NodeDiskError.protected {
                // A look changes nothing.
            }
            return try await blocking { disk in DiskDescription.of(disk, number: number, path: path) }
        } catch {
            return .missing(number: number, path: path, cause: "\(error)")
        }
    }

    /// In a turn of the queue: closes a disk that can only be read, in case the host does not use it any more.
    private func closeProtected() {
        if disk?.isProtected == true, isUnused { disk = nil }
    }

    /// Makes sure that the disk answers.
    ///
    /// - Throws: ERROR_NOT_FOUND where there is no disk; what the disk says otherwise.
    public func attach() async throws {
        do {
            try await bounded { try await self.blocking { disk in try disk.testUnitReady() } }
        } catch let error as any HRESULTConvertible where error.hresult == Win32Error.fileNotFound.hresult {
            // Whatever kind of disk it is that is not there.
            throw Win32Error.notFound
        }
    }

    /// The two sectors that belong to nothing.
    public func arbitrationSectors() async throws -> ArbitrationSectors {
        try await bounded {
            try await self.blocking { disk in try PartitionTable.read(from: disk).arbitrationSectors(on: disk) }
        }
    }

    /// Reads the first block.
    ///
    /// - Throws: what keeps the disk from being read.
    public func checkReadability() async throws {
        try await bounded { try await self.blocking { disk in _ = try disk.read(block: 0, count: 1) } }
    }

    /// Whether the unit is write protected at present; false where it does not say.
    public func isReadOnly() async throws -> Bool {
        try await bounded { try await self.blocking { disk in try disk.readWriteProtection() } }
    }

    /// Reads a sector of 512 octets, whatever the disk's blocks are.
    ///
    /// - Returns: the octets, and how long the disk took; waiting for other calls is not part of it.
    public func read(sector: UInt32) async throws -> (octets: [UInt8], time: Duration) {
        try await bounded {
            try await self.blocking { disk in
                let place = SectorPlace(sector: sector, blockSize: disk.blockSize)
                let (blocks, time) = try timed { try disk.read(block: place.block, count: place.count) }
                return (Array(blocks[place.octets]), time)
            }
        }
    }

    /// Writes a sector of 512 octets; on stable storage when it returns.
    ///
    /// To the disk, all holders on this node are one initiator. So it is here that a holder without a part in the ownership is kept
    /// from writing while another holder owns the disk, and while the node's registration stands for a challenge.
    ///
    /// - Returns: how long the disk took; waiting for other calls is not part of it.
    /// - Throws: a reservation conflict where another node, or another holder on this one, owns the disk or is arbitrating for it;
    ///   ``NodeDiskError/protected(path:)``.
    @discardableResult
    public func write(sector: UInt32, _ octets: [UInt8], by holder: Holder) async throws -> Duration {
        try await bounded {
            try await self.blocking(movesOn: false, first: { try await self.admitWrite(by: holder) }) { disk in
                let place = SectorPlace(sector: sector, blockSize: disk.blockSize)
                return try timed {
                    var blocks = octets
                    if disk.blockSize != SectorPlace.sectorSize {
                        blocks = try disk.read(block: place.block, count: place.count)
                        blocks.replaceSubrange(place.octets, with: octets)
                    }
                    try disk.write(block: place.block, blocks)
                    try disk.flush()
                }.time
            }
        }
    }

    // MARK: Commands

    /// Waits for the body, but not for ever. Nothing can call a command off: what the body does after the limit, it does, and the
    /// calls that follow on this disk wait behind it.
    ///
    /// - Throws: ``NodeDiskError/silent(path:)`` where the limit is reached.
    func bounded<T: Sendable>(
        within limit: Duration? = nil, _ body: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        let task = Task { () async -> Result<T, any Error> in
            do { return .success(try await body()) } catch { return .failure(error) }
        }
        let result = await firstValue(
            of: task, within: limit ?? environment.callLimit, by: environment.callClock)
        guard let result else { throw NodeDiskError.silent(path: path) }
        return try result.get()
    }

    /// Runs the body where it may block, after the calls before it.
    ///
    /// - Parameters:
    ///   - movesOn: whether the body may run on another unit than before, where that is what the disk has become. What writes may
    ///     not: its caller meant the unit that was there.
    ///   - first: runs in the same turn, after the disk has been opened.
    func blocking<T: Sendable>(
        movesOn: Bool = true, first: @escaping @Sendable () async throws -> Void = {},
        _ body: @escaping @Sendable (Disk) throws -> T
    ) async throws -> T {
        try await queue.run { try await self.attempt(movesOn: movesOn, first, body) }
    }

    /// In a turn of the queue. A disk that is not ready or not there, and that nobody here stands on, may have been put right by now:
    /// an image restored, a damaged state file removed, a device plugged in again. Then it is another disk, which is opened anew, as is one that has become another
    /// at the same address.
    private func attempt<T: Sendable>(
        movesOn: Bool, _ first: @Sendable () async throws -> Void, _ body: @escaping @Sendable (Disk) throws -> T
    ) async throws -> T {
        let known = disk != nil
        let present = try await opened()
        try await first()
        do {
            return try await environment.executor.run { try body(present) }
        } catch let error as SCSIError where known && isUnused && error.asksForAnotherLook {
            disk = nil
            let fresh = try await opened()
            guard movesOn || fresh.identity == present.identity else {
                throw SCSIError.identityChanged(
                    name: fresh.transport.name, expected: "\(present.identity)", found: "\(fresh.identity)")
            }
            try await first()
            return try await environment.executor.run { try body(fresh) }
        }
    }

    /// Whether nothing rests on the disk as it was opened.
    var isUnused: Bool {
        ownership == nil && mounted == nil && !isChallenging && claims.isEmpty
    }

    /// In a turn of the queue.
    func opened() async throws -> Disk {
        if let disk { return disk }
        let path = path
        let open = environment.open
        let disk = try await environment.executor.run { try open(path) }
        self.disk = disk
        persistsReservations = nil
        // Whatever ran under this node's identity before does not run any more.
        mayBeRegistered = true
        mayBeRegisteredElsewhere = true
        // What could not be taken off the same unit before it was closed is still to be taken off.
        if disk.identity != identity { possibleKeys = [] }
        possibleKeys.insert(environment.key)
        identity = disk.identity
        do {
            try await withdrawRegistration()
        } catch {
            withdrawLater(because: error)
        }
        return disk
    }
}

/// Runs the body and measures it.
private func timed<T>(_ body: () throws -> T) rethrows -> (value: T, time: Duration) {
    let clock = ContinuousClock()
    let start = clock.now
    let value = try body()
    return (value, clock.now - start)
}
