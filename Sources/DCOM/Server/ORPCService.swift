import DCERPC
import ErrorCodes
import NDR
import Security

/// Answers the ORPC calls on one interface ([MS-DCOM] 3.1.1.5.4): reads ORPCTHIS, finds what the IPID stands for, and
/// lets it answer behind an ORPCTHAT.
struct ORPCService: RPCService {
    let interface: RPCInterface
    let minimumLevel: AuthenticationLevel
    let exporter: ObjectExporter
    let authorization: DCOMAuthorization
    /// What answers at the IPID of the remote unknown itself; nil for the interfaces of objects.
    var remoteUnknown: [RPCHandler?]?

    func authorize(_ context: CallContext) throws {
        try authorization.require(
            context, level: minimumLevel, fault: remoteUnknown == nil ? .accessDenied : RPCFault(HRESULT.accessDenied))
    }

    func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws {
        let header = try decoder.decode(ORPCTHIS.self)
        guard header.version.isAcceptable else { throw RPCFault(.versionMismatch) }
        guard header.flags == 0 else { throw RPCFault(.invalidHeader) }
        guard let ipid = context.object, let identity = context.identity else { throw RPCFault(.disconnected) }
        let extensions: [ORPCCall.Extension]
        do throws(HRESULT) {
            extensions = try header.extensions?.list() ?? []
        } catch {
            throw RPCFault(error)
        }
        let call = ORPCCall(causality: header.cid, version: header.version, ipid: ipid, extensions: extensions)

        if let remoteUnknown {
            guard ipid == exporter.remoteUnknown else { throw RPCFault(.disconnected) }
            try await answer(call, remoteUnknown, opnum, &decoder, &encoder, context)
            return
        }
        guard let target = exporter.beginCall(ipid, user: identity.owner) else { throw RPCFault(.disconnected) }
        do {
            // The IPID of one interface says nothing about the methods of another.
            guard target.iid == interface.syntax.uuid else { throw RPCFault(.invalidIPID) }
            try await answer(call, target.handlers, opnum, &decoder, &encoder, context)
        } catch {
            await exporter.endCall(target)
            throw error
        }
        await exporter.endCall(target)
    }

    private func answer(
        _ call: ORPCCall, _ handlers: [RPCHandler?], _ opnum: UInt16, _ decoder: inout NDRDecoder,
        _ encoder: inout NDREncoder, _ context: CallContext
    ) async throws {
        guard Int(opnum) < handlers.count, let handler = handlers[Int(opnum)] else { throw RPCFault.operationRange }
        try encoder.encode(ORPCTHAT())
        let headerLength = encoder.count
        try await ORPCCall.$current.withValue(call) { try await handler(&decoder, &encoder, context) }
        guard let extensions = ORPC_EXTENT_ARRAY(call.reply) else { return }
        // Only now is it known that the method has something to add. What it wrote is as well aligned behind a header of another
        // length if that is a multiple of eight octets, which it is in NDR 2.0. Otherwise the answer goes without extensions, as
        // it may (3.1.1.5.4).
        var longer = NDREncoder(syntax: encoder.syntax)
        try longer.encode(ORPCTHAT(extensions: extensions))
        guard longer.count.isMultiple(of: 8) else { return }
        longer.write(octets: encoder.bytes[headerLength...])
        encoder = longer
    }
}
