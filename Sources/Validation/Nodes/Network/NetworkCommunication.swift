import ClusterProtocols
import ErrorCodes

/// Validate Network Communication: whether messages get from each node to each other one, how many are lost, and how long they take.
struct NetworkCommunication: NodeTest {
    let description = TestDescription(
        "network-communication", "Validate Network Communication", .network,
        "Has the nodes send messages to each other by every route that a cluster would use, and counts what is lost and how long it takes."
    )
    let success = "Every node reaches every other one by every route, without loss."
    let leastNodes = 2

    /// How long the nodes watch their routes: fifty messages on each.
    var watch = Duration.seconds(5)
    /// How many messages are timed on a route.
    static let timed = 5
    /// The routes of a node that are timed; all of them are watched.
    static let mostTimedRoutes = 16

    /// From this mean on a route is too slow for heartbeats, which come once in a second, to be relied on; in milliseconds.
    static let slow = 500.0
    /// From this loss on a node is taken for dead every so often: five heartbeats in a row; in percent.
    static let lossy: UInt32 = 10

    /// What is known of a leg.
    struct Measurement: Sendable {
        var leg: RoutePlan.Leg
        var loss: UInt32?
        var status: ROUTE_STATUS?
        var times: [Double] = []

        var isUp: Bool { status == .UP || status == .UP_DOWN }
        var mean: Double? { times.isEmpty ? nil : times.reduce(0, +) / Double(times.count) }
    }

    func run(_ context: NodeTestContext) async throws {
        let lists = context.ordered(try await context.forEachNode { try await context.adapters(of: $0) })
        let plan = RoutePlan(lists)
        let count = context.nodes.count
        // All nodes have to answer before any begins to ask, and until the last has asked.
        let (ready, done) = (Gate(for: count), Gate(for: count))
        let measured = try await context.forEachNode { node in
            let passage = Passage([ready, done])
            let result: Result<[Measurement], any Error>
            do {
                result = .success(
                    try await context.withNetwork(on: node) { network in
                        try await initialize(network, on: node, context)
                        await passage.pass(1)
                        let measurements = try await probe(network, on: node, plan, context)
                        await passage.pass(2)
                        return measurements
                    })
            } catch {
                result = .failure(error)
            }
            // Nobody is to wait for a node that has failed.
            await passage.giveUp()
            return try result.get()
        }
        judge(context.ordered(measured).flatMap(\.value), plan, context)
    }

    // MARK: Probing

    private func initialize(
        _ network: any NetworkCalls, on node: any ValidatedNode, _ context: NodeTestContext
    ) async throws {
        try await context.call(
            "Have the node answer probes", on: node, .initializeNode, detail: { "at UDP port \($0.port)" }
        ) { try await network.initialize(port: nil) }
    }

    private func probe(
        _ network: any NetworkCalls, on node: any ValidatedNode, _ plan: RoutePlan, _ context: NodeTestContext
    ) async throws -> [Measurement] {
        guard let request = plan.request(for: node.name), let legs = plan.legs[node.name] else { return [] }
        try await context.call(
            "Watch \(legs.count) routes to the other nodes", on: node, .processAddRoutes
        ) { try await network.watch(request) }
        try await context.run.clock.sleep(for: watch)
        let reply = try await context.call(
            "Ask what was seen of the routes", on: node, .getAddRoutesStatus, detail: Self.words
        ) { try await network.takeRoutes() }
        var measurements = legs.map { Measurement(leg: $0) }
        if case .routes(let routes) = reply {
            for route in routes where Int(route.index) < measurements.count {
                measurements[Int(route.index)].loss = route.packetLoss
                measurements[Int(route.index)].status = route.status
            }
        }
        for index in measurements.indices.prefix(Self.mostTimedRoutes) where measurements[index].isUp {
            measurements[index].times = try await times(of: legs[index], network, node, context)
        }
        return measurements
    }

    private static func words(_ reply: RouteReply) -> String? {
        guard case .routes(let routes) = reply else { return "the node watches no routes" }
        let down = routes.count { $0.status == .DOWN }
        return "\(routes.count - down) of \(routes.count) work"
    }

    /// The round trips of some messages; those that get lost are in the loss already.
    private func times(
        of leg: RoutePlan.Leg, _ network: any NetworkCalls, _ node: any ValidatedNode, _ context: NodeTestContext
    ) async throws -> [Double] {
        var times: [Double] = []
        for _ in 0..<Self.timed {
            let answer = try await context.ask(
                "Time a message to \(leg.to), \(leg.local) to \(leg.remote)", on: node, .sendRTMessage,
                judging: { (result: Result<UInt32, HRESULT>) in
                    switch result {
                    case .success(let time): (.good, time == 0 ? "less than 1 ms" : "\(time) ms")
                    case .failure: (.doubtful, "no answer came")
                    }
                },
                { try await network.roundTrip(from: leg.local, to: leg.remote, timeout: 1000) })
            if case .success(let time) = answer { times.append(Double(time)) }
        }
        return times
    }

