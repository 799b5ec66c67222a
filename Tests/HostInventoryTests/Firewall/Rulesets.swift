@testable import HostInventory

/// Rulesets as libnftables 1.0.6 describes them, `nft -j -n -s list ruleset` and `nft -a -n -s list ruleset`.
enum Rulesets {
    /// An inet table with one base chain at the input hook.
    ///
    /// - Parameters:
    ///   - rules: each rule's list of statements.
    ///   - others: more objects of the list, such as sets.
    static func input(_ rules: String..., policy: String = "drop", others: [String] = [], listing: String = "") throws
        -> Ruleset
    {
        let chain = """
            {"chain": {"family": "inet", "table": "t", "name": "i", "handle": 1, "type": "filter", "hook": "input",
            "prio": 0, "policy": "\(policy)"}}
            """
        let list = rules.enumerated().map { number, expressions in
            """
            {"rule": {"family": "inet", "table": "t", "chain": "i", "handle": \(number + 2), "expr": [\(expressions)]}}
            """
        }
        let objects = [#"{"metainfo": {"json_schema_version": 1}}"#] + others + [chain] + list
        return try Ruleset(
            json: Array(#"{"nftables": [\#(objects.joined(separator: ", "))]}"#.utf8), listing: Array(listing.utf8))
    }

    /// `tcp dport 445`, and the like.
    static func match(_ protocol: String, _ field: String, _ right: String, op: String = "==") -> String {
        #"{"match": {"op": "\#(op)", "left": {"payload": {"protocol": "\#(`protocol`)", "field": "\#(field)"}}, "#
            + #""right": \#(right)}}"#
    }

    static func state(_ right: String, op: String = "in") -> String {
        #"{"match": {"op": "\#(op)", "left": {"ct": {"key": "state"}}, "right": \#(right)}}"#
    }

    static let accept = #"{"accept": null}"#
    static let drop = #"{"drop": null}"#
}

extension HostAdapter {
    /// An adapter for tests, at 198.51.100.1/24.
    static func lan(_ addresses: [(String, UInt8)] = [("198.51.100.1", 24)], name: String = "lan0") throws
        -> HostAdapter
    {
        guard let id = ID(octets: Array(1...16)) else { throw FirewallError.malformed(reason: "an identifier") }
        return HostAdapter(
            id: id, index: 7, name: name, summary: "a test's",
            addresses: addresses.compactMap { text, length in
                HostAddress(text).map { Address(address: $0, prefixLength: length) }
            })
    }
}
