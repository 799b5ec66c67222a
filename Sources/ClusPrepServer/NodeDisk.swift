import ErrorCodes
import Logging
import Reservations
import Volumes

/// One disk of this node, as all activations on the node share it.
///
/// To the disk the whole node is one initiator with one key. So an activation that arbitrates for a disk which another one on
/// this node owns joins in the ownership, and the reservation goes when the last of them gives it up; volumes are mounted
/// once and dismounted when the last activation takes them offline.
///
/// Commands to one disk follow each other; a slow disk holds up nobody else's.
public actor NodeDisk {
    /// One activation, as far as its disks know it.
    public struct Holder: Hashable, Sendable {
        private let number: UInt64

        /// A holder that is none of the others.
        public static func new() -> Holder {
            Holder(number: .random(in: 0 ... .max))
        }
    }

    /// What all disks of a node have in common.
    public struct Environment: Sendable {
        /// Makes a disk's command path; called again at the next preparation where it failed before.
        public var open: @Sendable (_ path: String) throws -> Disk
        /// Arbitrates for and defends a disk.
        public var makeOwnership:
            @Sendable (_ disk: Disk, _ lost: @escaping @Sendable (OwnershipLoss) -> Void) -> DiskOwnership
        /// Where commands block.
        public var executor: BlockingExecutor
        /// Hears what happens to disks.
        public var logger: Logger

        /// From its parts.
        public init(
            open: @escaping @Sendable (_ path: String) throws -> Disk,
            makeOwnership:
                @escaping @Sendable (_ disk: Disk, _ lost: @escaping @Sendable (OwnershipLoss) -> Void) -> DiskOwnership,
            executor: BlockingExecutor, logger: Logger
        ) {
            self.open = open
            self.makeOwnership = makeOwnership
            self.executor = executor
            self.logger = logger
        }
    }

    /// The zero-based number, which is the disk's place in the configuration, whether or not others are there.
    public nonisolated let number: UInt32
    /// Where its image is.
    public nonisolated let path: String

    private let environment: Environment
    private let logger: Logger
    /// Commands, mounting and files.
    private let queue = CallQueue()
    /// Arbitration and its end. A challenge takes seconds, in which the disk is there for everything else. Who waits here
    /// may wait in `queue` besides, never the other way round.
    private let ownershipQueue = CallQueue()
    private var disk: Disk?
    private var ownership: DiskOwnership?
    /// Who owns the disk, and what to call when it is lost.
    private var owners: [Holder: @Sendable () async -> Void] = [:]
    private var mounted: Mounted?
    /// Tells one ownership from the next, so that late news of an old loss is not taken for a new one.
    private var current: UInt64?
    /// News of an ownership that has not been taken up yet.
    private var earlyLosses: Set<UInt64> = []

    private struct Mounted {
        let table: PartitionTable
        let volumes: [Volume]
        var holders: Set<Holder>
    }

    /// A disk that is not touched yet.
    public init(number: UInt32, path: String, environment: Environment) {
        self.number = number
        self.path = path
        self.environment = environment
        var logger = environment.logger
        logger[metadataKey: "disk"] = "\(number)"
        self.logger = logger
    }

    // MARK: Looking

    /// Looks at the disk: what it is, and which identity its partition table gives it. A disk that cannot be used is described
    /// as such.
    public func describe() async -> DiskDescription {
        let number = number
        let path = path
        do {
            return try await blocking { disk in DiskDescription.of(disk, number: number, path: path) }
        } catch {
            return .missing(number: number, path: path, cause: "\(error)")
        }
    }

    /// Makes sure that the disk answers.
    ///
    /// - Throws: ERROR_NOT_FOUND where there is no disk; what the disk says otherwise.
    public func attach() async throws {
        do {
            try await blocking { disk in try disk.testUnitReady() }
        } catch EmulatedUnitError.imageMissing {
            throw Win32Error.notFound
        }
    }

    /// The two sectors that belong to nothing.
    public func arbitrationSectors() async throws -> ArbitrationSectors {
        try await blocking { disk in try PartitionTable.read(from: disk).arbitrationSectors(on: disk) }
    }

    /// Reads a sector of 512 octets, whatever the disk's blocks are.
    public func read(sector: UInt32) async throws -> [UInt8] {
        try await blocking { disk in
            let place = SectorPlace(sector: sector, blockSize: disk.blockSize)
            return Array(try disk.read(block: place.block, count: 1)[place.octets])
        }
    }

    /// Writes a sector of 512 octets; on stable storage when it returns.
    public func write(sector: UInt32, _ octets: [UInt8]) async throws {
        try await blocking { disk in
            let place = SectorPlace(sector: sector, blockSize: disk.blockSize)
            var block = octets
            if disk.blockSize != SectorPlace.sectorSize {
                block = try disk.read(block: place.block, count: 1)
                block.replaceSubrange(place.octets, with: octets)
            }
            try disk.write(block: place.block, block)
            try disk.flush()
        }
    }

    // MARK: Owning

    /// Arbitrates for the disk, or joins in the ownership that the node has.
    ///
    /// - Parameter lost: called when the reservation is gone; not after ``stopDefense(_:)``.
    /// - Throws: what the arbitration says where another node owns the disk.
    public func arbitrate(_ holder: Holder, lost: @escaping @Sendable () async -> Void) async throws {
        try await ownershipQueue.run { try await self.becomeOwner(holder, lost) }
    }

    private func becomeOwner(_ holder: Holder, _ lost: @escaping @Sendable () async -> Void) async throws {
        if ownership == nil {
            let disk = try await opened()
            let news = UInt64.random(in: 1 ... .max)
            earlyLosses = []
            let ownership = environment.makeOwnership(disk) { [weak self] loss in
                // The defence has ended; nobody waits for this.
                Task { await self?.didLose(news, loss) }
            }
            try await ownership.arbitrate()
            // Lost before there was anybody to tell: as good as not won.
            guard earlyLosses.isEmpty else { throw Win32Error.busy }
            self.ownership = ownership
            current = news
        }
        owners[holder] = lost
    }

    /// The holder's part in the ownership ends; with the last holder's, the defence and the reservation.
    public func stopDefense(_ holder: Holder) async throws {
        try await ownershipQueue.run { try await self.endOwnership(of: holder) }
    }

    private func endOwnership(of holder: Holder) async throws {
        var failure: (any Error)?
        do {
            try await offline(holder)
        } catch {
            failure = error
        }
        if owners.removeValue(forKey: holder) != nil, owners.isEmpty, let ownership {
            self.ownership = nil
            current = nil
            try await ownership.stopDefense()
        }
        if let failure { throw failure }
    }

    /// The reservation is somebody else's: nothing may be written any more, and an operation under way has to end. That is why
    /// this does not wait in the queue.
    private func didLose(_ news: UInt64, _ loss: OwnershipLoss) async {
        guard news == current else {
            earlyLosses.insert(news)
            return
        }
        switch loss {
        case .takenOver(let key):
            logger.warning(
                "another node took the disk (key \(key.map(\.description) ?? "unknown")); its volumes go offline")
        case .unreachable:
            logger.warning("the disk did not answer for so long that it may be another node's; its volumes go offline")
        }
        let volumes = mounted?.volumes ?? []
        let listeners = owners.values
        mounted = nil
        ownership = nil
        current = nil
        owners = [:]
        await abandon(volumes)
        for listener in listeners { await listener() }
    }

    private func abandon(_ volumes: [Volume]) async {
        // Cannot throw but for cancellation, and a cancelled task would leave the volumes as they are.
        let executor = environment.executor
        await Task.detached {
            do {
                try await executor.run { for volume in volumes { volume.abandon() } }
            } catch {
                for volume in volumes { volume.abandon() }
            }
        }.value
    }

    // MARK: Volumes

    /// Brings the disk's volumes online, or joins in those that are.
    ///
    /// - Returns: the number of partitions.
    /// - Throws: ERROR_INVALID_STATE unless the holder owns the disk; what the disk says otherwise.
    public func online(_ holder: Holder) async throws -> UInt32 {
        try await queue.run { try await self.mount(holder) }
    }

    private func mount(_ holder: Holder) async throws -> UInt32 {
        guard owners[holder] != nil else { throw Win32Error.invalidState }
        if mounted == nil {
            let disk = try await opened()
            let mounting = current
            let logger = logger
            let fresh = try await environment.executor.run {
                let table = try PartitionTable.read(from: disk)
                var volumes: [Volume] = []
                do {
                    for partition in table.partitions {
                        volumes.append(
                            try Volume.open(disk, partition: partition) { entry in
                                logger.debug("ntfs-3g: \(entry)", metadata: ["partition": "\(partition.number)"])
                            })
                    }
                } catch {
                    // What was opened before has written nothing.
                    for volume in volumes { volume.abandon() }
                    throw error
                }
                return Mounted(table: table, volumes: volumes, holders: [])
            }
            for problem in fresh.table.problems { logger.warning("partition table: \(problem)") }
            for volume in fresh.volumes {
                guard let failure = volume.mountFailure, volume.fileSystem == .ntfs else { continue }
                logger.warning("partition \(volume.partition.number) cannot be mounted: \(failure)")
            }
            guard mounting != nil, mounting == current else {
                await abandon(fresh.volumes)
                throw Win32Error.invalidState
            }
            mounted = fresh
        }
        mounted?.holders.insert(holder)
        return UInt32(mounted?.volumes.count ?? 0)
    }

    /// Takes the volumes offline for the holder; dismounts them if nobody else on this node has them online.
    ///
    /// - Throws: what flushing says; the volumes are offline nevertheless.
    public func offline(_ holder: Holder) async throws {
        try await queue.run { try await self.dismount(holder) }
    }

    private func dismount(_ holder: Holder) async throws {
        guard mounted?.holders.remove(holder) != nil, let leaving = mounted, leaving.holders.isEmpty else { return }
        mounted = nil
        guard let disk else { return }
        try await Task.detached { [executor = environment.executor] in
            try await executor.run {
                var failure: (any Error)?
                for volume in leaving.volumes {
                    do {
                        try volume.close()
                    } catch {
                        failure = failure ?? error
                    }
                }
                if !disk.isReadOnly { try disk.flush() }
                if let failure { throw failure }
            }
        }.value
    }

    /// Works on a volume that the holder has online.
    ///
    /// - Parameter partition: the index among the disk's partitions, from zero.
    /// - Throws: ERROR_INVALID_STATE where the volumes went offline; what the body says otherwise.
    public func withVolume<T: Sendable>(
        _ partition: Int, _ holder: Holder, _ body: @escaping @Sendable (Volume) throws -> T
    ) async throws -> T {
        try await queue.run {
            let volume = try await self.volume(partition, holder)
            return try await self.environment.executor.run { try body(volume) }
        }
    }

    private func volume(_ partition: Int, _ holder: Holder) throws -> Volume {
        guard let mounted, mounted.holders.contains(holder) else { throw Win32Error.invalidState }
        guard mounted.volumes.indices.contains(partition) else { throw Win32Error.fileNotFound }
        return mounted.volumes[partition]
    }

    // MARK: Commands

    private func blocking<T: Sendable>(_ body: @escaping @Sendable (Disk) throws -> T) async throws -> T {
        try await queue.run {
            let disk = try await self.opened()
            return try await self.environment.executor.run { try body(disk) }
        }
    }

    private func opened() async throws -> Disk {
        if let disk { return disk }
        let path = path
        let open = environment.open
        let disk = try await environment.executor.run { try open(path) }
        self.disk = disk
        return disk
    }
}

/// Where a sector of 512 octets is on a disk with larger blocks.
struct SectorPlace {
    static let sectorSize = 512

    let block: UInt64
    let octets: Range<Int>

    init(sector: UInt32, blockSize: Int) {
        let perBlock = max(1, blockSize / Self.sectorSize)
        block = UInt64(sector) / UInt64(perBlock)
        let offset = Int(sector) % perBlock * Self.sectorSize
        octets = offset..<offset + Self.sectorSize
    }
}
