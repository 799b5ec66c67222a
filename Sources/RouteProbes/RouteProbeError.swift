import Glibc
import HostInventory

/// Why a probe, a responder or a monitor failed.
public enum RouteProbeError: Error, Hashable {
    /// The two addresses are not of the same family, or one is a group's, a broadcast's or no address at all.
    case unsuitableAddresses(from: HostAddress, to: HostAddress)
    /// No answer came in time.
    case timedOut(from: HostAddress, to: HostAddress, timeout: Duration)
    /// The other host said that nothing listens there, and an ICMP echo could not be sent.
    case noResponder(from: HostAddress, to: HostAddress)
    /// The message could not be sent, or a router refused it; an errno.
    case unreachable(from: HostAddress, to: HostAddress, errno: Int32)
    /// A list has more routes than a monitor takes, or all monitors together have more than the prober takes.
    case tooManyRoutes(asked: Int, most: Int)
    /// So many round trips are under way.
    case tooManyRoundTrips(most: Int)
    /// So many ports have responders.
    case tooManyPorts(most: Int)
    /// A socket could not be made; what it was for, and an errno.
    case socket(purpose: String, errno: Int32)
    /// The prober, the responder or the monitor was closed.
    case closed
}

extension RouteProbeError: CustomStringConvertible {
    /// What failed, on what, and what to do.
    public var description: String {
        switch self {
        case .unsuitableAddresses(let from, let to):
            "no message can go from \(from) to \(to): both have to be single hosts' addresses of one family"
        case .timedOut(let from, let to, let timeout):
            "\(to) did not answer a message from \(from) within \(timeout)"
        case .noResponder(let from, let to):
            """
            \(to) has no responder for a message from \(from), and this process may not send an ICMP echo; \
            give it CAP_NET_RAW, or its group a place in net.ipv4.ping_group_range
            """
        case .unreachable(let from, let to, let code):
            "no message can be sent from \(from) to \(to): \(Self.text(code))"
        case .tooManyRoutes(let asked, let most):
            "\(asked) routes cannot be watched, \(most) can"
        case .tooManyRoundTrips(let most):
            "\(most) round trips are under way; try again when some have ended"
        case .tooManyPorts(let most):
            "\(most) UDP ports have responders already; clean up the nodes that are no longer used"
        case .socket(let purpose, let code):
            "cannot open a socket \(purpose): \(Self.text(code))"
        case .closed:
            "it was closed"
        }
    }

    /// The text of an errno.
    static func text(_ code: Int32) -> String {
        // The C library keeps these texts for each thread.
        String(cString: strerror(code))
    }
}
