import ClusterProtocols
import DCERPC
import ErrorCodes

// The methods that StorageMethod.isImplemented denies: they answer E_NOTIMPL in every state, as the README says.

extension ClusterStorage {
    /// Answers E_NOTIMPL.
    public func cprepDiskVerifyUnique(
        _ request: IClusterStorage2.CprepDiskVerifyUnique.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskVerifyUnique.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRRegister(
        _ request: IClusterStorage2.CprepDiskPRRegister.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRRegister.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRUnRegister(
        _ request: IClusterStorage2.CprepDiskPRUnRegister.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRUnRegister.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRReserve(
        _ request: IClusterStorage2.CprepDiskPRReserve.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRReserve.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRRelease(
        _ request: IClusterStorage2.CprepDiskPRRelease.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRRelease.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskIsPRPresent(
        _ request: IClusterStorage2.CprepDiskIsPRPresent.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskIsPRPresent.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRPreempt(
        _ request: IClusterStorage2.CprepDiskPRPreempt.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRPreempt.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRClear(
        _ request: IClusterStorage2.CprepDiskPRClear.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskPRClear.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskSetOnline(
        _ request: IClusterStorage2.CprepDiskSetOnline.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskSetOnline.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskIsReadable(
        _ request: IClusterStorage2.CprepDiskIsReadable.Request, context: CallContext
    ) async throws -> IClusterStorage2.CprepDiskIsReadable.Response {
        throw HRESULT.notImplemented
    }
}

extension ClusterStorage: IClusterStorage3Server {
    /// Answers E_NOTIMPL.
    public func cprepCheckNetFtBindings3(
        _ request: IClusterStorage3.CprepCheckNetFtBindings3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepCheckNetFtBindings3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepCsvTestSetup3(
        _ request: IClusterStorage3.CprepCsvTestSetup3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepCsvTestSetup3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepIsNodeClustered3(
        _ request: IClusterStorage3.CprepIsNodeClustered3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepIsNodeClustered3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepCreateNewSmbShares3(
        _ request: IClusterStorage3.CprepCreateNewSmbShares3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepCreateNewSmbShares3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepConnectToNewSmbShares3(
        _ request: IClusterStorage3.CprepConnectToNewSmbShares3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepConnectToNewSmbShares3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskIsReadOnly3(
        _ request: IClusterStorage3.CprepDiskIsReadOnly3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskIsReadOnly3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRRegister3(
        _ request: IClusterStorage3.CprepDiskPRRegister3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRRegister3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskFindKey3(
        _ request: IClusterStorage3.CprepDiskFindKey3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskFindKey3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRPreempt3(
        _ request: IClusterStorage3.CprepDiskPRPreempt3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRPreempt3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRReserve3(
        _ request: IClusterStorage3.CprepDiskPRReserve3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRReserve3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskIsPRPresent3(
        _ request: IClusterStorage3.CprepDiskIsPRPresent3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskIsPRPresent3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRRelease3(
        _ request: IClusterStorage3.CprepDiskPRRelease3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRRelease3.Response {
        throw HRESULT.notImplemented
    }

    /// Answers E_NOTIMPL.
    public func cprepDiskPRClear3(
        _ request: IClusterStorage3.CprepDiskPRClear3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepDiskPRClear3.Response {
        throw HRESULT.notImplemented
    }
}
