import CLinuxNetwork
import Glibc

/// The sockets of one port at which probes are answered, for both families, and how many hold it.
final class PortResponder {
    let port: UInt16
    var holders = 1
    private let sockets: [ProbeSocket]

    /// Binds the port; a host without one of the families has the other.
    ///
    /// - Throws: what the kernel says where a family it has cannot be bound.
    init(port: UInt16) throws(SocketFailure) {
        var sockets: [ProbeSocket] = []
        var missing: SocketFailure?
        var bound = port
        for isVersion6 in [false, true] {
            do throws(SocketFailure) {
                let socket = try ProbeSocket(CLUSPREP_PROBE_RESPONDER, isVersion6: isVersion6, port: bound)
                bound = socket.port
                sockets.append(socket)
            } catch {
                guard [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.errno) else { throw error }
                missing = error
            }
        }
        if sockets.isEmpty, let missing { throw missing }
        self.port = bound
        self.sockets = sockets
    }

    /// What to wait for.
    var descriptors: [Int32] { sockets.map(\.descriptor) }

    /// Answers what is there, up to a number of messages for each socket.
    func answer(_ rule: (ProbeSocket.Datagram) -> [UInt8]?) {
        for socket in sockets {
            for _ in 0..<ProbeWorker.batch {
                guard let datagram = socket.receive() else { break }
                guard datagram.isUnicast, let local = datagram.local, let answer = rule(datagram) else { continue }
                // An answer that cannot be sent is one that is lost on its way.
                try? socket.send(answer, from: local, to: datagram.remote, port: datagram.port)
            }
        }
    }
}
