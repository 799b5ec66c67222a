import ClusterProtocols
import DCOM
import ErrorCodes
import NDR

/// An activation of ClusterNetwork2 on a node ([MS-CSVP] 3.7): its adapters, its firewall, and what it reaches.
///
/// The methods throw as ``StorageClient``'s do.
public struct NetworkClient: Sendable {
    /// What InitializeNode tells.
    public struct NodeDescription: Sendable, Hashable {
        /// The UDP port at which the node answers probes.
        public var port: UInt16
        /// The operating system's major version.
        public var majorVersion: UInt32
        /// The operating system's minor version.
        public var minorVersion: UInt32
        /// The version of the node's part of this protocol: 5 where it is the current one's.
        public var clusprepVersion: UInt32
    }

    /// The methods of IClusterNetwork2 as the IDL has them.
    public let network: IClusterNetwork2Client
    private let object: ObjectReference

    init(object: ObjectReference) async throws {
        self.object = object
        network = IClusterNetwork2Client(try await object.proxy(IClusterNetwork2.interface))
    }

    /// Gives the object back; it sends and answers no more probes.
    public func release() async throws {
        try await object.release()
    }

    /// Pings for the object while the body runs; without pings the server collects it after six minutes.
    public func keepingAlive<Result: Sendable>(
        _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result {
        try await object.keepingAlive(body)
    }

    /// InitializeNode (opnum 4): comes before anything else (3.7.4).
    ///
    /// - Parameter port: the UDP port at which the node is to answer probes, the same for every node of a test; nil for 3343.
    public func initialize(port: UInt16? = nil) async throws -> NodeDescription {
        let response = try await network.initializeNode(.init(RequestUDPPort: port ?? 0))
        try response.returnValue.throwIfFailed()
        return NodeDescription(
            port: response.BoundUDPPort, majorVersion: response.NodeMajorVersion,
            minorVersion: response.NodeMinorVersion, clusprepVersion: response.ClusprepVersion)
    }

    /// CleanupNode (opnum 6): undoes ``initialize(port:)``.
    public func cleanUp() async throws {
        try await network.cleanupNode(.init()).returnValue.throwIfFailed()
    }

    /// SendRTMessage (opnum 3): has the node send a message to another one and wait for the answer.
    ///
    /// - Parameters:
    ///   - source: the node's address to send from.
    ///   - destination: the other node's, of the same family.
    ///   - timeout: in milliseconds; nodes wait no longer than 1,000.
    /// - Returns: the milliseconds that it took.
    public func roundTrip(
        from source: NodeAddress, to destination: NodeAddress, timeout: UInt32 = 1000
    ) async throws -> UInt32 {
        let response = try await network.sendRTMessage(
            .init(
                SourceIPAddress: BSTRValue(source.description).blob,
                DestIPAddress: BSTRValue(destination.description).blob,
                DestPort: 3343, AddressFamily: source.family.rawValue, MessageSize: 64, Timeout: timeout))
        try response.returnValue.throwIfFailed()
        return response.RTElapsedTime
    }

    /// GetIpConfigSerialized (opnum 5), as it comes: an ADAPTERLIST2, or an ADAPTERLIST from nodes that present a release before Windows
    /// Server 2012.
    ///
    /// - Parameter filtered: leaves out the adapters that no cluster uses.
    /// - Throws: besides what every method throws, ERROR_INVALID_DATA where there is no list, or not of the length that is told.
    public func adapterList(filtered: Bool = false) async throws -> [UInt8] {
        let response = try await network.getIpConfigSerialized(.init(ApplyClusterFilter: filtered ? 1 : 0))
        try response.returnValue.throwIfFailed()
        guard let data = response.Data, let octets = try? SafeArray(data).octets(),
            octets.count == Int(response.pcbOut)
        else { throw Win32Error.invalidData.hresult }
        return octets
    }

    /// QueryFirewallConfiguration (opnum 7): whether the node's firewall lets through what a cluster's nodes, and its management,
    /// need.
    public func firewall() async throws -> (serverRules: Bool, managementRules: Bool) {
        let response = try await network.queryFirewallConfiguration(.init())
        try response.returnValue.throwIfFailed()
        return (response.serverRulesEnabled != 0, response.mgmtRulesEnabled != 0)
    }

    /// ProcessAddRoutes (opnum 8): the node watches these routes until ``takeRoutes()`` or ``cancelRoutes()``.
    ///
    /// - Throws: E_FAIL as an HRESULT where it watches routes already.
    public func watch(_ request: RouteRequest) async throws {
        try await network.processAddRoutes(.init(request: request.wire())).returnValue.throwIfFailed()
    }

    /// GetAddRoutesStatus (opnum 9): what the node saw of the routes, which it watches no longer.
    ///
    /// - Throws: besides what every method throws, `RouteReplyError`.
    public func takeRoutes() async throws -> RouteReply {
        let response = try await network.getAddRoutesStatus(.init())
        try response.returnValue.throwIfFailed()
        return try RouteReply(response.reply)
    }

    /// CancelAddRoutesRequest (opnum 11).
    ///
    /// - Throws: E_FAIL as an HRESULT where no routes are watched.
    public func cancelRoutes() async throws {
        try await network.cancelAddRoutesRequest(.init()).returnValue.throwIfFailed()
    }
}

extension ClusPrepClient {
    /// Activates ClusterNetwork2 (CLSID E1568352-…).
    ///
    /// - Throws: as ``storage()``.
    public func network() async throws -> NetworkClient {
        try await activate("e1568352-586d-43e4-933f-8e6dc4de317a", [IClusterNetwork2.interface]) {
            try await NetworkClient(object: $0)
        }
    }
}
