/// A packet's way through the ruleset, with both ways taken where a condition cannot be told.
struct Walk: Sendable {
    /// What ends a walk early.
    enum Stop: Error, Sendable, Hashable {
        /// A rule is for a part of the packet's values.
        case divide(Packet.Division)
        /// Too many rules were looked at.
        case exhausted
    }

    /// What may become of the packet.
    struct Outcome: Sendable {
        var mayPass = false
        var mayDrop = false
        /// Whether a chain may come to its end, or return.
        var mayFallThrough = false
    }

    let ruleset: Ruleset
    let face: Face
    var packet: Packet
    /// How many rules may still be looked at.
    var budget: Int
    /// Why something may or may not apply.
    var doubts: [String] = []
    /// Who dropped the packet, the last one where several may have.
    var culprit = ""
    /// Whether connection tracking has seen the packet at the chain that is walked.
    private(set) var isTracked = true
    /// Whether the packet may have left the base chain before the rule that is looked at.
    private var isForked = false

    init(ruleset: Ruleset, face: Face, packet: Packet, budget: Int) {
        self.ruleset = ruleset
        self.face = face
        self.packet = packet
        self.budget = budget
    }

    /// All hooks on the packet's way, in their order.
    mutating func run() throws(Stop) -> Outcome {
        let families: [String] =
            switch packet.network {
            case .ipv4: ["ip", "inet"]
            case .ipv6: ["ip6", "inet"]
            case .arp: ["arp"]
            }
        var all = Outcome(mayPass: true)
        let hooks = packet.isOutgoing ? ["output", "postrouting", "egress"] : ["ingress", "prerouting", "input"]
        for hook in hooks {
            let isDevices = hook == "ingress" || hook == "egress"
            let here = isDevices ? (packet.network == .arp ? ["netdev"] : ["netdev", "inet"]) : families
            for (chain, own) in ruleset.chains(at: hook, families: here) {
                // Translation looks at the first packet of a connection alone.
                if own.type == "nat", packet.state != .new { continue }
                let outcome = try base(chain, own, isDevices: isDevices)
                all.mayDrop = all.mayDrop || outcome.mayDrop
                if !outcome.mayPass { return Outcome(mayDrop: true) }
            }
            // Whether the adapter is a bridge is not known here: what its own tables drop is a doubt.
            for (chain, own) in ruleset.chains(at: hook, families: ["bridge"]) {
                all.mayDrop = try base(chain, own, isDevices: true).mayDrop || all.mayDrop
            }
        }
        return all
    }

    private mutating func base(
        _ chain: Ruleset.Chain, _ hook: Ruleset.Hook, isDevices: Bool
    ) throws(Stop) -> Outcome {
        var isElsewhere = false
        if isDevices {
            if let devices = hook.devices {
                guard devices.contains(face.name) else { return Outcome(mayPass: true) }
            } else {
                isElsewhere = true
                doubts.append("\(Self.place(chain.name)): its devices are not known")
            }
        }
        // Connection tracking sits at priority -200 of prerouting and output (NF_IP_PRI_CONNTRACK).
        isTracked = !isDevices && !(["prerouting", "output"].contains(hook.name) && hook.priority <= -200)
        isForked = false
        var outcome = try walk(chain, depth: 0)
        if outcome.mayFallThrough {
            if hook.accepts {
                outcome.mayPass = true
            } else {
                outcome.mayDrop = true
                culprit = "the policy of \(Self.place(chain.name))"
            }
        }
        if isElsewhere { outcome.mayPass = true }
        return outcome
    }

    static func place(_ name: Ruleset.Name) -> String { "chain \(name.name) of table \(name.family) \(name.table)" }

    private static func place(_ rule: Rule, _ chain: Ruleset.Chain) -> String {
        "rule \(rule.handle) in \(place(chain.name))"
    }

    private mutating func walk(_ chain: Ruleset.Chain, depth: Int) throws(Stop) -> Outcome {
        // The kernel's own limit of nested jumps is 16 (NFT_JUMP_STACK_SIZE).
        guard depth <= 16 else { throw .exhausted }
        var outcome = Outcome()
        for rule in chain.rules {
            guard budget > 0 else { throw .exhausted }
            budget -= 1
            if try apply(rule, in: chain, depth: depth, to: &outcome) { return outcome }
        }
        outcome.mayFallThrough = true
        return outcome
    }

