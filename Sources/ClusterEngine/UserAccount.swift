import ErrorCodes
import Security

/// What may be shown of an account.
public struct UserAccount: Sendable, Hashable {
    /// The name in the spelling it was added with.
    public let name: String
    /// The security identifier in string form.
    public let sid: String
    /// Whether the account is a member of the administrators group.
    public let isAdministrator: Bool
    /// Whether the account may log on.
    public let isEnabled: Bool
}

/// Why an account cannot be added, changed or removed.
public enum UserDirectoryError: Error, Sendable, Equatable {
    /// There is an account of this name, in this or another spelling.
    case exists(String)
    /// There is no account of this name.
    case notFound(String)
    /// The name is none that Windows would take.
    case invalidName(String, reason: String)
    /// An account needs a password.
    case emptyPassword
    /// The store failed.
    case store(ClusterStoreError)
}

extension UserDirectoryError: CustomStringConvertible {
    /// One line for the person at the terminal.
    public var description: String {
        switch self {
        case .exists(let name): "there is a user \(name) already"
        case .notFound(let name): "there is no user \(name)"
        case .invalidName(let name, let reason): "\"\(name)\" cannot be a user's name: \(reason)"
        case .emptyPassword: "the password is empty"
        case .store(let cause): "\(cause)"
        }
    }
}

/// An account as it is stored.
struct UserDocument: Codable, Equatable {
    var name: String
    /// The last part of the SID.
    var relativeID: UInt32
    var isAdministrator: Bool
    var isEnabled: Bool
    /// The NT hash, sealed for this very account: see ``context(machineSID:)``.
    var sealedHash: [UInt8]

    /// What the sealed hash belongs to: the account's identifier and everything that gives it rights. So neither a hash can be
    /// moved to another account, nor an account be made an administrator, by who can write to the database but has no key.
    func context(machineSID: String) -> [UInt8] {
        let rights = "\(isAdministrator ? "administrator" : "user"),\(isEnabled ? "enabled" : "disabled")"
        return Array("\(machineSID)-\(relativeID)\0\(NTLMCase.uppercased(name))\0\(rights)".utf8)
    }
}
