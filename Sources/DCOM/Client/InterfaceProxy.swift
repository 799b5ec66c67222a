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
    /// What goes with each call.
    private var extensions: [ORPCCall.Extension] = []
    /// Who is shown what comes with the answers.
    private var observer: (@Sendable ([ORPCCall.Extension]) -> Void)?

    /// From a caller that sends the interface's IPID with each request.
    public init(_ caller: any RPCCaller, version: COMVERSION = .current) {
        self.caller = caller
        self.version = version
    }

    /// The same, with these extensions in each call (2.2.13.3).
    public func sending(_ extensions: [ORPCCall.Extension]) -> InterfaceProxy {
        var proxy = self
        proxy.extensions = extensions
        return proxy
    }

    /// The same, which shows the extensions of each answer that has some (2.2.13.4), before the answer itself is read:
    /// ``ErrorInformation`` is one of them.
    public func observingReplies(_ observer: @escaping @Sendable ([ORPCCall.Extension]) -> Void) -> InterfaceProxy {
        var proxy = self
        proxy.observer = observer
        return proxy
    }

    /// Makes one call. Within a call that we serve it continues that call's causality chain; otherwise it begins one.
    ///
    /// - Throws: `RPCFault`, whose status is an HRESULT where DCOM refused the call: RPC_E_DISCONNECTED after the object is
    ///   gone.
    public func call<Response: Sendable>(
        opnum: UInt16, encode: @Sendable (inout NDREncoder) throws -> Void,
        decode: @Sendable (inout NDRDecoder) throws -> Response
    ) async throws -> Response {
        let header = ORPCTHIS.outgoing(version, extensions)
        return try await caller.call(
            opnum: opnum,
            encode: { encoder in
                try encoder.encode(header)
                try encode(&encoder)
            },
            decode: { decoder in
                // Its flags may have any value, and extensions that we do not know are ignored (2.2.13.4).
                let reply = try decoder.decode(ORPCTHAT.self)
                if let observer, let extensions = reply.extensions { observer(try extensions.list()) }
                return try decode(&decoder)
            })
    }
}
