import ClusterProtocols
import DCERPC
import ErrorCodes
import HostInventory
import NDR
import Reservations
import Volumes

/// What disks say of themselves: CprepDiskGetProps, CprepDiskGetUniqueIds, their successors, and CprepDiskGetDsms.
extension ClusterStorage {
    /// The disk's description with what this object knows of it.
    private func description(
        of name: StorageState.DiskName, for method: StorageMethod
    ) async throws -> DiskDescription {
        let number = try state.admit(method, disk: name)
        var description = await environment.disks[number].describe()
        // What this object knows the disk by, even if somebody has given it a new table meanwhile.
        description.identity = state.disks[number].identity
        description.flags.formUnion(relations[number])
        return description
    }

    /// CprepDiskGetProps ([MS-CSVP] 3.2.4.5).
    public func cprepDiskGetProps(
        _ request: IClusterStorage2.CprepDiskGetProps.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskGetProps.Response {
        try await ordered(.CprepDiskGetProps) { object in
            var response = IClusterStorage2.CprepDiskGetProps.Response(returnValue: .ok, for: request)
            response.DiskProps =
                try await object.description(of: request.DiskId.name, for: .CprepDiskGetProps).properties
            return response
        }
    }

    /// CprepDiskGetProps3 (3.4.4.7).
    public func cprepDiskGetProps3(
        _ request: IClusterStorage3.CprepDiskGetProps3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskGetProps3.Response {
        try await ordered(.CprepDiskGetProps3) { object in
            var response = IClusterStorage3.CprepDiskGetProps3.Response(returnValue: .ok, for: request)
            response.pDiskProps =
                try await object.description(of: request.DiskId.name, for: .CprepDiskGetProps3).extendedProperties
            return response
        }
    }

    /// CprepDiskGetUniqueIds (3.2.4.13). An identifier of one of the three types is enough, whatever it identifies.
    public func cprepDiskGetUniqueIds(
        _ request: IClusterStorage2.CprepDiskGetUniqueIds.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskGetUniqueIds.Response {
        try await ordered(.CprepDiskGetUniqueIds) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskGetUniqueIds)
            let octets = try await disk.identifiers { $0.isUnique }
            var response = IClusterStorage2.CprepDiskGetUniqueIds.Response(returnValue: .ok, for: request)
            guard octets.count <= Int(request.cbData) else {
                // The one failure with something to tell besides its code.
                response.pcbNeeded = UInt32(octets.count)
                response.returnValue = Win32Error.insufficientBuffer.hresult
                return response
            }
            response.pbData = octets
            response.pcbDataOut = UInt32(octets.count)
            return response
        }
    }

    /// CprepDiskGetUniqueIds3 (3.4.4.1). The identifier has to be the logical unit's own ("with device-specific association").
    public func cprepDiskGetUniqueIds3(
        _ request: IClusterStorage3.CprepDiskGetUniqueIds3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskGetUniqueIds3.Response {
        try await ordered(.CprepDiskGetUniqueIds3) { object in
            let disk = try object.disk(request.DiskId.name, for: .CprepDiskGetUniqueIds3)
            let identifiers = try await disk.identifiers { $0.isUnique && $0.association == .logicalUnit }
            let device = try await disk.deviceDescriptor()
            var response = IClusterStorage3.CprepDiskGetUniqueIds3.Response(returnValue: .ok, for: request)
            response.ppbDeviceIdHeader = identifiers
            response.pcbDihSize = UInt32(identifiers.count)
            response.ppDeviceDescriptor = device
            response.pcbDdSize = UInt32(device?.count ?? 0)
            return response
        }
    }

    /// CprepDiskGetDsms (3.2.4.29). `pReserved` is the number of octets returned: the `length_is` of the array needs it, whatever
    /// clients are told to ignore. Nothing is returned where not everything fits.
    public func cprepDiskGetDsms(
        _ request: IClusterStorage2.CprepDiskGetDsms.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskGetDsms.Response {
        try await ordered(.CprepDiskGetDsms) { object in
            try object.state.admit(.CprepDiskGetDsms)
            let modules = try await object.environment.modules()
            let octets = REGISTERED_DSMS(modules: modules.map { REGISTERED_DSM($0) }).encoded
            guard octets.count <= Int(request.Size) else { throw Win32Error.moreData }
            var response = IClusterStorage2.CprepDiskGetDsms.Response(returnValue: .ok, for: request)
            response.RegisteredDsms = octets
            response.pReserved = UInt32(octets.count)
            return response
        }
    }
}

extension NodeDisk {
    /// The disk's page 83h as a STORAGE_DEVICE_ID_DESCRIPTOR.
    ///
    /// - Throws: ERROR_NOT_SUPPORTED where the disk has no such page, or no identifier in it that is good enough.
    fileprivate func identifiers(
        suffices: @escaping @Sendable (DeviceIdentifier) -> Bool
    ) async throws -> [UInt8] {
        try await bounded {
            try await self.blocking { disk in
                let identifiers: [DeviceIdentifier]
                do {
                    identifiers = try disk.identifiers()
                } catch SCSIError.checkCondition(let sense) where sense.key == .illegalRequest {
                    throw Win32Error.notSupported
                }
                guard identifiers.contains(where: suffices) else { throw Win32Error.notSupported }
                return try STORAGE_DEVICE_ID_DESCRIPTOR(identifiers).encoded()
            }
        }
    }

    /// The disk's inquiry data and its serial number (page 80h) as a STORAGE_DEVICE_DESCRIPTOR; nil where it has no such page. As on
    /// Windows, the raw properties are the 36 octets of standard inquiry data that every disk has.
    fileprivate func deviceDescriptor() async throws -> [UInt8]? {
        try await bounded {
            try await self.blocking { disk in
                let serialNumber: String
                do {
                    serialNumber = try disk.serialNumber()
                } catch SCSIError.checkCondition(let sense) where sense.key == .illegalRequest {
                    return nil
                }
                let inquiry = try disk.execute(.inquiry(page: nil, allocationLength: 36), dataIn: 36)
                return STORAGE_DEVICE_DESCRIPTOR(
                    deviceType: disk.inquiry.deviceType, hasRemovableMedia: disk.inquiry.isRemovable,
                    // CMDQUE (SPC-3 6.4.2).
                    queuesCommands: inquiry.count > 7 && inquiry[7] & 0x02 != 0,
                    vendor: disk.inquiry.vendor, product: disk.inquiry.product, revision: disk.inquiry.revision,
                    serialNumber: serialNumber, busType: disk.transport.attachment.bus.rawValue, rawProperties: inquiry
                ).encoded
            }
        }
    }
}

extension DeviceIdentifier {
    /// Whether it is of a type that [MS-CSVP] lets identify a disk: SCSI name string, NAA or EUI-64 based.
    fileprivate var isUnique: Bool {
        kind == .scsiName || kind == .naa || kind == .eui64
    }
}

extension REGISTERED_DSM {
    /// A module of this host.
    fileprivate init(_ module: DeviceSpecificModule) {
        self.init(
            name: module.name, majorVersion: module.majorVersion, minorVersion: module.minorVersion,
            productBuild: module.build, qfeNumber: module.fixNumber)
    }
}
