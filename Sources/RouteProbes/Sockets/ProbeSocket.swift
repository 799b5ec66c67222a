import CLinuxNetwork
import Glibc

/// What the kernel calls a failure of an attempt: an errno.
struct SocketFailure: Error, Equatable {
    var errno: Int32

    /// Whether this host had no room, which passes, or no socket.
    var isOurs: Bool { [EAGAIN, ENOBUFS, ENOMEM, EMFILE, ENFILE].contains(errno) }
}

/// A nonblocking datagram socket, closed when nothing holds it.
final class ProbeSocket {
    /// A datagram and where it came from.
    struct Datagram {
        var octets: [UInt8]
        var remote: ProbeAddress
        var local: ProbeAddress?
        var port: UInt16
        var isUnicast: Bool
    }

    /// A datagram of ours that came to nothing.
    struct Failure {
        var octets: [UInt8]
        /// Where it had been sent.
        var remote: ProbeAddress?
        var reporter: ProbeAddress?
        /// Whether the reporter says that nothing listens at the port.
        var isPortUnreachable: Bool
        var errno: Int32
    }

    let descriptor: Int32
    let isVersion6: Bool
    private var buffer = [UInt8](repeating: 0, count: 2_048)

    init(_ kind: clusprep_probe_socket_kind, isVersion6: Bool, port: UInt16 = 0) throws(SocketFailure) {
        descriptor = clusprep_probe_socket(kind, isVersion6 ? 6 : 4, port)
        self.isVersion6 = isVersion6
        guard descriptor >= 0 else { throw SocketFailure(errno: errno) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// The port it is bound to.
    var port: UInt16 { clusprep_bound_port(descriptor) }

    /// Sends a datagram from one address to another.
    func send(_ octets: [UInt8], from local: ProbeAddress, to remote: ProbeAddress, port: UInt16) throws(SocketFailure)
    {
        var envelope = clusprep_envelope()
        envelope.local = local.kernel
        envelope.remote = remote.kernel
        envelope.port = port
        guard clusprep_send(descriptor, octets, octets.count, &envelope) >= 0 else { throw SocketFailure(errno: errno) }
    }

    /// The next datagram, or nil; one that is longer than any of ours comes empty.
    func receive() -> Datagram? {
        var envelope = clusprep_envelope()
        let count = clusprep_receive(descriptor, &buffer, buffer.count, &envelope)
        // An error that a message of ours left on the socket is read from its queue.
        guard count >= 0, let remote = ProbeAddress(envelope.remote) else { return nil }
        return Datagram(
            octets: count <= buffer.count ? Array(buffer.prefix(count)) : [], remote: remote,
            local: ProbeAddress(envelope.local), port: envelope.port, isUnicast: envelope.is_unicast != 0)
    }

    /// The next message of ours that came to nothing, or nil.
    func receiveFailure() -> Failure? {
        var envelope = clusprep_envelope()
        var failure = clusprep_failure()
        let count = clusprep_receive_failure(descriptor, &buffer, buffer.count, &envelope, &failure)
        guard count >= 0 else { return nil }
        return Failure(
            octets: Array(buffer.prefix(count)), remote: ProbeAddress(envelope.remote),
            reporter: ProbeAddress(failure.reporter), isPortUnreachable: failure.is_port_unreachable != 0,
            errno: failure.error)
    }
}
