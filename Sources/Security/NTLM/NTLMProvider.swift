/// NTLM as a server offers it: NTLMv2 only, with extended session security, 128-bit keys and key exchange.
public struct NTLMProvider: SecurityProvider {
    /// When a client has to protect the exchange itself by a message integrity code (MIC).
    public enum IntegrityCodePolicy: Sendable, Hashable {
        /// Each client has to send one. Windows since Vista does, and so does Samba; impacket never does.
        case required
        /// A client that promised one has to send it ([MS-NLMP] 3.2.5.1.2).
        ///
        /// The promise is a flag inside of what the client's proof covers, so nobody on the way can remove it: a promised
        /// MIC that is not there, or is wrong, is refused. A client that promised none is let in, and
        /// ``Event/acceptedWithoutIntegrityCode(_:workstation:)`` tells so. What an attacker could win by altering such a
        /// client's exchange is small: weak keys are refused anyway, and a changed session key cannot sign a single message.
        case whenPromised
    }

    /// Something that happened in an exchange and that the node's log should hold. Peers do not learn of it.
    public enum Event: Sendable, Equatable {
        /// A client proved who it is.
        case accepted(ClientIdentity, workstation: String)
        /// As ``accepted(_:workstation:)``, but nothing protected the exchange itself.
        case acceptedWithoutIntegrityCode(ClientIdentity, workstation: String)
        /// A client was refused. The names are what it said, proven or not.
        case refused(domain: String, user: String, workstation: String, SecurityError)
    }

    /// NTLM's number.
    public let authenticationType = AuthenticationType.ntlm

    private let environment: NTLMEnvironment
    private let users: any UserDirectory
    private let integrityCode: IntegrityCodePolicy
    private let observer: (@Sendable (Event) -> Void)?

    /// Offers NTLM.
    ///
    /// - Parameters:
    ///   - environment: the node's names.
    ///   - users: the accounts.
    ///   - integrityCode: which clients have to send a MIC. ``IntegrityCodePolicy/whenPromised`` is what the specification
    ///     demands, and what impacket's users need; ``IntegrityCodePolicy/required`` is for networks without such clients.
    ///   - observer: is told what happened; called on the acceptor, so it should be quick.
    public init(
        environment: NTLMEnvironment, users: any UserDirectory, integrityCode: IntegrityCodePolicy = .whenPromised,
        observer: (@Sendable (Event) -> Void)? = nil
    ) {
        self.environment = environment
        self.users = users
        self.integrityCode = integrityCode
        self.observer = observer
    }

    /// Starts one exchange, with a challenge of its own.
    public func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor {
        NTLMAcceptor(
            environment: environment, users: users, integrityCode: integrityCode, world: NTLMWorld(), observer: observer
        )
    }
}
