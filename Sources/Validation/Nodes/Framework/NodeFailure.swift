import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes

/// A call to a node that did not succeed.
struct NodeFailure: Error, Sendable {
    /// How it failed.
    enum Kind: Sendable, Hashable {
        /// The node returned this code.
        case answered(HRESULT)
        /// The node refused the call, or answered with something that is no answer; the text says what.
        case refused(String)
        /// There was no answer, and there will be none: the connection ended, or the node was silent for too long.
        case lost(String)
    }

    /// The node, by its name.
    var node: String
    /// What was called.
    var method: NodeMethod
    /// How it failed.
    var kind: Kind
    /// The disk that it was about, by its name.
    var disk: String?

    /// Whether the node is not there any more.
    var isLoss: Bool {
        if case .lost = kind { true } else { false }
    }

    /// Whether the node says that it does not have what was called: an older release.
    var isUnsupported: Bool {
        switch kind {
        case .answered(let code): Self.unsupported.contains(code.rawValue)
        case .refused(let text): text == "\(RPCFault.operationRange)" || text == "\(RPCFault.unknownInterface)"
        case .lost: false
        }
    }

    /// E_NOTIMPL, E_NOINTERFACE, REGDB_E_CLASSNOTREG and ERROR_CALL_NOT_IMPLEMENTED.
    private static let unsupported: Set<UInt32> = [0x8000_4001, 0x8000_4002, 0x8004_0154, 0x8007_0078]

    /// The code that the node returned; nil where it returned none.
    var code: HRESULT? {
        if case .answered(let code) = kind { code } else { nil }
    }

    /// A failure from its parts.
    init(node: String, method: NodeMethod, kind: Kind, disk: String? = nil) {
        self.node = node
        self.method = method
        self.kind = kind
        self.disk = disk
    }

    /// What an error says of a call; nil for a call that was given up by the caller.
    init?(_ error: any Error, node: String, method: NodeMethod, disk: String? = nil) {
        self.node = node
        self.method = method
        self.disk = disk
        switch error {
        case let failure as NodeFailure:
            self = failure
        case is CancellationError:
            return nil
        case let code as HRESULT:
            kind = .answered(code)
        case DCOMError.activationFailed(let code), DCOMError.interfaceUnavailable(_, let code),
            DCOMError.remoteUnknownFailed(let code):
            kind = .answered(code)
        case let error as RPCClientError:
            switch error {
            case .cannotConnect, .closed: kind = .lost("\(error)")
            default: kind = .refused("\(error)")
            }
        case is SilentNode:
            kind = .lost("\(error)")
        default:
            kind = .refused("\(error)")
        }
    }
}

extension NodeFailure: CustomStringConvertible {
    /// One sentence without a period, for a finding.
    var description: String {
        switch kind {
        case .answered(let code): "\(method.name) returned \(code)"
        case .refused(let text): "\(method.name) was refused: \(text)"
        case .lost(let text): "\(method.name) got no answer: \(text)"
        }
    }
}

/// A node has not answered for longer than any call takes.
struct SilentNode: Error, Sendable, CustomStringConvertible {
    /// How long it was waited for.
    var limit: Duration

    var description: String { "nothing came for \(limit.formatted())" }
}
