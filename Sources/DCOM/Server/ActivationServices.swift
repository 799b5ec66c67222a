import DCERPC
import ErrorCodes
import NDR

/// IRemoteSCMActivator ([MS-DCOM] 3.1.2.5.2.2).
struct SCMActivatorService: IRemoteSCMActivatorServer {
    let activator: Activator

    func remoteGetClassObject(
        _ request: IRemoteSCMActivator.RemoteGetClassObject.Request, context: CallContext
    ) async throws -> IRemoteSCMActivator.RemoteGetClassObject.Response {
        let properties = try await activate(
            request.pActProperties, request.orpcthis, target: .classObject, context: context)
        return IRemoteSCMActivator.RemoteGetClassObject.Response(ppActProperties: properties, returnValue: .ok)
    }

    /// The outer unknown has to be NULL and is ignored (3.1.2.5.2.3.3).
    func remoteCreateInstance(
        _ request: IRemoteSCMActivator.RemoteCreateInstance.Request, context: CallContext
    ) async throws -> IRemoteSCMActivator.RemoteCreateInstance.Response {
        let properties = try await activate(
            request.pActProperties, request.orpcthis, target: .instance, context: context)
        return IRemoteSCMActivator.RemoteCreateInstance.Response(ppActProperties: properties, returnValue: .ok)
    }

    private func activate(
        _ properties: MInterfacePointer?, _ orpc: ORPCTHIS, target: ActivationRequest.Target, context: CallContext
    ) async throws -> MInterfacePointer {
        guard orpc.version.isAcceptable else { throw HRESULT.versionMismatch }
        guard let properties else { throw HRESULT.invalidArgument }
        let blob = try ActivationBlob(properties, marshaler: DCOMIdentifier.activationPropertiesInMarshaler)
        let reply = try await activator.activate(ActivationRequest(blob, target: target), context: context)
        return try reply.blob().replyReference().interfacePointer
    }
}

/// IActivation ([MS-DCOM] 3.1.2.5.2.1): the older way, which reports the outcome in an output parameter.
struct ActivationService: IActivationServer {
    let activator: Activator

    func remoteActivation(
        _ request: IActivation.RemoteActivation.Request, context: CallContext
    ) async throws -> IActivation.RemoteActivation.Response {
        guard request.ORPCthis.version.isAcceptable else {
            var response = IActivation.RemoteActivation.Response(
                returnValue: HRESULT.versionMismatch.rawValue, for: request)
            response.phr = .versionMismatch
            response.pServerVersion = .current
            return response
        }
        do throws(HRESULT) {
            return try await activator.activate(activation(request), context: context).remoteActivation
        } catch {
            // The results of the interfaces stay zero then (3.1.2.5.2.3.1, pResults).
            var response = IActivation.RemoteActivation.Response(returnValue: 0, for: request)
            response.phr = error
            response.pServerVersion = .current
            return response
        }
    }

    private func activation(
        _ request: IActivation.RemoteActivation.Request
    ) throws(HRESULT) -> ActivationRequest {
        do {
            return try ActivationRequest(request)
        } catch {
            throw error.hresult
        }
    }
}
