/// The methods of IClusterStorage2 and IClusterStorage3 and what each demands before it may run: [MS-CSVP] 3.2.4 and 3.4.4 as
/// one table.
///
/// The two interfaces are two faces of one object, so their rules are one list. Opnums that are not used on the wire are not
/// methods.
public enum StorageMethod: String, Sendable, CaseIterable {
    case CprepDiskRawRead
    case CprepDiskRawWrite
    case CprepPrepareNode
    case CprepPrepareNodePhase2
    case CprepDiskGetProps
    case CprepDiskStopDefense
    case CprepDiskOnline
    case CprepDiskVerifyUnique
    case CprepDiskWriteFileData
    case CprepDiskVerifyFileData
    case CprepDiskDeleteFile
    case CprepDiskOffline
    case CprepDiskGetUniqueIds
    case CprepDiskAttach
    case CprepDiskPRArbitrate
    case CprepDiskPRRegister
    case CprepDiskPRUnRegister
    case CprepDiskPRReserve
    case CprepDiskPRRelease
    case CprepDiskDiskPartitionIsNtfs
    case CprepDiskGetArbSectors
    case CprepDiskIsPRPresent
    case CprepDiskPRPreempt
    case CprepDiskPRClear
    case CprepDiskIsOnline
    case CprepDiskSetOnline
    case CprepDiskGetFSName
    case CprepDiskIsReadable
    case CprepDiskGetDsms
    case CprepDiskGetUniqueIds3
    case CprepCheckNetFtBindings3
    case CprepCsvTestSetup3
    case CprepIsNodeClustered3
    case CprepCreateNewSmbShares3
    case CprepConnectToNewSmbShares3
    case CprepDiskGetProps3
    case CprepDiskIsReadOnly3
    case CprepDiskPRRegister3
    case CprepDiskFindKey3
    case CprepDiskPRPreempt3
    case CprepDiskPRReserve3
    case CprepDiskIsPRPresent3
    case CprepDiskPRRelease3
    case CprepDiskPRClear3

    /// What a disk has to be before a method may touch it; each includes the ones before it.
    public enum DiskRequirement: Int, Sendable, Comparable {
        /// The disk only has to exist.
        case exists
        /// AttachedState is Attached.
        case attached
        /// OwnedState is OwnedByThisServer.
        case owned
        /// OnlineState is Online.
        case online

        /// Orders by how much is demanded.
        public static func < (lhs: DiskRequirement, rhs: DiskRequirement) -> Bool {
            lhs.rawValue < rhs.rawValue
        }
    }

    /// Whether the method belongs to IClusterStorage3.
    public var isStorage3: Bool {
        rawValue.hasSuffix("3")
    }

    /// What the method demands of its disk; nil for a method that takes none.
    ///
    /// CprepCsvTestSetup3 and CprepConnectToNewSmbShares3 take no disk, so the list in 3.4.4 that names them demands nothing.
    public var requirement: DiskRequirement? {
        switch self {
        case .CprepPrepareNode, .CprepPrepareNodePhase2, .CprepDiskGetDsms, .CprepCheckNetFtBindings3,
            .CprepCsvTestSetup3,
            .CprepIsNodeClustered3, .CprepCreateNewSmbShares3, .CprepConnectToNewSmbShares3:
            nil
        case .CprepDiskGetProps, .CprepDiskGetProps3, .CprepDiskGetUniqueIds, .CprepDiskGetUniqueIds3, .CprepDiskAttach:
            .exists
        case .CprepDiskRawRead, .CprepDiskRawWrite, .CprepDiskVerifyUnique, .CprepDiskPRArbitrate, .CprepDiskPRRegister,
            .CprepDiskPRUnRegister, .CprepDiskPRReserve, .CprepDiskPRRelease, .CprepDiskGetArbSectors,
            .CprepDiskIsPRPresent, .CprepDiskPRPreempt, .CprepDiskPRClear, .CprepDiskIsOnline, .CprepDiskIsReadable,
            .CprepDiskIsReadOnly3, .CprepDiskPRRegister3, .CprepDiskFindKey3, .CprepDiskPRPreempt3,
            .CprepDiskPRReserve3,
            .CprepDiskIsPRPresent3, .CprepDiskPRRelease3, .CprepDiskPRClear3:
            .attached
        case .CprepDiskStopDefense, .CprepDiskOnline, .CprepDiskSetOnline:
            .owned
        case .CprepDiskWriteFileData, .CprepDiskVerifyFileData, .CprepDiskDeleteFile, .CprepDiskOffline,
            .CprepDiskDiskPartitionIsNtfs, .CprepDiskGetFSName:
            .online
        }
    }
}
