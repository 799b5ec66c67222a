import DCERPC
import ErrorCodes
import NDR
import Security
import Synchronization
import Testing

@testable import DCOM

/// Octets from hexadecimal digits; blanks are ignored.
func octets(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

extension ClientIdentity {
    static let administrator = ClientIdentity(
        domain: "LAB", user: "alice", sid: "S-1-5-21-1-2-3-1000", isAdministrator: true)
    static let otherAdministrator = ClientIdentity(
        domain: "LAB", user: "bob", sid: "S-1-5-21-1-2-3-1001", isAdministrator: true)
    static let ordinary = ClientIdentity(
        domain: "LAB", user: "carol", sid: "S-1-5-21-1-2-3-1002", isAdministrator: false)
    static let anonymous = ClientIdentity(
        domain: "", user: "", sid: "S-1-5-7", isAdministrator: true, isAnonymous: true)
}

extension CallContext {
    /// A call that reached us at 192.0.2.1.
    static func test(
        _ identity: ClientIdentity? = .administrator, level: AuthenticationLevel = .packetPrivacy, object: GUID? = nil,
        address: String = "192.0.2.1", interface: SyntaxIdentifier = .ndr20
    ) -> CallContext {
        CallContext(
            identity: identity, authenticationLevel: level, authenticationType: .ntlm,
            localAddress: NetworkAddress(ip: address, port: 135),
            remoteAddress: NetworkAddress(ip: "192.0.2.99", port: 50000), object: object, interface: interface)
    }
}

/// Time that only moves when a test says so.
final class ManualTime: Sendable {
    private let elapsed = Mutex(Duration.zero)

    func advance(by duration: Duration) {
        elapsed.withLock { $0 += duration }
    }

    var source: TimeSource { TimeSource(clock) }

    private var clock: ManualClock { ManualClock(time: self) }

    fileprivate var now: Duration { elapsed.withLock { $0 } }
}

private struct ManualClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.offset < rhs.offset }
    }

    let time: ManualTime
    var now: Instant { Instant(offset: time.now) }
    var minimumResolution: Duration { .zero }
    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        throw CancellationError()
    }
}

/// An object with a counter for every interface it is given, and a note of when it was released.
final class TestObject: COMObject {
    /// Interface A of the tests.
    static let a: GUID = "aaaaaaaa-0000-4000-8000-000000000001"
    /// Interface B of the tests.
    static let b: GUID = "bbbbbbbb-0000-4000-8000-000000000002"
    /// Declared by the class, but not implemented.
    static let missing: GUID = "cccccccc-0000-4000-8000-000000000003"
    /// The class.
    static let clsid: GUID = "dddddddd-0000-4000-8000-000000000004"

    let log: ReleaseLog
    let calls = Mutex<[ORPCCall]>([])
    let hold: (@Sendable () async -> Void)?

    init(log: ReleaseLog, hold: (@Sendable () async -> Void)? = nil) {
        self.log = log
        self.hold = hold
        log.created(self)
    }

    /// Opnum 3 answers twice the number it is given, and S_OK.
    func handlers(for iid: GUID) -> [RPCHandler?]? {
        guard iid == Self.a || iid == Self.b else { return nil }
        return [
            nil, nil, nil,
            { [self] decoder, encoder, _ in
                let number = try decoder.read(UInt32.self)
                try decoder.finish()
                if let call = ORPCCall.current { calls.withLock { $0.append(call) } }
                await hold?()
                encoder.write(number * 2)
                encoder.write(UInt32(0))
            },
        ]
    }

    func released() async {
        log.released()
    }
}

/// Counts the objects of a test.
final class ReleaseLog: Sendable {
    private let state = Mutex<(objects: [TestObject], released: Int)>(([], 0))

    func created(_ object: TestObject) { state.withLock { $0.objects.append(object) } }
    func released() { state.withLock { $0.released += 1 } }
    var objects: [TestObject] { state.withLock { $0.objects } }
    var releasedCount: Int { state.withLock { $0.released } }
}

/// A description of an interface without dissection.
func interface(_ iid: GUID, _ name: String) -> RPCInterface {
    RPCInterface(syntax: SyntaxIdentifier(uuid: iid, major: 0), name: name, isObject: true, operations: [])
}

