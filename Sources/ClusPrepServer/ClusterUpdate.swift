import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import HostInventory
import Logging
import NDR
import Reservations

/// An activation of the class that implements IClusterUpdate ([MS-CSVP] 3.16). It has no state; the updates are the host's.
public final class ClusterUpdate: COMObject, IClusterUpdateServer {
    /// 4142DD5D-3472-4370-8641-DE7856431FB0 ([MS-CSVP] 1.9).
    public static let clsid: GUID = "4142dd5d-3472-4370-8641-de7856431fb0"

    /// What the objects of a node share.
    public struct Environment: Sendable {
        /// The number of updates that are installed.
        public var count: @Sendable () async throws -> Int
        /// The updates that are installed.
        public var updates: @Sendable () async throws -> [HostUpdate]
        /// Where failures are told.
        public var logger: Logger

        /// From closures, which may take their time but must not block.
        public init(
            count: @escaping @Sendable () async throws -> Int,
            updates: @escaping @Sendable () async throws -> [HostUpdate], logger: Logger
        ) {
            self.count = count
            self.updates = updates
            self.logger = logger
        }

        /// The updates of a host.
        ///
        /// - Parameter executor: where its files are read and its programs waited for. Callers who come together wait for one
        ///   another, each on a thread, so it should be nobody else's.
        public init(host: HostUpdates, executor: BlockingExecutor, logger: Logger) {
            self.init(
                count: { try await executor.run { try host.count() } },
                updates: { try await executor.run { try host.list() } }, logger: logger)
        }
    }

    private let environment: Environment

    /// An object over the host's updates.
    public init(environment: Environment) {
        self.environment = environment
    }

    /// IClusterUpdate.
    public func handlers(for iid: GUID) -> [RPCHandler?]? {
        iid == IClusterUpdate.interface.syntax.uuid ? IClusterUpdate.handlers(self) : nil
    }

    /// GetUpdates (3.16.4.1).
    public func getUpdates(
        _ request: IClusterUpdate.GetUpdates.Request, context: CallContext
    ) async throws -> IClusterUpdate.GetUpdates.Response {
        try await environment.logger.answering("GetUpdates") {
            let updates = try await told(environment.updates).map(NodeUpdate.init)
            let document = try NodeUpdatesXML.document(of: updates)
            var response = IClusterUpdate.GetUpdates.Response(returnValue: .ok, for: request)
            response.UpdateCount = UInt32(updates.count)
            // The terminator that 3.16.4.1 speaks of stands behind every BSTR in memory; it is not sent (MS-OAUT 2.2.23).
            response.updates = FLAGGED_WORD_BLOB(
                cBytes: UInt32(document.count * 2), clSize: UInt32(document.count), asData: document)
            return response
        }
    }

    /// Count (3.16.4.2).
    public func count(
        _ request: IClusterUpdate.Count.Request, context: CallContext
    ) async throws -> IClusterUpdate.Count.Response {
        try await environment.logger.answering("Count") {
            let count = try await told(environment.count)
            var response = IClusterUpdate.Count.Response(returnValue: .ok, for: request)
            response.Count = Int32(clamping: count)
            return response
        }
    }

    /// What the host tells, or in the log why it does not: its administrator can mend what the caller cannot.
    private func told<T: Sendable>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch {
            environment.logger.warning("the updates of this host cannot be told: \(error)")
            throw error
        }
    }
}

extension NodeUpdate {
    /// What the protocol tells of an update of this host: all of it.
    public init(_ update: HostUpdate) {
        self.init(
            id: update.id, title: update.title, description: update.description, supportURL: update.supportURL,
            articleIDs: update.articleIDs, bulletinIDs: update.bulletinIDs, supersededIDs: update.supersededIDs)
    }
}

extension CoClasses {
    /// ClusterUpdate.
    public static func update(_ environment: ClusterUpdate.Environment) -> COMClass {
        COMClass(
            clsid: ClusterUpdate.clsid, name: "ClusterUpdate",
            interfaces: [COMInterface(IClusterUpdate.interface)]
        ) { _ in ClusterUpdate(environment: environment) }
    }
}
