import CGSSAPI
import SwiftASN1

/// The client's half of a Kerberos exchange in DCE style, with the tickets of a ccache.
///
/// The library asks the domain's controllers for what the ccache lacks; that may take long, and happens on a thread that may
/// wait.
public actor KerberosInitiator: SecurityInitiator {
    /// What a client wants to reach.
    public enum Target: Sendable, Hashable {
        /// A service on a host, whose realm the library finds: ("host", "node.example.com").
        case service(String, host: String)
        /// A principal, with its realm or for the default one.
        case principal(String)

        /// As messages name it.
        var text: String {
            switch self {
            case .service(let service, let host): "\(service)/\(host)"
            case .principal(let principal): principal
            }
        }

        func name() throws(KerberosError) -> GSSName {
            switch self {
            case .service(let service, let host): try GSSName(hostBasedService: "\(service)@\(host)")
            case .principal(let principal): try GSSName(principal: principal)
            }
        }
    }

    private enum State {
        case ready
        case waiting(GSSExchange, GSSCredential)
        case finished
    }

    /// Kerberos' number.
    public nonisolated let authenticationType = AuthenticationType.kerberos

    private let target: Target
    private let cache: String?
    private let encryptionTypes: [KerberosEncryptionType]?
    private var state = State.ready

    /// Logs on with tickets.
    ///
    /// - Parameters:
    ///   - target: what to reach.
    ///   - cache: the ccache by its name in libkrb5 ("FILE:/tmp/krb5cc_1000"); nil for the user's own, which KRB5CCNAME names.
    ///   - encryptionTypes: the only types to use; nil for those that krb5.conf allows.
    public init(target: Target, cache: String? = nil, encryptionTypes: [KerberosEncryptionType]? = nil) {
        self.target = target
        self.cache = cache
        self.encryptionTypes = encryptionTypes
    }

    /// AP-REQ first; then, for the server's AP-REP, the context and our own AP-REP.
    public func initiate(_ token: [UInt8]?) async throws(SecurityError) -> SecurityStep {
        let current = state
        state = .finished
        let begun: (exchange: GSSExchange, credential: GSSCredential)?
        switch (current, token) {
        case (.ready, nil): begun = nil
        case (.waiting(let exchange, let credential), .some): begun = (exchange, credential)
        case (.ready, _): throw .unexpectedToken("the client speaks first")
        case (.waiting, nil): throw .unexpectedToken("the server's answer is missing")
        case (.finished, _): throw .unexpectedToken("the exchange has ended")
        }
        let target = target
        let cache = cache
        let encryptionTypes = encryptionTypes
        let (step, exchange, credential) = try await onBlockingThread { () throws(SecurityError) in
            let exchange = begun?.exchange ?? GSSExchange()
            let credential = try Self.kerberos { () throws(KerberosError) in
                if let begun { return begun.credential }
                return try Self.credential(cache, encryptionTypes)
            }
            let step = try exchange.initiate(token, with: credential, target: target)
            return (step, exchange, credential)
        }
        guard let result = step.result else {
            state = .waiting(exchange, credential)
            return .continueNeeded(reply: step.reply)
        }
        let needed = clusprep_gss_dce_flags()
        guard result.flags & needed == needed else {
            throw .unacceptable("the server does not agree to sign, seal, count and prove itself")
        }
        let principal = KerberosPrincipal(result.client)
        let identity = ClientIdentity(domain: principal.realm, user: principal.name, sid: "", isAdministrator: false)
        return .complete(
            reply: step.reply.isEmpty ? nil : step.reply,
            context: KerberosSecurityContext(identity: identity, exchange: exchange, result: result))
    }

    /// Wraps a failure of Kerberos.
    private static func kerberos<Value>(_ body: () throws(KerberosError) -> Value) throws(SecurityError) -> Value {
        do throws(KerberosError) {
            return try body()
        } catch {
            throw .kerberos(error)
        }
    }

    private static func credential(
        _ cache: String?, _ types: [KerberosEncryptionType]?
    ) throws(KerberosError) -> GSSCredential {
        let credential = try GSSCredential(initiatingFrom: cache)
        if let types { try credential.restrict(to: types) }
        return credential
    }
}

extension KerberosInitiator: NegotiableInitiator {
    /// Kerberos.
    public nonisolated var mechanisms: [ASN1ObjectIdentifier] { [.kerberos] }
}
