import ClusterProtocols
import DCERPC
import ErrorCodes
import HostInventory
import NDR

/// IClusterNetwork2 on the wire ([MS-CSVP] 3.6.4): each method unpacks its request, asks the object, and packs its response.
/// Opnum 10 is reserved and answers E_NOTIMPL.
extension ClusterNetwork: IClusterNetwork2Server {
    /// InitializeNode (3.6.4.1).
    public func initializeNode(
        _ request: IClusterNetwork2.InitializeNode.Request, context: CallContext
    ) async throws -> IClusterNetwork2.InitializeNode.Response {
        try await ordered("InitializeNode") { object in
            let environment = object.environment
            let fixed = environment.release.fixedVersion
            var response = IClusterNetwork2.InitializeNode.Response(returnValue: .ok, for: request)
            response.BoundUDPPort = try await object.initialize(requestedPort: request.RequestUDPPort)
            response.NodeMajorVersion = fixed?.major ?? environment.majorVersion
            response.NodeMinorVersion = fixed?.minor ?? environment.minorVersion
            response.ClusprepVersion = environment.release.clusprepVersion
            return response
        }
    }

    /// SendRTMessage (3.6.4.2). The port and the size are ignored, as they must be; the port is InitializeNode's, which a client
    /// gives to all nodes of a test alike.
    public func sendRTMessage(
        _ request: IClusterNetwork2.SendRTMessage.Request, context: CallContext
    ) async throws -> IClusterNetwork2.SendRTMessage.Response {
        let port = try await answering("SendRTMessage") { try await self.probedPort() }
        return try await answering("SendRTMessage") {
            let (source, destination) = try Self.addresses(request)
            let adapters = source.needsLink ? try await self.environment.adapters() : []
            guard let local = Environment.located(source, among: adapters),
                let remote = HostAddress(octets: destination.octets, scope: destination.scope)
            else { throw HRESULT.invalidArgument }
            let elapsed = try await self.environment.probes.measure(
                from: local, to: remote, port: port, timeout: Self.patience(request.Timeout))
            var response = IClusterNetwork2.SendRTMessage.Response(returnValue: .ok, for: request)
            response.RTElapsedTime = elapsed.wholeMilliseconds
            return response
        }
    }

    /// GetIpConfigSerialized (3.6.4.3), in whatever state.
    public func getIpConfigSerialized(
        _ request: IClusterNetwork2.GetIpConfigSerialized.Request, context: CallContext
    ) async throws -> IClusterNetwork2.GetIpConfigSerialized.Response {
        try await answering("GetIpConfigSerialized") {
            let environment = self.environment
            let adapters = try await environment.adapters()
            let shown = request.ApplyClusterFilter == 0 ? adapters : adapters.filter { !$0.isFilteredForClusters }
            let octets = try environment.release.serialized(shown, server: environment.serverName)
            var response = IClusterNetwork2.GetIpConfigSerialized.Response(returnValue: .ok, for: request)
            response.Data = SafeArray.octets(octets).wire
            response.pcbOut = Int32(clamping: octets.count)
            return response
        }
    }

    /// CleanupNode (3.6.4.4).
    public func cleanupNode(
        _ request: IClusterNetwork2.CleanupNode.Request, context: CallContext
    ) async throws -> IClusterNetwork2.CleanupNode.Response {
        try await ordered("CleanupNode") { object in
            try await object.cleanUp()
            return IClusterNetwork2.CleanupNode.Response(returnValue: .ok, for: request)
        }
    }

    /// QueryFirewallConfiguration (3.6.4.5), in whatever state.
    public func queryFirewallConfiguration(
        _ request: IClusterNetwork2.QueryFirewallConfiguration.Request, context: CallContext
    ) async throws -> IClusterNetwork2.QueryFirewallConfiguration.Response {
        try await answering("QueryFirewallConfiguration") {
            let adapters = try await self.environment.adapters()
            let used = adapters.filter { !$0.isFilteredForClusters }
            // A host that has no others is asked about those that it has.
            let summary = try await self.environment.firewall(used.isEmpty ? adapters : used)
            var response = IClusterNetwork2.QueryFirewallConfiguration.Response(returnValue: .ok, for: request)
            response.serverRulesEnabled = summary.serverRules ? 1 : 0
            response.mgmtRulesEnabled = summary.managementRules ? 1 : 0
            return response
        }
    }

    /// ProcessAddRoutes (3.6.4.6).
    public func processAddRoutes(
        _ request: IClusterNetwork2.ProcessAddRoutes.Request, context: CallContext
    ) async throws -> IClusterNetwork2.ProcessAddRoutes.Response {
        try await ordered("ProcessAddRoutes") { object in
            try await object.watch(request.request)
            return IClusterNetwork2.ProcessAddRoutes.Response(returnValue: .ok, for: request)
        }
    }

    /// GetAddRoutesStatus (3.6.4.7).
    public func getAddRoutesStatus(
        _ request: IClusterNetwork2.GetAddRoutesStatus.Request, context: CallContext
    ) async throws -> IClusterNetwork2.GetAddRoutesStatus.Response {
        try await ordered("GetAddRoutesStatus") { object in
            var response = IClusterNetwork2.GetAddRoutesStatus.Response(returnValue: .ok, for: request)
            response.reply = try await object.takeRoutes().wire()
            return response
        }
    }

    /// CancelAddRoutesRequest (3.6.4.8).
    public func cancelAddRoutesRequest(
        _ request: IClusterNetwork2.CancelAddRoutesRequest.Request, context: CallContext
    ) async throws -> IClusterNetwork2.CancelAddRoutesRequest.Response {
        try await ordered("CancelAddRoutesRequest") { object in
            try await object.cancelRoutes()
            return IClusterNetwork2.CancelAddRoutesRequest.Response(returnValue: .ok, for: request)
        }
    }

    /// The two addresses of SendRTMessage.
    ///
    /// - Throws: WSAEAFNOSUPPORT for a family that is neither of the two, E_INVALIDARG for what is no address of the family.
    private static func addresses(
        _ request: IClusterNetwork2.SendRTMessage.Request
    ) throws -> (source: NodeAddress, destination: NodeAddress) {
        guard let family = NodeAddress.Family(rawValue: request.AddressFamily) else {
            throw Win32Error(rawValue: 10047)
        }
        guard let source = NodeAddress(try BSTRValue(request.SourceIPAddress)),
            let destination = NodeAddress(try BSTRValue(request.DestIPAddress)),
            source.family == family, destination.family == family, source.isUnicast, destination.isUnicast
        else { throw HRESULT.invalidArgument }
        return (source, destination)
    }

    /// How long to wait: what the client says, but no longer than the Round-Trip Message Timer, which is also what counts where the client
    /// says nothing.
    private static func patience(_ timeout: UInt32) -> Duration {
        .milliseconds(timeout == 0 ? roundTripLimit : min(timeout, roundTripLimit))
    }
}

extension Duration {
    /// Whole milliseconds; what is left over is dropped.
    fileprivate var wholeMilliseconds: UInt32 {
        let (seconds, attoseconds) = components
        return UInt32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
