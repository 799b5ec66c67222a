import DCERPC
import ErrorCodes
import NDR
import Synchronization

/// The ORPC call that the current task serves ([MS-DCOM] 3.1.1.5.4).
///
/// Its causality identifier is what makes a chain of calls recognizable: a proxy that is used while a call is served
/// sends the same one on (3.2.4.2). A call of a chain is never kept waiting for another one: an exporter MAY do so with the
/// calls of other chains (3.1.1.5.4), and ours does so with none.
public final class ORPCCall: Sendable {
    /// The causality identifier of the chain that the call belongs to.
    public let causality: GUID
    /// The version of the protocol that the caller speaks.
    public let version: COMVERSION
    /// The interface pointer identifier that was called.
    public let ipid: GUID
    /// The extensions of the call that the caller sent, known or not; most calls have none.
    public let extensions: [Extension]

    private let replyExtensions = Mutex<[Extension]>([])

    /// An ORPC extension (2.2.13.1).
    public struct Extension: Sendable, Hashable {
        /// What names its format.
        public let id: GUID
        /// Its data, without padding.
        public let data: [UInt8]

        /// From its parts.
        public init(id: GUID, data: [UInt8]) {
            self.id = id
            self.data = data
        }
    }

    /// From its parts.
    public init(causality: GUID, version: COMVERSION, ipid: GUID, extensions: [Extension]) {
        self.causality = causality
        self.version = version
        self.ipid = ipid
        self.extensions = extensions
    }

    /// The call that the current task serves; nil outside of one.
    @TaskLocal public static var current: ORPCCall?

    /// Sends an extension with the answer, in ORPCTHAT (2.2.13.4). Another one of the same format replaces it.
    ///
    /// A client that does not know the format ignores it (2.2.13.1). An answer that is a fault has no ORPCTHAT.
    public func reply(with extension: Extension) {
        replyExtensions.withLock { extensions in
            extensions.removeAll { $0.id == `extension`.id }
            extensions.append(`extension`)
        }
    }

    /// What goes with the answer.
    var reply: [Extension] { replyExtensions.withLock { $0 } }

    /// How many extensions a call may carry. Two formats are known (2.2.21); the wire would allow as many as fit a request.
    static let maximumExtensions = 32
}

extension ORPCTHIS {
    /// The header of a call that we make.
    static func outgoing(_ version: COMVERSION, _ extensions: [ORPCCall.Extension] = []) -> ORPCTHIS {
        ORPCTHIS(
            version: version, cid: ORPCCall.current?.causality ?? .random(),
            extensions: ORPC_EXTENT_ARRAY(extensions))
    }
}

extension ORPC_EXTENT_ARRAY {
    /// From extensions; nil if there are none, so that the header has its shortest form.
    ///
    /// Data are padded to eight octets, and the array to two elements (2.2.13.1, 2.2.13.2).
    init?(_ extensions: [ORPCCall.Extension]) {
        guard !extensions.isEmpty else { return nil }
        var extents: [ORPC_EXTENT?] = extensions.map { element in
            let padding = repeatElement(UInt8(0), count: -element.data.count & 7)
            return ORPC_EXTENT(id: element.id, size: UInt32(clamping: element.data.count), data: element.data + padding)
        }
        if !extents.count.isMultiple(of: 2) { extents.append(nil) }
        self.init(size: UInt32(clamping: extensions.count), extent: extents)
    }

    /// The extensions that are there; the padding of the array and of the data is not.
    ///
    /// - Throws: RPC_E_INVALID_EXTENSION if there are more than anybody needs, or if one is shorter than it says.
    func list() throws(HRESULT) -> [ORPCCall.Extension] {
        let present = (extent ?? []).compactMap(\.self)
        guard present.count <= ORPCCall.maximumExtensions, present.allSatisfy({ $0.size <= $0.data.count }) else {
            throw .invalidExtension
        }
        return present.map { ORPCCall.Extension(id: $0.id, data: Array($0.data.prefix(Int($0.size)))) }
    }
}

extension RPCFault {
    /// The fault by which DCOM refuses a call before a method has seen it: its status is the HRESULT.
    public init(_ result: HRESULT) {
        self.init(status: result.rawValue)
    }

    /// The status as an HRESULT: itself where it is one, otherwise as a Win32 code.
    public var hresult: HRESULT {
        HRESULT(win32: Win32Error(rawValue: status))
    }
}
