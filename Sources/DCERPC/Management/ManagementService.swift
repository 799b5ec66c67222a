import NDR
import Security

/// The remote management interface of one endpoint ([C706] appendix Q, [MS-RPCE] 2.2.1.3). Anybody may ask; nobody may stop
/// the server through it.
struct ManagementService: RPCService {
    // The endpoint owns its services; its connections, which alone call them, own the endpoint.
    private unowned let endpoint: Endpoint

    init(endpoint: Endpoint) {
        self.endpoint = endpoint
    }

    var interface: RPCInterface { mgmt.interface }

    func authorize(_ context: CallContext) throws {}

    func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws {
        guard try handleAtOnce(opnum: opnum, decoder: &decoder, encoder: &encoder, context: context) else {
            throw RPCFault.operationRange
        }
    }

    /// What it tells is in memory: no operation has anything to wait for.
    func handleAtOnce(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) throws -> Bool {
        // What Samba's clients send behind inq_stats' count is no parameter of [C706]. Windows minds nothing behind the last
        // one, and who asks this of everybody need not be told more strictly.
        decoder.paddingAllowance = .max
        switch opnum {
        case mgmt.rpc_mgmt_is_server_listening.opnum:
            let request = try mgmt.rpc_mgmt_is_server_listening.Request(from: &decoder)
            try decoder.finish()
            try mgmt.rpc_mgmt_is_server_listening.Response(status: Status.ok, returnValue: 1)
                .encode(into: &encoder, for: request)
        case mgmt.rpc_mgmt_inq_if_ids.opnum:
            let request = try mgmt.rpc_mgmt_inq_if_ids.Request(from: &decoder)
            try decoder.finish()
            try interfaces().encode(into: &encoder, for: request)
        case mgmt.rpc_mgmt_inq_stats.opnum:
            let request = try mgmt.rpc_mgmt_inq_stats.Request(from: &decoder)
            try decoder.finish()
            try statistics(request).encode(into: &encoder, for: request)
        case mgmt.rpc_mgmt_stop_server_listening.opnum:
            let request = try mgmt.rpc_mgmt_stop_server_listening.Request(from: &decoder)
            try decoder.finish()
            try mgmt.rpc_mgmt_stop_server_listening.Response(status: Status.accessDenied)
                .encode(into: &encoder, for: request)
        case mgmt.rpc_mgmt_inq_princ_name.opnum:
            let request = try mgmt.rpc_mgmt_inq_princ_name.Request(from: &decoder)
            try decoder.finish()
            try principalName(request).encode(into: &encoder, for: request)
        default:
            throw RPCFault.operationRange
        }
        return true
    }

    private enum Status {
        static let ok: UInt32 = 0
        static let accessDenied: UInt32 = 0x0000_0005
        /// ERROR_INSUFFICIENT_BUFFER: the name does not fit.
        static let bufferTooSmall: UInt32 = 0x0000_007A
        /// RPC_S_UNKNOWN_AUTHN_SERVICE: no principal for that provider.
        static let unknownProvider: UInt32 = 0x0000_06D3
    }

    private func interfaces() -> mgmt.rpc_mgmt_inq_if_ids.Response {
        let interfaces = endpoint.interfaces.map {
            RPC_IF_ID(Uuid: $0.uuid, VersMajor: $0.major, VersMinor: $0.minor)
        }
        .sorted { $0.Uuid.description < $1.Uuid.description }
        return .init(if_id_vector: rpc_if_id_vector_t(Count: UInt32(interfaces.count), IfId: interfaces))
    }

    private func statistics(_ request: mgmt.rpc_mgmt_inq_stats.Request) -> mgmt.rpc_mgmt_inq_stats.Response {
        let counts = endpoint.statistics.counts.prefix(Int(request.count))
        return .init(count: UInt32(counts.count), statistics: Array(counts))
    }

    private func principalName(
        _ request: mgmt.rpc_mgmt_inq_princ_name.Request
    ) -> mgmt.rpc_mgmt_inq_princ_name.Response {
        let type = UInt8(exactly: request.authn_proto).map { AuthenticationType(rawValue: $0) }
        guard let type, let name = endpoint.principalNames[type] else {
            return .init(status: Status.unknownProvider)
        }
        // The terminator counts.
        guard name.utf8.count < request.princ_name_size else { return .init(status: Status.bufferTooSmall) }
        return .init(princ_name: OctetString(name), status: Status.ok)
    }
}
