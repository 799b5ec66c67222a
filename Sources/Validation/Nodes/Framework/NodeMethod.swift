/// A method of [MS-CSVP], as a report names it.
struct NodeMethod: Sendable, Hashable {
    /// The interface.
    let interface: String
    /// The method's name in the IDL.
    let name: String
    /// The opnum.
    let opnum: UInt16

    private init(_ interface: String, _ name: String, _ opnum: UInt16) {
        self.interface = interface
        self.name = name
        self.opnum = opnum
    }

    /// The call that asks for an object of a class, by the class's name: IRemoteSCMActivator's RemoteCreateInstance ([MS-DCOM]
    /// 3.1.2.5.2.3.3, opnum 4).
    static func activation(of name: String) -> NodeMethod {
        NodeMethod("IRemoteSCMActivator", "RemoteCreateInstance of \(name)", 4)
    }

    /// IRemUnknown's RemRelease ([MS-DCOM] 3.1.1.5.6.1.3, opnum 5).
    static let release = NodeMethod("IRemUnknown", "RemRelease", 5)

    // MARK: IClusterStorage2

    static let rawRead = NodeMethod("IClusterStorage2", "CprepDiskRawRead", 3)
    static let rawWrite = NodeMethod("IClusterStorage2", "CprepDiskRawWrite", 4)
    static let prepareNode = NodeMethod("IClusterStorage2", "CprepPrepareNode", 5)
    static let prepareNodePhase2 = NodeMethod("IClusterStorage2", "CprepPrepareNodePhase2", 6)
    static let getProps = NodeMethod("IClusterStorage2", "CprepDiskGetProps", 7)
    static let stopDefense = NodeMethod("IClusterStorage2", "CprepDiskStopDefense", 12)
    static let online = NodeMethod("IClusterStorage2", "CprepDiskOnline", 13)
    static let verifyUnique = NodeMethod("IClusterStorage2", "CprepDiskVerifyUnique", 14)
    static let writeFileData = NodeMethod("IClusterStorage2", "CprepDiskWriteFileData", 17)
    static let verifyFileData = NodeMethod("IClusterStorage2", "CprepDiskVerifyFileData", 18)
    static let deleteFile = NodeMethod("IClusterStorage2", "CprepDiskDeleteFile", 19)
    static let offline = NodeMethod("IClusterStorage2", "CprepDiskOffline", 20)
    static let getUniqueIds = NodeMethod("IClusterStorage2", "CprepDiskGetUniqueIds", 22)
    static let attach = NodeMethod("IClusterStorage2", "CprepDiskAttach", 23)
    static let prArbitrate = NodeMethod("IClusterStorage2", "CprepDiskPRArbitrate", 24)
    static let prRegister = NodeMethod("IClusterStorage2", "CprepDiskPRRegister", 25)
    static let prUnRegister = NodeMethod("IClusterStorage2", "CprepDiskPRUnRegister", 26)
    static let prReserve = NodeMethod("IClusterStorage2", "CprepDiskPRReserve", 27)
    static let prRelease = NodeMethod("IClusterStorage2", "CprepDiskPRRelease", 28)
    static let partitionIsNtfs = NodeMethod("IClusterStorage2", "CprepDiskDiskPartitionIsNtfs", 29)
    static let getArbSectors = NodeMethod("IClusterStorage2", "CprepDiskGetArbSectors", 30)
    static let isPRPresent = NodeMethod("IClusterStorage2", "CprepDiskIsPRPresent", 31)
    static let prPreempt = NodeMethod("IClusterStorage2", "CprepDiskPRPreempt", 32)
    static let prClear = NodeMethod("IClusterStorage2", "CprepDiskPRClear", 33)
    static let isOnline = NodeMethod("IClusterStorage2", "CprepDiskIsOnline", 34)
    static let setOnline = NodeMethod("IClusterStorage2", "CprepDiskSetOnline", 35)
    static let getFSName = NodeMethod("IClusterStorage2", "CprepDiskGetFSName", 36)
    static let isReadable = NodeMethod("IClusterStorage2", "CprepDiskIsReadable", 37)
    static let getDsms = NodeMethod("IClusterStorage2", "CprepDiskGetDsms", 38)

    // MARK: IClusterStorage3

    static let getUniqueIds3 = NodeMethod("IClusterStorage3", "CprepDiskGetUniqueIds3", 3)
    static let checkNetFtBindings3 = NodeMethod("IClusterStorage3", "CprepCheckNetFtBindings3", 4)
    static let csvTestSetup3 = NodeMethod("IClusterStorage3", "CprepCsvTestSetup3", 5)
    static let isNodeClustered3 = NodeMethod("IClusterStorage3", "CprepIsNodeClustered3", 6)
    static let createNewSmbShares3 = NodeMethod("IClusterStorage3", "CprepCreateNewSmbShares3", 7)
    static let connectToNewSmbShares3 = NodeMethod("IClusterStorage3", "CprepConnectToNewSmbShares3", 8)
    static let getProps3 = NodeMethod("IClusterStorage3", "CprepDiskGetProps3", 9)
    static let isReadOnly3 = NodeMethod("IClusterStorage3", "CprepDiskIsReadOnly3", 10)
    static let prRegister3 = NodeMethod("IClusterStorage3", "CprepDiskPRRegister3", 11)
    static let findKey3 = NodeMethod("IClusterStorage3", "CprepDiskFindKey3", 12)
    static let prPreempt3 = NodeMethod("IClusterStorage3", "CprepDiskPRPreempt3", 13)
    static let prReserve3 = NodeMethod("IClusterStorage3", "CprepDiskPRReserve3", 14)
    static let isPRPresent3 = NodeMethod("IClusterStorage3", "CprepDiskIsPRPresent3", 15)
    static let prRelease3 = NodeMethod("IClusterStorage3", "CprepDiskPRRelease3", 16)
    static let prClear3 = NodeMethod("IClusterStorage3", "CprepDiskPRClear3", 17)

