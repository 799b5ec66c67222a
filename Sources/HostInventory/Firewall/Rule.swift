/// Where a packet goes next.
enum Verdict: Sendable, Hashable {
    case accept
    /// Dropped, rejected, or sent elsewhere: it does not arrive.
    case drop
    case `continue`
    case `return`
    case jump(String)
    case goto(String)
    /// Somebody outside the ruleset decides, such as a program that packets are queued for.
    case undecided(String)

    /// A verdict as libnftables writes it; nil for another statement.
    init?(_ kind: String, _ value: JSONValue) {
        switch kind {
        case "accept": self = .accept
        case "drop", "reject": self = .drop
        case "continue": self = .continue
        case "return": self = .return
        case "jump": self = value["target"]?.text.map { .jump($0) } ?? .undecided(kind)
        case "goto": self = value["target"]?.text.map { .goto($0) } ?? .undecided(kind)
        default: return nil
        }
    }
}

/// A part of a rule (libnftables-json(5), "STATEMENTS").
enum Statement: Sendable, Hashable {
    case match(Comparison, Expression, Pattern)
    case verdict(Verdict)
    /// The verdict of the element that fits; none ends the rule.
    case map(Expression, VerdictMap)
    /// Ends the rule where it is meant for what exceeds a rate, which a first connection does not.
    case limit(isOver: Bool)
    /// The same, by the name of the table's limit.
    case namedLimit(String)
    case mark(ofConnection: Bool, UInt128?)
    case untracked
    /// Counters, logs and the like.
    case none
    /// A condition that is not understood: the rule may apply or not.
    case obscure(String)

    /// How a match compares.
    enum Comparison: String, Sendable, Hashable {
        case equal = "=="
        case unequal = "!="
        case less = "<"
        case greater = ">"
        case atMost = "<="
        case atLeast = ">="
        /// Any of the bits.
        case within = "in"
        /// None of the bits.
        case without = "!"
    }

    /// The elements of a verdict map, or its name.
    enum VerdictMap: Sendable, Hashable {
        case elements([MapElement])
        case named(String)
    }

    /// What fits, and what becomes of it.
    struct MapElement: Sendable, Hashable {
        var pattern: Pattern
        var verdict: Verdict

        /// An element as libnftables writes it: a pair.
        init(_ json: JSONValue) {
            guard let pair = json.array, pair.count == 2, let (kind, value) = pair[1].onlyMember else {
                pattern = .unknown("an element")
                verdict = .undecided("an element")
                return
            }
            pattern = Pattern(pair[0])
            verdict = Verdict(kind, value) ?? .undecided(kind)
        }
    }

    init(_ json: JSONValue) {
        guard let (kind, value) = json.onlyMember else {
            self = .obscure("a statement")
            return
        }
        if let verdict = Verdict(kind, value) {
            self = .verdict(verdict)
            return
        }
        switch kind {
        case "match": self = Self.match(value)
        case "vmap": self = Self.map(value)
        case "limit": self = value.text.map { .namedLimit($0) } ?? .limit(isOver: value["inv"]?.isTrue ?? false)
        case "ct count": self = .limit(isOver: value["inv"]?.isTrue ?? false)
        case "set": self = Self.update(value)
        case "mangle": self = Self.mangle(value)
        case "notrack": self = .untracked
        case "xt": self = Self.extension(value)
        case "queue", "dnat", "redirect", "tproxy", "synproxy", "fwd": self = .verdict(.undecided(kind))
        // What these do to the address of the sender happens behind everything that is asked here.
        case "snat", "masquerade": self = .verdict(.accept)
        case "counter", "log", "comment", "dup", "flow", "ct helper", "ct timeout", "ct expectation", "secmark", "last":
            self = .none
        default: self = .obscure(kind)
        }
    }

    private static func match(_ json: JSONValue) -> Statement {
        guard let comparison = json["op"]?.text.flatMap(Comparison.init), let left = json["left"],
            let right = json["right"]
        else { return .obscure("match") }
        return .match(comparison, Expression(left), Pattern(right))
    }

    private static func map(_ json: JSONValue) -> Statement {
        guard let key = json["key"], let data = json["data"] else { return .obscure("vmap") }
        if let name = data.text, name.hasPrefix("@") {
            return .map(Expression(key), .named(String(name.dropFirst())))
        }
        guard let elements = data["set"]?.array else { return .obscure("vmap") }
        return .map(Expression(key), .elements(elements.map(MapElement.init)))
    }

    /// Adding to a set, with a limit for each element or not.
    private static func update(_ json: JSONValue) -> Statement {
        let parts = (json["stmt"]?.array ?? []).map(Statement.init)
        let conditions = parts.filter { $0 != .none }
        switch conditions.count {
        case 0: return .none
        case 1: return conditions[0]
        default: return .obscure("set")
        }
    }

    private static func mangle(_ json: JSONValue) -> Statement {
        guard let key = json["key"] else { return .obscure("mangle") }
        let value = json["value"].flatMap { Pattern($0).number }
        switch Expression(key) {
        case .meta("mark"): return .mark(ofConnection: false, value)
        case .connection("mark", _): return .mark(ofConnection: true, value)
        case .meta, .connection: return .none
        // Whoever reads the packet from here on reads another one.
        case .payload(_, let field) where ["saddr", "daddr", "sport", "dport"].contains(field):
            return .verdict(.undecided("mangle \(field)"))
        default: return .obscure("mangle")
        }
    }

    /// What iptables-nft could not say in nftables' own words, where libnftables has no translation either.
    private static func `extension`(_ json: JSONValue) -> Statement {
        let name = json["name"]?.text ?? "an extension"
        switch (json["type"]?.text, name) {
        case ("target", "LOG"), ("target", "NFLOG"), ("match", "comment"): return .none
        case ("target", "REJECT"): return .verdict(.drop)
        case ("target", _): return .verdict(.undecided("xt target \(name)"))
        default: return .obscure("xt match \(name)")
        }
    }
}

/// A rule.
struct Rule: Sendable, Hashable {
    /// The kernel's number, for people.
    var handle: Int64
    var statements: [Statement]
}
