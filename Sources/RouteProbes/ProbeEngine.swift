/// A message that is to be sent.
struct OutgoingProbe: Sendable, Equatable {
    var path: ProbePath
    var port: UInt16
    var message: ProbeMessage
    var carrier: ProbeCarrier
}

/// Whether this process may send ICMP echo requests.
struct EchoAbility: Sendable, Equatable {
    var version4 = false
    var version6 = false

    /// Whether it may on this path.
    func allows(_ path: ProbePath) -> Bool { path.remote.isVersion6 ? version6 : version4 }
}

/// What the outside is to do.
enum ProbeAction: Sendable {
    case send(OutgoingProbe)
    case finish(number: UInt64, Result<RoundTrip, RouteProbeError>)
}

/// All monitors and round trips of a prober: which messages are due, and whose each answer is.
///
/// A state machine without a clock and without sockets: messages and times go in, messages and results come out. Times are
/// durations since whatever moment the caller counts from.
struct ProbeEngine {
    private enum Owner {
        case monitor(UInt64)
        case roundTrip(UInt64)
    }

    /// What ICMP echo requests can be sent.
    var echo = EchoAbility()

    private let configuration: RouteProber.Configuration
    private let random: () -> UInt64
    private var monitors: [UInt64: MonitorMachine] = [:]
    private var roundTrips: [UInt64: RoundTripMachine] = [:]
    private var owners: [UInt64: Owner] = [:]
    /// How many paths lead to each address.
    private var peers: [ProbeAddress: Int] = [:]
    private var paths = 0
    private var actions: [ProbeAction] = []

    /// - Parameter random: the numbers of sessions, which nobody can guess.
    init(configuration: RouteProber.Configuration, random: @escaping () -> UInt64) {
        self.configuration = configuration
        self.random = random
    }

    /// Whether there is nothing to send and no answer to wait for.
    var isIdle: Bool { roundTrips.isEmpty && !monitors.values.contains { $0.nextDeadline != nil } }

    /// When ``poll(now:)`` has something to do; nil where it never has.
    var nextDeadline: Duration? {
        let ofMonitors = monitors.values.lazy.compactMap(\.nextDeadline).min()
        let ofRoundTrips = roundTrips.values.lazy.map(\.nextDeadline).min()
        return [ofMonitors, ofRoundTrips].compactMap { $0 }.min()
    }

    /// Whether a node at this address is one that this node probes.
    func isPeer(_ address: ProbeAddress) -> Bool { peers[address] != nil }

    private mutating func newSession(_ owner: Owner) -> UInt64 {
        var session = random()
        while owners[session] != nil { session = random() }
        owners[session] = owner
        return session
    }

    // MARK: What is asked for

    /// Starts a monitor.
    mutating func addMonitor(
        _ number: UInt64, routes: RoutePaths, port: UInt16, now: Duration
    ) -> Result<Void, RouteProbeError> {
        guard paths + routes.paths.count <= configuration.routes else {
            return .failure(.tooManyRoutes(asked: paths + routes.paths.count, most: configuration.routes))
        }
        paths += routes.paths.count
        for path in routes.paths { peers[path.remote, default: 0] += 1 }
        monitors[number] = MonitorMachine(
            session: newSession(.monitor(number)), routes: routes, port: port, configuration: configuration, now: now)
        return .success(())
    }

    /// Ends a monitor; false where there is none.
    mutating func removeMonitor(_ number: UInt64) -> Bool {
        guard let monitor = monitors.removeValue(forKey: number) else { return false }
        owners[monitor.session] = nil
        paths -= monitor.routes.paths.count
        for path in monitor.routes.paths {
            let left = (peers[path.remote] ?? 1) - 1
            peers[path.remote] = left == 0 ? nil : left
        }
        return true
    }

    /// What a monitor observed; nil where there is none.
    func observations(_ number: UInt64) -> [RouteObservation]? { monitors[number]?.observations }

