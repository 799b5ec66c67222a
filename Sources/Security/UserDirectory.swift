/// What a user directory knows about one account.
public struct UserRecord: Sendable {
    /// The account's name in the directory's own spelling.
    public let name: String
    /// The domain or computer name that holds the account.
    public let domain: String
    /// The security identifier in string form.
    public let sid: String
    /// MD4 of the password in UTF-16LE, 16 octets: what NTLM calls NTOWFv1.
    public let ntHash: SecretBytes
    /// Whether the account is a member of the administrators group.
    public let isAdministrator: Bool
    /// Whether the account may log on.
    public let isEnabled: Bool

    /// Makes a record from its parts.
    public init(
        name: String, domain: String, sid: String, ntHash: SecretBytes, isAdministrator: Bool, isEnabled: Bool
    ) {
        self.name = name
        self.domain = domain
        self.sid = sid
        self.ntHash = ntHash
        self.isAdministrator = isAdministrator
        self.isEnabled = isEnabled
    }
}

/// Where a security provider looks up the accounts that may log on.
public protocol UserDirectory: Sendable {
    /// Finds an account.
    ///
    /// - Parameters:
    ///   - domain: the domain to look in, as resolved by the provider: one of the node's own names.
    ///   - name: the account's name as the client spelled it; compared without regard to case.
    /// - Returns: the record, or nil if there is no such account. A disabled account is returned, and says so.
    /// - Throws: whatever keeps the directory from answering; the logon is then refused.
    func user(domain: String, name: String) async throws -> UserRecord?
}
