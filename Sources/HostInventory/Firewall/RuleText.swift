/// Rules as text: the words that libnftables and xtables' own translation have for what iptables-nft could not say in nftables' terms.
///
/// What iptables prints is understood, and nothing else; one word that is not known leaves the rule to its JSON.
struct RuleText {
    private var words: ArraySlice<String>

    /// The rule's statements; nil where a word is not understood.
    static func statements(_ text: String) -> [Statement]? {
        var reader = RuleText(words: words(text)[...])
        var statements: [Statement] = []
        while let word = reader.next() {
            guard let statement = reader.statement(word) else { return nil }
            statements.append(statement)
        }
        return statements
    }

    /// Words, quoted texts with their quotes, braces and commas between elements.
    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var isQuoted = false
        for character in text {
            switch character {
            case "\"":
                isQuoted.toggle()
                word.append(character)
            case " " where !isQuoted, "\t" where !isQuoted:
                words.append(word)
                word = ""
            default: word.append(character)
            }
        }
        return (words + [word]).filter { !$0.isEmpty }
    }

    private mutating func next() -> String? { words.popFirst() }

    private mutating func skip(_ word: String) -> Bool {
        guard words.first == word else { return false }
        words.removeFirst()
        return true
    }

    private mutating func statement(_ word: String) -> Statement? {
        switch word {
        case "accept": return .verdict(.accept)
        case "drop": return .verdict(.drop)
        case "return": return .verdict(.return)
        case "jump": return next().map { .verdict(.jump($0)) }
        case "goto": return next().map { .verdict(.goto($0)) }
        case "reject":
            words.removeAll()
            return .verdict(.drop)
        case "counter":
            if skip("packets") { words = words.dropFirst(3) }
            return Statement.none
        case "comment": return next().map { _ in .none }
        case "log": return log()
        case "limit": return limit()
        case "meta": return next().flatMap { comparison(.meta($0), names: Self.names($0)) }
        case "iif", "oif", "iifname", "oifname": return comparison(.meta(word), names: [:])
        case "ct": return skip("state") ? state() : nil
        case "ip", "ip6", "udp", "th", "icmp", "icmpv6": return field(of: word)
        case "tcp": return skip("flags") ? flags() : field(of: word)
        case "fib": return route()
        default: return nil
        }
    }

    private mutating func field(of layer: String) -> Statement? {
        guard let field = next() else { return nil }
        switch (layer, field) {
        case ("ip", "saddr"), ("ip", "daddr"), ("ip6", "saddr"), ("ip6", "daddr"), ("tcp", "dport"), ("tcp", "sport"),
            ("udp", "dport"), ("udp", "sport"), ("th", "dport"), ("th", "sport"), ("icmp", "code"), ("icmpv6", "code"):
            return comparison(.payload(layer, field), names: [:])
        case ("ip", "protocol"), ("ip6", "nexthdr"):
            return comparison(.payload(layer, field), names: Self.names("l4proto"))
        case ("icmp", "type"), ("icmpv6", "type"):
            return comparison(.payload(layer, field), names: layer == "icmp" ? Self.messages : Self.messages6)
        default: return nil
        }
    }

    private mutating func log() -> Statement? {
        while let word = words.first {
            switch word {
            case "prefix", "level", "group", "snaplen", "queue-threshold", "flags": words = words.dropFirst(2)
            case "sequence,options", "options", "ip",
                "tcp" where words.dropFirst().first?.contains("options") ?? false:
                words.removeFirst()
            default: return Statement.none
            }
        }
        return Statement.none
    }

    private mutating func limit() -> Statement? {
        guard skip("rate") else { return nil }
        let isOver = skip("over")
        guard next() != nil else { return nil }
        if skip("burst") { words = words.dropFirst(2) }
        return .limit(isOver: isOver)
    }

    /// xtables means any of the states, or none of them.
    private mutating func state() -> Statement? {
        let isNegated = skip("!=") || skip("!")
        guard let bits = bits(Self.states) else { return nil }
        return .match(isNegated ? .without : .within, .connection("state", hasDirection: false), .exactly(bits))
    }

    /// `syn / fin,syn,rst,ack`: of the latter bits exactly the former are set.
    private mutating func flags() -> Statement? {
        let isNegated = skip("!=")
        guard let value = bits(Self.tcpFlags), skip("/"), let mask = bits(Self.tcpFlags) else { return nil }
        return .match(isNegated ? .unequal : .equal, .masked(.payload("tcp", "flags"), mask), .exactly(value))
    }

    private mutating func bits(_ names: [String: UInt128]) -> UInt128? {
        guard let word = next() else { return nil }
        var bits: UInt128 = 0
        for name in word.split(separator: ",") {
            guard let bit = names[String(name)] ?? UInt128(name) ?? Self.hexadecimal(name) else { return nil }
            bits |= bit
        }
        return bits
    }

    private static func hexadecimal(_ text: Substring) -> UInt128? {
        text.hasPrefix("0x") ? UInt128(text.dropFirst(2), radix: 16) : nil
    }

    private mutating func route() -> Statement? {
        var flags: Set<String> = []
        repeat {
            guard let flag = next() else { return nil }
            flags.insert(flag)
        } while skip(".")
        guard skip("type") else { return nil }
        return comparison(.route(result: "type", flags: flags), names: Self.addressTypes)
    }

    private mutating func comparison(_ expression: Expression, names: [String: UInt128]) -> Statement? {
        var comparison = Statement.Comparison.equal
        if let word = words.first, let own = Statement.Comparison(rawValue: word), own != .within, own != .without {
            comparison = own
            words.removeFirst()
        }
        guard let first = next() else { return nil }
        guard first == "{" else { return Self.pattern(first, names).map { .match(comparison, expression, $0) } }
        var elements: [Pattern] = []
        while let word = next(), word != "}" {
            let element = word.hasSuffix(",") ? String(word.dropLast()) : word
            for part in element.split(separator: ",") {
                guard let pattern = Self.pattern(String(part), names) else { return nil }
                elements.append(pattern)
            }
        }
        return .match(comparison, expression, .set(elements))
    }

    private static func pattern(_ word: String, _ names: [String: UInt128]) -> Pattern? {
        if word.hasPrefix("\"") { return .text(word.filter { $0 != "\"" }) }
        if let number = names[word] ?? UInt128(word) ?? hexadecimal(word[...]) { return .exactly(number) }
        if let address = HostAddress(word) { return .exactly(address.number) }
        let network = word.split(separator: "/", maxSplits: 1)
        if network.count == 2, let address = HostAddress(String(network[0])), let length = UInt8(network[1]),
            length <= address.octets.count * 8
        {
            return .range(address.network(prefixLength: length))
        }
        let ends = word.split(separator: "-", maxSplits: 1).compactMap { end in
            UInt128(end) ?? HostAddress(String(end)).map(\.number)
        }
        return ends.count == 2 && ends[0] <= ends[1] ? .range(ends[0]...ends[1]) : nil
    }
}

extension RuleText {
    private static func names(_ key: String) -> [String: UInt128] {
        switch key {
        case "l4proto":
            [
                "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58,
                "sctp": 132,
            ]
        case "nfproto": ["ipv4": 2, "ipv6": 10]
        case "pkttype": ["host": 0, "unicast": 0, "broadcast": 1, "multicast": 2]
        default: [:]
        }
    }

    private static var states: [String: UInt128] {
        ["invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64]
    }

    private static var tcpFlags: [String: UInt128] {
        ["fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128]
    }

    private static var addressTypes: [String: UInt128] {
        ["unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5]
    }

    /// RFC 792 and its successors, as nft(8) names them.
    private static var messages: [String: UInt128] {
        [
            "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
            "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
            "timestamp-request": 13, "timestamp-reply": 14,
        ]
    }

    /// RFC 4443 and RFC 4861, as nft(8) names them.
    private static var messages6: [String: UInt128] {
        [
            "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
            "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
            "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133,
            "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137,
        ]
    }
}
