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

    // Swift 6.3's optimizer fails over a switch of `kind` that it has inlined into the pattern of a catch clause.

    /// Whether the node is not there any more.
    @inline(never) var isLoss: Bool {
        if case .lost = kind { true } else { false }
    }

    /// Whether the node says that it does not have what was called: an older release.
    @inline(never) var isUnsupported: Bool {
        switch kind {
        case .answered(let code): Self.unsupported.contains(code.rawValue)
        case .refused(let text): text == "\(RPCFault.operationRange)" || text == "\(RPCFault.unknownInterface)"
        case .lost: false
        }
    }

    /// E_NOTIMPL, E_NOINTERFACE, REGDB_E_CLASSNOTREG and ERROR_CALL_NOT_IMPLEMENTED.
    private static let unsupported: Set<UInt32> = [0x8000_4001, 0x8000_4002, 0x8004_0154, 0x8007_0078]

    /// The code that the node returned; nil where it returned none.
    @inline(never) var code: HRESULT? {
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
        if let failure = error as? NodeFailure {
            self = failure
        } else if let kind = Kind(error) {
            self.init(node: node, method: method, kind: kind, disk: disk)
        } else {
            return nil
        }
    }
}

extension NodeFailure.Kind {
    /// What an error is; nil for that of a task that was cancelled.
    init?(_ error: any Error) {
        switch error {
        case is CancellationError:
            return nil
        case let code as HRESULT:
            self = .answered(code)
        case DCOMError.activationFailed(let code), DCOMError.interfaceUnavailable(_, let code),
            DCOMError.remoteUnknownFailed(let code):
            self = .answered(code)
        case RPCClientError.cannotConnect, RPCClientError.closed:
            self = .lost("\(error)")
        case is SilentNode:
            self = .lost("\(error)")
        default:
            self = .refused("\(error)")
        }
    }

    /// What the report says beside the call; nil where its code says it.
    var detail: String? {
        switch self {
        case .answered: nil
        case .refused(let text), .lost(let text): text
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