    /// Whether the rule ends the chain for sure.
    private mutating func apply(
        _ rule: Rule, in chain: Ruleset.Chain, depth: Int, to outcome: inout Outcome
    ) throws(Stop) -> Bool {
        var isSure = true
        for statement in rule.statements {
            switch try condition(statement, beside: chain.name, isSure: isSure && !isForked) {
            case .no: return false
            case .unknown(let cause):
                isSure = false
                doubts.append("\(Self.place(rule, chain)): \(cause)")
            case .yes: break
            }
            let verdicts: [(Verdict, Bool)]
            switch statement {
            case .verdict(let verdict): verdicts = [(verdict, isSure)]
            case .map(let key, let map):
                verdicts = try self.verdicts(of: map, key: key, rule: rule, chain: chain, isSure: isSure)
                if verdicts.isEmpty { return false }
            default: continue
            }
            for (verdict, isSure) in verdicts {
                if try take(verdict, isSure: isSure, rule: rule, chain: chain, depth: depth, to: &outcome) {
                    return true
                }
            }
        }
        return false
    }

    /// Whether the verdict ends the chain for sure.
    private mutating func take(
        _ verdict: Verdict, isSure: Bool, rule: Rule, chain: Ruleset.Chain, depth: Int, to outcome: inout Outcome
    ) throws(Stop) -> Bool {
        if !isSure, verdict != .drop, verdict != .continue { isForked = true }
        switch verdict {
        case .accept: outcome.mayPass = true
        case .drop:
            outcome.mayDrop = true
            culprit = Self.place(rule, chain)
        case .continue: return false
        case .return: outcome.mayFallThrough = true
        case .undecided(let cause):
            outcome.mayPass = true
            outcome.mayDrop = true
            doubts.append("\(Self.place(rule, chain)): \(cause)")
        case .jump(let target), .goto(let target):
            guard let next = ruleset.chain(target, beside: chain.name) else {
                return try take(
                    .undecided("the chain \(target)"), isSure: isSure, rule: rule, chain: chain, depth: depth,
                    to: &outcome)
            }
            let before = packet
            let inner = try walk(next, depth: depth + 1)
            if !isSure { keepWhatIsSure(of: before) }
            outcome.mayPass = outcome.mayPass || inner.mayPass
            outcome.mayDrop = outcome.mayDrop || inner.mayDrop
            if case .goto = verdict {
                outcome.mayFallThrough = outcome.mayFallThrough || inner.mayFallThrough
            } else if inner.mayFallThrough {
                return false
            }
        }
        return isSure
    }

    /// After a chain that was perhaps walked, what it changed is not known.
    private mutating func keepWhatIsSure(of before: Packet) {
        if packet.mark != before.mark { packet.mark = nil }
        if packet.connectionMark != before.connectionMark { packet.connectionMark = nil }
        if packet.state != before.state { packet.state = nil }
    }

    private mutating func verdicts(
        of map: Statement.VerdictMap, key: Expression, rule: Rule, chain: Ruleset.Chain, isSure: Bool
    ) throws(Stop) -> [(Verdict, Bool)] {
        let elements: [Statement.MapElement]
        switch map {
        case .elements(let own): elements = own
        case .named(let name):
            guard let own = ruleset.map(name, beside: chain.name) else {
                doubts.append("\(Self.place(rule, chain)): the map \(name)")
                return [(.undecided("the map \(name)"), false)]
            }
            elements = own
        }
        let operand = packet.operand(key, through: face, isTracked: isTracked)
        if case .absent = operand { return [] }
        var found: [(Verdict, Bool)] = []
        // `*` is for what no other element holds, wherever it stands.
        let last = elements.filter { $0.pattern == .any }
        for element in elements.filter({ $0.pattern != .any }) + last {
            switch try holds(element.pattern, operand, beside: chain.name) {
            case .no: continue
            case .yes: return found + [(element.verdict, isSure && found.isEmpty)]
            case .unknown(let cause):
                doubts.append("\(Self.place(rule, chain)): \(cause)")
                found.append((element.verdict, false))
            }
        }
        return found
    }
}