    /// Starts a round trip.
    mutating func addRoundTrip(_ number: UInt64, _ request: RoundTripRequest, now: Duration) -> Result<
        Void, RouteProbeError
    > {
        guard roundTrips.count < configuration.roundTrips else {
            return .failure(.tooManyRoundTrips(most: configuration.roundTrips))
        }
        let machine = RoundTripMachine(session: newSession(.roundTrip(number)), request: request, now: now)
        roundTrips[number] = machine
        send(machine, .datagram)
        return .success(())
    }

    /// Ends a round trip without a result; false where there is none.
    mutating func removeRoundTrip(_ number: UInt64) -> Bool {
        guard let machine = roundTrips.removeValue(forKey: number) else { return false }
        owners[machine.session] = nil
        return true
    }

    // MARK: What happens

    /// The time has come; returns everything that is to be done since it was last asked.
    mutating func poll(now: Duration) -> [ProbeAction] {
        let active = monitors.filter { $0.value.nextDeadline != nil }.keys
        var due: [OutgoingProbe] = []
        for number in active {
            // In place: a copy would copy the histories of all paths.
            monitors[number]?.poll(
                now: now, share: configuration.packetsPerSecond / active.count, echo: echo,
                send: { due.append($0) })
        }
        actions += due.map { .send($0) }
        for (number, machine) in roundTrips where machine.nextDeadline <= now {
            step(number) { [echo] in $0.poll(now: now, echo: echo) }
        }
        return takeActions()
    }

    /// What is to be done since this was last asked, without looking for what is due.
    mutating func takeActions() -> [ProbeAction] {
        defer { actions = [] }
        return actions
    }

    /// A message came that may be an answer.
    ///
    /// - Parameter local: the address it came to, where it is known.
    mutating func answer(
        _ message: ProbeMessage, from remote: ProbeAddress, to local: ProbeAddress?, by carrier: ProbeCarrier,
        now: Duration
    ) {
        switch owners[message.session] {
        case .monitor(let number): monitors[number]?.answer(message, from: remote, to: local, by: carrier)
        case .roundTrip(let number):
            step(number) { $0.answer(message, from: remote, to: local, by: carrier, now: now) }
        case nil: break
        }
    }

    /// The host a message was sent to has no responder.
    mutating func refuse(_ message: ProbeMessage, now: Duration) {
        switch owners[message.session] {
        case .monitor(let number):
            monitors[number]?.refuse(message, echo: echo)
        case .roundTrip(let number): step(number) { [echo] in $0.refuse(message, now: now, echo: echo) }
        case nil: break
        }
    }

    /// A message could not be sent, or was given back on its way.
    ///
    /// - Parameter isOurs: whether the reason is this host's lack of room, which says nothing about the path.
    mutating func fail(_ message: ProbeMessage, errno: Int32, isOurs: Bool) {
        switch owners[message.session] {
        // A monitor's probe that came to nothing is lost when its time is over.
        case .monitor(let number): if isOurs { monitors[number]?.forget(message) }
        case .roundTrip(let number): step(number) { $0.fail(errno: errno) }
        case nil: break
        }
    }

    private mutating func step(_ number: UInt64, _ body: (inout RoundTripMachine) -> RoundTripMachine.Step) {
        guard var machine = roundTrips[number] else { return }
        let step = body(&machine)
        roundTrips[number] = machine
        switch step {
        case .wait: break
        case .sendEcho: send(machine, .echo)
        case .finish(let result):
            _ = removeRoundTrip(number)
            actions.append(.finish(number: number, result))
        }
    }

    private mutating func send(_ machine: RoundTripMachine, _ carrier: ProbeCarrier) {
        actions.append(
            .send(
                OutgoingProbe(
                    path: machine.request.path, port: machine.request.port,
                    message: machine.message(carrier, length: configuration.messageSize), carrier: carrier)))
    }
}
