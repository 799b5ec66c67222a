import Foundation

/// The secrets with which this node and iSCSI targets prove to each other who they are (CHAP, RFC 3720 11.1.4).
///
/// They come from a JSON file that only its owner can read:
///
///     {
///         "iqn.2024-01.net.example:storage": {
///             "user": "node1", "password": "…",
///             "targetUser": "storage", "targetPassword": "…"
///         },
///         "*": { "user": "node1", "password": "…" }
///     }
///
/// `*` stands for every target without an entry of its own, and for discovery. With the two `target…` members the target
/// has to prove itself as well (mutual CHAP). No description of this type holds a secret.
public struct ISCSICredentials: Sendable {
    private let secrets: [String: ISCSISecret]

    /// Reads the file.
    ///
    /// - Throws: ``ISCSICredentialsError``; also where others than the owner may read or write the file.
    public init(file path: String) throws {
        try self.init(json: Self.contents(of: path), path: path)
    }

    /// Credentials from the file's contents; the path is for errors.
    init(json: [UInt8], path: String) throws(ISCSICredentialsError) {
        let entries: [String: Entry]
        do {
            entries = try JSONDecoder().decode([String: Entry].self, from: Data(json))
        } catch {
            // What the decoder says of the place is a path of keys; its debug description could quote the text.
            throw ISCSICredentialsError(path: path, .malformed(Self.place(of: error)))
        }
        var secrets: [String: ISCSISecret] = [:]
        for (name, entry) in entries {
            guard name == "*" || ISCSITarget.isName(name) else {
                throw ISCSICredentialsError(path: path, .badTarget(name))
            }
            if let problem = entry.problem { throw ISCSICredentialsError(path: path, .badEntry(name, problem)) }
            secrets[name.lowercased()] = ISCSISecret(
                user: entry.user, password: entry.password, targetUser: entry.targetUser,
                targetPassword: entry.targetPassword)
        }
        self.secrets = secrets
    }

    /// The secret for a target, or for discovery where no target is named.
    func secret(for target: String?) -> ISCSISecret? {
        target.flatMap { secrets[$0.lowercased()] } ?? secrets["*"]
    }

    private struct Entry: Decodable {
        var user: String
        var password: String
        var targetUser: String?
        var targetPassword: String?

        private enum CodingKeys: String, CodingKey, CaseIterable {
            case user
            case password
            case targetUser
            case targetPassword
        }

        private struct AnyKey: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init?(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            // A misspelt member would silently mean a target that need not prove itself.
            let known = Set(CodingKeys.allCases.map(\.rawValue))
            for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath + [key], debugDescription: "unknown member"))
            }
            let container = try decoder.container(keyedBy: CodingKeys.self)
            user = try container.decode(String.self, forKey: .user)
            password = try container.decode(String.self, forKey: .password)
            targetUser = try container.decodeIfPresent(String.self, forKey: .targetUser)
            targetPassword = try container.decodeIfPresent(String.self, forKey: .targetPassword)
        }

        /// What a login could not be made with.
        var problem: String? {
            let fields =
                [("user", user), ("password", password)]
                + [("targetUser", targetUser), ("targetPassword", targetPassword)].compactMap { name, value in
                    value.map { (name, $0) }
                }
            for (name, value) in fields {
                if value.isEmpty { return "\(name) is empty" }
                if value.utf8.count > 255 { return "\(name) is longer than 255 octets" }
                if value.utf8.contains(0) { return "\(name) holds a null" }
            }
            if (targetUser == nil) != (targetPassword == nil) { return "targetUser and targetPassword go together" }
            // With one secret for both directions, whoever asks first can have his own challenge answered.
            if targetPassword == password { return "targetPassword must differ from password" }
            return nil
        }
    }

    /// Where in the text the decoder stopped, without any of the text.
    private static func place(of error: any Error) -> String {
        let path: [any CodingKey] =
            switch error {
            case DecodingError.keyNotFound(let key, let context): context.codingPath + [key]
            case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
                DecodingError.dataCorrupted(let context):
                context.codingPath
            default: []
            }
        return path.isEmpty ? "it is no JSON object" : path.map(\.stringValue).joined(separator: " › ")
    }

    private static let maximumOctets = 1 << 20

    private static func contents(of path: String) throws(ISCSICredentialsError) -> [UInt8] {
        // O_NONBLOCK: a pipe in the file's place must not hold us up.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw ISCSICredentialsError(path: path, .unreadable(String(cString: strerror(errno))))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw ISCSICredentialsError(path: path, .unreadable(String(cString: strerror(errno))))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ISCSICredentialsError(path: path, .unreadable("not a regular file"))
        }
        guard status.st_mode & 0o177 == 0 else {
            throw ISCSICredentialsError(path: path, .readableByOthers(mode: UInt32(status.st_mode & 0o7777)))
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw ISCSICredentialsError(path: path, .foreignOwner(status.st_uid))
        }
        guard status.st_size <= maximumOctets else {
            throw ISCSICredentialsError(path: path, .unreadable("longer than \(maximumOctets) octets"))
        }
        var octets: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while octets.count <= maximumOctets {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { break }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw ISCSICredentialsError(path: path, .unreadable(String(cString: strerror(errno))))
            }
            octets += buffer[..<count]
        }
        return octets
    }
}

extension ISCSICredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The number of entries, and nothing of what they hold.
    public var description: String { "credentials for \(secrets.count) targets" }
    /// The same.
    public var debugDescription: String { description }
    /// A mirror without children, so that no dump shows a secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The secrets for one target.
struct ISCSISecret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let user: String
    let password: String
    let targetUser: String?
    let targetPassword: String?

    var description: String { "a secret" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a file of credentials cannot be used.
public struct ISCSICredentialsError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong with the file.
    public enum Reason: Sendable, Hashable {
        /// It could not be read.
        case unreadable(String)
        /// Others than its owner may read or write it.
        case readableByOthers(mode: UInt32)
        /// It belongs to somebody else, who could change it.
        case foreignOwner(UInt32)
        /// It is not the JSON it has to be; where.
        case malformed(String)
        /// An entry is for something that is no target's name.
        case badTarget(String)
        /// An entry that no login can be made with, and why.
        case badEntry(String, String)
    }

    /// The file.
    public let path: String
    /// What is wrong with it.
    public let reason: Reason

    init(path: String, _ reason: Reason) {
        self.path = path
        self.reason = reason
    }

    /// What is wrong, and what to do.
    public var description: String {
        switch reason {
        case .unreadable(let cause): "\(path) cannot be read: \(cause)"
        case .readableByOthers(let mode):
            "\(path) has mode 0\(String(mode, radix: 8)), but it holds secrets: chmod 0600 \(path)"
        case .foreignOwner(let user): "\(path) belongs to user \(user): chown it to the user this program runs as"
        case .malformed(let place):
            "\(path) is not as it has to be (\(place)): write {\"TARGET-NAME or *\": {\"user\": …, \"password\": …}}"
        case .badTarget(let name): "\(path): \"\(name)\" is neither an iSCSI name nor *"
        case .badEntry(let name, let problem): "\(path): the entry \(name): \(problem)"
        }
    }
}
