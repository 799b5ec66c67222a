/// The right side of a comparison in a ruleset, or an element of a set (libnftables-json(5), "EXPRESSIONS").
indirect enum Pattern: Sendable, Hashable {
    /// An interval's or a map's element for all that no other element holds: `*`.
    case any
    case range(ClosedRange<UInt128>)
    /// A name: an interface's, perhaps with `*` at its end, or a symbol.
    case text(String)
    /// Whether something is there.
    case flag(Bool)
    case concatenation([Pattern])
    case set([Pattern])
    /// A named set of the rule's table.
    case named(String)
    /// What is not understood, by its name.
    case unknown(String)

    init(_ json: JSONValue) {
        switch json {
        case .number(let number): self = number >= 0 ? .exactly(UInt128(number)) : .unknown("a negative number")
        case .bool(let flag): self = .flag(flag)
        case .string("*"): self = .any
        case .string(let text) where text.hasPrefix("@"): self = .named(String(text.dropFirst()))
        case .string(let text): self = Self.number(text).map { .exactly($0) } ?? .text(text)
        case .array(let elements): self = Self.union(elements)
        case .null: self = .unknown("null")
        case .object: self = Self.compound(json)
        }
    }

    static func exactly(_ number: UInt128) -> Pattern { .range(number...number) }

    /// The number, where it is one alone.
    var number: UInt128? {
        if case .range(let range) = self, range.lowerBound == range.upperBound { range.lowerBound } else { nil }
    }

    /// An address, or a number beyond what JSON's integers hold.
    private static func number(_ text: String) -> UInt128? {
        if let address = HostAddress(text) { return address.number }
        if text.hasPrefix("0x") { return UInt128(text.dropFirst(2), radix: 16) }
        return nil
    }

    /// Bits, each by itself: `established,related`.
    private static func union(_ elements: [JSONValue]) -> Pattern {
        var bits: UInt128 = 0
        for element in elements {
            guard let number = Pattern(element).number else { return .unknown("a list of bits") }
            bits |= number
        }
        return .exactly(bits)
    }

    private static func compound(_ json: JSONValue) -> Pattern {
        guard let (kind, value) = json.onlyMember else { return .unknown("an expression") }
        switch kind {
        case "set": return .set((value.array ?? [value]).map(Pattern.init))
        case "concat": return .concatenation((value.array ?? []).map(Pattern.init))
        case "elem": return value["val"].map(Pattern.init) ?? .unknown(kind)
        case "|": return union(value.array ?? [])
        case "range":
            let ends = (value.array ?? []).compactMap { Pattern($0).number }
            guard ends.count == 2, ends[0] <= ends[1] else { return .unknown(kind) }
            return .range(ends[0]...ends[1])
        case "prefix":
            guard let length = value["len"]?.number, let text = value["addr"]?.text, let address = HostAddress(text),
                (0...Int64(address.octets.count * 8)).contains(length)
            else { return .unknown(kind) }
            return .range(address.network(prefixLength: UInt8(length)))
        default: return .unknown(kind)
        }
    }
}

/// Whether something holds: yes, no, or nobody can tell, and why.
enum Truth: Sendable, Hashable {
    case yes
    case no
    case unknown(String)

    static func of(_ condition: Bool) -> Truth { condition ? .yes : .no }

    static prefix func ! (truth: Truth) -> Truth {
        switch truth {
        case .yes: .no
        case .no: .yes
        case .unknown: truth
        }
    }
}
