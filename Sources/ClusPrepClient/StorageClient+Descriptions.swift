import ClusterProtocols
import ErrorCodes
import NDR

/// What disks and nodes are.
extension StorageClient {
    /// CprepDiskVerifyUnique (opnum 14): whether no other attached disk goes by the same identifier. ERROR_DUPLICATE_TAG is false, not
    /// an error.
    public func isUnique(_ disk: DiskID) async throws -> Bool {
        let result = try await storage2.cprepDiskVerifyUnique(.init(DiskId: disk.wire)).returnValue
        if result == Win32Error(rawValue: 2014).hresult { return false }
        try result.throwIfFailed()
        return true
    }

    /// CprepDiskSetOnline (opnum 35): begins what ``online(_:)`` waits for; ``isOnline(_:)`` tells when it is done.
    public func startOnline(_ disk: DiskID) async throws {
        try await storage2.cprepDiskSetOnline(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskIsReadable (opnum 37): throws what keeps the disk from being read.
    public func checkReadability(of disk: DiskID) async throws {
        try await storage2.cprepDiskIsReadable(.init(DiskId: disk.wire)).returnValue.throwIfFailed()
    }

    /// CprepDiskGetUniqueIds (opnum 22): the disk's identifiers (VPD page 83h).
    ///
    /// - Throws: besides what every method throws, `LayoutError` for octets that are no STORAGE_DEVICE_ID_DESCRIPTOR.
    public func identifiers(of disk: DiskID) async throws -> STORAGE_DEVICE_ID_DESCRIPTOR {
        var response = try await storage2.cprepDiskGetUniqueIds(.init(DiskId: disk.wire, cbData: 4096))
        if response.returnValue.isFailure, response.pcbNeeded > 4096 {
            response = try await storage2.cprepDiskGetUniqueIds(
                .init(DiskId: disk.wire, cbData: response.pcbNeeded))
        }
        try response.returnValue.throwIfFailed()
        return try STORAGE_DEVICE_ID_DESCRIPTOR(response.pbData)
    }

    /// CprepDiskGetDsms (opnum 38): the multipath modules of the node.
    ///
    /// - Throws: besides what every method throws, `LayoutError` for octets that are no REGISTERED_DSMS.
    public func multipathModules() async throws -> [REGISTERED_DSM] {
        var size: UInt32 = 4096
        while true {
            let response = try await storage2.cprepDiskGetDsms(.init(Size: size))
            // A node with more modules than fit into a mebibyte says nothing that is worth more.
            if response.returnValue == Win32Error(rawValue: 234).hresult, size < 1 << 20 {
                size *= 4
                continue
            }
            try response.returnValue.throwIfFailed()
            return try REGISTERED_DSMS(response.RegisteredDsms).modules
        }
    }

    // MARK: IClusterStorage3

    /// CprepDiskGetUniqueIds3 (opnum 3): the disk's identifiers and what it is (VPD pages 83h and 80h, standard inquiry data).
    ///
    /// - Throws: besides what every method throws, `LayoutError` for octets that are not these structures.
    public func descriptors(
        of disk: DiskID
    ) async throws -> (identifiers: STORAGE_DEVICE_ID_DESCRIPTOR, device: STORAGE_DEVICE_DESCRIPTOR) {
        let response = try await storage3.cprepDiskGetUniqueIds3(.init(DiskId: disk.wire))
        try response.returnValue.throwIfFailed()
        return (
            try STORAGE_DEVICE_ID_DESCRIPTOR(response.ppbDeviceIdHeader ?? []),
            try STORAGE_DEVICE_DESCRIPTOR(response.ppDeviceDescriptor ?? [])
        )
    }

    /// CprepDiskGetProps3 (opnum 9).
    public func extendedProperties(of disk: DiskID) async throws -> DISK_PROPS_EX {
        let response = try await storage3.cprepDiskGetProps3(.init(DiskId: disk.wire))
        try response.returnValue.throwIfFailed()
        return response.pDiskProps
    }

    /// CprepDiskIsReadOnly3 (opnum 10): whether the logical unit is write protected.
    public func isReadOnly(_ disk: DiskID) async throws -> Bool {
        let response = try await storage3.cprepDiskIsReadOnly3(.init(DiskId: disk.wire))
        try response.returnValue.throwIfFailed()
        return response.pbReadOnly != 0
    }

    /// CprepIsNodeClustered3 (opnum 6).
    public func isClustered() async throws -> Bool {
        let response = try await storage3.cprepIsNodeClustered3(.init())
        try response.returnValue.throwIfFailed()
        return response.pbIsClusterNode != 0
    }
}
