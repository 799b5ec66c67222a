/// The kernel's ruleset, in the terms of this evaluation.
struct Ruleset: Sendable {
    /// What names a chain or a set.
    struct Name: Sendable, Hashable {
        var family: String
        var table: String
        var name: String
    }

    /// A chain, and where it hangs, if it does.
    struct Chain: Sendable {
        var name: Name
        var rules: [Rule] = []
        var hook: Hook?
    }

    /// Where a base chain hangs.
    struct Hook: Sendable, Hashable {
        /// Such as `input`.
        var name: String
        /// `filter`, `nat` or `route`.
        var type: String
        var priority: Int64
        /// Whether what no rule decides passes.
        var accepts: Bool
        /// The devices of an ingress chain; nil where it is not known which.
        var devices: [String]?
    }

    private(set) var chains: [Name: Chain] = [:]
    private(set) var sets: [Name: [Pattern]] = [:]
    private(set) var maps: [Name: [Statement.MapElement]] = [:]
    private(set) var limits: [Name: Bool] = [:]

    /// Nothing: every packet passes.
    init() {}

    /// Reads libnftables' two descriptions of the same ruleset.
    ///
    /// - Parameters:
    ///   - json: libnftables-json(5), symbols as numbers.
    ///   - listing: the text in nft(8)'s language with handles, for what the other leaves out: whether a table is dormant, an ingress
    ///     chain's devices, and what xtables' extensions say.
    /// - Throws: ``FirewallError/malformed(reason:)``.
    init(json: [UInt8], listing: [UInt8]) throws(FirewallError) {
        guard let objects = try JSONValue(parsing: json)["nftables"]?.array else {
            throw .malformed(reason: "it has no list \"nftables\"")
        }
        let listing = RulesetListing(listing)
        for object in objects {
            guard let (kind, value) = object.onlyMember, let family = value["family"]?.text else { continue }
            let table = value["table"]?.text ?? ""
            guard !listing.dormantTables.contains(.init(family: family, table: table, name: "")) else { continue }
            let own = Name(family: family, table: table, name: value["name"]?.text ?? "")
            switch kind {
            case "chain": chains[own] = Chain(name: own, hook: try Self.hook(value, own, listing))
            case "rule":
                let place = Name(family: family, table: table, name: value["chain"]?.text ?? "")
                chains[place]?.rules.append(Self.rule(value, place, listing))
            case "set": sets[own] = (value["elem"]?.array ?? []).map(Pattern.init)
            case "map" where value["map"]?.text == "verdict":
                maps[own] = (value["elem"]?.array ?? []).map(Statement.MapElement.init)
            case "limit": limits[own] = value["inv"]?.isTrue ?? false
            default: continue
            }
        }
    }

    private static func hook(
        _ json: JSONValue, _ name: Name, _ listing: RulesetListing
    ) throws(FirewallError) -> Hook? {
        guard let hook = json["hook"]?.text else { return nil }
        guard let priority = json["prio"]?.number else {
            throw .malformed(reason: "the chain \(name.name) has no priority")
        }
        let named = json["dev"]?.text.map { [$0] } ?? json["dev"]?.array?.compactMap(\.text)
        return Hook(
            name: hook, type: json["type"]?.text ?? "filter", priority: priority,
            accepts: json["policy"]?.text != "drop", devices: named ?? listing.devices[name])
    }

    private static func rule(_ json: JSONValue, _ place: Name, _ listing: RulesetListing) -> Rule {
        let handle = json["handle"]?.number ?? 0
        let expressions = json["expr"]?.array ?? []
        let isForeign = expressions.contains { $0["xt"] != nil }
        if isForeign, let text = listing.rules[.init(chain: place, handle: handle)],
            let translated = RuleText.statements(text)
        {
            return Rule(handle: handle, statements: translated)
        }
        return Rule(handle: handle, statements: expressions.map(Statement.init))
    }

    /// The base chains that a packet passes at a hook, in their order.
    func chains(at hook: String, families: [String]) -> [(Chain, Hook)] {
        chains.values.compactMap { chain in
            guard let own = chain.hook, own.name == hook, families.contains(chain.name.family) else { return nil }
            return (chain, own)
        }.sorted { ($0.1.priority, $0.0.name.table, $0.0.name.name) < ($1.1.priority, $1.0.name.table, $1.0.name.name) }
    }

    /// Something of the same table as a chain.
    func chain(_ name: String, beside chain: Name) -> Chain? {
        chains[Name(family: chain.family, table: chain.table, name: name)]
    }

    func set(_ name: String, beside chain: Name) -> [Pattern]? {
        let own = Name(family: chain.family, table: chain.table, name: name)
        return sets[own] ?? maps[own]?.map(\.pattern)
    }

    func map(_ name: String, beside chain: Name) -> [Statement.MapElement]? {
        maps[Name(family: chain.family, table: chain.table, name: name)]
    }

    func limit(_ name: String, beside chain: Name) -> Bool? {
        limits[Name(family: chain.family, table: chain.table, name: name)]
    }
}
