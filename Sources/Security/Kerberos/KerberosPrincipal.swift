/// A Kerberos principal as text, name@REALM, taken apart.
struct KerberosPrincipal: Sendable, Hashable {
    /// Everything before the realm: "alice", or "host/node.example.com".
    let name: String
    /// The realm; empty where the text has none.
    let realm: String

    /// Parts the text at its last "@" that no backslash takes its meaning from (MIT's krb5_unparse_name writes those).
    init(_ text: String) {
        var isEscaped = false
        var separator: String.Index?
        for index in text.indices {
            if isEscaped {
                isEscaped = false
            } else if text[index] == "\\" {
                isEscaped = true
            } else if text[index] == "@" {
                separator = index
            }
        }
        guard let separator else {
            name = text
            realm = ""
            return
        }
        name = String(text[..<separator])
        realm = String(text[text.index(after: separator)...])
    }

    /// Whether the principal is nobody (RFC 8062).
    var isAnonymous: Bool { name == "WELLKNOWN/ANONYMOUS" }
}
