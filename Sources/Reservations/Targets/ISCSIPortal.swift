import Glibc

/// A TCP end point behind which iSCSI targets are to be had (RFC 3720 2.1, "Network Portal").
public struct ISCSIPortal: Sendable, Hashable, CustomStringConvertible {
    /// The port IANA assigned to iSCSI targets.
    public static let defaultPort: UInt16 = 3260

    /// A host's name in lower case, an IPv4 address, or an IPv6 address without brackets.
    public let host: String
    /// The port.
    public let port: UInt16

    /// A portal.
    ///
    /// - Returns: nil for a host that is neither a name nor an address, and for port zero.
    public init?(host: String, port: UInt16 = ISCSIPortal.defaultPort) {
        guard port != 0 else { return nil }
        if host.contains(":") {
            guard let address = Self.canonicalIPv6(host) else { return nil }
            self.host = address
        } else {
            guard Self.isName(host) else { return nil }
            self.host = host.lowercased()
        }
        self.port = port
    }

    /// Reads `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`.
    public init(parsing text: String) throws(DiskTargetError) {
        try self.init(part: text[...], of: text)
    }

    /// Reads a portal out of a longer text, which errors name.
    init(part: Substring, of text: String) throws(DiskTargetError) {
        var host = part
        var port: Substring?
        if part.hasPrefix("[") {
            guard let end = part.firstIndex(of: "]") else { throw DiskTargetError(text: text, .badHost(String(part))) }
            let rest = part[part.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":"), part[..<end].contains(":") else {
                throw DiskTargetError(text: text, .badHost(String(part)))
            }
            host = part[..<end].dropFirst()
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = part.firstIndex(of: ":") {
            host = part[..<colon]
            port = part[part.index(after: colon)...]
            // An IPv6 address without brackets: where it ends and a port begins cannot be told.
            if port?.contains(":") == true { throw DiskTargetError(text: text, .badHost(String(part))) }
        }
        var number = Self.defaultPort
        if let port {
            guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = UInt16(port), value != 0 else {
                throw DiskTargetError(text: text, .badPort(String(port)))
            }
            number = value
        }
        guard let portal = ISCSIPortal(host: String(host), port: number) else {
            throw DiskTargetError(text: text, .badHost(String(host)))
        }
        self = portal
    }

    /// The portal, with its port only where that is not the default one.
    public var description: String {
        port == Self.defaultPort ? bracketedHost : address
    }

    /// The portal with its port, as libiscsi takes it.
    var address: String {
        "\(bracketedHost):\(port)"
    }

    private var bracketedHost: String {
        host.contains(":") ? "[\(host)]" : host
    }

    private static func isName(_ text: String) -> Bool {
        let octets = text.utf8
        guard (1...253).contains(octets.count), octets.first != UInt8(ascii: "-"), octets.first != UInt8(ascii: ".")
        else {
            return false
        }
        return octets.allSatisfy { octet in
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }

    private static func canonicalIPv6(_ text: String) -> String? {
        var address = in6_addr()
        guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count)) != nil else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
