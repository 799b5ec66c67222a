import Foundation

/// What libnftables' text tells of a ruleset and its JSON does not: in version 1.0.6 a table's flags come out as the table's name, an
/// ingress chain's devices not at all, and xtables' extensions without what they say.
struct RulesetListing: Sendable {
    /// A rule's place.
    struct Place: Sendable, Hashable {
        var chain: Ruleset.Name
        var handle: Int64
    }

    /// Tables that are switched off, as names without a name.
    private(set) var dormantTables: Set<Ruleset.Name> = []
    /// The devices of ingress chains.
    private(set) var devices: [Ruleset.Name: [String]] = [:]
    /// The rules' texts, without their handles.
    private(set) var rules: [Place: String] = [:]

    /// Reads a text of `nft -a -s list ruleset`. What is not understood is not there.
    init(_ octets: [UInt8]) {
        var table: Ruleset.Name?
        var chain: Ruleset.Name?
        for line in octets.split(separator: UInt8(ascii: "\n")) {
            let depth = line.prefix { $0 == UInt8(ascii: "\t") }.count
            let text = String(decoding: line.dropFirst(depth), as: UTF8.self)
            let words = text.split(separator: " ").map(String.init)
            switch (depth, words.first) {
            case (0, "table") where words.count > 2:
                (table, chain) = (Ruleset.Name(family: words[1], table: words[2], name: ""), nil)
            case (1, "flags"):
                if let table, words.dropFirst().joined(separator: ",").split(separator: ",").contains("dormant") {
                    dormantTables.insert(table)
                }
            case (1, "chain") where words.count > 1:
                chain = table.map { Ruleset.Name(family: $0.family, table: $0.table, name: words[1]) }
            case (1, _): chain = nil
            case (2, "type") where words.contains("hook"):
                guard let chain, let start = words.firstIndex(where: { $0 == "device" || $0 == "devices" }),
                    let end = words.firstIndex(of: "priority"), start < end
                else { continue }
                devices[chain] = words[start..<end].dropFirst().map { $0.filter { !"\"{},;=".contains($0) } }
                    .filter { !$0.isEmpty }
            case (2, _):
                guard let chain, let mark = text.range(of: " # handle ", options: .backwards),
                    let handle = Int64(text[mark.upperBound...])
                else { continue }
                rules[Place(chain: chain, handle: handle)] = String(text[..<mark.lowerBound])
            default: continue
            }
        }
    }
}
