import ClusterProtocols
import DCOM
import ErrorCodes
import NDR

/// An activation of ClusterUpdate on a node ([MS-CSVP] 3.17): the updates that are installed there.
///
/// The methods throw as ``StorageClient``'s do.
public struct UpdateClient: Sendable {
    /// The methods of IClusterUpdate as the IDL has them.
    public let update: IClusterUpdateClient
    private let object: ObjectReference

    init(object: ObjectReference) async throws {
        self.object = object
        update = IClusterUpdateClient(try await object.proxy(IClusterUpdate.interface))
    }

    /// Gives the object back.
    public func release() async throws {
        try await object.release()
    }

    /// GetUpdates (opnum 3).
    ///
    /// - Throws: `NodeUpdatesXML.ParsingError` where the node's XML is none of 3.16.4.1; ``CountMismatch`` where it does not
    ///   hold as many updates as the node says.
    public func updates() async throws -> [NodeUpdate] {
        let (count, document) = try await document()
        let updates = try NodeUpdatesXML.updates(in: document)
        guard updates.count == Int(count) else { throw CountMismatch(announced: count, found: updates.count) }
        return updates
    }

    /// GetUpdates (opnum 3), with the XML as it is: the number of updates that the node says, and the document.
    public func document() async throws -> (count: UInt32, xml: String) {
        let response = try await update.getUpdates(.init())
        try response.returnValue.throwIfFailed()
        return (response.UpdateCount, try BSTRValue(response.updates).text ?? "")
    }

    /// Count (opnum 4).
    public func count() async throws -> Int32 {
        let response = try await update.count(.init())
        try response.returnValue.throwIfFailed()
        return response.Count
    }

    /// A node's UpdateCount is not the number of updates in its XML.
    public struct CountMismatch: Error, Sendable, Hashable, CustomStringConvertible {
        /// UpdateCount.
        public var announced: UInt32
        /// The number of "update" elements.
        public var found: Int

        /// Both.
        public var description: String {
            "the node speaks of \(announced) updates and describes \(found)"
        }
    }
}

extension ClusPrepClient {
    /// Activates ClusterUpdate (CLSID 4142DD5D-…).
    ///
    /// - Throws: as ``storage()``.
    public func update() async throws -> UpdateClient {
        try await activate("4142dd5d-3472-4370-8641-de7856431fb0", [IClusterUpdate.interface]) {
            try await UpdateClient(object: $0)
        }
    }
}
