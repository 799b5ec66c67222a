import DCERPC
import NDR

/// Calls methods of one interface of a remote object ([MS-DCOM] 3.2.4.2): puts ORPCTHIS before each request and takes
/// ORPCTHAT from each response.
///
/// It is what a generated client is made with: `IFooClient(proxy)`.
public struct InterfaceProxy: RPCCaller {
    /// A caller that is bound to the interface and sends the IPID as the object UUID.
    private let caller: any RPCCaller
    /// The version that client and server have in common.
    private let version: COMVERSION

    /// From a caller that sends the interface's IPID with each request.
    public init(_ caller: any RPCCaller, version: COMVERSION = .current) {
        self.caller = caller
        self.version = version
    }

    /// Makes one call. Within a call that we serve it continues that call's causality chain; otherwise it begins one.
    ///
    /// - Throws: `RPCFault`, whose status is an HRESULT where DCOM refused the call: RPC_E_DISCONNECTED after the object is
    ///   gone.
    public func call<Response: Sendable>(
        opnum: UInt16, encode: @Sendable (inout NDREncoder) throws -> Void,
        decode: @Sendable (inout NDRDecoder) throws -> Response
    ) async throws -> Response {
        let header = ORPCTHIS.outgoing(version)
        return try await caller.call(
            opnum: opnum,
            encode: { encoder in
                try encoder.encode(header)
                try encode(&encoder)
            },
            decode: { decoder in
                // Its flags may have any value, and extensions that we do not know are ignored (2.2.13.4).
                _ = try decoder.decode(ORPCTHAT.self)
                return try decode(&decoder)
            })
    }
}
