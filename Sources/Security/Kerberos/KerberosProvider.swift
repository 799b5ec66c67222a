import CGSSAPI
import NIOPosix
import SwiftASN1

/// Kerberos as a server offers it: DCE style, with the keys of a keytab.
public struct KerberosProvider: SecurityProvider {
    /// Something that happened in an exchange and that the node's log should hold. Peers do not learn of it.
    public enum Event: Sendable, Equatable {
        /// A client proved who it is.
        case accepted(ClientIdentity, principal: String, encryptionType: KerberosEncryptionType)
        /// A client was refused; the principal is there if it had proved that, and was refused for something else.
        case refused(principal: String?, address: String, SecurityError)
        /// The keytab has changed and cannot be used; the keys from before stay.
        case keytabUnusable(KerberosError)
    }

    /// Kerberos' number.
    public let authenticationType = AuthenticationType.kerberos

    private let keytab: KerberosKeytab
    private let policy: KerberosPolicy
    private let users: (any UserDirectory)?
    private let observer: (@Sendable (Event) -> Void)?

    /// Offers Kerberos.
    ///
    /// - Parameters:
    ///   - keytab: the services that clients may have tickets for.
    ///   - policy: whom to take clients for.
    ///   - users: the node's own accounts, for principals that the policy maps to one.
    ///   - observer: is told what happened; called on the acceptor, so it should be quick.
    public init(
        keytab: KerberosKeytab, policy: KerberosPolicy, users: (any UserDirectory)? = nil,
        observer: (@Sendable (Event) -> Void)? = nil
    ) {
        self.keytab = keytab
        self.policy = policy
        self.users = users
        self.observer = observer
    }

    /// Starts one exchange.
    public func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor {
        KerberosAcceptor(keytab: keytab, policy: policy, users: users, peer: peer, observer: observer)
    }
}

/// The server's half of a Kerberos exchange in DCE style: AP-REQ, AP-REP, AP-REP ([MS-KILE] 3.4.5.1, RFC 4121).
///
/// The library's work reads files (the keytab, the replay cache), so it happens on a thread that may wait.
actor KerberosAcceptor: SecurityAcceptor {
    private enum State {
        case ready
        case waiting(GSSExchange)
        case finished
    }

    private let keytab: KerberosKeytab
    private let policy: KerberosPolicy
    private let users: (any UserDirectory)?
    private let peer: SecurityPeer
    private let observer: (@Sendable (KerberosProvider.Event) -> Void)?
    private var state = State.ready

    init(
        keytab: KerberosKeytab, policy: KerberosPolicy, users: (any UserDirectory)?, peer: SecurityPeer,
        observer: (@Sendable (KerberosProvider.Event) -> Void)?
    ) {
        self.keytab = keytab
        self.policy = policy
        self.users = users
        self.peer = peer
        self.observer = observer
    }

    func accept(_ token: [UInt8]) async throws(SecurityError) -> SecurityStep {
        // Taken before any await: a second token that comes meanwhile finds the exchange finished.
        let current = state
        state = .finished
        let exchange: GSSExchange
        switch current {
        case .ready: exchange = GSSExchange()
        case .waiting(let begun): exchange = begun
        case .finished: throw .unexpectedToken("the exchange has ended")
        }
        var principal: String?
        do throws(SecurityError) {
            let step = try await onBlockingThread { [keytab, observer] () throws(SecurityError) in
                let credential = keytab.credential(for: token) { observer?(.keytabUnusable($0)) }
                return try exchange.accept(Array(KerberosRequest.unframed(token)), with: credential)
            }
            guard let result = step.result else {
                state = .waiting(exchange)
                return .continueNeeded(reply: step.reply)
            }
            principal = result.client
            try check(result)
            let identity = try await policy.identity(
                of: result.client, logonInformation: result.logonInformation, users: users)
            observer?(
                .accepted(identity, principal: result.client, encryptionType: result.encryptionType))
            return .complete(
                reply: step.reply.isEmpty ? nil : step.reply,
                context: KerberosSecurityContext(identity: identity, exchange: exchange, result: result))
        } catch {
            observer?(.refused(principal: principal, address: peer.address, error))
            throw error
        }
    }

    /// What the library leaves to its callers.
    private func check(_ result: GSSExchange.Result) throws(SecurityError) {
        // "DCE Style" ([MS-RPCE] 3.3.1.5.2): without it the tokens of messages have another form, and no third leg proves that
        // the client is there now.
        let needed = OM_uint32(GSS_C_DCE_STYLE | GSS_C_MUTUAL_FLAG)
        guard result.flags & needed == needed else {
            throw .unacceptable("the client does not want DCE style and mutual authentication")
        }
        guard result.flags & OM_uint32(GSS_C_ANON_FLAG) == 0 else { throw .logonDenied(.anonymous) }
        let allowed = KerberosEncryptionType.allowed(withRC4: keytab.allowsRC4)
        guard allowed.contains(result.encryptionType) else {
            throw .kerberos(.encryptionType("\(result.encryptionType)"))
        }
    }
}

extension KerberosProvider: NegotiableProvider {
    /// Kerberos, and Windows 2000's wrong number for it, which clients still name first ([MS-SPNG] 3.1.5.2).
    public var mechanisms: [ASN1ObjectIdentifier] { [.kerberos, .kerberosOfWindows] }
}

/// Runs something that may wait for a disk or the network where that holds nobody up.
func onBlockingThread<Value: Sendable>(
    _ body: @escaping @Sendable () throws(SecurityError) -> Value
) async throws(SecurityError) -> Value {
    let result: Result<Value, SecurityError>
    do {
        result = try await NIOThreadPool.singleton.runIfActive {
            do throws(SecurityError) {
                return .success(try body())
            } catch {
                return .failure(error)
            }
        }
    } catch {
        // The process ends, or the task was cancelled before it had its turn.
        throw .kerberos(.failed("no thread to work on: \(error)"))
    }
    return try result.get()
}
