import Testing

@testable import HostInventory

struct RulesetTextTests {
    /// What `iptables-nft` made and `nft -a -s list ruleset` of version 1.0.6 printed.
    @Test(arguments: [
        ("ct state related,established counter accept", 3),
        ("meta l4proto tcp ct state new tcp dport 22 counter accept", 5),
        ("meta l4proto tcp tcp dport { 135, 445, 3343 } counter accept", 4),
        ("tcp dport 49152-65535  counter accept comment \"dynamic ports\"", 4),
        ("iifname \"eth*\" udp dport 3343 counter log", 4),
        ("meta l4proto icmp icmp type echo-request limit rate 5/second burst 5 packets counter accept", 5),
        ("ip saddr 10.0.0.0/8 counter reject with icmp host-unreachable", 3),
        ("fib daddr type local counter accept", 3),
        ("tcp flags syn / fin,syn,rst,ack counter accept", 3),
        ("counter log prefix \"smb: \" level warn", 2),
    ])
    func translations(_ text: String, _ count: Int) {
        #expect(RuleText.statements(text)?.count == count)
    }

    @Test(arguments: [
        "xt match \"string\" counter drop", "ct direction original accept", "ct state newish accept",
        "tcp dport smb accept", "# xt_hashlimit", "ip saddr 10.0.0.0/33 drop", "tcp dport 5-4 drop",
    ])
    func textsThatAreNotUnderstood(_ text: String) {
        #expect(RuleText.statements(text) == nil)
    }

