import ClusterProtocols
import DCERPC
import ErrorCodes

// What answers E_NOTIMPL: the certificates and levels, as the README says, and the opnums that are reserved for local use,
// which Windows' own table gives a body that does nothing.

extension ClusterSetup {
    /// Answers E_NOTIMPL.
    public func getFunctionalLevel(
        _ request: IClusterSetup.GetFunctionalLevel.Request, context: CallContext
    ) async throws -> IClusterSetup.GetFunctionalLevel.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func opnum7Reserved(
        _ request: IClusterSetup.Opnum7Reserved.Request, context: CallContext
    ) async throws -> IClusterSetup.Opnum7Reserved.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func opnum8Reserved(
        _ request: IClusterSetup.Opnum8Reserved.Request, context: CallContext
    ) async throws -> IClusterSetup.Opnum8Reserved.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func configClusterCert(
        _ request: IClusterSetup.ConfigClusterCert.Request, context: CallContext
    ) async throws -> IClusterSetup.ConfigClusterCert.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func retrieveClusterCert(
        _ request: IClusterSetup.RetrieveClusterCert.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveClusterCert.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func generateClusterCert(
        _ request: IClusterSetup.GenerateClusterCert.Request, context: CallContext
    ) async throws -> IClusterSetup.GenerateClusterCert.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func getUpgradeVersion(
        _ request: IClusterSetup.GetUpgradeVersion.Request, context: CallContext
    ) async throws -> IClusterSetup.GetUpgradeVersion.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func opnum13Reserved(
        _ request: IClusterSetup.Opnum13Reserved.Request, context: CallContext
    ) async throws -> IClusterSetup.Opnum13Reserved.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func configClusterCertV2(
        _ request: IClusterSetup.ConfigClusterCertV2.Request, context: CallContext
    ) async throws -> IClusterSetup.ConfigClusterCertV2.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func retrieveClusterCertV2(
        _ request: IClusterSetup.RetrieveClusterCertV2.Request, context: CallContext
    ) async throws -> IClusterSetup.RetrieveClusterCertV2.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func generateClusterCertV2(
        _ request: IClusterSetup.GenerateClusterCertV2.Request, context: CallContext
    ) async throws -> IClusterSetup.GenerateClusterCertV2.Response {
        throw HRESULT.notImplemented
    }
}
