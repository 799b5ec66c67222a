import HostInventory
import Logging

/// Sends probes to other hosts and answers theirs: one for a node.
///
/// All its sockets belong to one thread of its own, which starts with the first use and ends with ``close()`` or when the
/// prober goes. Probes are this project's own format (see ``ProbeMessage``), over UDP, or ICMP echo requests where nothing
/// at the other end answers those. All times are the monotonic clock's, so setting the host's clock changes nothing.
public final class RouteProber: Sendable {
    /// What a prober may do.
    public struct Configuration: Sendable {
        /// The UDP port that probes are sent to.
        public var port: UInt16 = 3343
        /// From one probe of a route to the next. Longer where ``packetsPerSecond`` does not allow for that. At least 50 ms.
        public var interval: Duration = .milliseconds(100)
        /// When a route's probe that has no answer is lost, and the longest time for a round trip
        /// ([MS-CSVP] 3.6.4.2: 1,000 ms). At most sixteen intervals.
        public var patience: Duration = .milliseconds(1_000)
        /// How many probes all monitors together send in a second.
        public var packetsPerSecond = 4_000
        /// Octets of a probe, without the headers below it; brought into 32...1232, what IPv6's smallest MTU carries.
        public var messageSize = 64
        /// The longest list of routes a monitor takes.
        public var routesPerMonitor = 131_072
        /// How many different routes all monitors together may have.
        public var routes = 262_144
        /// How many round trips may be under way.
        public var roundTrips = 256
        /// How many ports may have responders.
        public var ports = 16

        /// The defaults.
        public init() {}
    }

    private let mailbox: ProbeMailbox
    private let configuration: Configuration

    /// A prober, which does nothing yet.
    public init(configuration: Configuration = Configuration(), logger: Logger) {
        self.configuration = configuration
        mailbox = ProbeMailbox { mailbox in
            ProbeWorker(mailbox: mailbox, configuration: configuration, logger: logger).run()
        }
    }

    deinit {
        mailbox.close(then: nil)
    }

    /// Starts to answer probes at a UDP port of all addresses of the host, both families.
    ///
    /// Responders for one port share it, also between processes of one user: an answer needs no memory of what was before.
    ///
    /// - Parameter port: the port (InitializeNode's, [MS-CSVP] 3.6.4.1); 0 for any that is free.
    /// - Returns: the responder, which answers until it is closed or goes.
    /// - Throws: ``RouteProbeError/socket(purpose:errno:)`` where the port cannot be had, ``RouteProbeError/tooManyPorts(most:)``,
    ///   ``RouteProbeError/closed``.
    public func bind(port: UInt16 = 3343) async throws(RouteProbeError) -> ProbeResponder {
        let bound = try await mailbox.ask { .bind(port: port, reply: $0) }.get()
        return ProbeResponder(port: bound, mailbox: mailbox)
    }

    /// Sends a message and waits for its answer ([MS-CSVP] 3.6.4.2).
    ///
    /// The message is a UDP probe. An ICMP echo request follows where the other host says that nothing listens at the port,
    /// or has said nothing for half the time, as a host does whose own software has that port.
    ///
    /// - Parameters:
    ///   - source: the address of this host to send from; link-local with its scope.
    ///   - destination: the address to send to. A link-local one without a scope is taken to be on the source's link.
    ///   - port: the responder's port; the configuration's where it is nil.
    ///   - timeout: how long to wait, at most the configuration's patience.
    /// - Throws: ``RouteProbeError``; ``RouteProbeError/closed`` also where the waiting task is cancelled.
    public func roundTrip(
        from source: HostAddress, to destination: HostAddress, port: UInt16? = nil,
        timeout: Duration = .milliseconds(1_000)
    ) async throws(RouteProbeError) -> RoundTrip {
        let route = try ProbePath(ProbedRoute(local: source, remote: destination))
        let request = RoundTripRequest(
            path: route, port: port ?? configuration.port, timeout: max(.zero, min(timeout, configuration.patience)))
        let number = mailbox.nextNumber()
        let answer = await withTaskCancellationHandler {
            await mailbox.ask { .roundTrip(number: number, request, reply: $0) }
        } onCancel: {
            mailbox.post(.abandon(number: number))
        }
        return try answer.get()
    }

    /// Starts to probe these routes, each from its local to its remote address and several times a second, as long as the
    /// routes of all monitors together do not need more than the configuration's packets a second; more routes are probed
    /// in turn, more slowly. Routes that are equal are probed as one.
    ///
    /// - Parameter port: the other nodes' responders' port; the configuration's where it is nil.
    /// - Returns: the monitor, which probes until it is cancelled or goes.
    /// - Throws: ``RouteProbeError/unsuitableAddresses(from:to:)``, ``RouteProbeError/tooManyRoutes(asked:most:)``,
    ///   ``RouteProbeError/closed``.
    public func monitor(_ routes: [ProbedRoute], port: UInt16? = nil) async throws(RouteProbeError) -> RouteMonitor {
        guard routes.count <= configuration.routesPerMonitor else {
            throw .tooManyRoutes(asked: routes.count, most: configuration.routesPerMonitor)
        }
        let paths = try RoutePaths(routes)
        let number = mailbox.nextNumber()
        let port = port ?? configuration.port
        try await mailbox.ask { .monitor(number: number, paths, port: port, reply: $0) }.get()
        return RouteMonitor(number: number, mailbox: mailbox)
    }

    /// Ends everything; nothing is sent after it returns. Round trips under way fail with ``RouteProbeError/closed``.
    public func close() async {
        await withCheckedContinuation { mailbox.close(then: $0) }
    }
}
