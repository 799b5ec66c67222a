import Testing

@testable import HostInventory

struct FirewallEvaluationTests {
    private static func passage(
        _ ruleset: Ruleset, port: UInt128 = 445, state: Packet.State = .new, adapter: String = "lan0",
        _ change: (inout Packet) -> Void = { _ in }
    ) -> FirewallEvaluation.Passage {
        var packet = Packet(purpose: "a test", network: .ipv4, transport: .tcp)
        packet.source = 0xC633_6402...0xC633_64FE
        packet.destination = 0xC633_6401...0xC633_6401
        packet.destinationPorts = port...port
        packet.state = state
        packet.tcpFlags = 2
        change(&packet)
        var budget = 10_000
        return FirewallEvaluation(ruleset: ruleset, exporterPorts: 49152...65535).passage(
            of: packet, through: Face(name: adapter, index: 7, linkType: 1), budget: &budget)
    }

    private static func passes(_ rules: String..., policy: String = "drop", port: UInt128 = 445) throws -> Bool {
        let ruleset = try Rulesets.input(rules.joined(separator: ", "), policy: policy)
        return passage(ruleset, port: port) == .passes
    }

    @Test
    func noRuleset() throws {
        let verdict = FirewallEvaluation(ruleset: Ruleset(), exporterPorts: 49152...65535).verdict(for: try .lan())
        #expect(verdict.serverRules && verdict.managementRules && verdict.commonRules)
        #expect(verdict.refusals.isEmpty && verdict.unevaluated.isEmpty)
        #expect(verdict.profile == .private)
    }

