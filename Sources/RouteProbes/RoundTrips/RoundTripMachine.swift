/// What a round trip is asked for.
struct RoundTripRequest: Sendable {
    var path: ProbePath
    var port: UInt16
    var timeout: Duration
}

/// One message and its answer ([MS-CSVP] 3.6.4.2), without a clock and a socket.
struct RoundTripMachine: Sendable {
    let session: UInt64
    let request: RoundTripRequest
    private let started: Duration
    /// When the echo request was sent.
    private var echoed: Duration?
    /// Whether the time to send one has come.
    private var hasTried = false

    /// A round trip whose message is sent now.
    init(session: UInt64, request: RoundTripRequest, now: Duration) {
        self.session = session
        self.request = request
        started = now
    }

    /// A silent host gets an echo request after half the time: it may be one whose own software has the port.
    private var echoIsDue: Duration { started + request.timeout / 2 }
    private var deadline: Duration { started + request.timeout }

    /// When ``poll(now:echo:)`` has something to do.
    var nextDeadline: Duration { hasTried ? deadline : min(echoIsDue, deadline) }

    /// What is to be done next.
    enum Step: Equatable {
        case wait
        case sendEcho
        case finish(Result<RoundTrip, RouteProbeError>)
    }

    /// The message as octets; the sequence tells an echo request's from the first.
    func message(_ carrier: ProbeCarrier, length: Int) -> ProbeMessage {
        ProbeMessage(
            kind: .request, length: length, session: session, path: 0, sequence: carrier == .echo ? 1 : 0)
    }

    /// The time has come.
    mutating func poll(now: Duration, echo: EchoAbility) -> Step {
        if now >= deadline { return .finish(.failure(timedOut)) }
        guard !hasTried, now >= echoIsDue else { return .wait }
        hasTried = true
        guard echo.allows(request.path) else { return .wait }
        echoed = now
        return .sendEcho
    }

    /// An answer came.
    func answer(
        _ message: ProbeMessage, from remote: ProbeAddress, to local: ProbeAddress?, by carrier: ProbeCarrier,
        now: Duration
    ) -> Step {
        guard message.path == 0, message.sequence == (carrier == .echo ? 1 : 0), request.path.remote.matches(remote),
            local.map({ request.path.local.matches($0) }) ?? true
        else { return .wait }
        // An answer may have lain in the socket while the time passed.
        guard now <= deadline else { return .finish(.failure(timedOut)) }
        let sent = carrier == .echo ? echoed ?? started : started
        return .finish(
            .success(RoundTrip(elapsed: now - sent, answer: carrier == .echo ? .echo : .responder)))
    }

    /// The other host has no responder.
    mutating func refuse(_ message: ProbeMessage, now: Duration, echo: EchoAbility) -> Step {
        guard message.sequence == 0, echoed == nil else { return .wait }
        let (from, to) = (request.path.local.hostAddress, request.path.remote.hostAddress)
        guard echo.allows(request.path) else { return .finish(.failure(.noResponder(from: from, to: to))) }
        hasTried = true
        echoed = now
        return .sendEcho
    }

    /// A message could not be sent, or somebody on its way said that it cannot go on.
    func fail(errno: Int32) -> Step {
        let (from, to) = (request.path.local.hostAddress, request.path.remote.hostAddress)
        return .finish(.failure(.unreachable(from: from, to: to, errno: errno)))
    }

    private var timedOut: RouteProbeError {
        .timedOut(from: request.path.local.hostAddress, to: request.path.remote.hostAddress, timeout: request.timeout)
    }
}
