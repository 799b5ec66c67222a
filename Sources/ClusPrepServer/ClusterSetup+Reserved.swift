import ClusterProtocols
import DCERPC
import ErrorCodes

// The opnums that are reserved for local use ([MS-CSVP] 3.10.4): the protocol gives them neither parameters nor a meaning.

extension ClusterSetup {
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
    public func opnum13Reserved(
        _ request: IClusterSetup.Opnum13Reserved.Request, context: CallContext
    ) async throws -> IClusterSetup.Opnum13Reserved.Response {
        throw HRESULT.notImplemented
    }
}
