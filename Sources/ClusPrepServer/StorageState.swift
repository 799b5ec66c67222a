import ErrorCodes
import NDR

/// The state that one activation of ClusterStorage2 owns, and the rules by which methods may run in it: [MS-CSVP] 3.2.1, 3.2.4
/// and 3.4.4. It does no I/O: whoever holds it asks first, acts, and then says what came of it.
///
/// Once Prepare State is Online it stays so; the state dies with the object.
public struct StorageState: Sendable, Equatable {
    /// How far the client has prepared this server.
    public enum PrepareState: Sendable, CaseIterable {
        /// Nothing was called yet. CprepPrepareNode leads to ``preparing``.
        case initial
        /// CprepPrepareNodePhase2 leads to ``online``.
        case preparing
        /// Everything else may be called.
        case online
    }

    /// Who owns a disk, as far as this object knows.
    public enum Ownership: Sendable, CaseIterable {
        /// Nobody, or nobody has asked.
        case notOwned
        /// Another server held it when this object last arbitrated for it.
        case ownedByAnotherServer
        /// This object arbitrated for it and defends it.
        case ownedByThisServer
    }

    /// The identifiers by which a disk can be named.
    public struct DiskIdentity: Sendable, Equatable {
        /// The 32-bit signature of an MBR disk.
        public var signature: UInt32?
        /// The disk GUID of a GPT disk.
        public var guid: GUID?

        /// An identity of these parts; a disk that is neither MBR nor GPT has only its number.
        public init(signature: UInt32? = nil, guid: GUID? = nil) {
            self.signature = signature
            self.guid = guid
        }
    }

    /// A ClusPrepDisk.
    public struct DiskState: Sendable, Equatable {
        /// The identifiers besides the number, which is the index in ``StorageState/disks``.
        public var identity: DiskIdentity
        /// AttachedState.
        public internal(set) var isAttached = false
        /// OwnedState.
        public internal(set) var ownership = Ownership.notOwned
        /// The number of partitions while OnlineState is Online, else nil.
        public internal(set) var onlinePartitions: UInt32?

        /// OnlineState.
        public var isOnline: Bool {
            onlinePartitions != nil
        }

        /// Not attached, not owned, not online: as CprepPrepareNodePhase2 makes it (3.2.4.4).
        public init(identity: DiskIdentity) {
            self.identity = identity
        }
    }

    /// How a client names a disk: a CPREP_DISKID (2.2.2).
    public enum DiskName: Sendable, Equatable {
        /// CprepIdSignature.
        case signature(UInt32)
        /// CprepIdGuid.
        case guid(GUID)
        /// CprepIdNumber: zero-based.
        case number(UInt32)
        /// CprepIdUnknown: matches nothing.
        case unknown
    }

    /// Prepare State.
    public private(set) var prepareState = PrepareState.initial
    /// ClusPrepDiskList; a disk's number is its index.
    public private(set) var disks: [DiskState] = []

    /// Whether ClusterFileShareTestSetupState is ClusterFileShareTestSetup (3.4.1).
    public private(set) var isShareTestSetUp = false

    /// The state of a new object (3.2.3, 3.4.3).
    public init() {}

    // MARK: What may run

    /// Checks a method's Prepare State.
    ///
    /// - Throws: ERROR_INVALID_SERVER_STATE.
    public func admit(_ method: StorageMethod) throws(Win32Error) {
        let required: PrepareState =
            switch method {
            case .CprepPrepareNode: .initial
            // The method's own return table speaks of "not Online"; the rule in 3.2.4 is the one that can be met.
            case .CprepPrepareNodePhase2: .preparing
            default: .online
            }
        guard prepareState == required else { throw .invalidServerState }
    }

    /// Checks what a method that works on the test's shares demands: Prepare State, and that CprepCsvTestSetup3 came first, for
    /// before it there is no ClusPrepShare (3.4.3).
    ///
    /// - Throws: ERROR_INVALID_SERVER_STATE; ERROR_INVALID_STATE, which 3.4.4.5 and 3.4.4.6 leave open.
    public func admitToShares(_ method: StorageMethod) throws(Win32Error) {
        try admit(method)
        guard isShareTestSetUp else { throw .invalidState }
    }

