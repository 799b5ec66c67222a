import Foundation
import HostInventory
import Reservations

/// What a node is to be: the answers of a person, or of a file for `clusprep setup --answers`.
///
/// Everything has a usual value but the users. No secret stands here, only the names of the files that hold one.
public struct SetupAnswers: Codable, Equatable, Sendable {
    /// A user of the node.
    public struct User: Codable, Equatable, Sendable {
        /// The user's name.
        public var name: String
        /// Whether the user may call the cluster's interfaces.
        public var administrator = true
        /// The file whose first line is the password, readable by its owner alone; nil where somebody is asked.
        public var passwordFile: String?

        /// A user.
        public init(name: String, administrator: Bool = true, passwordFile: String? = nil) {
            self.name = name
            self.administrator = administrator
            self.passwordFile = passwordFile
        }
    }

    /// What becomes of the firewall.
    public enum Firewall: String, Codable, Sendable {
        /// It lets a cluster's traffic in.
        case open
        /// It is left as it is.
        case leave
    }

    /// The node's name, up to 15 characters; nil for the host's.
    public var nodeName: String?
    /// The node's full name; nil for the host's.
    public var fqdn: String?
    /// The addresses to listen on.
    public var listen = ["0.0.0.0"]
    /// The endpoint mapper's port.
    public var endpointMapperPort = 135
    /// The objects' port; a fixed one, so that a firewall can let it in and nothing else. The usual one lies in Windows' dynamic range and
    /// above Linux' own (`net.ipv4.ip_local_port_range`), so that no outgoing connection takes it.
    public var exporterPort = 61135
    /// Where the node's database and keys live.
    public var stateFolder = Self.usualStateFolder
    /// The users to add; those who are there already keep their passwords.
    public var users: [User] = []
    /// A keytab to take the node's keys from; nil for no Kerberos.
    public var keytab: String?
    /// Principals that may administer the node.
    public var kerberosAdministrators: [String] = []
    /// What becomes of the firewall.
    public var firewall = Firewall.open
    /// The interfaces through which traffic is let in; empty for all. Only where no firewall manager runs.
    public var firewallInterfaces: [String] = []
    /// The shared disks, as `clusprepd --disks` takes them.
    public var disks: [String] = []
    /// Whether the host's other disks are shown to clients, too.
    public var localDisks = true
    /// The file with the secrets of iSCSI targets.
    public var iscsiCredentials: String?
    /// Whether tests of file sharing are served, which takes Samba and an account of their own.
    public var fileShares = false
    /// The account of those tests; the same on all nodes.
    public var shareUser = "clusprep"
    /// Whether the daemon becomes a service, which starts with the host, and now.
    public var service = true

    /// The node's full name on a host that is called so: the host's where the node's name begins it, as the daemon has it.
    func fullName(onHost name: String) -> String {
        if let fqdn { return fqdn }
        guard let nodeName else { return name }
        return name.lowercased().hasPrefix(nodeName.lowercased() + ".") ? name : nodeName
    }

    static let usualStateFolder = "/var/lib/clusprep"

    /// The usual values.
    public init() {}

    /// The answers of a file; a key that is left out has its usual value.
    ///
    /// - Throws: ``SetupError/badFile(path:reason:)``, also for a key that nothing reads, and
    ///   ``SetupError/badAnswer(_:reason:)``.
    public init(json: [UInt8], path: String) throws(SetupError) {
        do {
            let object = try JSONSerialization.jsonObject(with: Data(json))
            guard let object = object as? [String: Any] else {
                throw SetupError.badFile(path: path, reason: "it is no JSON object")
            }
            if let key = object.keys.sorted().first(where: { CodingKeys(stringValue: $0) == nil }) {
                throw SetupError.badFile(path: path, reason: "there is no answer \"\(key)\"")
            }
            for (number, user) in (object["users"] as? [Any] ?? []).enumerated() {
                let keys = (user as? [String: Any])?.keys.sorted() ?? []
                if let key = keys.first(where: { User.CodingKeys(stringValue: $0) == nil }) {
                    throw SetupError.badFile(path: path, reason: "there is no answer \"users.\(number).\(key)\"")
                }
            }
            self = try JSONDecoder().decode(SetupAnswers.self, from: Data(json))
        } catch let error as SetupError {
            throw error
        } catch let error as DecodingError {
            throw .badFile(path: path, reason: Self.words(for: error))
        } catch {
            throw .badFile(path: path, reason: "it is no JSON")
        }
        try check()
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case nodeName, fqdn, listen, endpointMapperPort, exporterPort, stateFolder, users, keytab
        case kerberosAdministrators, firewall, firewallInterfaces, disks, localDisks, iscsiCredentials
        case fileShares, shareUser, service
    }

    /// From a decoder; keys that are left out have their usual values.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func value<T: Decodable>(_ key: CodingKeys, _ usual: T) throws -> T {
            try values.decodeIfPresent(T.self, forKey: key) ?? usual
        }
        nodeName = try values.decodeIfPresent(String.self, forKey: .nodeName)
        fqdn = try values.decodeIfPresent(String.self, forKey: .fqdn)
        listen = try value(.listen, listen)
        endpointMapperPort = try value(.endpointMapperPort, endpointMapperPort)
        exporterPort = try value(.exporterPort, exporterPort)
        stateFolder = try value(.stateFolder, stateFolder)
        users = try value(.users, users)
        keytab = try values.decodeIfPresent(String.self, forKey: .keytab)
        kerberosAdministrators = try value(.kerberosAdministrators, kerberosAdministrators)
        firewall = try value(.firewall, firewall)
        firewallInterfaces = try value(.firewallInterfaces, firewallInterfaces)
        disks = try value(.disks, disks)
        localDisks = try value(.localDisks, localDisks)
        iscsiCredentials = try values.decodeIfPresent(String.self, forKey: .iscsiCredentials)
        fileShares = try value(.fileShares, fileShares)
        shareUser = try value(.shareUser, shareUser)
        service = try value(.service, service)
    }

    private static func words(for error: DecodingError) -> String {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\"\(place(context.codingPath))\" has a value of the wrong type, or one that is not known"
        case .keyNotFound(let key, let context): "\"\(place(context.codingPath + [key]))\" is missing"
        @unknown default: "it does not hold answers"
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }
}

extension SetupAnswers.User {
    fileprivate enum CodingKeys: String, CodingKey { case name, administrator, passwordFile }

    /// From a decoder; a user is an administrator unless the opposite is said.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        administrator = try values.decodeIfPresent(Bool.self, forKey: .administrator) ?? true
        passwordFile = try values.decodeIfPresent(String.self, forKey: .passwordFile)
    }
}
