import Glibc
import HostInventory
import Logging

/// The thread's work: it waits for commands, messages and times, and does what the engine says.
///
/// Everything here belongs to the one thread, so nothing is sent once a command that forbids it was taken.
final class ProbeWorker {
    /// How many messages of one socket are read before others have their turn.
    static let batch = 64

    private let mailbox: ProbeMailbox
    private let configuration: RouteProber.Configuration
    private let logger: Logger
    private let clock = SuspendingClock()
    private let started: SuspendingClock.Instant
    private var engine: ProbeEngine
    private var rules: ResponderRules
    private var sockets: ProbeSockets?
    private var responders: [UInt16: PortResponder] = [:]
    private var replies: [UInt64: ProbeReply<RoundTrip>] = [:]

    init(mailbox: ProbeMailbox, configuration: RouteProber.Configuration, logger: Logger) {
        self.mailbox = mailbox
        self.configuration = configuration
        self.logger = logger
        started = clock.now
        engine = ProbeEngine(configuration: configuration, random: { UInt64.random(in: 0 ... .max) })
        rules = ResponderRules(now: .zero)
    }

    /// The monotonic time since the start, which setting the host's clock does not change.
    private var now: Duration { started.duration(to: clock.now) }

    /// Works until the mailbox is closed.
    func run() {
        while let commands = mailbox.take() {
            for command in commands { obey(command) }
            receive()
            perform(engine.poll(now: now))
            if engine.isIdle, sockets != nil {
                sockets = nil
                engine.echo = EchoAbility()
            }
            wait()
        }
        sockets = nil
        responders = [:]
        for reply in replies.values { reply.resume(returning: .failure(.closed)) }
        replies = [:]
    }

    // MARK: Commands

    private func obey(_ command: ProbeCommand) {
        switch command {
        case .bind(let port, let reply): reply.resume(returning: bind(port))
        case .unbind(let port, let reply):
            if let responder = responders[port] {
                responder.holders -= 1
                if responder.holders == 0 { responders[port] = nil }
            }
            reply?.resume(returning: .success(()))
        case .roundTrip(let number, let request, let reply):
            openSockets()
            switch engine.addRoundTrip(number, request, now: now) {
            case .success: replies[number] = reply
            case .failure(let error): reply.resume(returning: .failure(error))
            }
        case .abandon(let number):
            if engine.removeRoundTrip(number) {
                replies.removeValue(forKey: number)?.resume(returning: .failure(.closed))
            }
        case .monitor(let number, let routes, let port, let reply):
            openSockets()
            reply.resume(returning: engine.addMonitor(number, routes: routes, port: port, now: now))
        case .status(let number, let reply):
            reply.resume(returning: engine.observations(number).map { .success($0) } ?? .failure(.closed))
        case .cancel(let number, let reply):
            _ = engine.removeMonitor(number)
            reply?.resume(returning: .success(()))
        }
    }

    private func bind(_ port: UInt16) -> Result<UInt16, RouteProbeError> {
        if port != 0, let responder = responders[port] {
            responder.holders += 1
            return .success(port)
        }
        guard responders.count < configuration.ports else { return .failure(.tooManyPorts(most: configuration.ports)) }
        var failure = SocketFailure(errno: EADDRINUSE)
        // A port that is free for IPv4 may be somebody's for IPv6; where any will do, another is tried.
        for _ in 0..<(port == 0 ? 8 : 1) where failure.errno == EADDRINUSE {
            do throws(SocketFailure) {
                let responder = try PortResponder(port: port)
                responders[responder.port] = responder
                return .success(responder.port)
            } catch {
                failure = error
            }
        }
        return .failure(.socket(purpose: "for UDP port \(port)", errno: failure.errno))
    }

    private func openSockets() {
        guard sockets == nil else { return }
        let opened = ProbeSockets()
        sockets = opened
        engine.echo = opened.ability
        if opened.ability == EchoAbility() {
            logger.notice(
                "no ICMP echo requests can be sent: hosts without a responder have no round trip",
                metadata: ["remedy": "CAP_NET_RAW, or net.ipv4.ping_group_range"])
        }
    }

    // MARK: Messages

    private func perform(_ actions: [ProbeAction]) {
        var actions = actions
        // What fails at once may finish a round trip at once.
        while !actions.isEmpty {
            for action in actions {
                switch action {
                case .send(let probe): send(probe)
                case .finish(let number, let result): replies.removeValue(forKey: number)?.resume(returning: result)
                }
            }
            actions = engine.takeActions()
        }
    }

    private func send(_ probe: OutgoingProbe) {
        do throws(SocketFailure) {
            guard let sockets else { throw SocketFailure(errno: EBADF) }
            try sockets.send(probe)
        } catch {
            engine.fail(probe.message, errno: error.errno, isOurs: error.isOurs)
        }
    }

    private func receive() {
        for responder in responders.values {
            responder.answer { datagram in
                rules.answer(
                    to: datagram.octets, from: datagram.remote, port: datagram.port,
                    isPeer: engine.isPeer(datagram.remote), now: now)
            }
        }
        sockets?.receive { arrival in
            switch arrival {
            case .answer(let message, let remote, let local, let carrier):
                engine.answer(message, from: remote, to: local, by: carrier, now: now)
            case .refusal(let message): engine.refuse(message, now: now)
            case .failure(let message, let errno): engine.fail(message, errno: errno, isOurs: false)
            }
        }
    }

    // MARK: Waiting

    /// Waits for a command, a message or the next time something is due.
    private func wait() {
        let descriptors = [mailbox.bell] + responders.values.flatMap(\.descriptors) + (sockets?.descriptors ?? [])
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var milliseconds: Int32 = -1
        if let deadline = engine.nextDeadline {
            // Up to the next millisecond: probes that are due within one go together rather than wake the thread one by one.
            let left = max(.zero, deadline - now) / .milliseconds(1)
            milliseconds = Int32(min(max(1, left.rounded(.up)), 60_000))
        }
        _ = poll(&entries, nfds_t(entries.count), milliseconds)
    }
}
