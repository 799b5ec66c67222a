import ClusterProtocols

/// An identifier of a logical unit (SPC-3 7.6.3), by which nodes know that they mean the same one.
public struct UnitIdentifier: Sendable, Hashable {
    /// What kind of identifier ([MS-CSVP] 2.2.6 knows these three, and prefers them in this order).
    public enum Kind: Int, Sendable, Hashable, Comparable {
        /// A SCSI name string (type 8).
        case name = 0
        /// A name of the Network Address Authority (type 3).
        case naa = 1
        /// An EUI-64 based one (type 2).
        case eui64 = 2

        /// Orders by preference.
        public static func < (one: Kind, other: Kind) -> Bool { one.rawValue < other.rawValue }
    }

    /// The kind.
    public var kind: Kind
    /// The identifier in text: as it is where it is text, else in hexadecimal digits with the kind before them.
    public var text: String

    /// From the wire; nil for an identifier of a port or a target, of another kind, or one that identifies nothing: all zero or empty.
    init?(_ wire: STORAGE_IDENTIFIER) {
        guard wire.association == 0, wire.identifier.contains(where: { $0 != 0 }) else { return nil }
        let hex = wire.identifier.map { octet in
            let digits = String(octet, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
        switch wire.type {
        case 8:
            kind = .name
            // Padded with zero octets to a multiple of four (SPC-3 7.6.3.11).
            text = String(decoding: wire.identifier.prefix { $0 != 0 }, as: UTF8.self)
        case 3:
            kind = .naa
            text = "naa." + hex
        case 2:
            kind = .eui64
            text = "eui." + hex
        default: return nil
        }
    }

    /// The identifiers of a page that name the unit, the best first; each once.
    static func ordered(_ page: STORAGE_DEVICE_ID_DESCRIPTOR) -> [UnitIdentifier] {
        var seen: Set<UnitIdentifier> = []
        return page.identifiers.compactMap(UnitIdentifier.init).filter { seen.insert($0).inserted }
            .sorted { ($0.kind, $0.text) < ($1.kind, $1.text) }
    }
}

extension UnitIdentifier: CustomStringConvertible {
    /// The text.
    public var description: String { text }
}
