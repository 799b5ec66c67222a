import ClusterProtocols
import DCOM
import ErrorCodes
import NDR

/// An activation of ClusterStorage2 on a node ([MS-CSVP] 3.3): its disks, from preparing to giving back.
///
/// Every method throws the `HRESULT` that the server returned where it is a failure, `RPCFault` where the server refused the
/// call, and what the connection says where there was no answer.
public struct StorageClient: Sendable {
    /// The methods of IClusterStorage2 as the IDL has them.
    public let storage2: IClusterStorage2Client
    /// The methods of IClusterStorage3 as the IDL has them.
    public let storage3: IClusterStorage3Client
    private let object: ObjectReference

    init(object: ObjectReference) async throws {
        self.object = object
        storage2 = IClusterStorage2Client(try await object.proxy(IClusterStorage2.interface))
        storage3 = IClusterStorage3Client(try await object.proxy(IClusterStorage3.interface))
    }

    /// Gives the object back; what it had done to disks is undone.
    public func release() async throws {
        try await object.release()
    }

    /// Pings for the object while the body runs; without pings the server collects it after six minutes.
    public func keepingAlive<Result: Sendable>(
        _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result {
        try await object.keepingAlive(body)
    }

    /// CprepPrepareNode (opnum 5).
    ///
    /// - Returns: the node's operating system version.
    public func prepareNode() async throws -> (major: UInt32, minor: UInt32) {
        let response = try await storage2.cprepPrepareNode(.init())
        try response.returnValue.throwIfFailed()
        return (response.pulMajorVersion, response.pulMinorVersion)
    }

    /// CprepPrepareNodePhase2 (opnum 6).
    ///
    /// - Parameter flags: 1 detaches storage spaces by force, 2 skips non-clustered pools (3.2.4.4).
    /// - Returns: the number of disks.
    public func prepareNodePhase2(flags: UInt32 = 0) async throws -> UInt32 {
        let response = try await storage2.cprepPrepareNodePhase2(.init(Flags: flags))
        try response.returnValue.throwIfFailed()
        return response.pulNumDisks
    }

    /// CprepDiskGetProps (opnum 7).
    public func properties(of disk: DiskID) async throws -> DISK_PROPS {
        let response = try await storage2.cprepDiskGetProps(.init(DiskId: disk.wire))
        try response.returnValue.throwIfFailed()
        return response.DiskProps
    }

    /// CprepDiskAttach (opnum 23).
    public func attach(_ disk: DiskID) async throws {
        try await storage2.cprepDiskAttach(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskPRArbitrate (opnum 24): takes the disk, and keeps it until ``stopDefense(_:)``.
    public func arbitrate(_ disk: DiskID) async throws {
        try await storage2.cprepDiskPRArbitrate(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskOnline (opnum 13).
    ///
    /// - Returns: the number of partitions, which are numbered from 1.
    public func online(_ disk: DiskID) async throws -> UInt32 {
        let response = try await storage2.cprepDiskOnline(.init(DiskId: disk.wire))
        try response.returnValue.throwIfFailed()
        return response.MaxPartitionNumber
    }

    /// CprepDiskIsOnline (opnum 34): ERROR_NOT_READY is false, not an error.
    public func isOnline(_ disk: DiskID) async throws -> Bool {
        let result = try await storage2.cprepDiskIsOnline(.init(DiskId: disk.wire)).returnValue
        if result == Win32Error.notReady.hresult { return false }
        try result.throwIfFailed()
        return true
    }

    /// CprepDiskOffline (opnum 20).
    public func offline(_ disk: DiskID) async throws {
        try await storage2.cprepDiskOffline(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskStopDefense (opnum 12): gives the disk back.
    public func stopDefense(_ disk: DiskID) async throws {
        try await storage2.cprepDiskStopDefense(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskGetArbSectors (opnum 30): two sectors that belong to nothing.
    public func arbitrationSectors(of disk: DiskID) async throws -> (UInt32, UInt32) {
        let response = try await storage2.cprepDiskGetArbSectors(.init(DiskId: disk.wire))
        try response.returnValue.throwIfFailed()
        return (response.SectorX, response.SectorY)
    }

    /// CprepDiskRawRead (opnum 3).
    ///
    /// - Parameters:
    ///   - sector: its number, from zero.
    ///   - disk: the disk.
    ///   - count: octets from the sector's beginning, up to 512.
    public func read(sector: UInt32, of disk: DiskID, count: UInt32 = 512) async throws -> [UInt8] {
        let response = try await storage2.cprepDiskRawRead(
            .init(DiskId: disk.wire, ulSector: sector, cbData: count))
        try response.returnValue.throwIfFailed()
        return response.pbData
    }

    /// CprepDiskRawWrite (opnum 4).
    ///
    /// - Parameters:
    ///   - octets: up to 512; the rest of the sector is lost.
    ///   - sector: its number, from zero.
    ///   - disk: the disk.
    public func write(_ octets: [UInt8], sector: UInt32, of disk: DiskID) async throws {
        let response = try await storage2.cprepDiskRawWrite(
            .init(DiskId: disk.wire, ulSector: sector, cbData: UInt32(octets.count), pbData: octets))
        try response.returnValue.throwIfFailed()
    }

    /// CprepDiskRawRead (opnum 3), with how long the node says that the disk took.
    ///
    /// - Returns: the sector's 512 octets, and whole milliseconds.
    public func timedRead(sector: UInt32, of disk: DiskID) async throws -> (octets: [UInt8], milliseconds: UInt32) {
        let response = try await storage2.cprepDiskRawRead(.init(DiskId: disk.wire, ulSector: sector, cbData: 512))
        try response.returnValue.throwIfFailed()
        return (response.pbData, response.ulLatency)
    }

    /// CprepDiskRawWrite (opnum 4), with how long the node says that the disk took.
    ///
    /// - Parameters:
    ///   - octets: up to 512; the rest of the sector is lost.
    ///   - sector: its number, from zero.
    ///   - disk: the disk.
    /// - Returns: whole milliseconds.
    public func timedWrite(_ octets: [UInt8], sector: UInt32, of disk: DiskID) async throws -> UInt32 {
        let response = try await storage2.cprepDiskRawWrite(
            .init(DiskId: disk.wire, ulSector: sector, cbData: UInt32(octets.count), pbData: octets))
        try response.returnValue.throwIfFailed()
        return response.ulLatency
    }

    /// CprepDiskGetFSName (opnum 36): "NTFS", "FAT", "RAW" or another.
    public func fileSystemName(of disk: DiskID, partition: UInt32) async throws -> String {
        let response = try await storage2.cprepDiskGetFSName(.init(DiskId: disk.wire, Partition: partition))
        try response.returnValue.throwIfFailed()
        return response.FsName.wideString
    }

    /// CprepDiskDiskPartitionIsNtfs (opnum 29): ERROR_WRONG_DISK is false, not an error.
    public func isNTFS(_ disk: DiskID, partition: UInt32) async throws -> Bool {
        let result = try await storage2.cprepDiskDiskPartitionIsNtfs(
            .init(DiskId: disk.wire, ulPartition: partition)
        ).returnValue
        if result == Win32Error(rawValue: 34).hresult { return false }
        try result.throwIfFailed()
        return true
    }

    /// CprepDiskWriteFileData (opnum 17).
    public func writeFile(_ name: String, _ octets: [UInt8], disk: DiskID, partition: UInt32) async throws {
        let response = try await storage2.cprepDiskWriteFileData(
            .init(
                DiskId: disk.wire, ulPartition: partition, FileName: WideString(name), cbDataIn: UInt32(octets.count),
                DataIn: octets))
        try response.returnValue.throwIfFailed()
    }

    /// CprepDiskVerifyFileData (opnum 18): throws unless the file holds exactly these octets.
    public func verifyFile(_ name: String, _ octets: [UInt8], disk: DiskID, partition: UInt32) async throws {
        let response = try await storage2.cprepDiskVerifyFileData(
            .init(
                DiskId: disk.wire, ulPartition: partition, FileName: WideString(name), cbDataIn: UInt32(octets.count),
                DataIn: octets))
        try response.returnValue.throwIfFailed()
    }

    /// CprepDiskDeleteFile (opnum 19).
    public func deleteFile(_ name: String, disk: DiskID, partition: UInt32) async throws {
        let response = try await storage2.cprepDiskDeleteFile(
            .init(DiskId: disk.wire, ulPartition: partition, FileName: WideString(name)))
        try response.returnValue.throwIfFailed()
    }
}

extension HRESULT {
    /// Throws itself where it is a failure.
    func throwIfFailed() throws(HRESULT) {
        if isFailure { throw self }
    }
}
