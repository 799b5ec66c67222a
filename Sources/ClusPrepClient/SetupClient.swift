import ClusterProtocols
import DCOM
import ErrorCodes
import NDR

/// An activation of ClusterSetup on a node ([MS-CSVP] 3.11): the cluster secret and the host's label.
///
/// The methods throw as ``StorageClient``'s do.
public struct SetupClient: Sendable {
    /// The methods of IClusterSetup as the IDL has them.
    public let setup: IClusterSetupClient
    private let object: ObjectReference

    init(object: ObjectReference) async throws {
        self.object = object
        setup = IClusterSetupClient(try await object.proxy(IClusterSetup.interface))
    }

    /// Gives the object back.
    public func release() async throws {
        try await object.release()
    }

    /// ConfigSvcSecret (opnum 3): the secret is durable when this returns.
    public func configureSecret(_ secret: BSTRValue) async throws {
        try await setup.configSvcSecret(.init(SecretBLOB: secret.blob)).returnValue.throwIfFailed()
    }

    /// RetrieveSvcSecret (opnum 4).
    ///
    /// - Throws: ERROR_FILE_NOT_FOUND as an HRESULT where none was ever configured.
    public func retrieveSecret() async throws -> BSTRValue {
        let response = try await setup.retrieveSvcSecret(.init())
        try response.returnValue.throwIfFailed()
        return try BSTRValue(response.SecretBLOB)
    }

    /// RetrieveHostLabel (opnum 5).
    public func hostLabel() async throws -> String {
        let response = try await setup.retrieveHostLabel(.init())
        try response.returnValue.throwIfFailed()
        return try BSTRValue(response.HostLabel).text ?? ""
    }
}
