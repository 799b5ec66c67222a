import Glibc

/// Stands between libiscsi and the network, and lets through only what libiscsi can bear.
///
/// libiscsi believes its target: asked to send 4 GiB of a block of 512 octets (R2T) it queues them all, and data that answers a login
/// or a logout it writes through a null pointer. So it is given one end of a pair of sockets in the place of its connection,
/// and what arrives on the connection is read here, header by header, before it is passed on. What cannot be an answer to what is
/// under way ends the session. It also spares the process SIGPIPE, which libiscsi's own writing raises on a closed
/// connection.
final class ISCSIGuard {
    /// What is under way, and so what the target may send.
    enum Phase: Equatable {
        /// Nothing: only what a target may send by itself.
        case idle
        /// A login, one message of the target for each of ours.
        case login
        /// A text request.
        case text
        /// A logout.
        case logout
        /// A command with so many octets to send and to receive.
        case command(out: Int, in: Int)
    }

    /// Why the session was ended from here.
    private(set) var violation: String?
    /// Whether the target has closed the connection.
    private(set) var isClosed = false
    /// The connection.
    let wire: Int32
    /// What to wait for on the connection.
    var wireEvents: Int32 {
        (isReading ? POLLIN : 0) | (outgoing.isEmpty ? 0 : POLLOUT)
    }
    /// Whether libiscsi has to read before more can be passed on.
    var isFull: Bool { !incoming.isEmpty }

    private let inner: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    private var phase = Phase.idle
    /// Whether headers carry a digest behind them.
    private var hasDigests = false
    /// Read from the connection, but not judged yet.
    private var unread: [UInt8] = []
    /// The octets of the current data segment that are still to come.
    private var segment = 0
    /// Judged, but not taken by libiscsi yet.
    private var incoming: [UInt8] = []
    /// Said by libiscsi, but not taken by the connection yet.
    private var outgoing: [UInt8] = []
    /// The messages the target may send before it has to listen.
    private var messages = 0
    /// The octets the target has asked for.
    private var solicited = 0
    /// The headers that the target has sent in this phase.
    private var headers = 0

