@testable import Security

/// One account, an administrator's or not.
struct FuzzUser: UserDirectory {
    static let name = "user"
    static let password = "Pässword-1"
    static let domain = "DOMAIN"

    private let hash: SecretBytes
    private let isAdministrator: Bool

    init(isAdministrator: Bool) throws {
        hash = try NTLMPassword.ntHash(Self.password)
        self.isAdministrator = isAdministrator
    }

    func user(domain: String, name: String) async throws -> UserRecord? {
        guard name.lowercased() == Self.name else { return nil }
        return UserRecord(
            name: Self.name, domain: Self.domain, sid: "S-1-5-21-1-2-3-1000", ntHash: hash,
            isAdministrator: isAdministrator, isEnabled: true)
    }
}

/// The two ends of real NTLM exchanges.
struct LogonPair: Sendable {
    static let environment = NTLMEnvironment(
        netbiosComputerName: "NODE1", netbiosDomainName: FuzzUser.domain, dnsComputerName: "node1.example.test",
        dnsDomainName: "example.test")
    static let peer = SecurityPeer(address: "192.0.2.1")

    let executor = InlineExecutor()
    private let providers: [NTLMProvider]
    private let hash: SecretBytes
    private let key = SecretBytes([UInt8](0..<16))

    init() throws {
        providers = try [false, true].map {
            NTLMProvider(environment: Self.environment, users: try FuzzUser(isAdministrator: $0))
        }
        hash = try NTLMPassword.ntHash(FuzzUser.password)
    }

    /// For those who offer NTLM among others.
    var provider: NTLMProvider { providers[1] }

    func acceptor(isAdministrator: Bool) -> any SecurityAcceptor {
        providers[isAdministrator ? 1 : 0].makeAcceptor(for: Self.peer)
    }

    func initiator() -> NTLMInitiator {
        NTLMInitiator(domain: FuzzUser.domain, user: FuzzUser.name, ntHash: hash, workstation: "CLIENT")
    }

    /// What an acceptor makes of a token, or nil if it refuses it.
    func accept(_ acceptor: any SecurityAcceptor, _ token: [UInt8]) -> SecurityStep? {
        executor.wait { try? await acceptor.accept(token) }
    }

    func initiate(_ initiator: any SecurityInitiator, _ token: [UInt8]?) -> SecurityStep? {
        executor.wait { try? await initiator.initiate(token) }
    }

    /// What an undisturbed exchange ends with, made without one: most inputs are about what comes after it.
    func contexts(isAdministrator: Bool) -> (server: any SecurityContext, client: any SecurityContext) {
        let identity = ClientIdentity(
            domain: FuzzUser.domain, user: FuzzUser.name, sid: "S-1-5-21-1-2-3-1000", isAdministrator: isAdministrator)
        func context(isClient: Bool) -> any SecurityContext {
            do {
                return try NTLMSecurityContext(
                    identity: identity, workstation: "", targetName: nil, isExchangeProtected: true, sessionKey: key,
                    flags: NTLMFlags.indispensable.union([.sign, .seal]), isClient: isClient)
            } catch {
                fatalError("broken promise: no security context: \(error)")
            }
        }
        return (context(isClient: false), context(isClient: true))
    }
}
