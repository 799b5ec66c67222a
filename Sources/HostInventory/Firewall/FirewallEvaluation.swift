/// What a ruleset lets reach the host's adapters. It asks nobody: the same ruleset and adapters have the same answer.
struct FirewallEvaluation: Sendable {
    /// What becomes of a packet.
    enum Passage: Sendable, Hashable {
        case passes
        /// Dropped, and by whom.
        case refused(String)
        /// Not known, and why.
        case uncertain([String])
    }

    /// The most rules that are looked at for one kind of traffic at one address.
    static let ruleBudget = 2_000_000
    /// The most parts that a packet's ranges are divided into.
    static let maximumParts = 4096
    /// The most reasons that a verdict keeps.
    static let maximumReasons = 32

    /// The ruleset.
    let ruleset: Ruleset
    /// What an older firewall of the kernel has besides, which nftables does not tell.
    let foreign: [String]
    /// The services that are asked for.
    let packets: ClusterPackets

    init(ruleset: Ruleset, foreign: [String] = [], exporterPorts: ClosedRange<UInt16>) {
        self.ruleset = ruleset
        self.foreign = foreign
        packets = ClusterPackets(exporterPorts: exporterPorts)
    }

    /// The verdict of an adapter.
    func verdict(for adapter: HostAdapter) -> AdapterFirewall {
        let face = Face(adapter)
        var refused: Set<ClusterTraffic> = foreign.isEmpty ? [] : Set(ClusterTraffic.allCases)
        var unevaluated = foreign
        var refusals: [String] = []
        for place in ClusterPackets.places(of: adapter) {
            for service in packets.services {
                switch passage(service, at: place, through: face) {
                case .passes: continue
                case .refused(let culprit): refusals.append(culprit)
                case .uncertain(let reasons): unevaluated += reasons
                }
                refused.formUnion(service.groups)
            }
        }
        return AdapterFirewall(
            adapter: adapter.id, profile: FirewallProfile.of(adapter, in: ruleset),
            serverRules: !refused.contains(.server), managementRules: !refused.contains(.management),
            commonRules: !refused.contains(.common), unevaluated: Self.unique(unevaluated),
            refusals: Self.unique(refusals))
    }

    private static func unique(_ reasons: [String]) -> [String] {
        var seen: Set<String> = []
        return Array(reasons.filter { seen.insert($0).inserted }.prefix(maximumReasons))
    }

    /// What becomes of a service's packets: the first refusal counts, then the first doubt.
    private func passage(
        _ service: ClusterPackets.Service, at place: ClusterPackets.Place, through face: Face
    ) -> Passage {
        var budget = Self.ruleBudget
        var result = Passage.passes
        for packet in packets.packets(service, at: place) {
            switch passage(of: packet, through: face, budget: &budget) {
            case .passes: continue
            case .refused(let culprit):
                let direction = packet.isOutgoing ? "the answer is dropped" : "dropped"
                return .refused("\(packet.purpose): \(direction) by \(culprit)")
            case .uncertain(let reasons):
                if result == .passes { result = .uncertain(reasons.map { "\(packet.purpose): \($0)" }) }
            }
        }
        return result
    }

    /// What becomes of a packet, each of its values included.
    func passage(of packet: Packet, through face: Face, budget: inout Int) -> Passage {
        var parts = [packet]
        var count = 1
        var result = Passage.passes
        while let part = parts.popLast() {
            var walk = Walk(ruleset: ruleset, face: face, packet: part, budget: budget)
            do throws(Walk.Stop) {
                let outcome = try walk.run()
                budget = walk.budget
                if outcome.mayDrop, !outcome.mayPass { return .refused(walk.culprit) }
                if outcome.mayDrop, result == .passes { result = .uncertain(walk.doubts) }
            } catch {
                budget = walk.budget
                guard case .divide(let division) = error, count < Self.maximumParts,
                    let (lower, upper) = part.divided(division)
                else { return .uncertain(["the ruleset is too large, or divides the traffic into too many parts"]) }
                count += 1
                parts += [upper, lower]
            }
        }
        return result
    }
}
