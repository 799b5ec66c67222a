/// Octets in URLs (RFC 3986 2.1).
enum PercentEncoding {
    /// The text with each `%xy` replaced; nil for a `%` without two digits, or where the result is no UTF-8.
    static func decode(_ text: Substring) -> String? {
        var octets: [UInt8] = []
        var rest = text.utf8
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "%") else {
                octets.append(octet)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                return nil
            }
            octets.append(high << 4 | low)
        }
        return String(validating: octets, as: UTF8.self)
    }

    /// The text with `%`, `/`, `?`, `#`, `@` and everything that is not printable ASCII replaced.
    static func encode(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, octet in
            switch octet {
            case UInt8(ascii: "%"), UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "@"),
                ...0x20, 0x7F...:
                result += "%" + hexadecimalOctet(octet)
            default: result.unicodeScalars.append(Unicode.Scalar(octet))
            }
        }
    }

    private static func digit(_ octet: UInt8) -> UInt8? {
        Character(Unicode.Scalar(octet)).hexDigitValue.flatMap(UInt8.init(exactly:))
    }
}
