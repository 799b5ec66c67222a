import ClusPrepClient
import ClusterProtocols
import ErrorCodes
import NDR

/// An object of some class on a node.
protocol NodeObject: Sendable {
    /// Gives the object back.
    func release() async throws
}

/// ClusterStorage2 on a node, as tests call it; ``ClusPrepClient/StorageClient`` says what each method does.
protocol StorageCalls: NodeObject {
    func keepingAlive<Result: Sendable>(
        _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result

    func prepareNode() async throws -> (major: UInt32, minor: UInt32)
    func prepareNodePhase2(flags: UInt32) async throws -> UInt32
    func properties(of disk: DiskID) async throws -> DISK_PROPS
    func extendedProperties(of disk: DiskID) async throws -> DISK_PROPS_EX
    func identifiers(of disk: DiskID) async throws -> STORAGE_DEVICE_ID_DESCRIPTOR
    func descriptors(
        of disk: DiskID
    ) async throws -> (identifiers: STORAGE_DEVICE_ID_DESCRIPTOR, device: STORAGE_DEVICE_DESCRIPTOR)
    func multipathModules() async throws -> [REGISTERED_DSM]
    func isUnique(_ disk: DiskID) async throws -> Bool
    func isReadOnly(_ disk: DiskID) async throws -> Bool
    func isClustered() async throws -> Bool

    func attach(_ disk: DiskID) async throws
    func checkReadability(of disk: DiskID) async throws
    func arbitrate(_ disk: DiskID) async throws
    func stopDefense(_ disk: DiskID) async throws
    func online(_ disk: DiskID) async throws -> UInt32
    func startOnline(_ disk: DiskID) async throws
    func isOnline(_ disk: DiskID) async throws -> Bool
    func offline(_ disk: DiskID) async throws

    func arbitrationSectors(of disk: DiskID) async throws -> (UInt32, UInt32)
    func timedRead(sector: UInt32, of disk: DiskID) async throws -> (octets: [UInt8], milliseconds: UInt32)
    func timedWrite(_ octets: [UInt8], sector: UInt32, of disk: DiskID) async throws -> UInt32
    func fileSystemName(of disk: DiskID, partition: UInt32) async throws -> String
    func isNTFS(_ disk: DiskID, partition: UInt32) async throws -> Bool
    func writeFile(_ name: String, _ octets: [UInt8], disk: DiskID, partition: UInt32) async throws
    func verifyFile(_ name: String, _ octets: [UInt8], disk: DiskID, partition: UInt32) async throws
    func deleteFile(_ name: String, disk: DiskID, partition: UInt32) async throws

    func register(_ disk: DiskID) async throws
    func unregister(_ disk: DiskID) async throws
    func reserve(_ disk: DiskID) async throws
    func releaseReservation(of disk: DiskID) async throws
    func reservation(of disk: DiskID) async throws -> StorageClient.ReservationPresence
    func preempt(_ disk: DiskID) async throws
    func clearReservations(of disk: DiskID) async throws

    func register(_ disk: DiskID, key new: UInt64, replacing old: UInt64) async throws
    func isRegistered(_ key: UInt64, on disk: DiskID) async throws -> Bool
    func preempt(_ disk: DiskID, owner: UInt64, key: UInt64) async throws
    func reserve(_ disk: DiskID, key: UInt64) async throws
    func isReserved(_ disk: DiskID, key: UInt64) async throws -> Bool
    func releaseReservation(of disk: DiskID, key: UInt64) async throws
    func clearReservations(of disk: DiskID, key: UInt64) async throws

    func checkFileSharing() async throws
    func setUpShareTest(id: GUID, secret: String) async throws
    func shareAddresses() async throws -> [String]
    func connect(toShares addresses: [String]) async throws
}

/// ClusterNetwork2 on a node; ``ClusPrepClient/NetworkClient`` says what each method does.
protocol NetworkCalls: NodeObject {
    func keepingAlive<Result: Sendable>(
        _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result

    func initialize(port: UInt16?) async throws -> NetworkClient.NodeDescription
    func cleanUp() async throws
    func roundTrip(from source: NodeAddress, to destination: NodeAddress, timeout: UInt32) async throws -> UInt32
    func adapterList(filtered: Bool) async throws -> [UInt8]
    func firewall() async throws -> (serverRules: Bool, managementRules: Bool)
    func watch(_ request: RouteRequest) async throws
    func takeRoutes() async throws -> RouteReply
    func cancelRoutes() async throws
}

/// ClusterSetup on a node, without what would change its secret or its certificates.
protocol SetupCalls: NodeObject {
    func hostLabel() async throws -> String
    func functionalLevel() async throws -> UInt16
    func upgradeVersion() async throws -> UInt16
}

/// ClusterFirewall on a node.
protocol FirewallCalls: NodeObject {
    func adapters() async throws -> [FirewallClient.Adapter]
}

/// ClusterUpdate on a node.
protocol UpdateCalls: NodeObject {
    func updates() async throws -> [NodeUpdate]
}

/// ClusterCleanup on a node, as far as it concerns a disk.
protocol CleanupCalls: NodeObject {
    func clearReservations(disk: UInt32) async throws
}

extension StorageClient: StorageCalls {}
extension NetworkClient: NetworkCalls {}
extension SetupClient: SetupCalls {}
extension FirewallClient: FirewallCalls {}
extension UpdateClient: UpdateCalls {}
extension CleanupClient: CleanupCalls {}
