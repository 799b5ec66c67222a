import Security

/// A directory of one account.
struct OneUser: UserDirectory {
    let name: String
    let password: String

    func user(domain: String, name: String) async throws -> UserRecord? {
        guard name.lowercased() == self.name.lowercased() else { return nil }
        return UserRecord(
            name: self.name, domain: domain, sid: "S-1-5-21-1-2-3-1000", ntHash: try NTLMPassword.ntHash(password),
            isAdministrator: false, isEnabled: true)
    }
}
