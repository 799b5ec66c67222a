import Synchronization

@testable import Security

/// The account and the node that the recorded exchanges use.
enum Sample {
    static let user = "alice"
    static let password = "Passw0rd!"
    static let environment = NTLMEnvironment(
        netbiosComputerName: "NODE1", netbiosDomainName: "CLUSTER", dnsComputerName: "node1.cluster.test",
        dnsDomainName: "cluster.test")
    /// 2022-06-18T04:26:40Z.
    static let time: UInt64 = 133_000_000_000_000_000
    static let serverChallenge = hex("0123456789abcdef")

    /// Always the same challenge, at always the same time.
    static var world: NTLMWorld {
        NTLMWorld(
            random: { count throws(CryptographyError) in Array((serverChallenge + serverChallenge).prefix(count)) },
            fileTime: { time })
    }

    static func acceptor(
        users: any UserDirectory = SampleDirectory(), integrityCode: NTLMProvider.IntegrityCodePolicy = .whenPromised,
        environment: NTLMEnvironment = environment, target: NTLMTargetPolicy = .ifNamed, targetNames: [String] = [],
        authority: (any NTLMAuthority)? = nil, throttle: LogonThrottle? = nil,
        peer: SecurityPeer = SecurityPeer(address: "192.0.2.1", localAddress: "192.0.2.2"), world: NTLMWorld = world,
        observer: (@Sendable (NTLMProvider.Event) -> Void)? = nil
    ) -> NTLMAcceptor {
        NTLMAcceptor(
            policy: NTLMPolicy(
                environment: environment, users: users, integrityCode: integrityCode, target: target,
                targetNames: targetNames, authority: authority, throttle: throttle, observer: observer),
            peer: peer, world: world)
    }

    static func initiator(
        domain: String = "CLUSTER", user: String = user, password: String = password,
        targetName: String? = "RPCSS/node1", world: NTLMWorld = NTLMWorld()
    ) throws -> NTLMInitiator {
        NTLMInitiator(
            domain: domain, user: user, ntHash: try NTLMPassword.ntHash(password), workstation: "CLIENT",
            targetName: targetName, world: world)
    }
}

/// Two accounts: alice, who may do everything, and mallory, who is locked out.
struct SampleDirectory: UserDirectory {
    struct Unreachable: Error {}

    var isReachable = true

    func user(domain: String, name: String) async throws -> UserRecord? {
        guard isReachable else { throw Unreachable() }
        let hash = try NTLMPassword.ntHash(Sample.password)
        return switch name.lowercased() {
        case "alice":
            UserRecord(
                name: "alice", domain: domain, sid: "S-1-5-21-1-2-3-1000", ntHash: hash, isAdministrator: true,
                isEnabled: true)
        case "mallory":
            UserRecord(
                name: "mallory", domain: domain, sid: "S-1-5-21-1-2-3-1001", ntHash: hash, isAdministrator: false,
                isEnabled: false)
        default: nil
        }
    }
}

/// Collects what the provider told its observer.
final class EventLog: Sendable {
    private let storage = Mutex<[NTLMProvider.Event]>([])
    var events: [NTLMProvider.Event] { storage.withLock { $0 } }
    func append(_ event: NTLMProvider.Event) { storage.withLock { $0.append(event) } }
}

extension SecurityStep {
    struct Unexpected: Error {}

    /// The token of a step that is not the last.
    func reply() throws -> [UInt8] {
        guard case .continueNeeded(let reply) = self else { throw Unexpected() }
        return reply
    }

    /// The last step: its token, and the context.
    func completed() throws -> (reply: [UInt8]?, context: NTLMSecurityContext) {
        guard case .complete(let reply, let context as NTLMSecurityContext) = self else { throw Unexpected() }
        return (reply, context)
    }
}

/// A whole exchange, with a chance to change each token on its way.
func exchange(
    _ initiator: NTLMInitiator, _ acceptor: NTLMAcceptor,
    negotiate alterNegotiate: ([UInt8]) throws -> [UInt8] = { $0 },
    challenge alterChallenge: ([UInt8]) throws -> [UInt8] = { $0 },
    authenticate alterAuthenticate: ([UInt8]) throws -> [UInt8] = { $0 }
) async throws -> (client: NTLMSecurityContext, server: NTLMSecurityContext) {
    let negotiate = try await initiator.initiate(nil).reply()
    let challenge = try await acceptor.accept(try alterNegotiate(negotiate)).reply()
    let (authenticate, client) = try await initiator.initiate(try alterChallenge(challenge)).completed()
    guard let authenticate else { throw SecurityStep.Unexpected() }
    let server = try await acceptor.accept(try alterAuthenticate(authenticate)).completed().context
    return (client, server)
}

extension SecurityContext {
    /// Protects a message that has no room for its authentication value, and gives that.
    func protect(
        _ message: inout [UInt8], body: Range<Int>, level: AuthenticationLevel
    ) throws(SecurityError) -> [UInt8] {
        let end = message.count
        var whole = message + [UInt8](repeating: 0, count: signatureLength(for: level))
        let parts = MessageParts(body: body, authValue: end..<whole.count, signsHeader: false)
        try whole.withMutableOctets { whole throws(SecurityError) in try protect(whole, parts, level: level) }
        message = Array(whole[..<end])
        return Array(whole[end...])
    }

    /// Unprotects a message that its authentication value was cut off from.
    func unprotect(
        _ message: inout [UInt8], body: Range<Int>, authValue: ArraySlice<UInt8>, level: AuthenticationLevel
    ) throws(SecurityError) {
        let end = message.count
        var whole = message + authValue
        let parts = MessageParts(body: body, authValue: end..<whole.count, signsHeader: false)
        defer { message = Array(whole[..<end]) }
        try whole.withMutableOctets { whole throws(SecurityError) in try unprotect(whole, parts, level: level) }
    }
}
