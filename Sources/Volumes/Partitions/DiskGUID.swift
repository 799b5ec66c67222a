/// A GUID as GPT stores it: sixteen octets, its first three fields little endian (UEFI 2.10, appendix A).
public struct DiskGUID: Hashable, Sendable, CustomStringConvertible {
    /// The octets as on the disk, which is also how a GUID is marshalled in little-endian NDR; always sixteen.
    public let octets: [UInt8]

    /// Nil unless there are sixteen octets.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 16 else { return nil }
        self.octets = Array(octets)
    }

    /// Parses `8-4-4-4-12` hexadecimal digits of any case; nil for anything else.
    public init?(_ text: String) {
        let fields = text.split(separator: "-", omittingEmptySubsequences: false)
        guard fields.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        var octets: [UInt8] = []
        for (index, field) in fields.enumerated() {
            guard field.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || isHexadecimalLetter($0) }),
                let value = UInt64(field, radix: 16)
            else { return nil }
            let width = field.utf8.count / 2
            let bigEndian = (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * (width - 1 - $0))) }
            octets += index < 3 ? bigEndian.reversed() : bigEndian
        }
        self.octets = octets
    }

    /// A GUID of 122 random bits (version 4).
    public static func random() -> DiskGUID {
        var octets = (0..<16).map { _ in UInt8.random(in: 0...255) }
        octets[7] = octets[7] & 0x0F | 0x40
        octets[8] = octets[8] & 0x3F | 0x80
        return DiskGUID(unchecked: octets)
    }

    /// All octets zero: the type of an unused entry.
    public static let zero = DiskGUID(unchecked: [UInt8](repeating: 0, count: 16))

    init(unchecked octets: [UInt8]) {
        self.octets = octets
    }

    /// A GUID of this source's own tables.
    init(wellKnown text: StaticString) {
        guard let guid = DiskGUID("\(text)") else { preconditionFailure("malformed GUID in the source: \(text)") }
        self = guid
    }

    /// Lower-case `8-4-4-4-12`.
    public var description: String {
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        var text = ""
        for (position, index) in order.enumerated() {
            if [4, 6, 8, 10].contains(position) { text += "-" }
            let digits = String(octets[index], radix: 16)
            text += digits.count == 1 ? "0" + digits : digits
        }
        return text
    }
}

private func isHexadecimalLetter(_ character: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "f") ~= character | 0x20
}
