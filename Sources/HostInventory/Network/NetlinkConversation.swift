import CLinuxNetwork
import Glibc

/// Something that takes netlink requests and gives datagrams: the kernel, or a test.
protocol NetlinkPort: AnyObject {
    /// Sends one request.
    func send(_ request: [UInt8]) throws(HostNetworkError)
    /// The next datagram, whole. Nil where the kernel has dropped some because nobody read them in time.
    func receive(operation: String) throws(HostNetworkError) -> [UInt8]?
}

/// What is asked of the kernel's routing socket, one question after the other.
struct NetlinkConversation {
    /// How often a listing is read anew that the kernel says has changed while it was read.
    static let attempts = 16

    private let port: any NetlinkPort
    private var sequence: UInt32 = 0

    init(port: any NetlinkPort) {
        self.port = port
    }

    /// Reads a whole listing, again where the kernel says that it changed in between (NLM_F_DUMP_INTR): such a one may miss an
    /// entry that was there all the time.
    ///
    /// - Parameters:
    ///   - type: the request, such as RTM_GETLINK.
    ///   - answer: the type of the messages that answer it.
    ///   - payload: what follows the header of the request.
    ///   - operation: what it is for, which errors tell.
    ///   - read: makes an entry of a message; nil leaves it out.
    mutating func list<Entry>(
        _ type: Int, answer: Int, payload: [UInt8], operation: String,
        read: (ArraySlice<UInt8>) throws(HostNetworkError) -> Entry?
    ) throws(HostNetworkError) -> [Entry] {
        for _ in 0..<Self.attempts {
            try ask(type, flags: NLM_F_REQUEST | NLM_F_DUMP, payload: payload)
            var entries: [Entry] = []
            if try collect(answer: answer, operation: operation, read: read, into: &entries) { return entries }
        }
        throw .unsettled(operation: operation, attempts: Self.attempts)
    }

    /// Asks for one entry.
    ///
    /// - Returns: nil where the kernel has none: it answers with one of these error numbers.
    mutating func one<Entry>(
        _ type: Int, answer: Int, payload: [UInt8], operation: String, absent: Set<Int32>,
        read: (ArraySlice<UInt8>) throws(HostNetworkError) -> Entry?
    ) throws(HostNetworkError) -> Entry? {
        try ask(type, flags: NLM_F_REQUEST, payload: payload)
        while let datagram = try port.receive(operation: operation) {
            for message in try NetlinkMessage.list(datagram, operation: operation) where message.sequence == sequence {
                if message.type == UInt16(NLMSG_ERROR) {
                    let code = try errorCode(of: message, operation: operation)
                    if absent.contains(code) { return nil }
                    throw .system(operation: operation, code: code)
                }
                if message.type == UInt16(answer) { return try read(message.payload) }
            }
        }
        throw .system(operation: operation, code: ENOBUFS)
    }

    private mutating func ask(_ type: Int, flags: Int32, payload: [UInt8]) throws(HostNetworkError) {
        sequence &+= 1
        try port.send(
            NetlinkMessage.request(type: UInt16(type), flags: UInt16(flags), sequence: sequence, payload: payload))
    }

    /// Reads to the listing's end; false where it is not to be relied upon.
    ///
    /// What answers an earlier question, left over where that one failed, is passed over.
    private func collect<Entry>(
        answer: Int, operation: String, read: (ArraySlice<UInt8>) throws(HostNetworkError) -> Entry?,
        into entries: inout [Entry]
    ) throws(HostNetworkError) -> Bool {
        var isSound = true
        while true {
            guard let datagram = try port.receive(operation: operation) else {
                // The end of the listing may be among what was dropped, so it is not waited for.
                return false
            }
            for message in try NetlinkMessage.list(datagram, operation: operation) where message.sequence == sequence {
                if message.flags & UInt16(NLM_F_DUMP_INTR) != 0 { isSound = false }
                switch Int32(message.type) {
                case NLMSG_DONE:
                    // An error in the middle of a listing comes with its end.
                    let code = message.payload.count >= 4 ? message.payload.native(Int32.self, at: 0) : 0
                    guard code >= 0 else { throw .system(operation: operation, code: -code) }
                    return isSound
                case NLMSG_ERROR:
                    throw .system(operation: operation, code: try errorCode(of: message, operation: operation))
                case NLMSG_OVERRUN: isSound = false
                case Int32(answer):
                    if let entry = try read(message.payload) { entries.append(entry) }
                default: break
                }
            }
        }
    }

    /// The error number of an NLMSG_ERROR.
    private func errorCode(of message: NetlinkMessage, operation: String) throws(HostNetworkError) -> Int32 {
        guard message.payload.count >= 4 else {
            throw .malformed(operation: operation, reason: "an error without a number")
        }
        return 0 &- message.payload.native(Int32.self, at: 0)
    }
}

/// A routing socket of the kernel's (rtnetlink(7)) in the network namespace of the calling thread.
final class NetlinkSocket: NetlinkPort {
    private let descriptor: Int32
    /// The kernel fills at most 32 KiB of a buffer when it lists, whatever there is to list.
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// How long an answer may take; the kernel answers at once, so this is never reached unless something is very wrong.
    private static let patience = timeval(tv_sec: 5, tv_usec: 0)

    init() throws(HostNetworkError) {
        descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), NETLINK_ROUTE)
        guard descriptor >= 0 else { throw .system(operation: "open a routing socket", code: errno) }
        var patience = Self.patience
        // Without the limit all else works as well.
        _ = setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(descriptor)
    }

    func send(_ request: [UInt8]) throws(HostNetworkError) {
        while Glibc.send(descriptor, request, request.count, 0) < 0 {
            guard errno == EINTR else { throw .system(operation: "ask the kernel", code: errno) }
        }
    }

    func receive(operation: String) throws(HostNetworkError) -> [UInt8]? {
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_TRUNC))
            if count < 0 {
                if errno == EINTR { continue }
                if errno == ENOBUFS { return nil }
                throw .system(operation: operation, code: errno)
            }
            // MSG_TRUNC returns the true length.
            guard count <= buffer.count else {
                throw .malformed(operation: operation, reason: "a datagram of \(count) octets")
            }
            guard count > 0 else { throw .malformed(operation: operation, reason: "an empty datagram") }
            return Array(buffer[..<count])
        }
    }
}
