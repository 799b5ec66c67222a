import ArgumentParser
import Replay
import Security

/// Who a replay is, and where.
struct ReplayAccount: ParsableArguments {
    @Option(help: "The endpoint mapper's port of the server.")
    var port: UInt16 = 135

    @Option(help: "The user, as DOMAIN\\NAME. The password is asked for, or read from standard input.")
    var user: String?

    @Flag(help: "Log on with the Kerberos tickets of kinit (KRB5CCNAME), instead of --user and a password.")
    var kerberos = false

    @Option(
        help: ArgumentHelp(
            "The server's principal in Kerberos; host/HOST if it is left out.", valueName: "principal"))
    var principal: String?

    func validate() throws {
        guard !kerberos || user == nil else { throw ValidationError("--kerberos and --user exclude each other") }
        guard principal == nil || kerberos else { throw ValidationError("--principal needs --kerberos") }
        guard port != 0 else { throw ValidationError("--port is a number from 1 to 65535") }
        guard user == nil || parts != nil else { throw ValidationError("--user is DOMAIN\\NAME") }
    }

    private var parts: (domain: String, name: String)? {
        guard let user, let backslash = user.firstIndex(of: "\\") else { return nil }
        let (domain, name) = (String(user[..<backslash]), String(user[user.index(after: backslash)...]))
        return domain.isEmpty || name.isEmpty || name.contains("\\") ? nil : (domain, name)
    }

    /// Whether anybody is named.
    var isSomebody: Bool { kerberos || user != nil }

    /// What logs on, by the provider that the capture has, as far as the account goes with it; nil for nobody.
    func initiator(
        password: (String) throws -> String = PasswordPrompt.existing(for:)
    ) throws -> Replayer.MakeInitiator? {
        if kerberos {
            let principal = principal
            return { host, captured in
                let target = principal.map { KerberosInitiator.Target.principal($0) } ?? .service("host", host: host)
                let kerberos = KerberosInitiator(target: target)
                return captured == .spnego ? SPNEGOInitiator([kerberos]) : kerberos
            }
        }
        guard let user, let parts else { return nil }
        let secret = try password(user)
        return { host, captured in
            let ntlm = try NTLMInitiator(
                domain: parts.domain, user: parts.name, password: secret, targetName: "RPCSS/\(host)")
            return captured == .spnego ? SPNEGOInitiator([ntlm]) : ntlm
        }
    }
}