    @Test
    func statesAreBits() {
        let state = Expression.connection("state", hasDirection: false)
        #expect(
            RuleText.statements("ct state related,established accept")?.first == .match(.within, state, .exactly(6)))
        #expect(RuleText.statements("ct state != invalid accept")?.first == .match(.without, state, .exactly(1)))
    }

    @Test
    func listings() {
        let listing = RulesetListing(
            Array(
                """
                table ip filter { # handle 1
                \tflags dormant

                \tchain INPUT { # handle 2
                \t\ttype filter hook input priority filter; policy drop;
                \t\tct state established accept comment "# handle 9" # handle 3
                \t}
                }
                table netdev n { # handle 2
                \tchain g { # handle 1
                \t\ttype filter hook ingress devices = { d1, lo } priority 5; policy drop;
                \t}
                }
                """.utf8))
        #expect(listing.dormantTables == [.init(family: "ip", table: "filter", name: "")])
        let chain = Ruleset.Name(family: "ip", table: "filter", name: "INPUT")
        #expect(
            listing.rules == [.init(chain: chain, handle: 3): ##"ct state established accept comment "# handle 9""##])
        #expect(listing.devices == [.init(family: "netdev", table: "n", name: "g"): ["d1", "lo"]])
    }

    @Test
    func foreignJSON() throws {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "\"\\x\"", "1.5", "nul", "[] []", "{\"nftables\": 1}"] {
            #expect(throws: FirewallError.self) { try Ruleset(json: Array(text.utf8), listing: []) }
        }
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: FirewallError.self) { try JSONValue(parsing: Array(deep.utf8)) }
        // A comment in Latin-1 does not make the ruleset unreadable.
        let latin = Array(#"{"a": ""#.utf8) + [0xE4] + Array(#"\n\u00e4", "b": [true, null, -5]}"#.utf8)
        let value = try JSONValue(parsing: latin)
        #expect(value["a"]?.text == "\u{FFFD}\nä")
        #expect(value["b"]?.array == [.bool(true), .null, .number(-5)])
    }

    @Test
    func tableOfOurs() throws {
        let services = ClusterPackets(exporterPorts: 49700...49700).services
        let commands = try HostFirewall.commands(opening: [.management], through: ["lan0"], services: services)
        #expect(
            commands == """
                add table inet clusprep
                delete table inet clusprep
                add table inet clusprep
                add chain inet clusprep input { type filter hook input priority filter - 1; policy accept; }
                add rule inet clusprep input iifname { "lan0" } icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
                add rule inet clusprep input iifname { "lan0" } tcp dport 49700 accept

                """)
        for name in ["", "a b", "a\"", "a;\n", "0123456789abcdef", "a*"] {
            #expect(throws: FirewallError.self) {
                try HostFirewall.commands(opening: [.server], through: [name], services: services)
            }
        }
        #expect(throws: Never.self) {
            try HostFirewall.commands(opening: [.server], through: ["0123456789abcde"], services: services)
        }
    }

    @Test
    func zones() throws {
        func ruleset(_ rules: String...) throws -> Ruleset {
            let list = rules.enumerated().map { number, rule in
                """
                {"rule": {"family": "inet", "table": "firewalld", "chain": "filter_INPUT_ZONES", "handle": \(number),
                "expr": [\(rule)]}}
                """
            }
            let chain = #"{"chain": {"family": "inet", "table": "firewalld", "name": "filter_INPUT_ZONES"}}"#
            return try Ruleset(
                json: Array(#"{"nftables": [\#(([chain] + list).joined(separator: ","))]}"#.utf8), listing: [])
        }
        func interface(_ name: String, _ zone: String) -> String {
            #"{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "\#(name)"}}, \#(goto(zone))"#
        }
        func goto(_ zone: String) -> String { #"{"goto": {"target": "filter_IN_\#(zone)"}}"# }
        let adapter = try HostAdapter.lan()
        for (zone, profile) in [
            ("trusted", FirewallProfile.private), ("home", .private), ("work", .private), ("internal", .private),
            ("domain", .domain), ("public", .public), ("drop", .public), ("my-zone", .public),
        ] {
            #expect(FirewallProfile.of(adapter, in: try ruleset(interface("lan0", zone), goto("public"))) == profile)
        }
        #expect(FirewallProfile.of(adapter, in: try ruleset(interface("wan0", "home"), goto("public"))) == .public)
        let source = Rulesets.match("ip", "saddr", #""198.51.100.7""#) + ", " + goto("drop")
        #expect(FirewallProfile.of(adapter, in: try ruleset(source, goto("work"))) == .private)
    }
}

extension RulesetTextTests {
    /// Whatever is in a ruleset, the evaluation ends with a verdict: each octet of one is changed in turn, and it is cut at each.
    @Test
    func damagedRulesets() throws {
        let json = Array(
            """
            {"nftables": [{"table": {"family": "inet", "name": "t"}}, {"chain": {"family": "inet", "table": "t",
            "name": "i", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}, {"set": {"family": "inet",
            "name": "s", "table": "t", "elem": [{"concat": ["1.2.3.4", {"range": [1, 5]}]}, {"prefix": {"addr":
            "fe80::", "len": 10}}]}}, {"rule": {"family": "inet", "table": "t", "chain": "i", "handle": 2, "expr": [
            {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": [2, 4]}}, {"match": {"op": "<=", "left":
            {"&": [{"meta": {"key": "mark"}}, 255]}, "right": 9}}, {"vmap": {"key": {"payload": {"protocol": "th",
            "field": "dport"}}, "data": {"set": [[{"range": [0, 65535]}, {"goto": {"target": "i"}}]]}}}]}}]}
            """.utf8)
        let listing = Array("table inet t {\n\tchain i {\n\t\tct state established accept # handle 2\n".utf8)
        let adapter = try HostAdapter.lan()
        for position in json.indices {
            var changed = json
            changed[position] ^= 0x11
            var longer = json
            longer.insert(UInt8(ascii: "9"), at: position)
            for damaged in [Array(json[..<position]), changed, longer] {
                guard let ruleset = try? Ruleset(json: damaged, listing: listing) else { continue }
                let evaluation = FirewallEvaluation(ruleset: ruleset, exporterPorts: 49152...65535)
                let verdict = evaluation.verdict(for: adapter)
                #expect(verdict.serverRules || !(verdict.refusals + verdict.unevaluated).isEmpty)
            }
        }
    }
}
