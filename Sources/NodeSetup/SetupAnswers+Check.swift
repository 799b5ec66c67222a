import ClusterEngine
import HostInventory
import Reservations

extension SetupAnswers {
    /// Sees whether the answers can be meant, without a look at the host.
    ///
    /// - Throws: ``SetupError/badAnswer(_:reason:)``.
    public func check() throws(SetupError) {
        if let nodeName { try Self.check(name: nodeName, "nodeName", maximum: 15) }
        if let fqdn { try Self.check(name: fqdn, "fqdn", maximum: 255) }
        try Self.check(name: shareUser, "shareUser", maximum: 32)
        try Self.check(listen: listen)
        for (key, port) in [("endpointMapperPort", endpointMapperPort), ("exporterPort", exporterPort)] {
            guard (1...65535).contains(port) else { throw .badAnswer(key, reason: "is a number from 1 to 65535") }
        }
        guard endpointMapperPort != exporterPort else {
            throw .badAnswer("exporterPort", reason: "is another one than endpointMapperPort")
        }
        for (key, path) in [("stateFolder", stateFolder), ("keytab", keytab), ("iscsiCredentials", iscsiCredentials)] {
            if let path { try Self.check(path: path, key) }
        }
        let parts = stateFolder.split(separator: "/")
        guard parts.count > 1 else {
            throw .badAnswer("stateFolder", reason: "\"\(stateFolder)\" is not a folder of the node's own")
        }
        // In one spelling, so that what lies in it can be told by the beginning of a path.
        let plain = "/" + parts.filter { $0 != "." }.joined(separator: "/")
        guard stateFolder == plain else { throw .badAnswer("stateFolder", reason: "is plainly written \(plain)") }
        guard !users.isEmpty || keytab != nil else {
            throw .badAnswer("users", reason: "without users and without a keytab nobody could log on")
        }
        guard keytab != nil || kerberosAdministrators.isEmpty else {
            throw .badAnswer("kerberosAdministrators", reason: "needs a keytab")
        }
        for principal in kerberosAdministrators where !principal.contains("@") {
            throw .badAnswer("kerberosAdministrators", reason: "\"\(principal)\" has no realm, as in alice@EXAMPLE.COM")
        }
        var names: Set<String> = []
        for user in users {
            guard !user.name.isEmpty, names.insert(user.name.uppercased()).inserted else {
                throw .badAnswer("users", reason: "\"\(user.name)\" is empty, or stands in it twice")
            }
            try Self.check(userName: user.name)
            if let path = user.passwordFile { try Self.check(path: path, "users.passwordFile") }
        }
        for name in firewallInterfaces
        where name.isEmpty || name.utf8.count > 15
            || name.contains(where: { "/\"\\*'$".contains($0) || $0.isWhitespace })
        {
            throw .badAnswer("firewallInterfaces", reason: "\"\(name)\" is no interface's name")
        }
        _ = try targets
        for folder in imageFolders {
            try Self.check(path: folder, "disks")
            guard folder != "/" || !service else {
                throw .badAnswer("disks", reason: "an image in / would open every folder to the service")
            }
            // The usual folder, too, because purging the package removes it, whatever was answered.
            for state in [stateFolder, Self.usualStateFolder] where folder == state || folder.hasPrefix(state + "/") {
                throw .badAnswer("disks", reason: "an image in \(folder) would go with the node's state")
            }
        }
    }

    /// The disks.
    ///
    /// - Throws: ``SetupError/badAnswer(_:reason:)``.
    public var targets: [DiskTarget] {
        get throws(SetupError) {
            var found: [DiskTarget] = []
            for text in disks {
                let target: DiskTarget
                do {
                    target = try DiskTarget(parsing: text)
                } catch {
                    throw .badAnswer("disks", reason: "\(error)")
                }
                if let same = found.first(where: target.leadsToDisk) {
                    throw .badAnswer(
                        "disks",
                        reason: "\(target) stands in it twice" + (same == target ? "" : ", the first time as \(same)"))
                }
                found.append(target)
            }
            return found
        }
    }

    /// Whether the daemon opens devices of this host.
    public var usesDevices: Bool {
        localDisks || ((try? targets) ?? []).contains { if case .local = $0 { true } else { false } }
    }

    /// The folders of the images among the disks.
    public var imageFolders: [String] {
        let folders = ((try? targets) ?? []).compactMap { target -> String? in
            guard case .image(let path) = target, let slash = path.lastIndex(of: "/") else { return nil }
            return slash == path.startIndex ? "/" : String(path[..<slash])
        }
        return Set(folders).sorted()
    }

    private static func check(name: String, _ key: String, maximum: Int) throws(SetupError) {
        let isAllowed = name.unicodeScalars.allSatisfy {
            ($0.isASCII && $0.properties.isAlphabetic) || ("0"..."9").contains($0) || "-._".unicodeScalars.contains($0)
        }
        guard !name.isEmpty, name.utf8.count <= maximum, isAllowed, !name.hasPrefix("-") else {
            throw .badAnswer(key, reason: "\"\(name)\" is not a name of 1 to \(maximum) letters, digits, dots, hyphens")
        }
    }

    /// Each would be free by itself, and not beside the others.
    static func check(listen: [String]) throws(SetupError) {
        guard !listen.isEmpty else { throw .badAnswer("listen", reason: "needs an address") }
        var addresses: [HostAddress] = []
        for text in listen {
            guard let address = HostAddress(text) else {
                throw .badAnswer("listen", reason: "\"\(text)\" is no IPv4 or IPv6 address")
            }
            addresses.append(address)
        }
        for address in addresses {
            let same = addresses.filter { $0.family == address.family }
            guard Set(same).count == same.count, same.count == 1 || address.octets.contains(where: { $0 != 0 }) else {
                throw .badAnswer("listen", reason: "an address stands in it twice, or beside the one that means all")
            }
        }
    }

    /// What the node's store would refuse when other things are made already.
    static func check(userName: String) throws(SetupError) {
        do throws(UserDirectoryError) {
            try NodeUserDirectory.check(userName)
        } catch {
            throw .badAnswer("users", reason: "\(error)")
        }
    }

    /// Paths become words of a unit file, whose specifiers, quotes and spaces would change them.
    private static func check(path: String, _ key: String) throws(SetupError) {
        guard path.hasPrefix("/"), !path.contains("/../"), !path.hasSuffix("/.."), ServiceUnit.isWord(path) else {
            throw .badAnswer(key, reason: "\"\(path)\" is not an absolute path without spaces and quotes")
        }
    }
}