    /// Takes the connection's place at libiscsi's descriptor.
    ///
    /// - Returns: nil where the process has no descriptors left.
    init?(replacing descriptor: Int32) {
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else {
            buffer.deallocate()
            return nil
        }
        let wire = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard wire >= 0, dup2(pair[1], descriptor) >= 0 else {
            if wire >= 0 { close(wire) }
            pair.forEach { close($0) }
            buffer.deallocate()
            return nil
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        close(pair[1])
        self.wire = wire
        inner = pair[0]
        var octets = Int32(1 << 20)
        for end in [inner, descriptor] {
            setsockopt(end, SOL_SOCKET, SO_SNDBUF, &octets, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    deinit {
        close(wire)
        close(inner)
        buffer.deallocate()
    }

    /// Says what is under way from now on.
    func begin(_ phase: Phase) {
        self.phase = phase
        messages = 0
        solicited = 0
        headers = 0
    }

    /// The most headers a target may send in a phase: libiscsi keeps an answer ready for each ping, and serves all there are before it
    /// looks at anything else. There is room for data in segments of 256 octets, half of the least a segment may be limited to
    /// (RFC 3720 12.12), and for whatever the target has to say besides.
    private var headerLimit: Int {
        guard case .command(let out, let into) = phase else { return Self.basicHeaderLimit }
        return Self.basicHeaderLimit + (out + into) / 256
    }

    static let basicHeaderLimit = 4096

    /// Headers carry digests from now on.
    func useDigests() {
        hasDigests = true
    }

    /// Passes on what libiscsi has said; false where there was nothing.
    func passOutward() -> Bool {
        if outgoing.isEmpty {
            let count = recv(inner, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return false }
            outgoing = Array(buffer[..<count])
            // The target's turn.
            messages = 1
        }
        let count = send(wire, outgoing, outgoing.count, Int32(MSG_NOSIGNAL))
        if count < 0 {
            // A connection that takes nothing any more may still have something to say; its end is noticed by reading.
            if errno != EAGAIN, errno != EINTR { outgoing.removeAll() }
            return false
        }
        outgoing.removeFirst(count)
        return true
    }

    /// Passes on what the target has said, as far as it may; false where there was nothing.
    func passInward() -> Bool {
        guard violation == nil else { return false }
        if incoming.isEmpty {
            if isReading {
                let count = recv(wire, buffer.baseAddress, buffer.count, 0)
                if count > 0 { unread += buffer[..<count] }
                if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { isClosed = true }
            }
            judge()
        }
        guard violation == nil, !incoming.isEmpty else {
            // What libiscsi has not read by now it will find before the end.
            if violation != nil || isClosed { shutdown(inner, Int32(SHUT_WR)) }
            return false
        }
        let count = send(inner, incoming, incoming.count, Int32(MSG_NOSIGNAL))
        guard count > 0 else { return false }
        incoming.removeFirst(count)
        return true
    }

    private var isReading: Bool {
        !isClosed && violation == nil && incoming.isEmpty && unread.count < Self.longestHeader
    }

    /// A header with its digest.
    private static let longestHeader = 52

    /// Moves what may pass from `unread` to `incoming`.
    private func judge() {
        var start = 0
        defer { unread.removeFirst(start) }
        while violation == nil {
            if segment > 0 {
                let count = min(segment, unread.count - start)
                incoming += unread[start..<start + count]
                segment -= count
                start += count
                if segment > 0 { return }
            }
            let length = hasDigests ? Self.longestHeader : 48
            guard unread.count - start >= length else { return }
            // In a login each side waits for the other, so whatever comes before we spoke is no answer.
            if phase == .login {
                guard messages > 0 else { return }
                messages -= 1
            }
            let header = unread[start..<start + 48]
            headers += 1
            violation = headers > headerLimit ? "more than \(headerLimit) messages" : problem(with: header)
            guard violation == nil else { return }
            incoming += unread[start..<start + length]
            start += length
            segment = (Int(header.field32(4) & 0xFF_FFFF) + 3) / 4 * 4
        }
    }

    /// Why a header (RFC 3720 10.2.1) cannot be passed on.
    private func problem(with header: ArraySlice<UInt8>) -> String? {
        let operation = header[header.startIndex] & 0x3F
        let octets = Int(header.field32(4) & 0xFF_FFFF)
        guard header[header.startIndex + 4] == 0 else { return "a header with additional segments" }
        // What libiscsi declares at login.
        guard octets <= 262_144 else { return "a segment of \(octets) octets" }
        guard Self.operations(in: phase).contains(operation) else {
            return "an unexpected message of type \(hexadecimalOctet(operation))h"
        }
        guard case .command(let out, let into) = phase else { return nil }
        let offset = Int(header.field32(40))
        switch operation {
        case 0x25 where octets > 0 && offset + octets > into:
            return "\(octets) octets of data at \(offset), where \(into) were asked for"
        case 0x31:
            let length = Int(header.field32(44))
            solicited += length
            // Asking again for what was lost is allowed, without end it is not.
            guard length > 0, offset + length <= out, solicited <= 2 * out else {
                return "a request for \(length) octets of data at \(offset), where there are \(out)"
            }
            return nil
        default: return nil
        }
    }

    /// The operation codes of what the target may send: NOP-In (20h), asynchronous message (32h) and reject (3Fh) at any
    /// time, and the answers to what is under way.
    private static func operations(in phase: Phase) -> Set<UInt8> {
        switch phase {
        case .idle: [0x20, 0x32, 0x3F]
        case .login: [0x23]
        case .text: [0x20, 0x24, 0x32, 0x3F]
        case .logout: [0x20, 0x26, 0x32, 0x3F]
        case .command: [0x20, 0x21, 0x25, 0x31, 0x32, 0x3F]
        }
    }
}
