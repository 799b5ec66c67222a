extension Setting {
    static let kerberosKeytab = Setting(
        name: "kerberosKeytab", kind: .text("FILE"),
        help: """
            The keys of this node's services, from its domain; readable by the daemon alone. With it, clients may log on by \
            Kerberos. Default none; "clusprep setup keytab" says how to get one.
            """)
    static let kerberosAllowRC4 = Setting(
        name: "kerberosAllowRc4", kind: .flag,
        help: "Accept RC4 keys, too, which are as weak as the passwords they are made of. Default only AES.")
    static let kerberosAdministrators = Setting(
        name: "kerberosAdministrators", kind: .texts("PRINCIPAL"),
        help: "Principals, such as alice@EXAMPLE.COM, that may administer the node; to the letter. Default none.")
    static let kerberosAdministratorGroups = Setting(
        name: "kerberosAdministratorGroups", kind: .texts("SID"),
        help:
            "Groups of the domain, by their identifiers S-1-5-21-..., whose members may administer the node. Default none."
    )
    static let kerberosAccounts = Setting(
        name: "kerberosAccounts", kind: .texts("PRINCIPAL=USER"),
        help:
            "Principals that log on as a user of this node, with that user's rights while it is enabled. Default none.")

    /// What is about Kerberos.
    static let kerberos = [
        kerberosKeytab, kerberosAllowRC4, kerberosAdministrators, kerberosAdministratorGroups, kerberosAccounts,
    ]
}
