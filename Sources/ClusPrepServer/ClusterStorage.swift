import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import FileShares
import HostInventory
import Logging
import NDR
import Reservations
import Volumes

/// An activation of ClusterStorage2: IClusterStorage2 and IClusterStorage3 as two faces of one object ([MS-CSVP] 3.2, 3.4).
///
/// Prepare State, the disk list and what is attached, owned and online belong to this object and end with it; which disk
/// this node owns is a reservation on the disk itself. Calls on one object run one after the other, in the order in which
/// they arrive.
public actor ClusterStorage: COMObject {
    /// C72B09DB-4D53-4F41-8DCC-2D752AB56F7C ([MS-CSVP] 1.9).
    public static let clsid: GUID = "c72b09db-4d53-4f41-8dcc-2d752ab56f7c"

    /// What every activation on this node is made with.
    public struct Environment: Sendable {
        /// The node's disks, by number.
        public var disks: [NodeDisk]
        /// The operating system's major version that clients are told.
        public var majorVersion: UInt32
        /// The operating system's minor version that clients are told.
        public var minorVersion: UInt32
        /// Finds the multipath modules of this host.
        public var modules: @Sendable () async throws -> [DeviceSpecificModule] = { [] }
        /// Whether this host is a node of a cluster.
        public var isClustered: @Sendable () async throws -> Bool = { false }
        /// Shares files, and connects to other nodes' shares; nil where this node does neither.
        public var shares: (any FileShareService)?
        /// Hears what clients do.
        public var logger: Logger

        /// From its parts; no multipath modules, no cluster and no shares.
        public init(disks: [NodeDisk], majorVersion: UInt32, minorVersion: UInt32, logger: Logger) {
            self.disks = disks
            self.majorVersion = majorVersion
            self.minorVersion = minorVersion
            self.logger = logger
        }
    }

    let environment: Environment
    let logger: Logger
    let holder = NodeDisk.Holder.new()
    var state = StorageState()
    /// What the disks of the list are to each other, by number: redundant, colliding.
    var relations: [DiskFlags] = []
    /// What this object has a part in, by disk. It may have lost it without having heard of it yet.
    private var tenures: [Int: NodeDisk.Tenure] = [:]
    /// The disks to whose reservation this object has done anything, or tried to.
    private var engaged: Set<Int> = []
    /// What CprepDiskSetOnline has begun last, by disk.
    private var starting: [Int: Task<UInt32, any Error>] = [:]
    /// How often the disk was told to come online without anybody waiting, or not to be: what came before counts no more.
    private var turns: [Int: Int] = [:]
    /// What the test of file shares is set up with ([MS-CSVP] 3.4.4.3); nil while it is not.
    var testShare: TestShare?
    /// This object's part in the node's share; nil before it wanted one.
    var shareHolder: ShareHolder?
    private var isReleased = false
    private let queue = CallQueue()

    /// An object in its initial state (3.2.3).
    public init(environment: Environment) {
        self.environment = environment
        logger = environment.logger
    }

    /// The two faces.
    public nonisolated func handlers(for iid: GUID) -> [RPCHandler?]? {
        switch iid {
        case IClusterStorage2.interface.syntax.uuid: IClusterStorage2.handlers(self)
        case IClusterStorage3.interface.syntax.uuid: IClusterStorage3.handlers(self)
        default: nil
        }
    }

    /// Takes the disks offline, stops their defence, gives up their reservations and removes the share: a client that stops half way through
    /// anything leaves no owner, no lock, no open volume and no share behind.
    public func released() async {
        // What still waits, or comes from a connection that closes, does nothing any more.
        isReleased = true
        await queue.run { await self.giveUpEverything() }
    }

    /// Goes by what was tried, not by ``state``: what came of it, and whether it was lost since, the disk knows better.
    private func giveUpEverything() async {
        let (holder, logger) = (holder, logger)
        await withDiscardingTaskGroup { group in
            if let shareHolder {
                let shares = environment.shares
                group.addTask { await shares?.removeShare(of: shareHolder) }
            }
            for number in engaged {
                let disk = environment.disks[number]
                // Each by itself: a disk that does not answer does not keep the others.
                group.addTask {
                    do {
                        try await disk.leave(holder)
                    } catch {
                        logger.warning("giving up disk \(number) of a released object: \(error)")
                    }
                }
            }
        }
        for number in tenures.keys { state.didStopDefense(number) }
        tenures = [:]
        engaged = []
    }

    /// Runs a call when those before it are done.
    ///
    /// - Throws: an `HRESULTConvertible` always: what carries no code of its own becomes ERROR_INTERNAL_ERROR, and its text goes
    ///   to the log, for no method may answer with a fault (3.2.4: "All methods MUST NOT throw exceptions").
    func ordered<T: Sendable>(
        _ method: StorageMethod, _ body: @Sendable (isolated ClusterStorage) async throws -> T
    ) async throws -> T {
        do {
            return try await queue.run { try await self.unlessReleased(body) }
        } catch let error as any HRESULTConvertible {
            logger.debug("\(method) answers \(error.hresult): \(error)")
            throw error
        } catch is CancellationError {
            throw Win32Error.cancelled
        } catch {
            logger.error("\(method) failed: \(error)")
            throw Win32Error.internalError
        }
    }

    private func unlessReleased<T: Sendable>(
        _ body: @Sendable (isolated ClusterStorage) async throws -> T
    ) async throws -> T {
        guard !isReleased else { throw Win32Error.invalidState }
        return try await body(self)
    }

    /// The disk was lost to another node.
    func didLose(_ number: Int, _ tenure: NodeDisk.Tenure) async {
        await queue.run { await self.noteLoss(number, tenure) }
    }

    private func noteLoss(_ number: Int, _ tenure: NodeDisk.Tenure) {
        // The news may have waited while the disk was given up or won anew.
        guard tenures[number] == tenure else { return }
        state.didLoseOwnership(number)
    }

    /// A command of this object may have ended its own ownership. The news of it comes only after the call that sent it.
    func noteForfeiture(_ number: Int) async {
        guard let tenure = tenures[number], await !environment.disks[number].stands(tenure) else { return }
        noteLoss(number, tenure)
    }

    /// The disk with this number, of which something will have to be undone when this object ends.
    func engage(_ number: Int) -> NodeDisk {
        engaged.insert(number)
        return environment.disks[number]
    }

    // MARK: What the methods do

    func prepareNode() throws(Win32Error) {
        try state.admit(.CprepPrepareNode)
        state.didPrepare()
    }

    /// The disk list: every configured disk, also one that does not answer, so that numbers mean the same at all times.
    func prepareNodePhase2() async throws -> UInt32 {
        try state.admit(.CprepPrepareNodePhase2)
        let disks = await DiskDescription.of(environment.disks)
        for disk in disks {
            if let problem = disk.problem { logger.warning("disk \(disk.number) (\(disk.path)): \(problem)") }
        }
        relations = disks.map { $0.flags.intersection([.redundant, .collision]) }
        state.didPrepare(disks: disks.map(\.identity))
        return UInt32(disks.count)
    }

    func attach(_ name: StorageState.DiskName) async throws {
        let number = try state.admit(.CprepDiskAttach, disk: name)
        if state.disks[number].isAttached { return }
        try await environment.disks[number].attach()
        state.didAttach(number)
    }

    func arbitrate(_ name: StorageState.DiskName) async throws {
        let number = try state.admit(.CprepDiskPRArbitrate, disk: name)
        do {
            // Asked also where this object thinks that it owns the disk: it may have been lost meanwhile.
            let tenure = try await engage(number).arbitrate(holder) { [weak self] tenure in
                await self?.didLose(number, tenure)
            }
            // What was online under a tenure before this one went offline with it.
            if let earlier = tenures.updateValue(tenure, forKey: number), earlier != tenure {
                state.didTakeOffline(number)
            }
            state.didArbitrate(number, won: true)
        } catch {
            if await !stillOwns(number, after: error) { state.didArbitrate(number, won: false) }
            throw error
        }
    }

    /// Whether a disk for which this object has arbitrated once more is its own as before: where the disk did not say whose it is,
    /// the ownership and its defence go on.
    private func stillOwns(_ number: Int, after error: any Error) async -> Bool {
        if case DiskOwnershipError.ownedByAnother = error { return false }
        guard let tenure = tenures[number] else { return false }
        return await environment.disks[number].stands(tenure)
    }

    func bringOnline(_ name: StorageState.DiskName) async throws -> UInt32 {
        let number = try state.admit(.CprepDiskOnline, disk: name)
        await didStart(number)
        let partitions = try await environment.disks[number].online(holder)
        state.didBringOnline(number, partitions: partitions)
        return partitions
    }

    /// Brings the disk online and does not wait for it. Where it is online already, its volumes are looked for once more; whoever
    /// asks meanwhile whether it is online hears what is found.
    func startOnline(_ name: StorageState.DiskName) throws {
        let number = try state.admit(.CprepDiskSetOnline, disk: name)
        let turn = takeTurn(number)
        let (disk, holder, logger, earlier) = (environment.disks[number], holder, logger, starting[number])
        let start = Task { [weak self] in
            _ = await earlier?.result
            // Of those that waited only the last is of use: a disk that does not answer is not waited for once for each.
            guard await self?.turns[number] == turn else { throw CancellationError() }
            return try await disk.online(holder, again: true)
        }
        starting[number] = start
        Task { [weak self] in
            do {
                let partitions = try await start.value
                await self?.didComeOnline(number, partitions, turn)
            } catch is CancellationError {
                // Something else was wanted of the disk meanwhile.
            } catch {
                logger.warning("bringing disk \(number) online: \(error)")
            }
        }
    }

    /// Waits until no start of bringing the disk online is under way: one that came late would undo what is done now.
    private func didStart(_ number: Int) async {
        _ = await starting.removeValue(forKey: number)?.result
    }

    /// Whatever was to be done about the disk's being online before is overtaken.
    @discardableResult
    private func takeTurn(_ number: Int) -> Int {
        turns[number, default: 0] += 1
        return turns[number, default: 0]
    }

    private func didComeOnline(_ number: Int, _ partitions: UInt32, _ turn: Int) async {
        await queue.run { await self.noteOnline(number, partitions, turn) }
    }

    private func noteOnline(_ number: Int, _ partitions: UInt32, _ turn: Int) async {
        // The disk may have been given up, taken offline, started anew or lost while it came online.
        guard turns[number] == turn, await environment.disks[number].isOnline(holder),
            state.disks[number].ownership == .ownedByThisServer
        else { return }
        state.didBringOnline(number, partitions: partitions)
    }

    /// - Throws: ERROR_DUPLICATE_TAG where another attached disk goes by the same name.
    func verifyUnique(_ name: StorageState.DiskName) throws(Win32Error) {
        let number = try state.admit(.CprepDiskVerifyUnique, disk: name)
        guard state.numbers(of: name).allSatisfy({ $0 == number || !state.disks[$0].isAttached }) else {
            throw .duplicateTag
        }
    }

    func takeOffline(_ name: StorageState.DiskName) async throws {
        let number = try state.admit(.CprepDiskOffline, disk: name)
        state.didTakeOffline(number)
        takeTurn(number)
        await didStart(number)
        try await environment.disks[number].offline(holder)
    }

    func stopDefense(_ name: StorageState.DiskName) async throws {
        let number = try state.admit(.CprepDiskStopDefense, disk: name)
        state.didStopDefense(number)
        takeTurn(number)
        defer { tenures[number] = nil }
        try await environment.disks[number].stopDefense(holder)
    }

    func isOnline(_ name: StorageState.DiskName) async throws {
        let number = try state.admit(.CprepDiskIsOnline, disk: name)
        guard state.disks[number].isOnline else { throw Win32Error.notReady }
        if let start = starting[number], case .success(let partitions) = await start.result {
            state.didBringOnline(number, partitions: partitions)
        }
        guard await stillOnline(number) else { throw Win32Error.notReady }
    }

    /// Asks the disk, whose volumes go offline for all when a write to one of them fails.
    private func stillOnline(_ number: Int) async -> Bool {
        if await environment.disks[number].isOnline(holder) { return true }
        state.didTakeOffline(number)
        return false
    }

    /// The disk behind a name, if the method may have it.
    func disk(_ name: StorageState.DiskName, for method: StorageMethod) throws -> NodeDisk {
        environment.disks[try state.admit(method, disk: name)]
    }

    /// Works on a partition's volume.
    func withVolume<T: Sendable>(
        _ name: StorageState.DiskName, _ partition: UInt32, for method: StorageMethod,
        _ body: @escaping @Sendable (VolumeFiles) throws -> T
    ) async throws -> T {
        let number = try state.admit(method, disk: name)
        let index = try state.partition(partition, ofDisk: number)
        do {
            return try await environment.disks[number].withVolume(index, holder) { try body(VolumeFiles($0)) }
        } catch {
            _ = await stillOnline(number)
            throw error
        }
    }
}
