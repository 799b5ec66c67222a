import Logging
import Security

/// Kerberos as the node offers it.
struct NodeKerberos {
    /// The provider.
    let provider: KerberosProvider
    /// What the node calls itself to those who ask.
    let principalName: String

    /// Reads the keytab.
    ///
    /// - Returns: nil where Kerberos is not configured.
    /// - Throws: ``StartupError/kerberos(_:)`` if the keytab cannot be used.
    static func make(_ settings: Settings, users: any UserDirectory) throws(StartupError) -> NodeKerberos? {
        guard let path = settings.kerberos.keytab else { return nil }
        let logger = Logger(label: "clusprepd.kerberos")
        let keytab: KerberosKeytab
        do {
            keytab = try KerberosKeytab(
                path: path, allowsRC4: settings.kerberos.allowsRC4,
                replayCache: "\(settings.absoluteStateFolder)/kerberos-replay")
        } catch {
            throw .kerberos("\(error)")
        }
        let names = ["host", "RPCSS"].map { "\($0)/\(settings.fqdn)@" }
        let entry = keytab.entries.first { entry in
            names.contains { entry.principal.lowercased().hasPrefix($0.lowercased()) }
        }
        if entry == nil {
            logger.warning(
                "the keytab \(path) holds no keys of host/\(settings.fqdn): clients that name this node so cannot log on by Kerberos; \"clusprep setup keytab\" says what to ask the domain for"
            )
        }
        let policy = KerberosPolicy(
            administrators: settings.kerberos.administrators,
            administratorGroups: settings.kerberos.administratorGroups, accounts: settings.kerberos.accounts,
            accountDomain: settings.domain)
        return NodeKerberos(
            provider: KerberosProvider(
                keytab: keytab, policy: policy, users: users, observer: KerberosLog(logger).note),
            principalName: (entry ?? keytab.entries[0]).principal)
    }
}

/// Tells the log who logs on.
private struct KerberosLog: Sendable {
    private let logger: Logger

    init(_ logger: Logger) {
        self.logger = logger
    }

    func note(_ event: KerberosProvider.Event) {
        switch event {
        case .accepted(let client, let principal, let type):
            logger.debug(
                "logon of \(client)", metadata: ["principal": "\(principal.debugDescription)", "type": "\(type)"])
        case .refused(let principal, let address, let error):
            var metadata: Logger.Metadata = ["address": "\(address)"]
            // As long as a ticket lets it be: escaped, and cut.
            if let principal { metadata["principal"] = "\(principal.cut(to: 256).debugDescription)" }
            logger.notice("logon refused: \(error)", metadata: metadata)
        case .keytabUnusable(let error):
            logger.warning("the keys from before stay in use: \(error)")
        }
    }
}
