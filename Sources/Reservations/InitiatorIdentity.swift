/// Who sends commands to a unit, as the unit tells initiators apart: an iSCSI initiator port.
///
/// It has to stay the same across reconnects and restarts of the same node: a changed name or ISID is another I_T nexus, and
/// would orphan the registration of the one before.
public struct InitiatorIdentity: Sendable, Hashable, Codable {
    /// The iSCSI name (RFC 3720 3.2.6), such as `iqn.2024-05.net.example:node1`: 1 to 223 octets of printable ASCII without
    /// a comma or a space, in lower case.
    public let name: String
    /// The initiator session identifier (RFC 3720 10.12.5): 48 bits.
    public let sessionID: UInt64

    /// The ISIDs there can be.
    public static let sessionIDs: ClosedRange<UInt64> = 0...0xFFFF_FFFF_FFFF

    /// An initiator port.
    ///
    /// - Parameters:
    ///   - name: the iSCSI name; upper-case ASCII letters become lower case, as RFC 3722 prepares names.
    ///   - sessionID: the ISID.
    /// - Returns: nil for a name that is no iSCSI name or an ISID beyond 48 bits.
    public init?(name: String, sessionID: UInt64) {
        let octets = Array(name.utf8)
        guard (1...223).contains(octets.count), Self.sessionIDs.contains(sessionID),
            octets.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ",") })
        else { return nil }
        self.name = name.lowercased()
        self.sessionID = sessionID
    }

    /// The initiator port of a node of this project: `iqn.2024-01.net.clusprep:NODE`, with an ISID of the "random" kind
    /// (RFC 3720 10.12.5) that follows from the node's name, so that it is the same after every restart.
    ///
    /// Characters of the node's name that a name must not hold become hyphens, and a name longer than 128 octets is cut;
    /// the ISID still tells two such nodes apart.
    public static func node(_ nodeName: String) -> InitiatorIdentity {
        let octets = nodeName.lowercased().utf8.prefix(128).map { octet in
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."): octet
            default: UInt8(ascii: "-")
            }
        }
        let suffix = octets.isEmpty ? "-" : String(decoding: octets, as: UTF8.self)
        // 80h in the first octet is the type "random"; the next three are its value, the last two its qualifier.
        let sessionID: UInt64 = 0x8000_0000_0000 | UInt64(CRC32C.checksum(nodeName.lowercased().utf8)) << 8
        return InitiatorIdentity(checkedName: "iqn.2024-01.net.clusprep:" + suffix, sessionID: sessionID)
    }

    /// Another initiator port of the same node: the number is added to the part of the session identifier that is the
    /// node's to choose, and number zero is the identity itself.
    ///
    /// Between one initiator port and one target portal group there can be one session only; a second one ends the first
    /// (RFC 3720 5.3.5). So whatever has a session of its own has a port of its own. To the unit they are different I_T
    /// nexuses.
    ///
    /// In an identifier of the random kind the last five octets are the node's, in the others the qualifier in the last two
    /// (RFC 3720 10.12.5).
    public func port(_ number: UInt32) -> InitiatorIdentity {
        let own: UInt64 = sessionID >> 40 == 0x80 ? 0xFF_FFFF_FFFF : 0xFFFF
        return InitiatorIdentity(
            checkedName: name, sessionID: sessionID & ~own | (sessionID &+ UInt64(number)) & own)
    }

    private init(checkedName: String, sessionID: UInt64) {
        name = checkedName
        self.sessionID = sessionID
    }

    /// Decodes an identity; throws where it could not have been made.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let name = try container.decode(String.self, forKey: .name)
        let sessionID = try container.decode(UInt64.self, forKey: .sessionID)
        guard let identity = InitiatorIdentity(name: name, sessionID: sessionID) else {
            throw DecodingError.dataCorruptedError(forKey: .name, in: container, debugDescription: "no initiator port")
        }
        self = identity
    }

    private enum CodingKeys: String, CodingKey {
        case name
        case sessionID
    }
}

extension InitiatorIdentity {
    private static let separator = ",i,0x"

    /// The TransportID (SPC-3 7.5.4.6): format 01b, the initiator port's world wide unique name, which is the name, the
    /// separator `,i,0x` and the twelve hexadecimal digits of the ISID, ended by a null and padded to a multiple of four.
    public var transportID: [UInt8] {
        let digits = String(sessionID, radix: 16)
        let text = name + Self.separator + String(repeating: "0", count: 12 - digits.count) + digits
        var field = Array(text.utf8) + [0]
        // The additional length is at least 20 and a multiple of four.
        while field.count < 20 || !field.count.isMultiple(of: 4) { field.append(0) }
        return [0x45, 0x00, UInt8(field.count >> 8), UInt8(field.count & 0xFF)] + field
    }

    /// Reads a TransportID of an iSCSI initiator port.
    ///
    /// - Returns: nil for other protocols, for format 00b (an initiator *device*, which names no port), and for a field that
    ///   is not what the format says.
    public init?(transportID octets: [UInt8]) {
        guard octets.count >= 24, octets[0] == 0x45, octets.count == 4 + Int(octets.field16(2)) else { return nil }
        let field = octets[4...]
        guard let end = field.firstIndex(of: 0), field[end...].allSatisfy({ $0 == 0 }) else { return nil }
        let text = String(decoding: field[..<end], as: UTF8.self)
        guard let comma = text.firstIndex(of: ","), text[comma...].hasPrefix(Self.separator) else { return nil }
        let digits = text[comma...].dropFirst(Self.separator.count)
        guard (1...12).contains(digits.count), digits.allSatisfy(\.isHexDigit),
            let sessionID = UInt64(digits, radix: 16)
        else { return nil }
        self.init(name: String(text[..<comma]), sessionID: sessionID)
    }
}
