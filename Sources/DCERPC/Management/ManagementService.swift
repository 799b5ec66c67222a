import NDR
import Security

/// The remote management interface of one endpoint ([C706] appendix Q, [MS-RPCE] 2.2.1.3). Anybody may ask; nobody may stop
/// the server through it.
struct ManagementService: RPCService, mgmtServer {
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
        let handlers = mgmt.handlers(self)
        guard Int(opnum) < handlers.count, let handler = handlers[Int(opnum)] else { throw RPCFault.operationRange }
        // What Samba's clients send behind inq_stats' count is no parameter of [C706]. Windows minds nothing behind the last
        // one, and who asks this of everybody need not be told more strictly.
        decoder.paddingAllowance = .max
        try await handler(&decoder, &encoder, context)
    }

    private enum Status {
        static let ok: UInt32 = 0
        static let accessDenied: UInt32 = 0x0000_0005
        /// ERROR_INSUFFICIENT_BUFFER: the name does not fit.
        static let bufferTooSmall: UInt32 = 0x0000_007A
        /// RPC_S_UNKNOWN_AUTHN_SERVICE: no principal for that provider.
        static let unknownProvider: UInt32 = 0x0000_06D3
    }

    func rpc_mgmt_inq_if_ids(
        _ request: mgmt.rpc_mgmt_inq_if_ids.Request, context: CallContext
    ) async throws -> mgmt.rpc_mgmt_inq_if_ids.Response {
        let interfaces = endpoint.interfaces.map {
            RPC_IF_ID(Uuid: $0.uuid, VersMajor: $0.major, VersMinor: $0.minor)
        }
        .sorted { $0.Uuid.description < $1.Uuid.description }
        return .init(if_id_vector: rpc_if_id_vector_t(Count: UInt32(interfaces.count), IfId: interfaces))
    }

    func rpc_mgmt_inq_stats(
        _ request: mgmt.rpc_mgmt_inq_stats.Request, context: CallContext
    ) async throws -> mgmt.rpc_mgmt_inq_stats.Response {
        let counts = endpoint.statistics.counts.prefix(Int(request.count))
        return .init(count: UInt32(counts.count), statistics: Array(counts))
    }

    func rpc_mgmt_is_server_listening(
        _ request: mgmt.rpc_mgmt_is_server_listening.Request, context: CallContext
    ) async throws -> mgmt.rpc_mgmt_is_server_listening.Response {
        .init(status: Status.ok, returnValue: 1)
    }

    func rpc_mgmt_stop_server_listening(
        _ request: mgmt.rpc_mgmt_stop_server_listening.Request, context: CallContext
    ) async throws -> mgmt.rpc_mgmt_stop_server_listening.Response {
        .init(status: Status.accessDenied)
    }

    func rpc_mgmt_inq_princ_name(
        _ request: mgmt.rpc_mgmt_inq_princ_name.Request, context: CallContext
    ) async throws -> mgmt.rpc_mgmt_inq_princ_name.Response {
        let type = UInt8(exactly: request.authn_proto).map { AuthenticationType(rawValue: $0) }
        guard let type, let name = endpoint.principalNames[type] else {
            return .init(status: Status.unknownProvider)
        }
        // The terminator counts.
        guard name.utf8.count < request.princ_name_size else { return .init(status: Status.bufferTooSmall) }
        return .init(princ_name: OctetString(name), status: Status.ok)
    }
}
