import DCERPC
import ErrorCodes
import Logging
import NDR

/// Makes objects: what RemoteActivation, RemoteGetClassObject and RemoteCreateInstance have in common
/// ([MS-DCOM] 3.1.2.5.2.3).
struct Activator: Sendable {
    let classes: [GUID: COMClass]
    let exporter: ObjectExporter
    let bindings: ServerBindings
    let logger: Logger

    /// Whether all the references are failures decides between failure and partial success.
    typealias References = [Result<STDOBJREF, HRESULT>]

    func activate(_ request: ActivationRequest, context: CallContext) async throws(HRESULT) -> ActivationReply {
        guard let identity = context.identity else { throw .accessDenied }
        let type = try check(request)
        guard let exporterBindings = bindings.exporter(for: context) else {
            throw HRESULT(win32: Win32Error(rawValue: 1722))
        }
        let interfaces: [ActivationReply.Interface]
        if type.make == nil {
            interfaces = try probe(request)
        } else {
            let references = try await references(type, request, context: context)
            interfaces = zip(request.iids, references).map { iid, reference in
                interface(iid, reference, context: context)
            }
        }
        logger.debug(
            "object activated",
            metadata: ["class": "\(type.name)", "user": "\(identity)", "client": "\(context.remoteAddress)"])
        return ActivationReply(
            exporter: ActivationReply.Exporter(
                oxid: exporter.oxid, bindings: exporterBindings, remoteUnknown: exporter.remoteUnknown,
                authenticationHint: UInt32(authenticationHint), version: .current),
            interfaces: interfaces)
    }

    /// PKT_PRIVACY, so that clients who take the hint as their level can call every interface.
    var authenticationHint: UInt8 { 6 }

    /// What can be said before anything is made.
    private func check(_ request: ActivationRequest) throws(HRESULT) -> COMClass {
        guard request.iids.count <= exporter.limits.interfacesPerRequest else { throw .outOfMemory }
        guard request.protocolSequences.isEmpty || request.protocolSequences.contains(DCOMConstant.tcp) else {
            throw HRESULT(win32: DCOMConstant.protocolSequenceNotSupported)
        }
        // We cannot be a 32-bit process if we are a 64-bit one, and the specification has a code for that.
        guard let type = classes[request.clsid], !request.needs32Bit || MemoryLayout<Int>.size == 4 else {
            throw .classNotRegistered
        }
        // There is one logon session here, the one of services: number zero.
        switch request.session {
        case nil, .number(0): break
        case .console, .number: throw .runAsLogonFailure
        }
        // It would take IPersistFile or IPersistStorage, which no object here has.
        guard !request.isPersistent else { throw .noInterface }
        return type
    }

    private func references(
        _ type: COMClass, _ request: ActivationRequest, context: CallContext
    ) async throws(HRESULT) -> References {
        switch request.target {
        case .classObject:
            let description = COMClassDescription(
                name: "\(type.name) factory",
                interfaces: [COMInterface(IClassFactory.interface, minimumLevel: .packetIntegrity)])
            return try await export(
                ClassFactory(type: type, activator: self), description, iids: request.iids, context: context)
        case .instance:
            return try await makeInstance(of: type, iids: request.iids, context: context)
        }
    }

    /// Makes an object and hands out its interfaces. An object that has none of them is released at once.
    func makeInstance(of type: COMClass, iids: [GUID], context: CallContext) async throws(HRESULT) -> References {
        guard let make = type.make else { throw .classNotRegistered }
        let object: any COMObject
        do {
            object = try await make(context)
        } catch let error as any HRESULTConvertible {
            throw error.hresult
        } catch {
            logger.error("object not made", metadata: ["class": "\(type.name)", "error": "\(error)"])
            throw .unspecifiedFailure
        }
        return try await export(
            object, COMClassDescription(name: type.name, interfaces: type.interfaces), iids: iids, context: context)
    }

    private func export(
        _ object: any COMObject, _ description: COMClassDescription, iids: [GUID], context: CallContext
    ) async throws(HRESULT) -> References {
        do throws(HRESULT) {
            guard let identity = context.identity else { throw .accessDenied }
            let references = try exporter.export(object, of: description, iids: iids, owner: identity.owner)
            let isUsable = references.contains { if case .success = $0 { true } else { false } }
            guard isUsable else { throw .noInterface }
            return references
        } catch {
            // A task of its own, as where objects end otherwise: the call may be cancelled.
            await Task { await object.released() }.value
            throw error
        }
    }

    /// A reference as it is marshaled (3.1.1.5.1).
    func interface(
        _ iid: GUID, _ reference: Result<STDOBJREF, HRESULT>, context: CallContext
    ) -> ActivationReply.Interface {
        switch reference {
        case .success(let standard):
            ActivationReply.Interface(
                iid: iid, result: .ok,
                reference: OBJREF(iid: iid, body: .standard(standard, bindings.resolver(for: context)))
                    .interfacePointer)
        case .failure(let result):
            ActivationReply.Interface(iid: iid, result: result)
        }
    }

    /// A class without objects: success, and nothing to call.
    private func probe(_ request: ActivationRequest) throws(HRESULT) -> [ActivationReply.Interface] {
        let offered: Set<GUID> =
            request.target == .classObject
            ? [DCOMIdentifier.unknown, DCOMIdentifier.classFactory] : [DCOMIdentifier.unknown]
        guard !offered.isDisjoint(with: request.iids) else { throw .noInterface }
        return request.iids.map {
            ActivationReply.Interface(iid: $0, result: offered.contains($0) ? .ok : .noInterface)
        }
    }
}

/// The class object: makes instances for a client that prefers to ask it rather than the resolver.
final class ClassFactory: COMObject, IClassFactoryServer {
    private let type: COMClass
    private let activator: Activator

    init(type: COMClass, activator: Activator) {
        self.type = type
        self.activator = activator
    }

    func handlers(for iid: GUID) -> [RPCHandler?]? {
        iid == DCOMIdentifier.classFactory ? IClassFactory.handlers(self) : nil
    }

    func remoteCreateInstance(
        _ request: IClassFactory.RemoteCreateInstance.Request, context: CallContext
    ) async throws -> IClassFactory.RemoteCreateInstance.Response {
        let references = try await activator.makeInstance(of: type, iids: [request.riid], context: context)
        guard let reference = references.first else { throw HRESULT.unexpected }
        let interface = activator.interface(request.riid, reference, context: context)
        return IClassFactory.RemoteCreateInstance.Response(
            ppvObject: interface.reference, returnValue: interface.result)
    }

    /// A lock keeps a server's process alive; ours ends when its administrator says so.
    func remoteLockServer(
        _ request: IClassFactory.RemoteLockServer.Request, context: CallContext
    ) async throws -> IClassFactory.RemoteLockServer.Response {
        IClassFactory.RemoteLockServer.Response(returnValue: .ok)
    }
}
