import DCERPC
import ErrorCodes
import NDR
import Security

/// A remote object: its interfaces, the references that we hold to it, and the pings that keep it alive
/// ([MS-DCOM] 3.2.4 and 3.2.6).
public actor ObjectReference {
    /// The object's identifier.
    public nonisolated let oid: UInt64
    /// The version that client and server have in common.
    public nonisolated let version: COMVERSION

    private let oxid: UInt64
    private let host: String
    private let resolverPort: UInt16
    private let credentials: ClientSecurity
    private let level: AuthenticationLevel
    private let wantsPing: Bool
    private var resolver: RPCClient
    private var exporter: RPCClient
    private var unknown: BoundInterface
    private var remoteUnknown: GUID
    private var interfaces: [GUID: Held] = [:]
    private var bound: [GUID: BoundInterface] = [:]
    private var resolverInterface: BoundInterface?
    private var failures: [GUID: HRESULT] = [:]
    private var pings = ClientPingSet()
    private var isReleased = false

    private struct Held {
        let ipid: GUID
        var references: UInt32
    }

    /// Takes over an activation: connects to the exporter, at the level that it hints at or at ours, whichever is higher.
    init(_ reply: ActivationReply, resolver: RPCClient, host: String, credentials: ClientSecurity) async throws {
        var object: STDOBJREF?
        for interface in reply.interfaces {
            guard let pointer = interface.reference, interface.result == .ok else {
                failures[interface.iid] = interface.result
                continue
            }
            guard let standard = try OBJREF(pointer).standard else {
                throw DCOMError.malformedReference("the server marshals its object in a way of its own")
            }
            object = standard
            interfaces[interface.iid] = Held(ipid: standard.ipid, references: standard.cPublicRefs)
        }
        guard let object else {
            throw DCOMError.activationFailed(failures.values.first { $0.isFailure } ?? .noInterface)
        }
        oid = object.oid
        oxid = object.oxid
        wantsPing = object.flags & DCOMConstant.noPing == 0
        version = try reply.exporter.version.negotiated()
        remoteUnknown = reply.exporter.remoteUnknown
        let hint = UInt8(exactly: reply.exporter.authenticationHint).flatMap(AuthenticationLevel.init(rawValue:))
        level = max(credentials.level, hint ?? .none)
        self.resolver = resolver
        self.host = host
        resolverPort = resolver.remoteAddress.port
        self.credentials = credentials
        exporter = try await Self.connect(reply.exporter.bindings, host: host)
        // The first bind authenticates the connection, the others are made under the same protection.
        do {
            unknown = try await exporter.bind(
                IRemUnknown.interface.syntax, transferSyntaxes: [.ndr20], security: credentials.makeInitiator(host),
                level: level)
        } catch {
            await exporter.close()
            throw error
        }
    }

    /// The bindings are tried in their order, but the host that the user named comes first.
    private static func connect(_ bindings: DualStringArray, host: String) async throws -> RPCClient {
        let usable = bindings.strings.filter { $0.tower == DCOMConstant.tcp && $0.port != nil }
        let ordered = usable.filter { $0.host == host } + usable.filter { $0.host != host }
        var failure: any Error = DCOMError.noUsableBinding(bindings.strings.map(\.address))
        for binding in ordered {
            guard let port = binding.port else { continue }
            do {
                return try await RPCClient.connect(host: binding.host, port: port)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    // MARK: Connections

    /// Connects anew after a connection was lost ([MS-DCOM] 3.2.4.1.2.2): asks the resolver where the exporter is, and goes on
    /// with the references that are held, which are the object's and not the connection's.
    ///
    /// Proxies that were made before stay with the connection that was lost; ask for new ones.
    ///
    /// - Throws: ``DCOMError/resolverFailed(_:)`` with OR_INVALID_OXID if the exporter has ended, and the object with it; what
    ///   connecting throws if it cannot be reached, and then it can be tried again.
    public func reconnect() async throws {
        guard !isReleased else { throw DCOMError.released }
        let newResolver = try await RPCClient.connect(host: host, port: resolverPort)
        do {
            try await resolve(by: newResolver)
        } catch {
            await newResolver.close()
            throw error
        }
    }

    private func resolve(by newResolver: RPCClient) async throws {
        let interface = try await newResolver.bind(
            IObjectExporter.interface.syntax, transferSyntaxes: [.ndr20], security: credentials.makeInitiator(host),
            level: max(credentials.level, .packetIntegrity))
        let response = try await IObjectExporterClient(interface).resolveOxid2(
            .init(pOxid: oxid, cRequestedProtseqs: 1, arRequestedProtseqs: [DCOMConstant.tcp]))
        try settle(response.returnValue)
        guard let bindings = response.ppdsaOxidBindings else { throw DCOMError.malformedBindings("there are none") }
        let newExporter = try await Self.connect(DualStringArray(bindings), host: host)
        do {
            let newUnknown = try await newExporter.bind(
                IRemUnknown.interface.syntax, transferSyntaxes: [.ndr20], security: credentials.makeInitiator(host),
                level: level)
            // While we waited the reference may have been released.
            guard !isReleased else { throw DCOMError.released }
            let lost = [resolver, exporter]
            (resolver, exporter, unknown) = (newResolver, newExporter, newUnknown)
            remoteUnknown = response.pipidRemUnknown
            resolverInterface = interface
            bound = [:]
            for connection in lost { await connection.close() }
        } catch {
            await newExporter.close()
            throw error
        }
    }

    // MARK: Interfaces

    /// A caller for an interface of the object: `IFooClient(try await object.proxy(IFoo.interface))`.
    ///
    /// An interface that the activation did not ask for is queried now.
    ///
    /// - Throws: ``DCOMError/interfaceUnavailable(_:_:)`` if the object does not have it.
    public func proxy(_ interface: RPCInterface) async throws -> InterfaceProxy {
        try await proxy(interface.syntax.uuid)
    }

    /// A caller for an interface of which the identifier is known.
    ///
    /// - Throws: ``DCOMError/interfaceUnavailable(_:_:)`` if the object does not have it.
    public func proxy(_ iid: GUID) async throws -> InterfaceProxy {
        let ipid = try await ipid(of: iid)
        return InterfaceProxy(try await bind(iid).withObject(ipid), version: version)
    }

    /// A presentation context for each interface is enough.
    private func bind(_ iid: GUID) async throws -> BoundInterface {
        if let known = bound[iid] { return known }
        // All object interfaces have version 0.0, and NDR 2.0 is all that DCOM speaks (2.1).
        let new = try await exporter.bind(SyntaxIdentifier(uuid: iid, major: 0), transferSyntaxes: [.ndr20])
        bound[iid] = new
        return new
    }

    private func ipid(of iid: GUID) async throws -> GUID {
        guard !isReleased else { throw DCOMError.released }
        if let held = interfaces[iid] { return held.ipid }
        if let failure = failures[iid] { throw DCOMError.interfaceUnavailable(iid, failure) }
        guard let any = interfaces.values.first else { throw DCOMError.released }
        let response = try await remUnknown.remQueryInterface(
            .init(ripid: any.ipid, cRefs: DCOMConstant.initialReferences, cIids: 1, iids: [iid]))
        guard let result = response.ppQIResults?.first else {
            throw DCOMError.remoteUnknownFailed(response.returnValue)
        }
        guard result.hResult == .ok else { throw DCOMError.interfaceUnavailable(iid, result.hResult) }
        // While we waited, another call may have asked for the same interface.
        interfaces[iid, default: Held(ipid: result.std.ipid, references: 0)].references += result.std.cPublicRefs
        return result.std.ipid
    }

    private var remUnknown: IRemUnknownClient {
        IRemUnknownClient(InterfaceProxy(unknown.withObject(remoteUnknown), version: version))
    }

    /// Takes more references to an interface that is held ([MS-DCOM] 3.2.4.4.1).
    public func addReferences(_ count: UInt32, to iid: GUID) async throws {
        let ipid = try await ipid(of: iid)
        let response = try await remUnknown.remAddRef(
            .init(cInterfaceRefs: 1, InterfaceRefs: [REMINTERFACEREF(ipid: ipid, cPublicRefs: count)]))
        let result = response.pResults.first ?? response.returnValue
        guard result == .ok else { throw DCOMError.remoteUnknownFailed(result) }
        interfaces[iid]?.references += count
    }

    // MARK: Lifetime

    /// Gives up all references and closes the connections ([MS-DCOM] 3.2.4.4.2). A second call does nothing.
    ///
    /// - Throws: what went wrong on the way; the connections are closed all the same.
    public func release() async throws {
        guard !isReleased else { return }
        isReleased = true
        let held = interfaces.values.map { REMINTERFACEREF(ipid: $0.ipid, cPublicRefs: $0.references) }
        interfaces = [:]
        let outcome: Result<Void, any Error>
        do {
            _ = try await remUnknown.remRelease(
                .init(cInterfaceRefs: UInt16(clamping: held.count), InterfaceRefs: held))
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await exporter.close()
        await resolver.close()
        try outcome.get()
    }

    /// Sends the ping that is due ([MS-DCOM] 3.2.6.1).
    public func ping() async throws {
        let ping = pings.next(for: isReleased || !wantsPing ? [] : [oid])
        switch ping {
        case .none:
            return
        case .simple(let set):
            let response = try await objectExporter().simplePing(.init(pSetId: set))
            try settle(response.returnValue)
        case .complex(let set, let sequence, let add, let remove):
            let response = try await objectExporter().complexPing(
                .init(
                    pSetId: set, SequenceNum: sequence, cAddToSet: UInt16(clamping: add.count),
                    cDelFromSet: UInt16(clamping: remove.count), AddToSet: add.isEmpty ? nil : add,
                    DelFromSet: remove.isEmpty ? nil : remove))
            try settle(response.returnValue)
            pings.applied(ping, set: response.pSetId)
        }
    }

    private func objectExporter() async throws -> IObjectExporterClient {
        if let resolverInterface { return IObjectExporterClient(resolverInterface) }
        let new = try await resolver.bind(IObjectExporter.interface.syntax, transferSyntaxes: [.ndr20])
        resolverInterface = new
        return IObjectExporterClient(new)
    }

    private func settle(_ returnValue: UInt32) throws(DCOMError) {
        let result = Win32Error(rawValue: returnValue)
        guard result != .success else { return }
        if result == .invalidPingSet { pings.forgotten() }
        throw .resolverFailed(result)
    }

    /// Pings for the object while `body` runs: once at its beginning, then once in each ping period.
    ///
    /// A ping that fails is not the end; the next one may succeed, and `body` will notice if the object is gone.
    public nonisolated func keepingAlive<Result: Sendable>(
        timing: PingTiming = PingTiming(), time: TimeSource = .system,
        _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    try? await self.ping()
                    do {
                        try await time.sleep(timing.period)
                    } catch {
                        break
                    }
                }
                return nil
            }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            while let next = try await group.next() {
                if let result = next { return result }
            }
            throw CancellationError()
        }
    }
}
