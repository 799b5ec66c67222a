import DCERPC
import ErrorCodes
import NDR

/// IObjectExporter: OXID resolution, pinging and aliveness ([MS-DCOM] 3.1.2.5.1).
struct ObjectResolverService: IObjectExporterServer {
    let exporter: ObjectExporter
    let bindings: ServerBindings
    let authorization: DCOMAuthorization

    func resolveOxid(
        _ request: IObjectExporter.ResolveOxid.Request, context: CallContext
    ) async throws -> IObjectExporter.ResolveOxid.Response {
        let resolved = try resolve(request.pOxid, protocols: request.arRequestedProtseqs, context: context)
        return IObjectExporter.ResolveOxid.Response(
            ppdsaOxidBindings: resolved.idl, pipidRemUnknown: exporter.remoteUnknown, pAuthnHint: 6, returnValue: 0)
    }

    func resolveOxid2(
        _ request: IObjectExporter.ResolveOxid2.Request, context: CallContext
    ) async throws -> IObjectExporter.ResolveOxid2.Response {
        let resolved = try resolve(request.pOxid, protocols: request.arRequestedProtseqs, context: context)
        return IObjectExporter.ResolveOxid2.Response(
            ppdsaOxidBindings: resolved.idl, pipidRemUnknown: exporter.remoteUnknown, pAuthnHint: 6,
            pComVersion: .current, returnValue: 0)
    }

    private func resolve(
        _ oxid: UInt64, protocols: [UInt16], context: CallContext
    ) throws(Win32Error) -> DualStringArray {
        _ = try user(of: context)
        guard oxid == exporter.oxid else { throw .invalidOXID }
        guard protocols.isEmpty || protocols.contains(DCOMConstant.tcp) else {
            throw DCOMConstant.protocolSequenceNotSupported
        }
        guard let resolved = bindings.exporter(for: context) else { throw .invalidOXID }
        return resolved
    }

    func simplePing(
        _ request: IObjectExporter.SimplePing.Request, context: CallContext
    ) async throws -> IObjectExporter.SimplePing.Response {
        let result = exporter.simplePing(request.pSetId, user: try user(of: context))
        return IObjectExporter.SimplePing.Response(returnValue: result.rawValue)
    }

    func complexPing(
        _ request: IObjectExporter.ComplexPing.Request, context: CallContext
    ) async throws -> IObjectExporter.ComplexPing.Response {
        let (set, result) = exporter.complexPing(
            PingSets.Change(
                set: request.pSetId, sequence: request.SequenceNum, add: request.AddToSet ?? [],
                remove: request.DelFromSet ?? [], owner: try user(of: context)))
        return IObjectExporter.ComplexPing.Response(
            pSetId: set, pPingBackoffFactor: 0, returnValue: result.rawValue)
    }

    /// Nobody is asked who he is (3.1.2.5.1.4).
    func serverAlive(
        _ request: IObjectExporter.ServerAlive.Request, context: CallContext
    ) async throws -> IObjectExporter.ServerAlive.Response {
        IObjectExporter.ServerAlive.Response(returnValue: 0)
    }

    /// Nobody is asked who he is (3.1.2.5.1.6).
    func serverAlive2(
        _ request: IObjectExporter.ServerAlive2.Request, context: CallContext
    ) async throws -> IObjectExporter.ServerAlive2.Response {
        IObjectExporter.ServerAlive2.Response(
            pComVersion: .current, ppdsaOrBindings: bindings.resolver(for: context).idl, pReserved: 0, returnValue: 0)
    }

    /// The caller of a method that is not open to everybody. Whether he may call is answered by the method itself.
    private func user(of context: CallContext) throws(Win32Error) -> String {
        guard authorization.allows(context, level: authorization.resolverLevel), let identity = context.identity else {
            throw .accessDenied
        }
        return identity.owner
    }
}
