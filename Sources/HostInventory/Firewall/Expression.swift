/// What a rule looks at: the left side of a comparison, or the key of a map (libnftables-json(5), "EXPRESSIONS").
indirect enum Expression: Sendable, Hashable {
    case meta(String)
    /// Connection tracking's knowledge; with a direction it is that direction's tuple.
    case connection(String, hasDirection: Bool)
    case payload(String, String)
    /// An answer of the routing tables, about what the flags name.
    case route(result: String, flags: Set<String>)
    /// An extension header of IPv6, with a field or whether it is there.
    case extensionHeader(hasField: Bool)
    case concatenation([Expression])
    case masked(Expression, UInt128)
    /// What is not understood, by its name.
    case unknown(String)

    init(_ json: JSONValue) {
        guard let (kind, value) = json.onlyMember else {
            self = .unknown("an expression")
            return
        }
        switch kind {
        case "meta": self = value["key"]?.text.map { .meta($0) } ?? .unknown(kind)
        case "ct":
            self = value["key"]?.text.map { .connection($0, hasDirection: value["dir"] != nil) } ?? .unknown(kind)
        case "payload": self = Self.payload(value)
        case "fib":
            let flags = value["flags"]?.array?.compactMap(\.text) ?? value["flags"]?.text.map { [$0] } ?? []
            self = value["result"]?.text.map { .route(result: $0, flags: Set(flags)) } ?? .unknown(kind)
        case "exthdr": self = .extensionHeader(hasField: value["field"] != nil)
        case "concat": self = .concatenation((value.array ?? []).map(Expression.init))
        case "&":
            let parts = value.array ?? []
            guard parts.count == 2, let mask = Pattern(parts[1]).number else {
                self = .unknown("a mask")
                return
            }
            self = .masked(Expression(parts[0]), mask)
        default: self = .unknown(kind)
        }
    }

    private static func payload(_ json: JSONValue) -> Expression {
        if let `protocol` = json["protocol"]?.text, let field = json["field"]?.text {
            return .payload(`protocol`, field)
        }
        // libnftables 1.0 names these two by itself; others print the offset in bits.
        switch (json["base"]?.text, json["offset"]?.number, json["len"]?.number) {
        case ("th", 0, 16): return .payload("th", "sport")
        case ("th", 16, 16): return .payload("th", "dport")
        default: return .unknown("raw payload")
        }
    }

    /// What it is called in a message.
    var name: String {
        switch self {
        case .meta(let key): "meta \(key)"
        case .connection(let key, _): "ct \(key)"
        case .payload(let layer, let field): "\(layer) \(field)"
        case .route(let result, _): "fib \(result)"
        case .extensionHeader: "exthdr"
        case .concatenation(let parts): parts.map(\.name).joined(separator: " . ")
        case .masked(let expression, _): expression.name
        case .unknown(let name): name
        }
    }
}

/// What a rule finds when it looks.
indirect enum Operand: Sendable {
    /// The packet has no such thing, and the rule does not apply, whatever it compares with.
    case absent
    case unknown(String)
    /// A number; with the field, where that is a range of which the rule may fit a part.
    case number(ClosedRange<UInt128>, Packet.Divisible?)
    /// A number of two octets that libnftables 1.0 prints in the host's order where it comes in the network's: either will do.
    case eitherOrder(UInt16)
    case adapter(name: String, index: UInt32)
    case flag(Bool)
    case concatenation([Operand])

    static func exactly(_ number: UInt128) -> Operand { .number(number...number, nil) }
}
