import ArgumentParser
import ClusPrepClient
import Security

/// Which node a command is about: this host, or one that is reached over the network.
struct NodeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The name or address of another node; this host if it is left out.", valueName: "host"))
    var node: String?

    @Option(help: "The endpoint mapper's port of the node.")
    var port: UInt16 = 135

    @Option(help: "The user, as DOMAIN\\NAME. The password is asked for, or read from standard input.")
    var user: String?

    @Flag(help: "Log on with the Kerberos tickets of kinit (KRB5CCNAME), instead of --user and a password.")
    var kerberos = false

    @Option(
        help: ArgumentHelp(
            "The node's principal in Kerberos; host/NODE if it is left out, so name the node as its domain does.",
            valueName: "principal"))
    var principal: String?

    func validate() throws {
        guard !kerberos || user == nil else { throw ValidationError("--kerberos and --user exclude each other") }
        guard !kerberos || node != nil else { throw ValidationError("--kerberos needs --node HOST") }
        guard principal == nil || kerberos else { throw ValidationError("--principal needs --kerberos") }
        guard principal.map({ !$0.isEmpty }) ?? true else { throw ValidationError("--principal needs a name") }
        guard node == nil || kerberos || user != nil else {
            throw ValidationError("--node needs --user DOMAIN\\NAME, or --kerberos")
        }
        guard node != nil || user == nil else { throw ValidationError("--user needs --node HOST") }
        guard node.map({ !$0.isEmpty }) ?? true else { throw ValidationError("--node needs a name or an address") }
        guard port != 0 else { throw ValidationError("--port is a number from 1 to 65535") }
        guard user == nil || account != nil else { throw ValidationError("--user is DOMAIN\\NAME") }
    }

    /// The two parts of the user; nil where there are not both of them.
    var account: (domain: String, name: String)? { Self.account(user) }

    /// The two parts of DOMAIN\NAME; nil for anything else.
    static func account(_ user: String?) -> (domain: String, name: String)? {
        guard let user, let backslash = user.firstIndex(of: "\\") else { return nil }
        let (domain, name) = (String(user[..<backslash]), String(user[user.index(after: backslash)...]))
        guard !domain.isEmpty, !name.isEmpty, !name.contains("\\") else { return nil }
        return (domain, name)
    }

    /// A client of the other node; nil where the command is about this host, and then nobody is asked for a password.
    ///
    /// - Parameter password: what gets the password of a user.
    /// - Throws: what keeps the password from being read.
    func client(password: (String) throws -> String = PasswordPrompt.existing(for:)) throws -> ClusPrepClient? {
        if kerberos, let node {
            let target = principal.map { KerberosInitiator.Target.principal($0) } ?? .service("host", host: node)
            return ClusPrepClient(host: node, port: port, target: target)
        }
        guard let node, let user, let account else { return nil }
        return ClusPrepClient(
            host: node, port: port,
            credentials: .init(domain: account.domain, user: account.name, password: try password(user)))
    }
}
