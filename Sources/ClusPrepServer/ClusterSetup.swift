import ClusterEngine
import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import Logging
import NDR
import Security

/// An activation of ClusterSetup: IClusterSetup ([MS-CSVP] 3.10). It has no state of its own: the
/// cluster secret and the certificates are the node's.
public final class ClusterSetup: COMObject, IClusterSetupServer {
    /// 04D55210-B6AC-4248-9E69-2A569D1D2AB6 ([MS-CSVP] 1.9).
    public static let clsid: GUID = "04d55210-b6ac-4248-9e69-2a569d1d2ab6"

    let engine: ClusterEngine
    private let levels: ClusterLevels?
    private let logger: Logger

    /// An object over the node's engine.
    ///
    /// - Parameter levels: what the node presents; nil for a Windows that knows no levels, whose methods then answer E_NOTIMPL.
    public init(engine: ClusterEngine, levels: ClusterLevels? = .highest, logger: Logger) {
        self.engine = engine
        self.levels = levels
        self.logger = logger
    }

    /// IClusterSetup.
    public func handlers(for iid: GUID) -> [RPCHandler?]? {
        iid == IClusterSetup.interface.syntax.uuid ? IClusterSetup.handlers(self) : nil
    }

    /// ConfigSvcSecret (3.10.4.1): the secret is on stable storage, sealed, before this answers.
    public func configSvcSecret(
        _ request: IClusterSetup.ConfigSvcSecret.Request, context: CallContext
    ) async throws -> IClusterSetup.ConfigSvcSecret.Response {
        let secret = try BSTRValue(request.SecretBLOB)
        return try await answering("ConfigSvcSecret") {
            try await engine.configureServiceSecret(SecretBytes(secret.storedOctets))
            return IClusterSetup.ConfigSvcSecret.Response(returnValue: .ok, for: request)
        }
    }

    /// RetrieveSvcSecret (3.10.4.2).
    public func retrieveSvcSecret(
        _ request: IClusterSetup.RetrieveSvcSecret.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveSvcSecret.Response {
        try await answering("RetrieveSvcSecret") {
            guard let stored = try await engine.serviceSecret() else { throw Win32Error.fileNotFound }
            var response = IClusterSetup.RetrieveSvcSecret.Response(returnValue: .ok, for: request)
            guard let secret = BSTRValue(storedOctets: stored.bytes) else { throw Win32Error.invalidData }
            response.SecretBLOB = secret.blob
            return response
        }
    }

    /// RetrieveHostLabel (3.10.4.3): the first part of the FQDN, as the parameter's text has it, not all of it.
    public func retrieveHostLabel(
        _ request: IClusterSetup.RetrieveHostLabel.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveHostLabel.Response {
        var response = IClusterSetup.RetrieveHostLabel.Response(returnValue: .ok, for: request)
        response.HostLabel = BSTRValue(engine.hostLabel).blob
        return response
    }

    /// GetFunctionalLevel (3.10.4.4).
    public func getFunctionalLevel(
        _ request: IClusterSetup.GetFunctionalLevel.Request, context: CallContext
    ) async throws -> IClusterSetup.GetFunctionalLevel.Response {
        try await answering("GetFunctionalLevel") {
            var response = IClusterSetup.GetFunctionalLevel.Response(returnValue: .ok, for: request)
            response.FunctionalLevel = try requireLevel(ClusterLevels.first).functional
            return response
        }
    }

    /// GetUpgradeVersion (3.10.4.8).
    public func getUpgradeVersion(
        _ request: IClusterSetup.GetUpgradeVersion.Request, context: CallContext
    ) async throws -> IClusterSetup.GetUpgradeVersion.Response {
        try await answering("GetUpgradeVersion") {
            var response = IClusterSetup.GetUpgradeVersion.Response(returnValue: .ok, for: request)
            response.UpgradeVersion = try requireLevel(ClusterLevels.first).upgrade
            return response
        }
    }

    /// The levels that the node presents.
    ///
    /// - Throws: E_NOTIMPL where it presents a Windows from before the method (product behaviour notes 31 to 38).
    @discardableResult
    func requireLevel(_ minimum: UInt16) throws(HRESULT) -> ClusterLevels {
        guard let levels, levels.functional >= minimum else { throw .notImplemented }
        return levels
    }

    func answering<T: Sendable>(_ method: String, _ body: () async throws -> T) async throws -> T {
        try await logger.answering(method, body)
    }
}
