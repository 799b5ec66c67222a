import Foundation

/// `\\<IPv4 address>` or `\\[<IPv6 address>]`: how [MS-CSVP] 3.4.4.5 names a server that has the test's share.
///
/// Nothing else is understood: no host name, no port, no share. What a client passes on cannot make this node look names up,
/// or knock at doors that are not SMB's.
public struct SharePath: Hashable, Sendable, CustomStringConvertible {
    /// The address itself, without the zone of a link-local one.
    public let address: IPAddress
    /// Whether it had a zone (`%eth0`), which means something only on the host that wrote it.
    let hasZone: Bool

    /// The most addresses that one call may name.
    public static let maximumCount = 64
    /// The longest string that is looked at: the longest IPv6 address, a zone and what stands around them.
    private static let maximumLength = 80

    /// To an address.
    public init(_ address: IPAddress) {
        self.address = address
        hasZone = false
    }

    /// From UTF-16 code units.
    ///
    /// - Throws: ``FileShareError/badPaths(reason:)``.
    public init(parsing units: [UInt16]) throws(FileShareError) {
        guard units.count <= Self.maximumLength else { throw .badPaths(reason: "a string of \(units.count) units") }
        // Everything that may stand in one is ASCII; a NUL or a surrogate would be understood differently by others.
        guard units.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .badPaths(reason: "a string with characters that no address has")
        }
        let text = String(decoding: units, as: UTF16.self)
        guard text.hasPrefix("\\\\") else { throw .badPaths(reason: "\(text) does not begin with \\\\") }
        let name = text.dropFirst(2)
        var isBracketed = false
        var literal = name
        if name.hasPrefix("["), name.hasSuffix("]") {
            isBracketed = true
            literal = name.dropFirst().dropLast()
        }
        let parts = literal.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])), address.isIPv6 == isBracketed,
            parts.count == 1 || isBracketed && Self.isZone(parts[1])
        else { throw .badPaths(reason: "\(text) is neither \\\\<IPv4> nor \\\\[<IPv6>]") }
        guard address.isUnicast else { throw .badPaths(reason: "\(address) is no host's address") }
        self.address = address
        hasZone = parts.count == 2
    }

    /// From what a client sends: at least one, at most ``maximumCount``; a NULL is none. One that comes twice is taken once.
    ///
    /// - Throws: ``FileShareError/badPaths(reason:)``.
    public static func list(parsing strings: [[UInt16]?]) throws(FileShareError) -> [SharePath] {
        guard (1...maximumCount).contains(strings.count) else {
            throw .badPaths(reason: "\(strings.count) strings; 1 to \(maximumCount) are taken")
        }
        var paths: [SharePath] = []
        for string in strings {
            guard let string else { throw .badPaths(reason: "one of the strings is NULL") }
            let path = try SharePath(parsing: string)
            if !paths.contains(path) { paths.append(path) }
        }
        return paths
    }

    /// A number on Windows, an interface's name elsewhere.
    private static func isZone(_ text: Substring) -> Bool {
        (1...15).contains(text.count) && text.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
    }

    /// Whether the address means the same host here as where the string comes from.
    var isRoutable: Bool {
        !hasZone && !address.isLinkLocal
    }

    /// As on the wire, without the terminator.
    public var description: String {
        address.isIPv6 ? "\\\\[\(address)]" : "\\\\\(address)"
    }
}

/// An IPv4 or IPv6 address.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// Four octets or sixteen, in network order.
    public let octets: [UInt8]

    /// From text as inet_pton(3) reads it: dotted decimal, or hexadecimal with colons; no zone.
    ///
    /// - Returns: nil for any other text.
    public init?(_ text: String) {
        let isIPv6 = text.utf8.contains(UInt8(ascii: ":"))
        var octets = [UInt8](repeating: 0, count: isIPv6 ? 16 : 4)
        guard !text.utf8.contains(0), inet_pton(isIPv6 ? AF_INET6 : AF_INET, text, &octets) == 1 else { return nil }
        self.octets = octets
    }

    /// Four octets or sixteen.
    ///
    /// - Returns: nil for another number of them.
    init?(octets: [UInt8]) {
        guard octets.count == 4 || octets.count == 16 else { return nil }
        self.octets = octets
    }

    /// Which of the two it is.
    public var isIPv6: Bool { octets.count == 16 }

    /// Every address of the host: 0.0.0.0 or ::.
    public var isWildcard: Bool { octets.allSatisfy { $0 == 0 } }

    /// 127.0.0.0/8 or ::1.
    var isLoopback: Bool {
        isIPv6 ? octets.dropLast().allSatisfy { $0 == 0 } && octets.last == 1 : octets[0] == 127
    }

    /// 169.254.0.0/16 or fe80::/10.
    var isLinkLocal: Bool {
        isIPv6 ? octets[0] == 0xFE && octets[1] & 0xC0 == 0x80 : octets[0] == 169 && octets[1] == 254
    }

    /// Whether it can be one host's: not 0.0.0.0/8, multicast, the reserved space with the broadcast address, or ::; nor one
    /// of those in IPv6's clothes.
    var isUnicast: Bool {
        guard isIPv6 else { return octets[0] != 0 && octets[0] < 224 }
        if isWildcard || octets[0] == 0xFF { return false }
        guard octets[..<10].allSatisfy({ $0 == 0 }), octets[10] == 0xFF, octets[11] == 0xFF else { return true }
        return octets[12] != 0 && octets[12] < 224
    }

    /// As inet_ntop(3) writes it.
    public var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(isIPv6 ? AF_INET6 : AF_INET, octets, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