    // MARK: Judging

    private func judge(_ measurements: [Measurement], _ plan: RoutePlan, _ context: NodeTestContext) {
        let recorder = context.recorder
        recorder.add(
            TestResult.Table(
                "Routes", columns: ["From", "To", "Network", "State", "Lost", "Round trip"],
                rows: measurements.map(Self.row)))
        if !measurements.isEmpty {
            recorder.add(
                Self.chart("Lost messages", unit: "%", limit: Double(Self.lossy), measurements) {
                    .init($0.leg.name, $0.loss.map(Double.init))
                })
            recorder.add(
                Self.chart("Round trips", unit: "ms", measurements.filter { !$0.times.isEmpty }) { measurement in
                    let times = measurement.times
                    return .init(measurement.leg.name, measurement.mean, range: (times.min() ?? 0)...(times.max() ?? 0))
                })
        }
        for (from, to) in plan.unconnected {
            unreachable(from, to, "They have no addresses of the same family.", context)
        }
        let pairs = Dictionary(grouping: measurements) { [$0.leg.from, $0.leg.to] }
        // Of the way to a node that was lost nobody knows anything.
        let lost = context.run.lost
        for (pair, measurements) in pairs.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) })
        where pair.allSatisfy({ lost[$0] == nil }) {
            if measurements.contains(where: \.isUp) {
                for measurement in measurements { judge(measurement, recorder) }
            } else {
                let routes = measurements.map { "\($0.leg.local) to \($0.leg.remote)" }.joined(separator: ", ")
                unreachable(pair[0], pair[1], "No message got through: \(routes).", context)
            }
        }
    }

    /// The routes that are drawn: more bars than anybody compares.
    private static let mostBars = 64

    /// A bar for each measurement; of many, the worst.
    private static func chart(
        _ title: String, unit: String, limit: Double? = nil, _ measurements: [Measurement],
        _ bar: (Measurement) -> Chart.Bar
    ) -> Chart {
        let bars = measurements.map(bar)
        guard bars.count > mostBars else { return Chart(title, unit: unit, bars: bars, limit: limit) }
        let worst = bars.sorted { $0.value ?? .infinity > $1.value ?? .infinity }.prefix(mostBars)
        return Chart(
            "\(title): the worst \(mostBars) of \(bars.count) routes", unit: unit, bars: Array(worst), limit: limit)
    }

    private func unreachable(_ from: String, _ to: String, _ text: String, _ context: NodeTestContext) {
        context.conclude(false, "\(from) reaches \(to)", detail: text)
        context.recorder.add(
            Finding(
                .error, "\(from) to \(to)", text,
                advice:
                    "Look at the cables, the switches and the firewalls between the two nodes: 3343/udp, or ICMP echo, has to pass.",
                command: NodeMethod.getAddRoutesStatus.name))
    }

    private func judge(_ measurement: Measurement, _ recorder: TestRecorder) {
        let name = measurement.leg.name
        if !measurement.isUp {
            recorder.add(
                Finding(
                    .warning, name, "No message got through by this route; others between the two nodes work.",
                    advice: "Look at the network of this route, and at the firewalls.",
                    command: NodeMethod.getAddRoutesStatus.name))
            return
        }
        if let loss = measurement.loss, loss > 0 {
            recorder.add(
                Finding(
                    loss >= Self.lossy ? .error : .warning, name,
                    "\(loss) % of the messages were lost"
                        + (measurement.status == .UP_DOWN ? "; the route was down at times." : "."),
                    advice: "Look for bad cables, duplex mismatches and overloaded switches in this network.",
                    command: NodeMethod.getAddRoutesStatus.name))
        }
        if let mean = measurement.mean, mean >= Self.slow {
            recorder.add(
                Finding(
                    .error, name, "A message and its answer take \(Int(mean)) ms.",
                    advice:
                        "Nodes expect each other's heartbeats within seconds. Use a faster network, or raise the cluster's thresholds.",
                    command: NodeMethod.sendRTMessage.name))
        }
    }

    private static func row(_ measurement: Measurement) -> [String] {
        let state: String
        switch measurement.status {
        case .UP?: state = "up"
        case .UP_DOWN?: state = "up and down"
        case .DOWN?: state = "down"
        default: state = "not told"
        }
        let leg = measurement.leg
        return [
            "\(leg.from) \(leg.local)", "\(leg.to) \(leg.remote)", leg.network ?? "routed", state,
            measurement.loss.map { "\($0) %" } ?? "",
            measurement.mean.map { $0 < 1 ? "less than 1 ms" : "\(Int($0.rounded())) ms" } ?? "",
        ]
    }
}
