extension Setting {
    static let requireIntegrityCode = Setting(
        name: "requireIntegrityCode", kind: .flag,
        help: "Refuse NTLM clients that promise no message integrity code, impacket among them.")
    static let targetNames = Setting(
        name: "targetNames", kind: .texts("NAME"),
        help: """
            Further names and addresses that clients reach this node by (aliases, addresses behind a translator). An NTLM proof \
            that was made for a server of another name is refused, for it may have been relayed. Default none.
            """)
    static let ntlmTarget = Setting(
        name: "ntlmTarget", kind: .text("any|named|required"),
        help: """
            Whether an NTLM client has to name the server that it means: any lets every proof in, named those that name this \
            node or none, required only those that name this node. Default named.
            """)
    static let ntlmAuth = Setting(
        name: "ntlmAuth", kind: .texts("WORD"),
        help: """
            The program, and its arguments, that has a domain check NTLM users that the node does not know itself, such as \
            /usr/bin/ntlm_auth --helper-protocol=ntlm-server-1. Default none.
            """)
    static let domainAdministrators = Setting(
        name: "domainAdministrators", kind: .texts("DOMAIN\\NAME"),
        help: "Users of that domain who may administer this node. Default none.")
    static let freeLogonFailures = Setting(
        name: "freeLogonFailures", kind: .number(0...1_000_000),
        help: """
            How many failed logons of one user, or from one address, cost nothing; further ones make the next wait, twice as \
            long each time. One is forgiven every minute. Default 10.
            """)
    /// Who may log on, in the order in which the help shows them.
    static let logons: [Setting] = [
        requireIntegrityCode, ntlmTarget, targetNames, ntlmAuth, domainAdministrators, freeLogonFailures,
    ]
}
