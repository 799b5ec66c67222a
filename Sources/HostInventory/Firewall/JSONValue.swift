/// JSON as libnftables writes it, read by hand: comments may hold octets that are no UTF-8, which Foundation refuses as a whole, and
/// numbers are integers of up to 64 bits.
indirect enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(Int64)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// Arrays and objects within each other; libnftables' expressions stay far below.
    static let maximumDepth = 128

    /// Reads a whole text.
    ///
    /// - Throws: ``FirewallError/malformed(reason:)`` with the place.
    init(parsing octets: [UInt8]) throws(FirewallError) {
        var reader = Reader(octets: octets)
        self = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.position == octets.count else { throw reader.failure("text behind the end") }
    }

    subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var number: Int64? {
        if case .number(let number) = self { number } else { nil }
    }

    var array: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    var isTrue: Bool { self == .bool(true) }

    /// The only member of an object, which is how libnftables writes a statement or an expression: its kind, and its parts.
    var onlyMember: (key: String, value: JSONValue)? {
        guard case .object(let members) = self, members.count == 1, let member = members.first else { return nil }
        return (member.key, member.value)
    }
}

/// Reads octet by octet.
private struct Reader {
    let octets: [UInt8]
    var position = 0

    init(octets: [UInt8]) {
        self.octets = octets
    }

    func failure(_ reason: String) -> FirewallError {
        .malformed(reason: "\(reason) at octet \(position)")
    }

    private var next: UInt8? { position < octets.count ? octets[position] : nil }

    mutating func skipSpace() {
        while let octet = next, [0x20, 0x09, 0x0A, 0x0D].contains(octet) { position += 1 }
    }

    private mutating func take(_ character: Character) throws(FirewallError) {
        guard let octet = next, octet == character.asciiValue else { throw failure("no \(character)") }
        position += 1
    }

    private mutating func skip(_ character: Character) -> Bool {
        skipSpace()
        guard let octet = next, octet == character.asciiValue else { return false }
        position += 1
        return true
    }

    mutating func value(depth: Int) throws(FirewallError) -> JSONValue {
        guard depth < JSONValue.maximumDepth else { throw failure("too deep") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try integer())
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(FirewallError) -> JSONValue {
        for character in word { try take(character) }
        return value
    }

    private mutating func integer() throws(FirewallError) -> Int64 {
        let start = position
        while let octet = next, octet == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) {
            position += 1
        }
        guard let number = Int64(String(decoding: octets[start..<position], as: UTF8.self)) else {
            throw failure("no integer")
        }
        return number
    }

    private mutating func array(depth: Int) throws(FirewallError) -> JSONValue {
        try take("[")
        var elements: [JSONValue] = []
        if skip("]") { return .array([]) }
        repeat { elements.append(try value(depth: depth + 1)) } while skip(",")
        try take("]")
        return .array(elements)
    }

    private mutating func object(depth: Int) throws(FirewallError) -> JSONValue {
        try take("{")
        var members: [String: JSONValue] = [:]
        if skip("}") { return .object([:]) }
        repeat {
            skipSpace()
            let key = try string()
            guard skip(":") else { throw failure("no colon") }
            members[key] = try value(depth: depth + 1)
        } while skip(",")
        try take("}")
        return .object(members)
    }

    private mutating func string() throws(FirewallError) -> String {
        try take("\"")
        var text: [UInt8] = []
        while let octet = next {
            position += 1
            switch octet {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += try escape()
            default: text.append(octet)
            }
        }
        throw failure("a text without an end")
    }

    private mutating func escape() throws(FirewallError) -> [UInt8] {
        guard let octet = next else { throw failure("an escape without an end") }
        position += 1
        switch octet {
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [octet]
        case UInt8(ascii: "u"):
            let digits = String(decoding: octets[position...].prefix(4), as: UTF8.self)
            guard digits.count == 4, let unit = UInt16(digits, radix: 16) else { throw failure("no code unit") }
            position += 4
            // Names are ASCII; half of a pair in a comment may look as it likes.
            return Array(String(decoding: [unit], as: UTF16.self).utf8)
        default: throw failure("an unknown escape")
        }
    }
}
