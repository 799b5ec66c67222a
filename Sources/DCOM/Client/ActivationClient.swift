import DCERPC
import ErrorCodes
import NDR

/// Activates objects on remote machines ([MS-DCOM] 3.2.4.1.1).
public struct ActivationClient: Sendable {
    /// Which interface of the resolver is called.
    public enum Method: Sendable, Hashable, CaseIterable {
        /// IRemoteSCMActivator, which every server since version 5.6 has.
        case remoteCreateInstance
        /// IActivation, the older one.
        case remoteActivation
    }

    /// Which object of the class is wanted.
    public enum Target: Sendable, Hashable {
        /// A new instance.
        case instance
        /// The class object, with IClassFactory.
        case classObject
    }

    /// Which interface of the resolver is called.
    public var method: Method

    /// A client that activates in this way.
    public init(method: Method = .remoteCreateInstance) {
        self.method = method
    }

    /// Activates an object.
    ///
    /// - Parameters:
    ///   - host: the server's name or address, which is also what its bindings are compared with.
    ///   - port: the resolver's port.
    ///   - clsid: the class.
    ///   - iids: the interfaces that are needed; the activation succeeds if the object has at least one of them.
    ///   - credentials: who the client is.
    /// - Returns: The object, which has to be released with ``ObjectReference/release()``.
    /// - Throws: ``DCOMError`` if the server refuses or its answer makes no sense, `RPCFault` if it refuses the call, and
    ///   `RPCClientError` if it cannot be reached.
    public func activate(
        host: String, port: UInt16 = 135, clsid: GUID, iids: [GUID], target: Target = .instance,
        credentials: ClientSecurity
    ) async throws -> ObjectReference {
        let version = try await Self.serverVersion(host: host, port: port)
        let resolver = try await RPCClient.connect(host: host, port: port)
        do {
            var request = ActivationRequest(clsid: clsid, iids: iids)
            request.target = target == .classObject ? .classObject : .instance
            let reply = try await send(request, version, over: resolver, host: host, credentials)
            return try await ObjectReference(
                reply, resolver: resolver, host: host, credentials: credentials)
        } catch {
            await resolver.close()
            throw error
        }
    }

    /// Activates an object for as long as `body` runs: pings for it meanwhile, and releases it in the end, whatever happens.
    ///
    /// - Parameter releaseTime: how long a cancelled task waits for the server to have released the object.
    /// - Throws: What ``activate(host:port:clsid:iids:target:credentials:)`` and `body` throw.
    public func withObject<Result: Sendable>(
        host: String, port: UInt16 = 135, clsid: GUID, iids: [GUID], credentials: ClientSecurity,
        timing: PingTiming = PingTiming(), releaseTime: Duration = .seconds(10),
        _ body: @Sendable @escaping (ObjectReference) async throws -> Result
    ) async throws -> Result {
        let object = try await activate(host: host, port: port, clsid: clsid, iids: iids, credentials: credentials)
        let result: Result
        do {
            result = try await object.keepingAlive(timing: timing) { try await body(object) }
        } catch {
            // The first error counts; a server that is gone has nothing to release.
            try? await Self.release(object, within: releaseTime)
            throw error
        }
        try await Self.release(object, within: releaseTime)
        return result
    }

    /// Releases an object in a task of its own: a cancelled one's call would not even be sent.
    private static func release(_ object: ObjectReference, within time: Duration) async throws {
        let release = Task { try await object.release() }
        try await withTaskCancellationHandler {
            try await release.value
        } onCancel: {
            // Who wants to go is not held by a server that does not answer.
            Task {
                try await Task.sleep(for: time)
                release.cancel()
            }
        }
    }

    // MARK: The resolver

    /// The version of the server, asked for without authentication ([MS-DCOM] 3.2.4.1.1.1).
    ///
    /// - Returns: the version that client and server have in common.
    static func serverVersion(host: String, port: UInt16) async throws -> COMVERSION {
        let connection = try await RPCClient.connect(host: host, port: port)
        do {
            let version = try await serverVersion(over: connection)
            await connection.close()
            return try version.negotiated()
        } catch {
            await connection.close()
            throw error
        }
    }

    private static func serverVersion(over connection: RPCClient) async throws -> COMVERSION {
        let client = IObjectExporterClient(
            try await connection.bind(IObjectExporter.interface.syntax, transferSyntaxes: [.ndr20]))
        do {
            let response = try await client.serverAlive2(.init())
            guard response.returnValue == 0 else {
                throw DCOMError.resolverFailed(Win32Error(rawValue: response.returnValue))
            }
            return response.pComVersion
        } catch let fault as RPCFault where fault == .operationRange {
            // A server without this method is of the oldest version (1.7).
            return .oldest
        }
    }

    private func send(
        _ request: ActivationRequest, _ version: COMVERSION, over resolver: RPCClient, host: String,
        _ credentials: ClientSecurity
    ) async throws -> ActivationReply {
        let interface = method == .remoteActivation ? IActivation.interface : IRemoteSCMActivator.interface
        let caller = try await resolver.bind(
            interface.syntax, transferSyntaxes: [.ndr20], security: credentials.makeInitiator(host),
            level: credentials.level)
        let orpc = ORPCTHIS.outgoing(version)
        switch (method, request.target) {
        case (.remoteActivation, _):
            let response = try await IActivationClient(caller).remoteActivation(request.remoteActivation(orpc))
            try Self.check(HRESULT(win32: Win32Error(rawValue: response.returnValue)))
            try Self.check(response.phr)
            return try ActivationReply(response, iids: request.iids)
        case (.remoteCreateInstance, .instance):
            let properties = try request.blob(version: version).requestReference().interfacePointer
            let response = try await IRemoteSCMActivatorClient(caller).remoteCreateInstance(
                .init(orpcthis: orpc, pActProperties: properties))
            return try Self.reply(response.returnValue, response.ppActProperties)
        case (.remoteCreateInstance, .classObject):
            let properties = try request.blob(version: version).requestReference().interfacePointer
            let response = try await IRemoteSCMActivatorClient(caller).remoteGetClassObject(
                .init(orpcthis: orpc, pActProperties: properties))
            return try Self.reply(response.returnValue, response.ppActProperties)
        }
    }

    private static func check(_ result: HRESULT) throws(DCOMError) {
        guard !result.isFailure else { throw .activationFailed(result) }
    }

    private static func reply(_ result: HRESULT, _ properties: MInterfacePointer?) throws(DCOMError) -> ActivationReply
    {
        try check(result)
        guard let properties else { throw .malformedActivationProperties("there are none") }
        return try ActivationReply(
            ActivationBlob(properties, marshaler: DCOMIdentifier.activationPropertiesOutMarshaler))
    }
}
