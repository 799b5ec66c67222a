import DCERPC
import ErrorCodes
import NDR

/// IRemUnknown and IRemUnknown2: interfaces and reference counts of the exporter's objects
/// ([MS-DCOM] 3.1.1.5.6 and 3.1.1.5.7).
struct RemoteUnknownService: IRemUnknown2Server {
    let exporter: ObjectExporter
    let bindings: ServerBindings

    func remQueryInterface(
        _ request: IRemUnknown.RemQueryInterface.Request, context: CallContext
    ) async throws -> IRemUnknown.RemQueryInterface.Response {
        let references = try query(request.ripid, request.iids, references: request.cRefs, context: context)
        return IRemUnknown.RemQueryInterface.Response(
            ppQIResults: references.map { reference in
                switch reference {
                case .success(let standard): REMQIRESULT(hResult: .ok, std: standard)
                case .failure(let result): REMQIRESULT(hResult: result)
                }
            }, returnValue: Self.summary(of: references))
    }

    func remQueryInterface2(
        _ request: IRemUnknown2.RemQueryInterface2.Request, context: CallContext
    ) async throws -> IRemUnknown2.RemQueryInterface2.Response {
        let references = try query(
            request.ripid, request.iids, references: DCOMConstant.initialReferences, context: context)
        let resolver = bindings.resolver(for: context)
        var response = IRemUnknown2.RemQueryInterface2.Response(returnValue: Self.summary(of: references), for: request)
        response.phr = references.map { if case .failure(let result) = $0 { result } else { .ok } }
        response.ppMIF = zip(request.iids, references).map { iid, reference in
            guard case .success(let standard) = reference else { return nil }
            return OBJREF(iid: iid, body: .standard(standard, resolver)).interfacePointer
        }
        return response
    }

    func remAddRef(
        _ request: IRemUnknown.RemAddRef.Request, context: CallContext
    ) async throws -> IRemUnknown.RemAddRef.Response {
        let results = exporter.addReferences(request.InterfaceRefs, user: context.identity?.owner ?? "")
        return IRemUnknown.RemAddRef.Response(pResults: results, returnValue: .ok)
    }

    func remRelease(
        _ request: IRemUnknown.RemRelease.Request, context: CallContext
    ) async throws -> IRemUnknown.RemRelease.Response {
        await exporter.releaseReferences(request.InterfaceRefs, user: context.identity?.owner ?? "")
        return IRemUnknown.RemRelease.Response(returnValue: .ok)
    }

    private func query(
        _ ipid: GUID, _ iids: [GUID], references: UInt32, context: CallContext
    ) throws(HRESULT) -> [Result<STDOBJREF, HRESULT>] {
        guard iids.count <= exporter.limits.interfacesPerRequest else { throw .outOfMemory }
        guard
            let found = exporter.queryInterface(
                ipid, iids: iids, references: references, user: context.identity?.owner ?? "")
        else { throw .invalidObject }
        return found
    }

    /// The specification leaves the return value open; the first draft of the protocol (draft-brown-dcom-v1, "RemQueryInterface")
    /// defines it: S_OK for all, S_FALSE for some, E_NOINTERFACE for none.
    static func summary(of references: [Result<STDOBJREF, HRESULT>]) -> HRESULT {
        let failures = references.count { if case .failure = $0 { true } else { false } }
        if failures == 0 { return .ok }
        return failures == references.count ? .noInterface : .false
    }
}
