/// One logical unit of an iSCSI target, and how to talk to it.
public struct ISCSITarget: Sendable, Hashable, CustomStringConvertible {
    /// Whether headers carry a checksum (RFC 3720 12.1).
    ///
    /// There is none for the data: libiscsi does not negotiate a data digest.
    public enum HeaderDigest: String, Sendable, Hashable, CaseIterable {
        /// No checksum.
        case none
        /// CRC32C; a target that refuses it is refused in turn.
        case crc32c
    }

    /// The most portals of one target.
    public static let maximumPortals = 8
    /// The highest logical unit number: 14 bits of flat space addressing (SAM-3 4.9.4).
    public static let maximumUnit: UInt16 = 0x3FFF
    /// The longest time-out of a command, in seconds.
    public static let maximumTimeout = 3600
    /// The time-out of a command where none is given, in seconds.
    public static let defaultTimeout = 10

    /// Where the target is; several are several paths to it. Never empty.
    public let portals: [ISCSIPortal]
    /// The target's iSCSI name.
    public let name: String
    /// The logical unit number.
    public let unit: UInt16
    /// Whether headers carry a checksum.
    public let headerDigest: HeaderDigest
    /// The seconds a command, a connection attempt or a login may take.
    public let timeout: Int

    /// A unit of a target.
    ///
    /// - Returns: nil without portals or with one twice, and for a name, a unit or a time-out beyond the limits above.
    public init?(
        portals: [ISCSIPortal], name: String, unit: UInt16, headerDigest: HeaderDigest = .none,
        timeout: Int = ISCSITarget.defaultTimeout
    ) {
        guard (1...Self.maximumPortals).contains(portals.count), Set(portals).count == portals.count,
            Self.isName(name), unit <= Self.maximumUnit, (1...Self.maximumTimeout).contains(timeout)
        else { return nil }
        self.portals = portals
        self.name = name
        self.unit = unit
        self.headerDigest = headerDigest
        self.timeout = timeout
    }

    /// Reads `iscsi://HOST[:PORT][,HOST[:PORT]…]/TARGET-NAME/LUN[?header-digest=crc32c&timeout=SECONDS]`.
    public init(parsing text: String) throws(DiskTargetError) {
        guard let scheme = text.range(ofPrefix: "iscsi://") else {
            throw DiskTargetError(text: text, .unknownScheme(String(text.prefix { $0 != ":" })))
        }
        let body = text[scheme.upperBound...]
        let authority = body.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        // A password may itself hold a slash: an @ anywhere is taken for what it most likely is.
        guard !body.contains("@") else { throw DiskTargetError(text: text, .credentials) }
        guard !body.contains("#") else { throw DiskTargetError(text: text, .fragment) }
        portals = try Self.portals(authority, of: text)

        let question = body.firstIndex(of: "?") ?? body.endIndex
        let parts = body[authority.endIndex..<question].split(separator: "/", omittingEmptySubsequences: false)
            .dropFirst()
        guard parts.count >= 2, let name = parts.first, let unit = parts.dropFirst().first, !name.isEmpty, !unit.isEmpty
        else { throw DiskTargetError(text: text, .missingParts) }
        guard parts.count == 2 else { throw DiskTargetError(text: text, .tooManyParts) }
        guard let decoded = PercentEncoding.decode(name) else {
            throw DiskTargetError(text: text, .badEscape(String(name)))
        }
        guard Self.isName(decoded) else { throw DiskTargetError(text: text, .badName(decoded)) }
        self.name = decoded
        guard let number = Self.number(unit, in: 0...Int(Self.maximumUnit)) else {
            throw DiskTargetError(text: text, .badUnit(String(unit)))
        }
        self.unit = UInt16(number)

        let options = try Self.options(question == body.endIndex ? "" : body[question...].dropFirst(), of: text)
        headerDigest = options.headerDigest
        timeout = options.timeout
    }

    /// The target in its canonical form.
    public var description: String {
        var options: [String] = []
        if headerDigest != .none { options.append("header-digest=\(headerDigest.rawValue)") }
        if timeout != Self.defaultTimeout { options.append("timeout=\(timeout)") }
        return "iscsi://\(portals.map(\.description).joined(separator: ","))/\(PercentEncoding.encode(name))/\(unit)"
            + (options.isEmpty ? "" : "?" + options.joined(separator: "&"))
    }

