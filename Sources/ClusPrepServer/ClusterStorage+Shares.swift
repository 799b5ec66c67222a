import ClusterProtocols
import DCERPC
import ErrorCodes
import FileShares
import NDR

/// The tests of file sharing between nodes ([MS-CSVP] 3.4.4.2, 3.4.4.3, 3.4.4.5, 3.4.4.6), which take no disk and therefore
/// demand none, whatever the list in 3.4.4 says.
extension ClusterStorage: IClusterStorage3Server {
    /// CprepCheckNetFtBindings3 (3.4.4.2): whether an SMB server answers on each of this node's addresses.
    public func cprepCheckNetFtBindings3(
        _ request: IClusterStorage3.CprepCheckNetFtBindings3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepCheckNetFtBindings3.Response {
        try await sharing(.CprepCheckNetFtBindings3) { object in
            try object.state.admit(.CprepCheckNetFtBindings3)
            try await object.fileSharing().check()
            return .init(returnValue: .ok, for: request)
        }
    }

    /// CprepCsvTestSetup3 (3.4.4.3): makes this node's share of the test. It goes with this object, or with the setup of
    /// another test by it.
    public func cprepCsvTestSetup3(
        _ request: IClusterStorage3.CprepCsvTestSetup3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepCsvTestSetup3.Response {
        try await sharing(.CprepCsvTestSetup3) { object in
            try object.state.admit(.CprepCsvTestSetup3)
            try await object.setUpShareTest(
                TestShare(id: request.TestShareGuid.littleEndianBytes, reserved: request.Reserved.units))
            return .init(returnValue: .ok, for: request)
        }
    }

    /// CprepCreateNewSmbShares3 (3.4.4.5). The count is that of the strings, as the parameter's text and the IDL have it; the
    /// octets in the method's last step would leave nobody able to unmarshal them.
    public func cprepCreateNewSmbShares3(
        _ request: IClusterStorage3.CprepCreateNewSmbShares3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepCreateNewSmbShares3.Response {
        try await sharing(.CprepCreateNewSmbShares3) { object in
            try object.state.admitToShares(.CprepCreateNewSmbShares3)
            let paths = try await object.fileSharing().paths()
            var response = IClusterStorage3.CprepCreateNewSmbShares3.Response(returnValue: .ok, for: request)
            response.ppwszSharePaths = paths.map { WideString("\($0)") }
            response.pdwNumberOfPaths = UInt32(paths.count)
            return response
        }
    }

    /// CprepConnectToNewSmbShares3 (3.4.4.6): succeeds with the first address that leads to the test's share.
    public func cprepConnectToNewSmbShares3(
        _ request: IClusterStorage3.CprepConnectToNewSmbShares3.Request, context: CallContext
    ) async throws -> IClusterStorage3.CprepConnectToNewSmbShares3.Response {
        try await sharing(.CprepConnectToNewSmbShares3) { object in
            try object.state.admitToShares(.CprepConnectToNewSmbShares3)
            guard let share = object.testShare else { throw Win32Error.invalidState }
            let paths = try SharePath.list(parsing: request.ppwszSharePaths.map { $0?.units })
            try await object.fileSharing().connect(to: paths, share: share)
            return .init(returnValue: .ok, for: request)
        }
    }

    /// Runs a call in its turn. A client is told a number; what is wrong with this host, and what to do, goes to the log.
    private func sharing<T: Sendable>(
        _ method: StorageMethod, _ body: @Sendable (isolated ClusterStorage) async throws -> T
    ) async throws -> T {
        try await ordered(method) { object in
            do {
                return try await body(object)
            } catch let error as FileShareError where error.concernsHost {
                object.logger.warning("\(method): \(error)")
                throw error
            }
        }
    }

    private func fileSharing() throws(FileShareError) -> any FileShareService {
        guard let shares = environment.shares else {
            throw .notInstalled(program: "smbd", remedy: "this node shares no files")
        }
        return shares
    }

    private func setUpShareTest(_ share: TestShare) async throws {
        let shares = try fileSharing()
        let holder = shareHolder ?? .new()
        // From here on there may be something to remove.
        shareHolder = holder
        if let testShare, testShare != share {
            state.didSetUpShareTest(false)
            self.testShare = nil
            await shares.removeShare(of: holder)
        }
        try await shares.makeShare(share, for: holder)
        testShare = share
        state.didSetUpShareTest(true)
    }
}
