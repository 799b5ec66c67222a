/// A fault: the answer to a call that the run-time, or a service, refuses or cannot finish.
///
/// The values are those of [C706] appendix N and of [MS-ERREF] 2.2; [MS-RPCE] 3.1.1.5.5 maps the former to the latter for
/// a client's application. A server must never send those of [MS-RPCE] 3.3.3.5.1; see ``isSendable``.
public struct RPCFault: Error, Hashable, Sendable {
    /// The status field of the fault PDU.
    public let status: UInt32

    /// Makes a fault from its status.
    public init(status: UInt32) {
        self.status = status
    }

    /// nca_s_op_rng_error: the interface has no such operation.
    public static let operationRange = RPCFault(status: 0x1C01_0002)
    /// nca_s_unk_if: no presentation context, or no interface, by that name.
    public static let unknownInterface = RPCFault(status: 0x1C01_0003)
    /// nca_s_proto_error: the peer broke the protocol.
    public static let protocolError = RPCFault(status: 0x1C01_000B)
    /// nca_s_server_too_busy: more calls than the server takes at a time.
    public static let serverTooBusy = RPCFault(status: 0x1C01_0014)
    /// nca_s_unsupported_type: the object has no such type, as DCOM says of an unknown IPID.
    public static let unsupportedType = RPCFault(status: 0x1C01_0017)
    /// nca_s_invalid_pres_context_id: no such presentation context.
    public static let invalidPresentationContext = RPCFault(status: 0x1C01_001C)
    /// nca_s_unsupported_authn_level: the call is protected too little.
    public static let unsupportedAuthenticationLevel = RPCFault(status: 0x1C01_001D)
    /// nca_s_fault_cancel: the call was cancelled.
    public static let cancelled = RPCFault(status: 0x1C00_000D)
    /// nca_s_fault_unspec: what we answer when the cause is none of the client's business.
    public static let unspecified = RPCFault(status: 0x1C00_0012)
    /// nca_s_fault_context_mismatch: no such context handle.
    public static let contextMismatch = RPCFault(status: 0x1C00_001A)
    /// nca_s_fault_remote_no_memory: the server has no room for it.
    public static let remoteNoMemory = RPCFault(status: 0x1C00_001B)
    /// nca_s_fault_object_not_found.
    public static let objectNotFound = RPCFault(status: 0x1C00_0024)
    /// ERROR_ACCESS_DENIED.
    public static let accessDenied = RPCFault(status: 0x0000_0005)
    /// RPC_S_NO_CALL_ACTIVE: a cancel for a call that is not there.
    public static let noCallActive = RPCFault(status: 0x0000_06BD)
    /// RPC_S_CANNOT_SUPPORT.
    public static let cannotSupport = RPCFault(status: 0x0000_06E4)
    /// RPC_X_BAD_STUB_DATA: the stub does not decode ([MS-RPCE] 3.1.3.5.2).
    public static let badStubData = RPCFault(status: 0x0000_06F7)
    /// RPC_S_SEC_PKG_ERROR: a token or a signature is wrong.
    public static let securityPackage = RPCFault(status: 0x0000_0721)

    /// Whether a server may put this status on the wire ([MS-RPCE] 3.3.3.5.1 lists those that it must not).
    public var isSendable: Bool {
        !Self.forbidden.contains(status)
    }

    /// Whether the status says by itself that the operation never began, so that the fault carries PFC_DID_NOT_EXECUTE and
    /// a client may safely try again ([C706] 12.6.3.1).
    var impliesNotExecuted: Bool {
        switch self {
        case .operationRange, .unknownInterface, .serverTooBusy, .invalidPresentationContext: true
        default: false
        }
    }

    private static let forbidden: Set<UInt32> = [
        0x0000_0000, 0x8000_0001, 0x8000_0002, 0x8000_0003, 0xC000_0005, 0xC000_0006, 0xC000_001D, 0xC000_0096,
        0xC000_00AA, 0xC000_00FD, 0xC000_0194, 0xC000_0235, 0xC000_0409, 0xC000_0420,
    ]
}

extension RPCFault: CustomStringConvertible {
    /// The status' name where it has one here, and its number.
    public var description: String {
        let digits = String(status, radix: 16)
        let number = "0x" + String(repeating: "0", count: 8 - digits.count) + digits
        return name.map { "\($0) (\(number))" } ?? number
    }

    private var name: String? {
        switch self {
        case .operationRange: "nca_s_op_rng_error"
        case .unknownInterface: "nca_s_unk_if"
        case .protocolError: "nca_s_proto_error"
        case .serverTooBusy: "nca_s_server_too_busy"
        case .unsupportedType: "nca_s_unsupported_type"
        case .invalidPresentationContext: "nca_s_invalid_pres_context_id"
        case .unsupportedAuthenticationLevel: "nca_s_unsupported_authn_level"
        case .cancelled: "nca_s_fault_cancel"
        case .unspecified: "nca_s_fault_unspec"
        case .contextMismatch: "nca_s_fault_context_mismatch"
        case .remoteNoMemory: "nca_s_fault_remote_no_memory"
        case .objectNotFound: "nca_s_fault_object_not_found"
        case .accessDenied: "access denied"
        case .noCallActive: "no call active"
        case .cannotSupport: "not supported"
        case .badStubData: "bad stub data"
        case .securityPackage: "security package error"
        default: nil
        }
    }
}
