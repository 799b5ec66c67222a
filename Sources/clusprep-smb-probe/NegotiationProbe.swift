import FileShares
import Foundation

/// Sees whether an SMB server answers, without logging on.
enum NegotiationProbe {
    static func ask(_ request: ProbeRequest) throws -> ProbeReply {
        try Privileges.drop()
        let deadline = ContinuousClock.now + .milliseconds(request.timeout)
        guard let address = IPAddress(request.address) else {
            return ProbeReply(.unreachable, detail: "not an address")
        }
        let family = address.isIPv6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return failure() }
        defer { close(descriptor) }
        guard connect(descriptor, to: address, port: request.port) || errno == EINPROGRESS else { return failure() }
        guard wait(for: POLLOUT, on: descriptor, until: deadline) else { return ProbeReply(.timedOut) }
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
        guard error == 0 else { return failure(error) }
        let message = SMBNegotiation.request
        guard send(descriptor, message, message.count, Int32(MSG_NOSIGNAL)) == message.count else {
            return failure()
        }
        var reply = [UInt8](repeating: 0, count: SMBNegotiation.replySize)
        var count = 0
        while count < reply.count {
            guard wait(for: POLLIN, on: descriptor, until: deadline) else { return ProbeReply(.timedOut) }
            let length = reply.count - count
            let received = reply.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress?.advanced(by: count), length, 0)
            }
            if received < 0, errno == EINTR || errno == EAGAIN { continue }
            guard received > 0 else { return ProbeReply(.notSMB, detail: "the connection was closed") }
            count += received
        }
        return SMBNegotiation.isAccepted(reply) ? ProbeReply(.ok) : ProbeReply(.notSMB)
    }

    private static func connect(_ descriptor: Int32, to address: IPAddress, port: UInt16) -> Bool {
        if address.isIPv6 {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.octets) }
            return connect(descriptor, &name)
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: address.octets) }
        return connect(descriptor, &name)
    }

    private static func connect<Name>(_ descriptor: Int32, _ name: inout Name) -> Bool {
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<Name>.size)) == 0
            }
        }
    }

    private static func wait(for event: Int32, on descriptor: Int32, until deadline: ContinuousClock.Instant) -> Bool {
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return false }
            var polled = pollfd(fd: descriptor, events: Int16(event), revents: 0)
            let count = poll(&polled, 1, Int32((left / .milliseconds(1)).rounded(.up)))
            if count > 0 { return true }
            if count < 0, errno != EINTR { return false }
        }
    }

    private static func failure(_ error: Int32 = errno) -> ProbeReply {
        ProbeReply(error == ETIMEDOUT ? .timedOut : .unreachable, detail: String(cString: strerror(error)))
    }
}
