import Security

extension ClientIdentity {
    /// What the tables of references and of ping sets know a user by: the security identifier, or the account's full name where
    /// nobody told us one, as with a domain's user whose Kerberos ticket has no PAC. Two users never share it: a backslash is part
    /// of no security identifier, and names are compared as they are, since a realm may tell `alice` and `Alice` apart.
    var owner: String {
        sid.isEmpty ? "\(domain)\\\(user)" : sid
    }
}
