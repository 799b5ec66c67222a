import ClusterProtocols
import ErrorCodes
import Glibc
import HostInventory
import RouteProbes

/// What a ``ClusterNetwork`` sends and answers probes with: the node's `RouteProber`, or whatever a test puts in its place.
public protocol NetworkProbes: Sendable {
    /// Starts to answer probes at a UDP port.
    func respond(at port: UInt16) async throws -> any NetworkResponder

    /// Sends a message from an address of this host to another one and waits for the answer.
    ///
    /// - Returns: how long that took.
    func measure(
        from source: HostAddress, to destination: HostAddress, port: UInt16, timeout: Duration
    ) async throws -> Duration

    /// Starts to probe these routes, at whose ends responders are expected at the port.
    func watch(_ routes: [ProbedRoute], port: UInt16) async throws -> any NetworkMonitor
}

/// A port at which probes are answered.
public protocol NetworkResponder: Sendable {
    /// Gives the port up.
    func close() async
}

/// Routes that are probed.
public protocol NetworkMonitor: Sendable {
    /// What was seen so far, one for each route in the order they were given.
    func status() async throws -> [RouteObservation]

    /// Ends the probing; nothing is sent after it returns.
    func cancel() async
}

extension ProbeResponder: NetworkResponder {}

/// The node's prober as an object sees it: its errors have codes.
public struct NodeProbes: NetworkProbes {
    private let prober: RouteProber

    /// Over the node's prober.
    public init(_ prober: RouteProber) {
        self.prober = prober
    }

    /// - Throws: ``ProbeFailure``.
    public func respond(at port: UInt16) async throws -> any NetworkResponder {
        do {
            return try await prober.bind(port: port)
        } catch {
            throw ProbeFailure(cause: error)
        }
    }

    /// - Throws: ``ProbeFailure``.
    public func measure(
        from source: HostAddress, to destination: HostAddress, port: UInt16, timeout: Duration
    ) async throws -> Duration {
        do {
            return try await prober.roundTrip(from: source, to: destination, port: port, timeout: timeout).elapsed
        } catch {
            throw ProbeFailure(cause: error)
        }
    }

    /// - Throws: ``ProbeFailure``.
    public func watch(_ routes: [ProbedRoute], port: UInt16) async throws -> any NetworkMonitor {
        do {
            return Monitor(monitor: try await prober.monitor(routes, port: port))
        } catch {
            throw ProbeFailure(cause: error)
        }
    }

    private struct Monitor: NetworkMonitor {
        let monitor: RouteMonitor

        func status() async throws -> [RouteObservation] {
            do {
                return try await monitor.status()
            } catch {
                throw ProbeFailure(cause: error)
            }
        }

        func cancel() async { await monitor.cancel() }
    }
}

/// A probe, a responder or a monitor that failed, and what a client is told about it.
public struct ProbeFailure: Error, Sendable, Equatable {
    /// What happened.
    public let cause: RouteProbeError

    /// From its cause.
    public init(cause: RouteProbeError) {
        self.cause = cause
    }
}

extension ProbeFailure: HRESULTConvertible {
    /// The code Windows' sockets, or its network, have for the same.
    public var hresult: HRESULT {
        switch cause {
        case .unsuitableAddresses: .invalidArgument
        case .timedOut: Win32Error.timeout.hresult
        // ERROR_PORT_UNREACHABLE.
        case .noResponder: Win32Error(rawValue: 1234).hresult
        case .unreachable(_, _, let code), .socket(_, let code): Self.code(of: code).hresult
        // ERROR_NOT_ENOUGH_QUOTA.
        case .tooManyRoutes, .tooManyPorts: Win32Error(rawValue: 1816).hresult
        case .tooManyRoundTrips: Win32Error.busy.hresult
        case .closed: Win32Error.cancelled.hresult
        }
    }

    private static func code(of errno: Int32) -> Win32Error {
        switch errno {
        case EACCES, EPERM: .accessDenied
        case EMFILE, ENFILE: Win32Error(rawValue: 4)  // ERROR_TOO_MANY_OPEN_FILES
        case ENOMEM, ENOBUFS: .notEnoughMemory
        case ENETUNREACH: Win32Error(rawValue: 1231)  // ERROR_NETWORK_UNREACHABLE
        case EHOSTUNREACH, EHOSTDOWN: Win32Error(rawValue: 1232)  // ERROR_HOST_UNREACHABLE
        case ECONNREFUSED: Win32Error(rawValue: 1234)  // ERROR_PORT_UNREACHABLE
        case EAFNOSUPPORT: Win32Error(rawValue: 10047)  // WSAEAFNOSUPPORT
        case EADDRINUSE: Win32Error(rawValue: 10048)  // WSAEADDRINUSE
        case EADDRNOTAVAIL, ENODEV, ENXIO: Win32Error(rawValue: 10049)  // WSAEADDRNOTAVAIL
        case ENETDOWN: Win32Error(rawValue: 10050)  // WSAENETDOWN
        default: .generalFailure
        }
    }
}

extension ProbeFailure: CustomStringConvertible {
    /// What happened, on what.
    public var description: String { cause.description }
}

extension ClusterNetwork.Environment {
    /// The address on this host's network. The texts of [MS-CSVP] have no place for the link of a link-local address, so it is looked
    /// for among the adapters': the one that has the address.
    ///
    /// - Parameter adapters: the host's.
    static func located(_ address: NodeAddress, among adapters: [HostAdapter]) -> HostAddress? {
        if address.scope == 0 {
            for adapter in adapters {
                if let own = adapter.addresses.first(where: { $0.address.octets == address.octets }) {
                    return own.address
                }
            }
        }
        return HostAddress(octets: address.octets, scope: address.scope)
    }

    /// Routes between addresses on this host's network.
    func located(_ routes: [RouteRequest.Route]) async throws -> [ProbedRoute] {
        let needsLink = routes.contains { $0.local.needsLink }
        let adapters = needsLink ? try await adapters() : []
        return try routes.map { route in
            // Only those without a link are looked for, else a long list would be compared with every address of the host.
            let local =
                route.local.needsLink
                ? Self.located(route.local, among: adapters)
                : HostAddress(octets: route.local.octets, scope: route.local.scope)
            guard let local, let remote = HostAddress(octets: route.remote.octets, scope: route.remote.scope) else {
                throw HRESULT.invalidArgument
            }
            return ProbedRoute(local: local, remote: remote)
        }
    }
}

extension NodeAddress {
    /// Whether it is link-local and does not say on which link.
    var needsLink: Bool {
        scope == 0 && octets.count == 16 && octets[0] == 0xFE && octets[1] & 0xC0 == 0x80
    }
}

extension RouteReply.Route {
    /// What was seen of a route, by the client's name for it.
    init(index: UInt32, _ seen: RouteObservation) {
        let status: ROUTE_STATUS =
            switch seen.state {
            case .up: .UP
            case .down: .DOWN
            case .upAndDown: .UP_DOWN
            }
        self.init(index: index, packetLoss: UInt32(clamping: min(max(seen.loss, 0), 100)), status: status)
    }
}
