import ClusterEngine
import DCERPC
import Logging
import Security

/// How clients prove who they are.
struct NodeSecurity {
    /// The providers, for a security trailer's `auth_type` to choose from.
    let providers: [any SecurityProvider]
    /// What clients that ask are told of the node's own names.
    let principalNames: [AuthenticationType: String]
    /// What a client that has to name a service is told to name: the principal of the keytab.
    let servicePrincipalNames: [AuthenticationType: String]

    /// In the order in which clients are to choose: most take the first that they know, and SPNEGO finds out by itself what both can.
    var preferredTypes: [AuthenticationType] {
        let order: [AuthenticationType] = [.spnego, .ntlm, .kerberos]
        return order.filter { type in providers.contains { $0.authenticationType == type } }
    }

    /// Offers what the settings allow; every mechanism by itself, and all of them in SPNEGO.
    init(_ settings: Settings, users: NodeUserDirectory, kerberos: NodeKerberos?) {
        let ntlm = NTLMProvider(
            environment: settings.ntlmEnvironment, users: users,
            integrityCode: settings.requireIntegrityCode ? .required : .whenPromised, target: settings.ntlmTarget,
            targetNames: settings.targetNames + settings.bindingNames + settings.bindingAddresses,
            authority: settings.ntlmAuthority, throttle: settings.logonThrottle,
            observer: LogonLog(Logger(label: "clusprepd.ntlm")).note)
        // Kerberos first, as Windows prefers it.
        var mechanisms: [any NegotiableProvider] = [ntlm]
        if let kerberos { mechanisms.insert(kerberos.provider, at: 0) }
        providers = mechanisms as [any SecurityProvider] + [SPNEGOProvider(mechanisms)]
        let account = "\(settings.domain)\\\(settings.nodeName.uppercased())$"
        var names = [AuthenticationType.ntlm: account, .spnego: account]
        if let kerberos { names[.kerberos] = kerberos.principalName }
        principalNames = names
        servicePrincipalNames = kerberos.map { [.spnego: $0.principalName, .kerberos: $0.principalName] } ?? [:]
    }
}

/// Tells the log who logs on.
private struct LogonLog: Sendable {
    private let logger: Logger

    init(_ logger: Logger) {
        self.logger = logger
    }

    func note(_ event: NTLMProvider.Event) {
        switch event {
        case .accepted(let client, let workstation):
            logger.debug("logon of \(client)", metadata: ["workstation": "\(quoted(workstation))"])
        case .acceptedWithoutIntegrityCode(let client, let workstation):
            logger.debug(
                "logon of \(client), without a MIC", metadata: ["workstation": "\(quoted(workstation))"])
        case .refused(let domain, let user, let workstation, let error):
            logger.notice(
                "logon refused: \(error)",
                metadata: [
                    "domain": "\(quoted(domain))", "user": "\(quoted(user))", "workstation": "\(quoted(workstation))",
                ])
        }
    }

    /// What a stranger calls itself: escaped, and no longer than a name can be, so that nobody writes our log.
    private func quoted(_ text: String) -> String {
        text.cut(to: 256).debugDescription
    }
}
