import ClusterProtocols
import ErrorCodes
import NDR

/// The tests of file sharing between nodes ([MS-CSVP] 3.4.4.2, 3.4.4.3, 3.4.4.5, 3.4.4.6), in the order of 3.5.4.7: set up every
/// node with the same identifier, ask one for its addresses, and have another connect to them.
extension StorageClient {
    /// CprepCheckNetFtBindings3 (opnum 4): throws unless the node shares files.
    public func checkFileSharing() async throws {
        try await storage3.cprepCheckNetFtBindings3(.init()).returnValue.throwIfFailed()
    }

    /// CprepCsvTestSetup3 (opnum 5): makes the node's share of a test, which goes with the object.
    ///
    /// - Parameters:
    ///   - id: the same for every node of the test, and for no other test; our nodes refuse the nil identifier.
    ///   - secret: the Reserved string: the same for every node, hard to guess, or empty.
    public func setUpShareTest(id: GUID, secret: String = "") async throws {
        try await storage3.cprepCsvTestSetup3(.init(TestShareGuid: id, Reserved: WideString(secret))).returnValue
            .throwIfFailed()
    }

    /// CprepCreateNewSmbShares3 (opnum 7).
    ///
    /// - Returns: the node's addresses, `\\<IPv4>` or `\\[<IPv6>]`.
    /// - Throws: ERROR_INVALID_DATA where the server sends no list, or a NULL in it.
    public func shareAddresses() async throws -> [String] {
        let response = try await storage3.cprepCreateNewSmbShares3(.init())
        try response.returnValue.throwIfFailed()
        guard let paths = response.ppwszSharePaths else { throw Win32Error.invalidData.hresult }
        return try paths.map { path throws(HRESULT) in
            guard let path else { throw Win32Error.invalidData.hresult }
            return path.string
        }
    }

    /// CprepConnectToNewSmbShares3 (opnum 8): throws unless one of the addresses leads the node to the test's share.
    ///
    /// - Parameter addresses: what ``shareAddresses()`` of another node returned.
    public func connect(toShares addresses: [String]) async throws {
        try await storage3.cprepConnectToNewSmbShares3(
            .init(ppwszSharePaths: addresses.map { WideString($0) }, dwNumberOfPaths: UInt32(addresses.count))
        ).returnValue.throwIfFailed()
    }
}
