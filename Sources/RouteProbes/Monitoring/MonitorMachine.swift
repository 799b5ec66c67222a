/// One monitor's probes: when each path's next one is due, which wait for their answers and when they are lost.
///
/// It has neither a clock nor a socket. Times are durations since whatever moment the caller counts from.
struct MonitorMachine: Sendable {
    private struct Waiting {
        var path: Int32
        var sequence: UInt32
        var deadline: Duration
    }

    /// The calls are more than this apart only where the process was stopped or starved; what was on its way then tells nothing.
    static let stall = Duration.milliseconds(500)
    /// A probe that is due longer ago than this is left out.
    static let longestDelay = Duration.milliseconds(50)

    let session: UInt64
    let routes: RoutePaths
    private let port: UInt16
    private let length: Int
    private let interval: Duration
    private let patience: Duration
    private var histories: [PathHistory]
    /// In the order of sending, from `first` on.
    private var waiting: [Waiting] = []
    private var first = 0
    private var cursor = 0
    private var due: Duration
    private var polled: Duration

    init(session: UInt64, routes: RoutePaths, port: UInt16, configuration: RouteProber.Configuration, now: Duration) {
        self.session = session
        self.routes = routes
        self.port = port
        length = configuration.messageSize
        // The history of a path holds 32 probes, of which half may wait.
        interval = max(configuration.interval, .milliseconds(50))
        patience = min(configuration.patience, interval * 16)
        histories = Array(repeating: PathHistory(), count: routes.paths.count)
        due = now
        polled = now
    }

    /// When ``poll(now:share:echo:send:)`` has something to do; nil where it never has.
    var nextDeadline: Duration? {
        guard !histories.isEmpty else { return nil }
        return first < waiting.count ? min(due, waiting[first].deadline) : due
    }

    /// From one probe of all paths to the next.
    private func spacing(share: Int) -> Duration {
        max(interval / histories.count, .seconds(1) / max(1, share))
    }

    /// Settles what has waited long enough and sends what is due.
    ///
    /// - Parameters:
    ///   - share: how many probes a second this monitor may send.
    ///   - echo: what ICMP echo requests can be sent.
    mutating func poll(
        now: Duration, share: Int, echo: EchoAbility, send: (OutgoingProbe) -> Void
    ) {
        guard !histories.isEmpty else { return }
        let spacing = spacing(share: share)
        if now - polled > Self.stall, !waiting.isEmpty { forgetWaiting() }
        polled = max(polled, now)
        settle(now: now, downAfter: downAfter(round: spacing * histories.count), echo: echo)

        if now - due > Self.longestDelay { due = now }
        while due <= now {
            let path = routes.paths[cursor]
            let (sequence, carrier) = histories[cursor].send()
            waiting.append(Waiting(path: Int32(cursor), sequence: sequence, deadline: now + patience))
            let message = ProbeMessage(
                kind: .request, length: length, session: session, path: UInt32(cursor), sequence: sequence)
            send(OutgoingProbe(path: path, port: port, message: message, carrier: carrier))
            cursor = (cursor + 1) % histories.count
            due += spacing
        }
    }

    /// A path is down after a second without an answer, but not for fewer than three lost probes.
    private func downAfter(round: Duration) -> UInt32 {
        UInt32(min(max(3, (Duration.seconds(1) / round).rounded(.up)), 10))
    }

    private mutating func settle(now: Duration, downAfter: UInt32, echo: EchoAbility) {
        while first < waiting.count, waiting[first].deadline <= now {
            let path = Int(waiting[first].path)
            histories[path].settle(
                waiting[first].sequence, downAfter: downAfter, canEcho: echo.allows(routes.paths[path]))
            first += 1
        }
        // What is over goes when it is most of the list, so that every element is moved once on average.
        if first > 64, first * 2 > waiting.count {
            waiting.removeFirst(first)
            first = 0
        }
    }

    private mutating func forgetWaiting() {
        for probe in waiting[first...] { histories[Int(probe.path)].forgetIfOpen(probe.sequence) }
    }

    /// Takes the answer to a probe; whatever is none, not from the path's other end, or late, changes nothing.
    mutating func answer(
        _ message: ProbeMessage, from remote: ProbeAddress, to local: ProbeAddress?, by carrier: ProbeCarrier
    ) {
        guard let index = index(of: message), routes.paths[index].remote.matches(remote),
            local.map({ routes.paths[index].local.matches($0) }) ?? true
        else { return }
        _ = histories[index].answer(message.sequence, by: carrier)
    }

    /// The other host has no responder.
    mutating func refuse(_ message: ProbeMessage, echo: EchoAbility) {
        guard let index = index(of: message) else { return }
        histories[index].refuse(message.sequence, canEcho: echo.allows(routes.paths[index]))
    }

    /// This host had no room for a probe.
    mutating func forget(_ message: ProbeMessage) {
        guard let index = index(of: message) else { return }
        histories[index].forget(message.sequence)
    }

    private func index(of message: ProbeMessage) -> Int? {
        let index = Int(message.path)
        return histories.indices.contains(index) ? index : nil
    }

    /// What was observed, for each route.
    var observations: [RouteObservation] {
        routes.pathOfRoute.map { histories[Int($0)].observation }
    }
}