    /// Checks everything that a method with a disk demands, in the specification's order: Prepare State, the disk's presence,
    /// then its states.
    ///
    /// - Returns: the disk's number.
    /// - Throws: ERROR_INVALID_SERVER_STATE; ERROR_FILE_NOT_FOUND where no disk matches (ERROR_NOT_FOUND for CprepDiskAttach,
    ///   product-behaviour note 10); ERROR_INVALID_STATE where the disk's state is not what the method demands
    ///   (ERROR_NOT_FOUND where CprepDiskIsOnline or CprepDiskSetOnline meets a disk that is not attached, note 11).
    public func admit(_ method: StorageMethod, disk name: DiskName) throws(Win32Error) -> Int {
        try admit(method)
        guard let number = number(of: name) else {
            throw method == .CprepDiskAttach ? .notFound : .fileNotFound
        }
        let disk = disks[number]
        let requirement = method.requirement ?? .exists
        if requirement >= .attached, !disk.isAttached {
            throw method == .CprepDiskIsOnline || method == .CprepDiskSetOnline ? .notFound : .invalidState
        }
        if requirement >= .owned, disk.ownership != .ownedByThisServer { throw .invalidState }
        if requirement >= .online, !disk.isOnline { throw .invalidState }
        // "The affected ClusPrepDisk.OnlineState has to be equal to Not Online" (3.2.4.6).
        if method == .CprepDiskStopDefense, disk.isOnline { throw .invalidState }
        return number
    }

    /// Checks a partition number of an online disk: 1 to what CprepDiskOnline returned (3.3.4.4).
    ///
    /// - Returns: the partition's index in the disk's list, from zero.
    /// - Throws: ERROR_FILE_NOT_FOUND for a number that cannot be mapped.
    public func partition(_ partition: UInt32, ofDisk number: Int) throws(Win32Error) -> Int {
        guard let count = disks[number].onlinePartitions, partition >= 1, partition <= count else {
            throw .fileNotFound
        }
        return Int(partition) - 1
    }

    /// The first disk that goes by the name; which one of several is left to the server (3.2.4).
    public func number(of name: DiskName) -> Int? {
        numbers(of: name).first
    }

    /// The disks that go by the name, in the list's order.
    public func numbers(of name: DiskName) -> [Int] {
        switch name {
        case .signature(let signature): disks.indices.filter { disks[$0].identity.signature == signature }
        case .guid(let guid): disks.indices.filter { disks[$0].identity.guid == guid }
        case .number(let number): disks.indices.contains(Int(number)) ? [Int(number)] : []
        case .unknown: []
        }
    }

    // MARK: What happened

    /// CprepPrepareNode was answered.
    public mutating func didPrepare() {
        prepareState = .preparing
    }

    /// CprepPrepareNodePhase2 found these disks; their numbers are their places.
    public mutating func didPrepare(disks identities: [DiskIdentity]) {
        disks = identities.map(DiskState.init)
        prepareState = .online
    }

    /// The shares of CprepCsvTestSetup3's test are there, or those of an earlier one are there no more.
    public mutating func didSetUpShareTest(_ isSetUp: Bool) {
        isShareTestSetUp = isSetUp
    }

    /// The disk is ready for what needs it attached.
    public mutating func didAttach(_ number: Int) {
        disks[number].isAttached = true
    }

    /// Arbitration ended: with this server as the owner, or not.
    ///
    /// - Precondition: the disk is attached.
    public mutating func didArbitrate(_ number: Int, won: Bool) {
        precondition(disks[number].isAttached, "a disk is arbitrated for only while attached")
        if won {
            disks[number].ownership = .ownedByThisServer
        } else {
            disks[number].ownership = .ownedByAnotherServer
            disks[number].onlinePartitions = nil
        }
    }

    /// The disk's volumes are accessible.
    ///
    /// - Precondition: the disk is owned by this server.
    public mutating func didBringOnline(_ number: Int, partitions: UInt32) {
        precondition(disks[number].ownership == .ownedByThisServer, "a disk is brought online only while owned")
        disks[number].onlinePartitions = partitions
    }

    /// The disk's volumes are not accessible any more.
    public mutating func didTakeOffline(_ number: Int) {
        disks[number].onlinePartitions = nil
    }

    /// Ownership was given up.
    public mutating func didStopDefense(_ number: Int) {
        disks[number].onlinePartitions = nil
        disks[number].ownership = .notOwned
    }

    /// Somebody took the reservation: what rested on it is gone.
    public mutating func didLoseOwnership(_ number: Int) {
        guard disks[number].ownership == .ownedByThisServer else { return }
        disks[number].onlinePartitions = nil
        disks[number].ownership = .ownedByAnotherServer
    }
}
