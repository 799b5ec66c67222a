import ClusterProtocols
import DCERPC
import ErrorCodes
import Logging
import NDR
import Reservations

@testable import ClusPrepServer

/// An activation that works with one disk, as a client sees it: each method's HRESULT, through NDR.
struct Activation {
    let object: ClusterStorage
    let storage2: IClusterStorage2Client
    let storage3: IClusterStorage3Client
    var disk: CPREP_DISKID = .number(0)

    init(_ object: ClusterStorage) {
        self.object = object
        storage2 = IClusterStorage2Client(LocalCaller(object.handlers(for: IClusterStorage2.interface.syntax.uuid)))
        storage3 = IClusterStorage3Client(LocalCaller(object.handlers(for: IClusterStorage3.interface.syntax.uuid)))
    }

    /// An object of the node over its disks, prepared, with the disk attached.
    static func attached(_ disks: [NodeDisk], disk: UInt32 = 0) async throws -> Activation {
        var activation = Activation(ClusterStorage(environment: environment(disks)))
        activation.disk = .number(disk)
        _ = try await activation.storage2.cprepPrepareNode(.init())
        _ = try await activation.storage2.cprepPrepareNodePhase2(.init())
        let code = try await activation.attach()
        if code != 0 { throw HRESULT(rawValue: code) }
        return activation
    }

