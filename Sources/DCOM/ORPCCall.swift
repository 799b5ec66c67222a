import DCERPC
import ErrorCodes
import NDR

/// The ORPC call that the current task serves ([MS-DCOM] 3.1.1.5.4).
///
/// Its causality identifier is what makes a chain of calls recognizable: a proxy that is used while a call is served
/// sends the same one on (3.2.4.2).
public struct ORPCCall: Sendable, Equatable {
    /// The causality identifier of the chain that the call belongs to.
    public let causality: GUID
    /// The version of the protocol that the caller speaks.
    public let version: COMVERSION
    /// The interface pointer identifier that was called.
    public let ipid: GUID
    /// The extensions of the call that the caller sent, known or not; most calls have none.
    public let extensions: [Extension]

    /// An ORPC extension (2.2.13.1).
    public struct Extension: Sendable, Hashable {
        /// What names its format.
        public let id: GUID
        /// Its data, without padding.
        public let data: [UInt8]
    }

    /// The call that the current task serves; nil outside of one.
    @TaskLocal public static var current: ORPCCall?
}

extension ORPCTHIS {
    /// The header of a call that we make.
    static func outgoing(_ version: COMVERSION) -> ORPCTHIS {
        ORPCTHIS(version: version, cid: ORPCCall.current?.causality ?? .random())
    }

    /// The extensions that are there; the array's padding element is not.
    var extensionList: [ORPCCall.Extension] {
        (extensions?.extent ?? []).compactMap { extent in
            extent.map { ORPCCall.Extension(id: $0.id, data: Array($0.data.prefix(Int($0.size)))) }
        }
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
