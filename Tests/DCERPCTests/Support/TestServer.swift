import Logging
import NDR
import Security
import Synchronization

@testable import DCERPC

/// A directory of one user.
struct OneUser: UserDirectory {
    static let name = "user"
    static let password = "Pässword-1"

    func user(domain: String, name: String) async throws -> UserRecord? {
        guard name.lowercased() == Self.name else { return nil }
        return UserRecord(
            name: Self.name, domain: "DOMAIN", sid: "S-1-5-21-1-2-3-1000",
            ntHash: try NTLMPassword.ntHash(Self.password), isAdministrator: true, isEnabled: true)
    }
}

/// A service without an IDL: 0 echoes its stub, 1 throws what the test wants, 2 waits until it is released or cancelled.
final class EchoService: RPCService {
    enum Failure: Error { case surprising }

    static let syntax = SyntaxIdentifier(uuid: "deadbeef-0000-1111-2222-333333333333", major: 1)

    let interface = RPCInterface(syntax: EchoService.syntax, name: "Echo", isObject: false, operations: [])
    let calls = Mutex<[CallContext]>([])
    let ended = AsyncStream.makeStream(of: UInt32.self)
    let waiting = AsyncStream.makeStream(of: Void.self)
    let release = AsyncStream.makeStream(of: Void.self)
    let requiredLevel: AuthenticationLevel

    init(requiredLevel: AuthenticationLevel = .none) {
        self.requiredLevel = requiredLevel
    }

    func authorize(_ context: CallContext) throws {
        guard context.authenticationLevel >= requiredLevel else { throw RPCFault.accessDenied }
    }

    func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws {
        calls.withLock { $0.append(context) }
        switch opnum {
        case 0:
            encoder.write(octets: decoder.rest)
        case 1:
            switch try decoder.read(UInt32.self) {
            case 0: throw RPCFault.unsupportedType
            case 1: _ = try decoder.read(UInt64.self)
            case 2: throw Failure.surprising
            default: throw CancellationError()
            }
        case 2:
            waiting.continuation.yield()
            for await _ in release.stream { break }
            try Task.checkCancellation()
        default:
            throw RPCFault.operationRange
        }
    }

    func associationGroupEnded(_ group: UInt32) async {
        ended.continuation.yield(group)
    }
}

/// Runs `body` against a server on the loopback interface, and shuts the server down.
///
/// Where a test does not say how long the server waits for clients, that is longer than a busy machine keeps a test waiting.
func withServer(
    _ services: [any RPCService], limits: RPCServerLimits = RPCServerLimits(), shutdownTime: Duration = .seconds(120),
    _ body: (RPCServer, UInt16) async throws -> Void
) async throws {
    var limits = limits
    let standard = RPCServerLimits()
    if limits.unauthenticatedTime == standard.unauthenticatedTime { limits.unauthenticatedTime = .seconds(3600) }
    if limits.longRequestSilence == standard.longRequestSilence { limits.longRequestSilence = .seconds(3600) }
    let environment = NTLMEnvironment(
        netbiosComputerName: "NODE1", netbiosDomainName: "DOMAIN", dnsComputerName: "node1.example.test",
        dnsDomainName: "example.test")
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let ntlm = NTLMProvider(environment: environment, users: OneUser())
    let server = RPCServer(
        configuration: RPCServerConfiguration(
            endpoints: [RPCEndpoint(host: "127.0.0.1", services: services)],
            providers: [ntlm, SPNEGOProvider([ntlm])], limits: limits,
            principalNames: [.ntlm: "DOMAIN\\NODE1$"], shutdownTime: shutdownTime), logger: logger)
    let addresses = try await server.start()
    do {
        try await body(server, addresses[0].port)
    } catch {
        await server.shutdown()
        throw error
    }
    await server.shutdown()
}

func initiator(password: String = OneUser.password) throws -> NTLMInitiator {
    try NTLMInitiator(domain: "DOMAIN", user: OneUser.name, password: password)
}

extension BoundInterface {
    /// A call of ``EchoService`` with a stub as it is.
    func raw(_ opnum: UInt16, _ stub: [UInt8]) async throws -> [UInt8] {
        try await call(
            opnum: opnum, encode: { $0.write(octets: stub) }, decode: { Array($0.rest) })
    }
}