    static func environment(_ disks: [NodeDisk]) -> ClusterStorage.Environment {
        ClusterStorage.Environment(
            disks: disks, majorVersion: 10, minorVersion: 0,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func release() async { await object.released() }

    func attach() async throws -> UInt32 {
        try await storage2.cprepDiskAttach(.init(DiskId: disk)).returnValue.rawValue
    }

    func arbitrate() async throws -> UInt32 {
        try await storage2.cprepDiskPRArbitrate(.init(DiskId: disk)).returnValue.rawValue
    }

    func stopDefense() async throws -> UInt32 {
        try await storage2.cprepDiskStopDefense(.init(DiskId: disk)).returnValue.rawValue
    }

    func online() async throws -> UInt32 {
        try await storage2.cprepDiskOnline(.init(DiskId: disk)).returnValue.rawValue
    }

    func setOnline() async throws -> UInt32 {
        try await storage2.cprepDiskSetOnline(.init(DiskId: disk)).returnValue.rawValue
    }

    func offline() async throws -> UInt32 {
        try await storage2.cprepDiskOffline(.init(DiskId: disk)).returnValue.rawValue
    }

    func isOnline() async throws -> UInt32 {
        try await storage2.cprepDiskIsOnline(.init(DiskId: disk)).returnValue.rawValue
    }

    func isReadable() async throws -> UInt32 {
        try await storage2.cprepDiskIsReadable(.init(DiskId: disk)).returnValue.rawValue
    }

    func verifyUnique() async throws -> UInt32 {
        try await storage2.cprepDiskVerifyUnique(.init(DiskId: disk)).returnValue.rawValue
    }

    func write(sector: UInt32 = 1, _ octet: UInt8 = 1) async throws -> UInt32 {
        try await storage2.cprepDiskRawWrite(
            .init(DiskId: disk, ulSector: sector, cbData: 512, pbData: [UInt8](repeating: octet, count: 512))
        ).returnValue.rawValue
    }

    func read(sector: UInt32 = 1) async throws -> UInt32 {
        try await storage2.cprepDiskRawRead(.init(DiskId: disk, ulSector: sector, cbData: 512)).returnValue.rawValue
    }

    func isClusterable() async throws -> Bool {
        try await storage2.cprepDiskGetProps(.init(DiskId: disk)).DiskProps.DiskIsClusterable != 0
    }

    func writeFile() async throws -> UInt32 {
        try await storage2.cprepDiskWriteFileData(
            .init(DiskId: disk, ulPartition: 1, FileName: "a", cbDataIn: 1, DataIn: [1])
        ).returnValue.rawValue
    }

    // MARK: Reservations without keys

    func register() async throws -> UInt32 {
        try await storage2.cprepDiskPRRegister(.init(DiskId: disk)).returnValue.rawValue
    }

    func unregister() async throws -> UInt32 {
        try await storage2.cprepDiskPRUnRegister(.init(DiskId: disk)).returnValue.rawValue
    }

    func reserve() async throws -> UInt32 {
        try await storage2.cprepDiskPRReserve(.init(DiskId: disk)).returnValue.rawValue
    }

    func giveBack() async throws -> UInt32 {
        try await storage2.cprepDiskPRRelease(.init(DiskId: disk)).returnValue.rawValue
    }

    func preempt() async throws -> UInt32 {
        try await storage2.cprepDiskPRPreempt(.init(DiskId: disk)).returnValue.rawValue
    }

    func clear() async throws -> UInt32 {
        try await storage2.cprepDiskPRClear(.init(DiskId: disk)).returnValue.rawValue
    }

    /// CprepDiskIsPRPresent's answer; nil where it failed.
    func presence() async throws -> UInt32? {
        let response = try await storage2.cprepDiskIsPRPresent(.init(DiskId: disk))
        return response.returnValue == .ok ? response.Present : nil
    }

    // MARK: Reservations with keys

    func register(_ old: UInt64, _ new: UInt64) async throws -> UInt32 {
        try await storage3.cprepDiskPRRegister3(.init(DiskId: disk, OldPrKey: old, NewPrKey: new)).returnValue.rawValue
    }

    func reserve(_ key: UInt64) async throws -> UInt32 {
        try await storage3.cprepDiskPRReserve3(.init(DiskId: disk, Key: key)).returnValue.rawValue
    }

    func giveBack(_ key: UInt64) async throws -> UInt32 {
        try await storage3.cprepDiskPRRelease3(.init(DiskId: disk, Key: key)).returnValue.rawValue
    }

    func preempt(owner: UInt64, _ key: UInt64) async throws -> UInt32 {
        try await storage3.cprepDiskPRPreempt3(.init(DiskId: disk, OwnerKey: owner, NewKey: key)).returnValue.rawValue
    }

    func clear(_ key: UInt64) async throws -> UInt32 {
        try await storage3.cprepDiskPRClear3(.init(DiskId: disk, Key: key)).returnValue.rawValue
    }

    /// CprepDiskFindKey3's answer; nil where it failed.
    func finds(_ key: UInt64) async throws -> Bool? {
        let response = try await storage3.cprepDiskFindKey3(.init(DiskId: disk, Key: key))
        return response.returnValue == .ok ? response.pbFound != 0 : nil
    }

    func isReserved(_ key: UInt64) async throws -> UInt32 {
        try await storage3.cprepDiskIsPRPresent3(.init(DiskId: disk, Key: key)).returnValue.rawValue
    }

    /// CprepDiskIsReadOnly3's answer; nil where it failed.
    func isReadOnly() async throws -> Bool? {
        let response = try await storage3.cprepDiskIsReadOnly3(.init(DiskId: disk))
        return response.returnValue == .ok ? response.pbReadOnly != 0 : nil
    }
}

/// What the tests expect, as the specification's tables spell it.
enum Code {
    static let ok: UInt32 = 0
    static let accessDenied: UInt32 = 0x8007_0005
    static let fileNotFound: UInt32 = 0x8007_0002
    static let notReady: UInt32 = 0x8007_0015
    static let invalidParameter: UInt32 = 0x8007_0057
    static let busy: UInt32 = 0x8007_00AA
    static let ioDevice: UInt32 = 0x8007_045D
    static let notFound: UInt32 = 0x8007_0490
    static let invalidServerState: UInt32 = 0x8007_0548
    static let duplicateTag: UInt32 = 0x8007_07DE
    static let invalidState: UInt32 = 0x8007_139F
}

/// The unit behind an image, seen by somebody who changes nothing.
struct Onlooker {
    private let disk: Disk

    init(_ path: String) throws {
        disk = try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node("onlooker")))
    }

    func keys() throws -> [UInt64] { try disk.readKeys().keys.map(\.rawValue) }

    func holder() throws -> UInt64? { try disk.readReservation().holder?.key.rawValue }

    func type() throws -> ReservationType? { try disk.readReservation().holder?.type }

    func persists() throws -> Bool { try disk.reservationCapabilities().persistThroughPowerLossActivated }
}
