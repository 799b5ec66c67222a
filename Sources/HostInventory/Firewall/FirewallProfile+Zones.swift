extension FirewallProfile {
    /// The profile of an adapter: that of its firewalld zone where firewalld runs, else private where no gateway leads away from its
    /// network, and public, which is Windows' word for a network that it cannot identify, where one does.
    static func of(_ adapter: HostAdapter, in ruleset: Ruleset) -> FirewallProfile {
        if let zone = FirewalldZones(ruleset)?.zone(of: adapter) { return FirewallProfile(zone: zone) }
        return adapter.gateways.isEmpty ? .private : .public
    }

    /// The profile of one of firewalld's zones: those whose computers its documentation (firewalld.zones(5)) has one "mostly trust", and
    /// `trusted`, are private; one that the administrator has named `domain` is a domain's; all others are public.
    init(zone: String) {
        switch zone {
        case "home", "work", "internal", "trusted": self = .private
        case "domain": self = .domain
        default: self = .public
        }
    }
}

/// Which zone firewalld puts an adapter into, as its own table has it: what runs counts, not what is configured.
struct FirewalldZones {
    private let ruleset: Ruleset
    private let chain: Ruleset.Chain

    /// nil where firewalld has no table in the ruleset.
    init?(_ ruleset: Ruleset) {
        let name = Ruleset.Name(family: "inet", table: "firewalld", name: "filter_INPUT_ZONES")
        guard let chain = ruleset.chains[name] else { return nil }
        self.ruleset = ruleset
        self.chain = chain
    }

    /// The zone; nil where the table names none. Zones of addresses are not an adapter's and are passed over.
    func zone(of adapter: HostAdapter) -> String? {
        let packet = Packet(purpose: "", network: .ipv4)
        for rule in chain.rules {
            var walk = Walk(ruleset: ruleset, face: Face(adapter), packet: packet, budget: rule.statements.count + 1)
            if let zone = zone(rule, &walk) { return zone }
        }
        return nil
    }

    private func zone(_ rule: Rule, _ walk: inout Walk) -> String? {
        for statement in rule.statements {
            guard let condition = try? walk.condition(statement, beside: chain.name, isSure: true), condition == .yes
            else { return nil }
            switch statement {
            case .verdict(.goto(let target)), .verdict(.jump(let target)): return Self.zone(ofChain: target)
            case .map(let key, .elements(let elements)):
                let operand = walk.packet.operand(key, through: walk.face, isTracked: true)
                for element in elements where (try? walk.holds(element.pattern, operand, beside: chain.name)) == .yes {
                    if case .goto(let target) = element.verdict { return Self.zone(ofChain: target) }
                }
                return nil
            default: continue
            }
        }
        return nil
    }

    private static func zone(ofChain name: String) -> String? {
        let prefix = "filter_IN_"
        return name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
    }
}