/// A server of one class, without sockets.
struct TestServer {
    let log = ReleaseLog()
    let time = ManualTime()
    let server: DCOMServer

    init(
        limits: ExporterLimits = ExporterLimits(), hold: (@Sendable () async -> Void)? = nil,
        more classes: [COMClass] = [], failure: HRESULT? = nil
    ) {
        let type = COMClass(
            clsid: TestObject.clsid, name: "Test",
            interfaces: [
                COMInterface(interface(TestObject.a, "IA")),
                COMInterface(interface(TestObject.b, "IB"), minimumLevel: .packetIntegrity),
                COMInterface(interface(TestObject.missing, "IMissing")),
            ]
        ) { [log] _ in
            if let failure { throw failure }
            return TestObject(log: log, hold: hold)
        }
        server = DCOMServer(
            classes: [type] + classes, configuration: DCOMServer.Configuration(hostNames: ["node1"], limits: limits),
            time: time.source)
        server.exporterDidStart(port: 49_152)
    }

    func service(_ iid: GUID) throws -> any RPCService {
        try #require((server.resolverServices + server.exporterServices).first { $0.interface.syntax.uuid == iid })
    }

    /// Calls a method of the resolver as a client would, through authorization, codec and handler.
    func resolver(_ context: CallContext = .test(), _ iid: GUID) throws -> LocalCaller {
        LocalCaller(service: try service(iid), context: context)
    }

    /// Calls a method of an object.
    func proxy(_ iid: GUID, ipid: GUID, _ identity: ClientIdentity? = .administrator) throws -> InterfaceProxy {
        InterfaceProxy(LocalCaller(service: try service(iid), context: .test(identity, object: ipid)))
    }

    /// The remote unknown as this user reaches it.
    func unknown(_ identity: ClientIdentity? = .administrator) throws -> IRemUnknown2Client {
        IRemUnknown2Client(
            try proxy(DCOMIdentifier.remoteUnknown2, ipid: server.exporter.remoteUnknown, identity))
    }

    /// The remote unknown's first interface.
    func unknown1(_ identity: ClientIdentity? = .administrator) throws -> IRemUnknownClient {
        IRemUnknownClient(try proxy(DCOMIdentifier.remoteUnknown, ipid: server.exporter.remoteUnknown, identity))
    }

    /// The resolver's IObjectExporter.
    func objectExporter(_ context: CallContext = .test()) throws -> IObjectExporterClient {
        IObjectExporterClient(try resolver(context, IObjectExporter.interface.syntax.uuid))
    }

    /// Activates the class with RemoteActivation.
    func activate(
        _ iids: [GUID] = [TestObject.a], clsid: GUID = TestObject.clsid, _ context: CallContext = .test(),
        mode: UInt32 = 0, version: COMVERSION = .current
    ) async throws -> IActivation.RemoteActivation.Response {
        var request = ActivationRequest(clsid: clsid, iids: iids).remoteActivation(ORPCTHIS(version: version))
        request.Mode = mode
        return try await IActivationClient(try resolver(context, IActivation.interface.syntax.uuid))
            .remoteActivation(request)
    }

    /// The reference of one interface of an activation.
    func reference(_ response: IActivation.RemoteActivation.Response, _ index: Int = 0) throws -> STDOBJREF {
        let pointer = try #require(response.ppInterfaceData[index])
        return try #require(try OBJREF(pointer).standard)
    }
}

/// Calls a service in the same process: what an RPC client and an RPC server would do, without the PDUs.
struct LocalCaller: RPCCaller {
    let service: any RPCService
    let context: CallContext

    func call<Response: Sendable>(
        opnum: UInt16, encode: @Sendable (inout NDREncoder) throws -> Void,
        decode: @Sendable (inout NDRDecoder) throws -> Response
    ) async throws -> Response {
        var request = NDREncoder()
        try encode(&request)
        try service.authorize(context)
        var decoder = NDRDecoder(request.bytes)
        var encoder = NDREncoder()
        try await service.handle(opnum: opnum, decoder: &decoder, encoder: &encoder, context: context)
        var response = NDRDecoder(encoder.bytes)
        return try decode(&response)
    }
}