    // MARK: IClusterNetwork2

    static let sendRTMessage = NodeMethod("IClusterNetwork2", "SendRTMessage", 3)
    static let initializeNode = NodeMethod("IClusterNetwork2", "InitializeNode", 4)
    static let getIpConfigSerialized = NodeMethod("IClusterNetwork2", "GetIpConfigSerialized", 5)
    static let cleanupNode = NodeMethod("IClusterNetwork2", "CleanupNode", 6)
    static let queryFirewallConfiguration = NodeMethod("IClusterNetwork2", "QueryFirewallConfiguration", 7)
    static let processAddRoutes = NodeMethod("IClusterNetwork2", "ProcessAddRoutes", 8)
    static let getAddRoutesStatus = NodeMethod("IClusterNetwork2", "GetAddRoutesStatus", 9)
    static let cancelAddRoutesRequest = NodeMethod("IClusterNetwork2", "CancelAddRoutesRequest", 11)

    // MARK: IClusterCleanup

    static let cleanUpEvictedNode = NodeMethod("IClusterCleanup", "CleanUpEvictedNode", 3)
    static let clearPR = NodeMethod("IClusterCleanup", "ClearPR", 4)

    // MARK: IClusterSetup

    static let configSvcSecret = NodeMethod("IClusterSetup", "ConfigSvcSecret", 3)
    static let retrieveSvcSecret = NodeMethod("IClusterSetup", "RetrieveSvcSecret", 4)
    static let retrieveHostLabel = NodeMethod("IClusterSetup", "RetrieveHostLabel", 5)
    static let getFunctionalLevel = NodeMethod("IClusterSetup", "GetFunctionalLevel", 6)
    static let configClusterCert = NodeMethod("IClusterSetup", "ConfigClusterCert", 9)
    static let retrieveClusterCert = NodeMethod("IClusterSetup", "RetrieveClusterCert", 10)
    static let generateClusterCert = NodeMethod("IClusterSetup", "GenerateClusterCert", 11)
    static let getUpgradeVersion = NodeMethod("IClusterSetup", "GetUpgradeVersion", 12)
    static let configClusterCertV2 = NodeMethod("IClusterSetup", "ConfigClusterCertV2", 14)
    static let retrieveClusterCertV2 = NodeMethod("IClusterSetup", "RetrieveClusterCertV2", 15)
    static let generateClusterCertV2 = NodeMethod("IClusterSetup", "GenerateClusterCertV2", 16)

    // MARK: IClusterLog

    static let generateClusterLog = NodeMethod("IClusterLog", "GenerateClusterLog", 3)
    static let generateTimeSpanLog = NodeMethod("IClusterLog", "GenerateTimeSpanLog", 4)
    static let generateClusterLogInLocalTime = NodeMethod("IClusterLog", "GenerateClusterLogInLocalTime", 5)
    static let generateTimeSpanLogInLocalTime = NodeMethod("IClusterLog", "GenerateTimeSpanLogInLocalTime", 6)

    // MARK: IClusterLogEx

    static let generateClusterLogEx = NodeMethod("IClusterLogEx", "GenerateClusterLog", 3)
    static let generateClusterHealthLog = NodeMethod("IClusterLogEx", "GenerateClusterHealthLog", 4)
    static let generateClusterSetLog = NodeMethod("IClusterLogEx", "GenerateClusterSetLog", 5)
    static let generateClusterNetworkLog = NodeMethod("IClusterLogEx", "GenerateClusterNetworkLog", 6)
    static let exportClusterPerformanceHistory = NodeMethod("IClusterLogEx", "ExportClusterPerformanceHistory", 7)
    static let generateNetftLog = NodeMethod("IClusterLogEx", "GenerateNetftLog", 8)

    // MARK: IClusterLogEx2

    static let generateLogEx = NodeMethod("IClusterLogEx2", "GenerateLogEx", 9)
    static let getCountLogs = NodeMethod("IClusterLogEx2", "GetCountLogs", 10)
    static let getLogFilePath = NodeMethod("IClusterLogEx2", "GetLogFilePath", 11)

    // MARK: IClusterLogEx3

    static let generateLogEx2 = NodeMethod("IClusterLogEx3", "GenerateLogEx2", 12)

    // MARK: IClusterFirewall

    static let initializeAdapterConfiguration = NodeMethod("IClusterFirewall", "InitializeAdapterConfiguration", 3)
    static let getNextAdapterFirewallConfiguration = NodeMethod(
        "IClusterFirewall", "GetNextAdapterFirewallConfiguration", 4)

    // MARK: IClusterUpdate

    static let getUpdates = NodeMethod("IClusterUpdate", "GetUpdates", 3)
    static let count = NodeMethod("IClusterUpdate", "Count", 4)
}