    @Test
    func policies() throws {
        #expect(Self.passage(try Rulesets.input(policy: "accept")) == .passes)
        #expect(Self.passage(try Rulesets.input()) == .refused("the policy of chain i of table inet t"))
        #expect(
            Self.passage(try Rulesets.input(Rulesets.drop, policy: "accept"))
                == .refused("rule 2 in chain i of table inet t"))
    }

    @Test
    func portsAndTheirEdges() throws {
        for (right, yes, no) in [
            ("445", [445], [444, 446]), (#"{"range": [440, 445]}"#, [440, 445], [439, 446]),
            (#"{"set": [1, {"range": [440, 450]}, 65535]}"#, [1, 440, 450, 65535], [2, 439, 451, 65534]),
        ] as [(String, [UInt128], [UInt128])] {
            for port in yes {
                #expect(try Self.passes(Rulesets.match("tcp", "dport", right), Rulesets.accept, port: port))
                #expect(try !Self.passes(Rulesets.match("tcp", "dport", right, op: "!="), Rulesets.accept, port: port))
            }
            for port in no {
                #expect(try !Self.passes(Rulesets.match("tcp", "dport", right), Rulesets.accept, port: port))
                #expect(try Self.passes(Rulesets.match("tcp", "dport", right, op: "!="), Rulesets.accept, port: port))
            }
        }
        for (op, yes, no) in [("<", 444, 445), ("<=", 445, 446), (">", 446, 445), (">=", 445, 444)]
            as [(String, UInt128, UInt128)]
        {
            #expect(try Self.passes(Rulesets.match("tcp", "dport", "445", op: op), Rulesets.accept, port: yes))
            #expect(try !Self.passes(Rulesets.match("tcp", "dport", "445", op: op), Rulesets.accept, port: no))
        }
    }

    /// A field of another protocol ends the rule, even where it asks for being different.
    @Test
    func fieldsThatAreNotThere() throws {
        #expect(try !Self.passes(Rulesets.match("udp", "dport", "1", op: "!="), Rulesets.accept))
        #expect(try !Self.passes(Rulesets.match("ip6", "saddr", #""::1""#, op: "!="), Rulesets.accept))
        #expect(try !Self.passes(Rulesets.match("icmp", "type", "8", op: "!="), Rulesets.accept))
    }

    /// A range of ports or of senders is asked for as a whole, and passes only as a whole.
    @Test
    func rangesArePartedWhereRulesPartThem() throws {
        let ruleset = try Rulesets.input(
            Rulesets.match("tcp", "dport", #"{"range": [49152, 50000]}"#) + ", " + Rulesets.accept,
            Rulesets.match("tcp", "dport", #"{"range": [50001, 65535]}"#) + ", " + Rulesets.accept)
        #expect(Self.passage(ruleset) { $0.destinationPorts = 49152...65535 } == .passes)
        #expect(Self.passage(ruleset) { $0.destinationPorts = 49151...65535 } != .passes)
        let hole = try Rulesets.input(
            Rulesets.match("tcp", "dport", "50000") + ", " + Rulesets.drop, policy: "accept")
        #expect(
            Self.passage(hole) { $0.destinationPorts = 49152...65535 } == .refused("rule 2 in chain i of table inet t"))
        let network = try Rulesets.input(
            Rulesets.match("ip", "saddr", #"{"prefix": {"addr": "198.51.100.0", "len": 24}}"#) + ", " + Rulesets.accept)
        #expect(Self.passage(network) == .passes)
        let half = try Rulesets.input(
            Rulesets.match("ip", "saddr", #"{"prefix": {"addr": "198.51.100.0", "len": 25}}"#) + ", " + Rulesets.accept)
        #expect(Self.passage(half) == .refused("the policy of chain i of table inet t"))
    }

    @Test
    func states() throws {
        for (state, right, fits) in [
            (Packet.State.new, "8", true), (.new, "[2, 4]", false), (.established, "[2, 4]", true),
            (.untracked, "8", false), (.untracked, "[1, 64]", true),
        ] {
            let ruleset = try Rulesets.input(Rulesets.state(right) + ", " + Rulesets.accept)
            #expect((Self.passage(ruleset, state: state) == .passes) == fits, "\(state) in \(right)")
            let without = try Rulesets.input(Rulesets.state(right, op: "!") + ", " + Rulesets.accept)
            #expect((Self.passage(without, state: state) == .passes) == !fits, "\(state) not in \(right)")
        }
        // What connection tracking has not seen is invalid to it: nft_ct's answer without an entry.
        let raw = try Ruleset(
            json: Array(
                """
                {"nftables": [
                {"chain": {"family": "ip", "table": "t", "name": "p", "type": "filter", "hook": "prerouting",
                "prio": -300, "policy": "accept"}},
                {"rule": {"family": "ip", "table": "t", "chain": "p", "handle": 5, "expr": [\(Rulesets.state("1")),
                \(Rulesets.drop)]}}]}
                """.utf8), listing: [])
        #expect(Self.passage(raw) == .refused("rule 5 in chain p of table ip t"))
    }

    @Test(arguments: [
        ("lan0", "lan0", true), ("lan*", "lan0", true), ("lan0*", "lan0", true), ("lan", "lan0", false),
        ("lan\\\\*", "lan0", false), ("lan\\\\*", "lan*", true), ("*", "lan0", true),
    ])
    func interfaces(_ pattern: String, _ name: String, _ fits: Bool) throws {
        let ruleset = try Rulesets.input(
            #"{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "\#(pattern)"}}, "#
                + Rulesets.accept)
        #expect((Self.passage(ruleset, adapter: name) == .passes) == fits)
    }

    @Test
    func doubtsCountOnlyWhereTheyMatter() throws {
        let doubt = #"{"xt": {"type": "match", "name": "hashlimit"}}"#
        let open = try Rulesets.input(doubt + ", " + Rulesets.accept, policy: "accept")
        #expect(Self.passage(open) == .passes)
        let closed = try Rulesets.input(doubt + ", " + Rulesets.drop)
        #expect(Self.passage(closed) == .refused("the policy of chain i of table inet t"))
        let open2 = try Rulesets.input(doubt + ", " + Rulesets.accept)
        #expect(
            Self.passage(open2) == .uncertain(["rule 2 in chain i of table inet t: xt match hashlimit"]))
        let queue = try Rulesets.input(#"{"queue": null}"#, policy: "accept")
        #expect(Self.passage(queue) == .uncertain(["rule 2 in chain i of table inet t: queue"]))
    }

    /// A mark that was perhaps set is no longer known.
    @Test
    func marks() throws {
        let mark = #"{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 5}}"#
        let marked = #"{"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 5}}, "# + Rulesets.accept
        #expect(Self.passage(try Rulesets.input(mark, marked)) == .passes)
        #expect(Self.passage(try Rulesets.input(marked)) == .refused("the policy of chain i of table inet t"))
        let perhaps = #"{"xt": {"type": "match", "name": "string"}}, "# + mark
        guard case .uncertain = Self.passage(try Rulesets.input(perhaps, marked)) else {
            Issue.record("a mark that was perhaps set")
            return
        }
    }

    @Test
    func namedSetsAndMaps() throws {
        let set = """
            {"set": {"family": "inet", "name": "s", "table": "t", "type": "inet_service", "elem": [135,
            {"elem": {"val": 445, "timeout": 60}}]}}
            """
        let named = Rulesets.match("tcp", "dport", #""@s""#) + ", " + Rulesets.accept
        #expect(Self.passage(try Rulesets.input(named, others: [set])) == .passes)
        #expect(Self.passage(try Rulesets.input(named, others: [set]), port: 446) != .passes)
        #expect(
            Self.passage(try Rulesets.input(named)) == .uncertain(["rule 2 in chain i of table inet t: the set s"]))
        let map = """
            {"map": {"family": "inet", "name": "m", "table": "t", "type": "inet_service", "map": "verdict",
            "elem": [["*", {"drop": null}], [445, {"accept": null}]]}}
            """
        let lookup =
            #"{"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": "@m"}}"#
        let ruleset = try Rulesets.input(lookup, policy: "accept", others: [map])
        #expect(Self.passage(ruleset) == .passes)
        #expect(Self.passage(ruleset, port: 446) == .refused("rule 2 in chain i of table inet t"))
    }

    /// Chains that call each other twice at each of sixteen levels are 65,536 rules: the budget ends that.
    @Test
    func rulesetsThatAreTooLarge() throws {
        var objects: [String] = []
        for level in 0..<15 {
            objects.append(#"{"chain": {"family": "inet", "table": "t", "name": "c\#(level)"}}"#)
            for handle in 0..<2 where level < 14 {
                objects.append(
                    """
                    {"rule": {"family": "inet", "table": "t", "chain": "c\(level)", "handle": \(handle), "expr":
                    [{"jump": {"target": "c\(level + 1)"}}]}}
                    """)
            }
        }
        let ruleset = try Rulesets.input(#"{"jump": {"target": "c0"}}"#, policy: "accept", others: objects)
        #expect(
            Self.passage(ruleset)
                == .uncertain(["the ruleset is too large, or divides the traffic into too many parts"]))
    }

    @Test
    func neighbours() throws {
        let places = ClusterPackets.places(
            of: try .lan([("198.51.100.1", 24), ("198.51.100.5", 31), ("198.51.100.9", 32), ("2001:db8::", 126)]))
        let start = UInt128(0x2001_0DB8) << 96
        let expected: [[ClosedRange<UInt128>?]] = [
            // .0 and .255 are no host's, .1 is the adapter's own.
            [0xC633_6402...0xC633_64FE], [0xC633_6404...0xC633_6404], [nil], [(start + 1)...(start + 3)],
        ]
        #expect(places.map(\.neighbours) == expected)
        #expect(ClusterPackets.places(of: try .lan([])).map(\.isV6) == [false, true])
    }

    @Test
    func foreignFirewalls() throws {
        let verdict = FirewallEvaluation(
            ruleset: Ruleset(), foreign: ["tables of iptables-legacy"], exporterPorts: 49152...65535
        ).verdict(for: try .lan())
        #expect(!verdict.serverRules && !verdict.managementRules && !verdict.commonRules)
        #expect(verdict.unevaluated == ["tables of iptables-legacy"])
    }
}
