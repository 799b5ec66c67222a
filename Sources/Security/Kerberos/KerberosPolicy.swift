/// Whom a node takes a Kerberos principal for.
///
/// Principals are compared to the letter, as Kerberos does. Where none of this says anything about a client, it may log on
/// and is no administrator.
public struct KerberosPolicy: Sendable {
    /// Principals, with their realms, that are administrators.
    public var administrators: Set<String>
    /// Security identifiers in string form whose members are administrators. Only a PAC whose signature was verified counts.
    public var administratorGroups: Set<String>
    /// Principals, with their realms, that are an account of this node: its name, its identifier and its rights, and only for as
    /// long as it is enabled.
    public var accounts: [String: String]
    /// The domain that the directory knows those accounts by.
    public var accountDomain: String

    /// From its parts; nobody is an administrator unless told otherwise.
    public init(
        administrators: Set<String> = [], administratorGroups: Set<String> = [], accounts: [String: String] = [:],
        accountDomain: String = ""
    ) {
        self.administrators = administrators
        self.administratorGroups = administratorGroups
        self.accounts = accounts
        self.accountDomain = accountDomain
    }

    /// Who the client of a finished exchange is.
    func identity(
        of principal: String, logonInformation: [UInt8]?, users: (any UserDirectory)?
    ) async throws(SecurityError) -> ClientIdentity {
        let parts = KerberosPrincipal(principal)
        guard !parts.isAnonymous, !parts.name.isEmpty else { throw .logonDenied(.anonymous) }
        if let account = accounts[principal] {
            return try await identity(
                ofAccount: account, users: users, isAdministrator: administrators.contains(principal))
        }
        var information: LogonInformation?
        if let logonInformation { information = try LogonInformation(logonInformation) }
        let isMember = information.map { !administratorGroups.isDisjoint(with: $0.groups) } ?? false
        return ClientIdentity(
            domain: information?.domain ?? parts.realm, user: information?.user ?? parts.name,
            sid: information?.sid ?? "", isAdministrator: isMember || administrators.contains(principal))
    }

    private func identity(
        ofAccount name: String, users: (any UserDirectory)?, isAdministrator: Bool
    ) async throws(SecurityError) -> ClientIdentity {
        let record: UserRecord?
        do {
            record = try await users?.user(domain: accountDomain, name: name)
        } catch {
            throw .directoryUnavailable("\(error)")
        }
        guard let record else { throw .logonDenied(.unknownUser) }
        guard record.isEnabled else { throw .logonDenied(.disabledUser) }
        return ClientIdentity(
            domain: record.domain, user: record.name, sid: record.sid,
            isAdministrator: record.isAdministrator || isAdministrator)
    }
}
