import CLinuxNetwork
import Glibc

/// The sockets probes go out by: for each family one for UDP, and one for ICMP echo where the process may have one.
///
/// Each sends from any address of the host, named with every message, so many routes need no more sockets than one.
final class ProbeSockets {
    /// One family's.
    private struct Family {
        var udp: Result<ProbeSocket, SocketFailure>
        var echo: ProbeSocket?
        /// Whether the echo socket is raw, so that what it receives of IPv4 begins with the IPv4 header.
        var isRaw = false

        init(isVersion6: Bool) {
            udp = Result { () throws(SocketFailure) in try ProbeSocket(CLUSPREP_PROBE_UDP, isVersion6: isVersion6) }
            echo = try? ProbeSocket(CLUSPREP_PROBE_PING, isVersion6: isVersion6)
            if echo == nil {
                echo = try? ProbeSocket(CLUSPREP_PROBE_RAW, isVersion6: isVersion6)
                isRaw = echo != nil
            }
        }

        var all: [ProbeSocket] { [try? udp.get(), echo].compactMap { $0 } }
    }

    private let version4 = Family(isVersion6: false)
    private let version6 = Family(isVersion6: true)
    private let identifier = UInt16.random(in: 1 ... .max)

    /// What ICMP echo requests can be sent.
    var ability: EchoAbility { EchoAbility(version4: version4.echo != nil, version6: version6.echo != nil) }

    /// What to wait for.
    var descriptors: [Int32] { (version4.all + version6.all).map(\.descriptor) }

    /// Sends a message.
    func send(_ probe: OutgoingProbe) throws(SocketFailure) {
        let isVersion6 = probe.path.remote.isVersion6
        let family = isVersion6 ? version6 : version4
        switch probe.carrier {
        case .datagram:
            try send(probe.message.octets, by: family.udp.get(), probe.path, port: probe.port)
        case .echo:
            guard let socket = family.echo else { throw SocketFailure(errno: EACCES) }
            let octets = EchoMessage.request(probe.message, isVersion6: isVersion6, identifier: identifier)
            try send(octets, by: socket, probe.path, port: 0)
        }
    }

    /// Sends once more where the first attempt failed: it may have met the error of an earlier message, which the kernel
    /// reports at whatever is done next with the socket.
    private func send(_ octets: [UInt8], by socket: ProbeSocket, _ path: ProbePath, port: UInt16) throws(SocketFailure)
    {
        do throws(SocketFailure) {
            try socket.send(octets, from: path.local, to: path.remote, port: port)
        } catch {
            guard !error.isOurs else { throw error }
            try socket.send(octets, from: path.local, to: path.remote, port: port)
        }
    }

    /// What the sockets received.
    enum Arrival {
        case answer(ProbeMessage, from: ProbeAddress, to: ProbeAddress?, by: ProbeCarrier)
        /// The host a probe was sent to has no responder.
        case refusal(ProbeMessage)
        /// Somebody on its way gave a probe back.
        case failure(ProbeMessage, errno: Int32)
    }

    /// Reads what is there, up to a number of messages for each socket.
    func receive(_ body: (Arrival) -> Void) {
        for family in [version4, version6] {
            if let socket = try? family.udp.get() {
                failures(of: socket, body)
                for _ in 0..<ProbeWorker.batch {
                    guard let datagram = socket.receive() else { break }
                    guard let message = ProbeMessage(datagram.octets), message.kind == .answer else { continue }
                    body(.answer(message, from: datagram.remote, to: datagram.local, by: .datagram))
                }
            }
            guard let socket = family.echo else { continue }
            for _ in 0..<ProbeWorker.batch {
                guard let datagram = socket.receive() else { break }
                let message = EchoMessage.reply(
                    datagram.octets, isVersion6: socket.isVersion6, hasHeader: family.isRaw && !socket.isVersion6)
                guard let message else { continue }
                body(.answer(message, from: datagram.remote, to: datagram.local, by: .echo))
            }
        }
    }

    private func failures(of socket: ProbeSocket, _ body: (Arrival) -> Void) {
        for _ in 0..<ProbeWorker.batch {
            guard let failure = socket.receiveFailure() else { break }
            // Our session's number in it shows that the reporter has seen the message.
            guard let message = ProbeMessage(failure.octets), message.kind == .request else { continue }
            // Only the host itself knows that nothing listens; a firewall on the way would be an obstacle.
            let isRefusal =
                failure.isPortUnreachable && failure.remote.flatMap { failure.reporter?.matches($0) } == true
            body(isRefusal ? .refusal(message) : .failure(message, errno: failure.errno))
        }
    }
}
