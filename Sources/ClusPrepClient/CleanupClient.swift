import ClusterProtocols
import DCOM
import ErrorCodes
import NDR

/// An activation of ClusterCleanup on a node ([MS-CSVP] 3.9).
///
/// The methods throw as ``StorageClient``'s do.
public struct CleanupClient: Sendable {
    /// What CleanUpEvictedNode may be asked to do otherwise (3.8.4.1).
    public struct Options: OptionSet, Sendable {
        /// The bits on the wire.
        public let rawValue: UInt32

        /// From the bits.
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// Leaves the cluster service running.
        public static let dontStopService = Options(rawValue: 1)
        /// Tells it to stop, but does not wait until it has.
        public static let dontAwaitServiceStop = Options(rawValue: 2)
    }

    /// The methods of IClusterCleanup as the IDL has them.
    public let cleanup: IClusterCleanupClient
    private let object: ObjectReference

    init(object: ObjectReference) async throws {
        self.object = object
        cleanup = IClusterCleanupClient(try await object.proxy(IClusterCleanup.interface))
    }

    /// Gives the object back. A clean-up that was begun goes on.
    public func release() async throws {
        try await object.release()
    }

    /// CleanUpEvictedNode (opnum 3).
    ///
    /// - Parameters:
    ///   - delay: how long the node waits before it begins, in milliseconds.
    ///   - timeout: how long it waits for the end before it answers, in milliseconds, the delay included.
    ///   - options: what to do otherwise.
    /// - Returns: whether the clean-up is complete; if not, it goes on on the node.
    public func cleanUpEvictedNode(
        delay: UInt32 = 0, timeout: UInt32 = 60_000, options: Options = []
    ) async throws -> Bool {
        let code = try await cleanup.cleanUpEvictedNode(
            .init(DelayBeforeCleanup: delay, TimeOut: timeout, Flags: options.rawValue)
        ).returnValue
        if code == HRESULT(win32: .waitTimeout) { return false }
        try code.throwIfFailed()
        return true
    }

    /// ClearPR (opnum 4): takes everybody's registrations and the reservation off the disk with this number, counted from zero.
    ///
    /// - Throws: ERROR_FILE_NOT_FOUND as an HRESULT where there is no such disk.
    public func clearReservations(disk: UInt32) async throws {
        try await cleanup.clearPR(.init(DeviceNumber: disk)).returnValue.throwIfFailed()
    }
}

extension ClusPrepClient {
    /// Activates ClusterCleanup (CLSID A6D3E32B-…).
    ///
    /// - Throws: as ``storage()``.
    public func cleanup() async throws -> CleanupClient {
        try await activate("a6d3e32b-9814-4409-8de3-cfa673e6d3de", [IClusterCleanup.interface]) {
            try await CleanupClient(object: $0)
        }
    }
}
