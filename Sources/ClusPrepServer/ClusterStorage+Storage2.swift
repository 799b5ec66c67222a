import ClusterProtocols
import DCERPC
import ErrorCodes
import NDR
import Reservations

/// IClusterStorage2 on the wire ([MS-CSVP] 3.2.4): each method unpacks its request, asks the object, and packs its response.
extension ClusterStorage: IClusterStorage2Server {
    /// The size of the sectors of CprepDiskRawRead and CprepDiskRawWrite.
    private static let sectorSize = 512

    /// CprepDiskRawRead (3.2.4.1).
    public func cprepDiskRawRead(
        _ request: IClusterStorage2.CprepDiskRawRead.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskRawRead.Response {
        try await ordered(.CprepDiskRawRead) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskRawRead)
            guard request.cbData <= Self.sectorSize else { throw Win32Error.readFault }
            let (octets, time) = try await disk.read(sector: request.ulSector)
            var response = IClusterStorage2.CprepDiskRawRead.Response(returnValue: .ok, for: request)
            response.pbData = Array(octets.prefix(Int(request.cbData)))
            response.pcbDataRead = request.cbData
            response.ulLatency = time.milliseconds
            return response
        }
    }

    /// CprepDiskRawWrite (3.2.4.2). What the client does not give of the sector becomes zeros.
    public func cprepDiskRawWrite(
        _ request: IClusterStorage2.CprepDiskRawWrite.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskRawWrite.Response {
        try await ordered(.CprepDiskRawWrite) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskRawWrite)
            guard request.cbData <= Self.sectorSize else { throw Win32Error.writeFault }
            let sector = request.pbData + [UInt8](repeating: 0, count: Self.sectorSize - request.pbData.count)
            let time: Duration
            do {
                time = try await disk.write(sector: request.ulSector, sector, by: object.holder)
            } catch let error as SCSIError where error.win32 == .writeFault {
                // That one means more than 512 octets here.
                object.logger.warning("CprepDiskRawWrite: \(error)")
                throw Win32Error.ioDevice
            }
            var response = IClusterStorage2.CprepDiskRawWrite.Response(returnValue: .ok, for: request)
            response.pcbDataWritten = UInt32(Self.sectorSize)
            response.ulLatency = time.milliseconds
            return response
        }
    }

    /// CprepPrepareNode (3.2.4.3).
    public func cprepPrepareNode(
        _ request: IClusterStorage2.CprepPrepareNode.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepPrepareNode.Response {
        try await ordered(.CprepPrepareNode) { object in
            try object.prepareNode()
            var response = IClusterStorage2.CprepPrepareNode.Response(returnValue: .ok, for: request)
            response.pulMajorVersion = object.environment.majorVersion
            response.pulMinorVersion = object.environment.minorVersion
            // Arbitrary, and ignored by clients.
            response.pdwCPrepVersion = 1
            return response
        }
    }

    /// CprepPrepareNodePhase2 (3.2.4.4). No disk of this host is in a storage pool, so the flags, which are about pools, change
    /// nothing.
    public func cprepPrepareNodePhase2(
        _ request: IClusterStorage2.CprepPrepareNodePhase2.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepPrepareNodePhase2.Response {
        try await ordered(.CprepPrepareNodePhase2) { object in
            var response = IClusterStorage2.CprepPrepareNodePhase2.Response(returnValue: .ok, for: request)
            response.pulNumDisks = try await object.prepareNodePhase2()
            return response
        }
    }

    /// CprepDiskStopDefense (3.2.4.6).
    public func cprepDiskStopDefense(
        _ request: IClusterStorage2.CprepDiskStopDefense.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskStopDefense.Response {
        try await ordered(.CprepDiskStopDefense) { object in
            try await object.stopDefense(request.DiskId.name)
            return IClusterStorage2.CprepDiskStopDefense.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskOnline (3.2.4.7).
    public func cprepDiskOnline(
        _ request: IClusterStorage2.CprepDiskOnline.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskOnline.Response {
        try await ordered(.CprepDiskOnline) { object in
            var response = IClusterStorage2.CprepDiskOnline.Response(returnValue: .ok, for: request)
            response.MaxPartitionNumber = try await object.bringOnline(request.DiskId.name)
            return response
        }
    }

    /// CprepDiskVerifyUnique (3.2.4.8).
    public func cprepDiskVerifyUnique(
        _ request: IClusterStorage2.CprepDiskVerifyUnique.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskVerifyUnique.Response {
        try await ordered(.CprepDiskVerifyUnique) { object in
            try object.verifyUnique(request.DiskId.name)
            return IClusterStorage2.CprepDiskVerifyUnique.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskWriteFileData (3.2.4.9).
    public func cprepDiskWriteFileData(
        _ request: IClusterStorage2.CprepDiskWriteFileData.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskWriteFileData.Response {
        try await ordered(.CprepDiskWriteFileData) { object in
            try await object.withVolume(request.DiskId.name, request.ulPartition, for: .CprepDiskWriteFileData) {
                try $0.write(request.FileName, request.DataIn)
            }
            return IClusterStorage2.CprepDiskWriteFileData.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskVerifyFileData (3.2.4.10).
    public func cprepDiskVerifyFileData(
        _ request: IClusterStorage2.CprepDiskVerifyFileData.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskVerifyFileData.Response {
        try await ordered(.CprepDiskVerifyFileData) { object in
            try await object.withVolume(request.DiskId.name, request.ulPartition, for: .CprepDiskVerifyFileData) {
                try $0.verify(request.FileName, request.DataIn)
            }
            return IClusterStorage2.CprepDiskVerifyFileData.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskDeleteFile (3.2.4.11).
    public func cprepDiskDeleteFile(
        _ request: IClusterStorage2.CprepDiskDeleteFile.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskDeleteFile.Response {
        try await ordered(.CprepDiskDeleteFile) { object in
            try await object.withVolume(request.DiskId.name, request.ulPartition, for: .CprepDiskDeleteFile) {
                try $0.delete(request.FileName)
            }
            return IClusterStorage2.CprepDiskDeleteFile.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskOffline (3.2.4.12).
    public func cprepDiskOffline(
        _ request: IClusterStorage2.CprepDiskOffline.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskOffline.Response {
        try await ordered(.CprepDiskOffline) { object in
            try await object.takeOffline(request.DiskId.name)
            return IClusterStorage2.CprepDiskOffline.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskAttach (3.2.4.14).
    public func cprepDiskAttach(
        _ request: IClusterStorage2.CprepDiskAttach.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskAttach.Response {
        try await ordered(.CprepDiskAttach) { object in
            try await object.attach(request.DiskId.name)
            return IClusterStorage2.CprepDiskAttach.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskPRArbitrate (3.2.4.15).
    public func cprepDiskPRArbitrate(
        _ request: IClusterStorage2.CprepDiskPRArbitrate.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRArbitrate.Response {
        try await ordered(.CprepDiskPRArbitrate) { object in
            try await object.arbitrate(request.DiskId.name)
            return IClusterStorage2.CprepDiskPRArbitrate.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskDiskPartitionIsNtfs (3.2.4.20).
    public func cprepDiskDiskPartitionIsNtfs(
        _ request: IClusterStorage2.CprepDiskDiskPartitionIsNtfs.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskDiskPartitionIsNtfs.Response {
        try await ordered(.CprepDiskDiskPartitionIsNtfs) { object in
            let name = try await object.withVolume(
                request.DiskId.name, request.ulPartition, for: .CprepDiskDiskPartitionIsNtfs
            ) { $0.fileSystemName }
            guard name == "NTFS" else { throw Win32Error.wrongDisk }
            return IClusterStorage2.CprepDiskDiskPartitionIsNtfs.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskGetArbSectors (3.2.4.21).
    public func cprepDiskGetArbSectors(
        _ request: IClusterStorage2.CprepDiskGetArbSectors.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskGetArbSectors.Response {
        try await ordered(.CprepDiskGetArbSectors) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskGetArbSectors)
            let sectors = try await disk.arbitrationSectors()
            var response = IClusterStorage2.CprepDiskGetArbSectors.Response(returnValue: .ok, for: request)
            response.SectorX = sectors.first
            response.SectorY = sectors.second
            return response
        }
    }

    /// CprepDiskIsOnline (3.2.4.25).
    public func cprepDiskIsOnline(
        _ request: IClusterStorage2.CprepDiskIsOnline.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskIsOnline.Response {
        try await ordered(.CprepDiskIsOnline) { object in
            try await object.isOnline(request.DiskId.name)
            return IClusterStorage2.CprepDiskIsOnline.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskSetOnline (3.2.4.26): what becomes of it, CprepDiskIsOnline says.
    public func cprepDiskSetOnline(
        _ request: IClusterStorage2.CprepDiskSetOnline.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskSetOnline.Response {
        try await ordered(.CprepDiskSetOnline) { object in
            try object.startOnline(request.DiskId.name)
            return IClusterStorage2.CprepDiskSetOnline.Response(returnValue: .ok, for: request)
        }
    }

    /// CprepDiskGetFSName (3.2.4.27).
    public func cprepDiskGetFSName(
        _ request: IClusterStorage2.CprepDiskGetFSName.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskGetFSName.Response {
        try await ordered(.CprepDiskGetFSName) { object in
            let name = try await object.withVolume(request.DiskId.name, request.Partition, for: .CprepDiskGetFSName) {
                $0.fileSystemName
            }
            var response = IClusterStorage2.CprepDiskGetFSName.Response(returnValue: .ok, for: request)
            response.FsName = [UInt16](wide: name, count: 100)
            return response
        }
    }

    /// CprepDiskIsReadable (3.2.4.28).
    public func cprepDiskIsReadable(
        _ request: IClusterStorage2.CprepDiskIsReadable.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskIsReadable.Response {
        try await ordered(.CprepDiskIsReadable) { object in
            try await object.disk(request.DiskId.name, for: .CprepDiskIsReadable).checkReadability()
            return IClusterStorage2.CprepDiskIsReadable.Response(returnValue: .ok, for: request)
        }
    }
}

extension Win32Error {
    /// ERROR_WRONG_DISK.
    static let wrongDisk = Win32Error(rawValue: 34)
    /// ERROR_DUPLICATE_TAG.
    static let duplicateTag = Win32Error(rawValue: 2014)
}

extension Duration {
    /// In the unit of the specification's Latency Time Source (3.2.1).
    fileprivate var milliseconds: UInt32 {
        let (seconds, attoseconds) = components
        return UInt32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
