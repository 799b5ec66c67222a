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

    private let policy: NTLMPolicy

    /// Offers NTLM.
    ///
    /// - Parameters:
    ///   - environment: the node's names.
    ///   - users: the accounts.
    ///   - integrityCode: which clients have to send a MIC. ``IntegrityCodePolicy/whenPromised`` is what the specification
    ///     demands, and what impacket's users need; ``IntegrityCodePolicy/required`` is for networks without such clients.
    ///   - target: what a client may say about the server that it means to reach.
    ///   - targetNames: further names and addresses that clients reach this node by.
    ///   - authority: who answers for accounts that `users` does not have; nil for nobody.
    ///   - throttle: what slows the guessing of passwords; nil for nothing. One is shared by all that guard the same accounts.
    ///   - observer: is told what happened; called on the acceptor, so it should be quick.
    public init(
        environment: NTLMEnvironment, users: any UserDirectory, integrityCode: IntegrityCodePolicy = .whenPromised,
        target: NTLMTargetPolicy = .ifNamed, targetNames: [String] = [], authority: (any NTLMAuthority)? = nil,
        throttle: LogonThrottle? = nil, observer: (@Sendable (Event) -> Void)? = nil
    ) {
        policy = NTLMPolicy(
            environment: environment, users: users, integrityCode: integrityCode, target: target,
            targetNames: targetNames, authority: authority, throttle: throttle, observer: observer)
    }

    /// Starts one exchange, with a challenge of its own.
    public func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor {
        NTLMAcceptor(policy: policy, peer: peer, world: NTLMWorld())
    }
}

/// All that an acceptor goes by; see ``NTLMProvider/init(environment:users:integrityCode:target:targetNames:authority:throttle:observer:)``.
struct NTLMPolicy: Sendable {
    var environment: NTLMEnvironment
    var users: any UserDirectory
    var integrityCode: NTLMProvider.IntegrityCodePolicy
    var target = NTLMTargetPolicy.ifNamed
    var targetNames: [String] = []
    var authority: (any NTLMAuthority)?
    var throttle: LogonThrottle?
    var observer: (@Sendable (NTLMProvider.Event) -> Void)?

    /// The names and addresses by which this client may have meant to reach us.
    func hosts(for peer: SecurityPeer) -> [String] {
        var hosts = [environment.netbiosComputerName, environment.dnsComputerName] + targetNames
        hosts.append(peer.localAddress)
        if AddressGroup.isLoopback(peer.localAddress) { hosts.append("localhost") }
        return hosts
    }
}