    /// The number of the initiator port this node uses for one of the paths.
    ///
    /// Every unit has sessions of its own, so that one that hangs holds up no other.
    func initiatorPort(path: Int) -> UInt32 {
        UInt32(unit) * UInt32(Self.maximumPortals) + UInt32(path)
    }

    /// How many initiator ports there can be; a port with this number is none of theirs.
    static var initiatorPorts: UInt32 {
        (UInt32(maximumUnit) + 1) * UInt32(maximumPortals)
    }

    /// The number as it stands in the LUN field's first two octets (SAM-3 4.9): single level, peripheral device addressing up to
    /// 255, flat space addressing above.
    var addressedUnit: UInt16 {
        unit < 256 ? unit : 0x4000 | unit
    }
}

extension ISCSITarget {
    private static func portals(_ authority: Substring, of text: String) throws(DiskTargetError) -> [ISCSIPortal] {
        guard !authority.isEmpty else { throw DiskTargetError(text: text, .noPortal) }
        let parts = authority.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= maximumPortals else { throw DiskTargetError(text: text, .tooManyPortals(parts.count)) }
        var portals: [ISCSIPortal] = []
        for part in parts {
            let portal = try ISCSIPortal(part: part, of: text)
            guard !portals.contains(portal) else {
                throw DiskTargetError(text: text, .repeatedPortal(portal.description))
            }
            portals.append(portal)
        }
        return portals
    }

    private static func options(
        _ query: Substring, of text: String
    ) throws(DiskTargetError) -> (headerDigest: HeaderDigest, timeout: Int) {
        var headerDigest: HeaderDigest?
        var timeout: Int?
        for option in query.split(separator: "&") {
            let name = option.prefix { $0 != "=" }
            let value = option.dropFirst(name.count + 1)
            switch name {
            case "header-digest":
                guard headerDigest == nil else { throw DiskTargetError(text: text, .repeatedOption(String(name))) }
                headerDigest = HeaderDigest(rawValue: value.lowercased())
                guard headerDigest != nil else {
                    throw DiskTargetError(text: text, .badValue(option: String(name), value: String(value)))
                }
            case "timeout":
                guard timeout == nil else { throw DiskTargetError(text: text, .repeatedOption(String(name))) }
                timeout = number(value, in: 1...maximumTimeout)
                guard timeout != nil else {
                    throw DiskTargetError(text: text, .badValue(option: String(name), value: String(value)))
                }
            default: throw DiskTargetError(text: text, .unknownOption(String(name)))
            }
        }
        return (headerDigest ?? .none, timeout ?? defaultTimeout)
    }

    /// A number in decimal digits, without a sign.
    private static func number(_ text: Substring, in range: ClosedRange<Int>) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text),
            range.contains(value)
        else { return nil }
        return value
    }

    /// Whether the text is an iSCSI name (RFC 3720 3.2.6; naa: RFC 3980): 223 octets at most, `iqn.` with a date and a naming
    /// authority, `eui.` with 16 or `naa.` with 16 or 32 hexadecimal digits.
    ///
    /// Letters that stringprep would not let pass are let pass, in the case they have: some targets have such names.
    static func isName(_ text: String) -> Bool {
        let octets = Array(text.utf8)
        guard octets.count <= 223, octets.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: ",") }) else {
            return false
        }
        let rest = octets.dropFirst(4)
        switch text.prefix(4).lowercased() {
        case "iqn.":
            // yyyy-mm. and at least one more.
            let date = rest.prefix(8)
            let isDigit = { (octet: UInt8) in (0x30...0x39).contains(octet) }
            guard rest.count > 8, date.prefix(4).allSatisfy(isDigit), date[date.startIndex + 4] == UInt8(ascii: "-"),
                date[(date.startIndex + 5)..<(date.startIndex + 7)].allSatisfy(isDigit)
            else { return false }
            return date.last == UInt8(ascii: ".")
        case "eui.": return rest.count == 16 && text.dropFirst(4).allSatisfy(\.isHexDigit)
        case "naa.": return [16, 32].contains(rest.count) && text.dropFirst(4).allSatisfy(\.isHexDigit)
        default: return false
        }
    }
}

extension String {
    /// The range of this prefix, in whatever case of letters.
    fileprivate func range(ofPrefix prefix: String) -> Range<Index>? {
        guard let end = index(startIndex, offsetBy: prefix.count, limitedBy: endIndex),
            self[..<end].lowercased() == prefix
        else { return nil }
        return startIndex..<end
    }
}
