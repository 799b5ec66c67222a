import Foundation
import Synchronization

@testable import Reservations

/// A protocol data unit of iSCSI (RFC 3720 10.2): 48 octets of header and the data segment.
struct FakeUnit: Sendable {
    var header = [UInt8](repeating: 0, count: 48)
    var data: [UInt8] = []

    var opcode: UInt8 { header[0] & 0x3F }
    /// The CDB of a SCSI command.
    var cdb: [UInt8] { Array(header[32...]) }
    var text: String { String(decoding: data, as: UTF8.self) }

    /// An answer to a request: opcode, the request's task tag, and sequence numbers that follow its own.
    init(_ opcode: UInt8, to request: FakeUnit, statusNumber: UInt32) {
        header[0] = opcode
        header[1] = 0x80
        header.replaceSubrange(16..<20, with: request.header[16..<20])
        header.set(statusNumber, at: 24)
        let isImmediate = request.header[0] & 0x40 != 0
        let command = request.header.field32(24) &+ (isImmediate ? 0 : 1)
        header.set(command, at: 28)
        header.set(command &+ 31, at: 32)
    }

    init(header: [UInt8], data: [UInt8]) {
        self.header = header
        self.data = data
    }

    var octets: [UInt8] {
        var header = header
        header.set(UInt32(header[4]) << 24 | UInt32(data.count), at: 4)
        return header + data + [UInt8](repeating: 0, count: (4 - data.count % 4) % 4)
    }
}

/// One end of a TCP connection; blocking.
final class FakeStream: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// A connection to a port of this machine.
    init?(port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let isConnected = withLoopback(port) { [descriptor] in connect(descriptor, $0, $1) == 0 }
        if !isConnected { return nil }
    }

    /// Ends both directions; whoever waits for octets gets none.
    func end() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    func read(_ count: Int) -> [UInt8]? {
        var octets = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = octets.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress?.advanced(by: done), count - done, 0)
            }
            guard got > 0 else { return nil }
            done += got
        }
        return octets
    }

    /// Whatever comes next; nil at the end.
    func readSome() -> [UInt8]? {
        var octets = [UInt8](repeating: 0, count: 65536)
        let got = recv(descriptor, &octets, octets.count, 0)
        return got > 0 ? Array(octets[..<got]) : nil
    }

    func write(_ octets: [UInt8]) {
        var rest = octets[...]
        while !rest.isEmpty {
            let put = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard put > 0 else { return }
            rest = rest.dropFirst(put)
        }
    }

    func readUnit() -> FakeUnit? {
        guard let header = read(48) else { return nil }
        let length = Int(header.field32(4) & 0xFF_FFFF)
        guard let data = read((length + 3) / 4 * 4) else { return nil }
        return FakeUnit(header: header, data: Array(data[..<length]))
    }
}

/// A TCP server on this machine that serves each connection by a closure on a thread of its own.
final class FakeServer: Sendable {
    /// A listening socket, closed by the last who has it: a number that is closed while a thread is about to accept from it may be
    /// another test's socket by then.
    private final class Listener: Sendable {
        let descriptor: Int32

        init(_ descriptor: Int32) { self.descriptor = descriptor }
        deinit { close(descriptor) }
    }

    let port: UInt16
    private let listener: Listener
    private let streams = Mutex<[FakeStream]>([])
    private let accepted = Mutex(0)

    /// How many connections there have been.
    var connections: Int { accepted.withLock { $0 } }

    init(_ serve: @escaping @Sendable (FakeStream, Int) -> Void) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withLoopback(0) { bind(descriptor, $0, $1) == 0 } && listen(descriptor, 16) == 0
        let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
        let listener = Listener(descriptor)
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
        guard isBound, isKnown else { throw POSIXError(.EADDRNOTAVAIL) }
        Thread.detachNewThread { [weak self] in
            while true {
                let accepted = accept(listener.descriptor, nil, nil)
                guard accepted >= 0 else { return }
                guard let self else {
                    close(accepted)
                    return
                }
                let stream = FakeStream(accepted)
                self.streams.withLock { $0.append(stream) }
                let number = self.accepted.withLock { count in
                    defer { count += 1 }
                    return count
                }
                Thread.detachNewThread {
                    serve(stream, number)
                    stream.end()
                }
            }
        }
    }

    deinit {
        shutdown(listener.descriptor, Int32(SHUT_RDWR))
        endAll()
    }

    /// Ends all connections.
    func endAll() {
        streams.withLock { streams in
            streams.forEach { $0.end() }
            streams.removeAll()
        }
    }
}

extension FakeServer {
    /// What a fake target does with the SCSI commands of one connection; false ends the connection.
    typealias Handler = @Sendable (FakeTargetSession, FakeUnit) -> Bool

    /// A target that lets everybody in and has its commands answered by the closure.
    static func target(
        replies: String = "", _ handler: @escaping @Sendable (FakeTargetSession, FakeUnit) -> Bool
    ) throws -> FakeServer {
        try FakeServer { stream, number in
            let session = FakeTargetSession(stream: stream, number: number)
            session.serve(replies: replies, handler)
        }
    }
}

/// One connection to a fake target.
final class FakeTargetSession: Sendable {
    let stream: FakeStream
    /// The connection's number, from zero.
    let number: Int
    private let status = Mutex<UInt32>(1)

    init(stream: FakeStream, number: Int) {
        self.stream = stream
        self.number = number
    }

    var nextStatus: UInt32 {
        status.withLock { status in
            defer { status += 1 }
            return status
        }
    }

    func serve(replies: String, _ handler: FakeServer.Handler) {
        while let unit = stream.readUnit() {
            switch unit.opcode {
            case 0x03: logIn(unit, replies: replies)
            case 0x01: if !handler(self, unit) { return }
            case 0x06:
                stream.write(FakeUnit(0x26, to: unit, statusNumber: nextStatus).octets)
                return
            default: return
            }
        }
    }

    /// Answers a login request as a target without security does (RFC 3720 10.13): on to the stage the initiator asks for.
    func logIn(_ request: FakeUnit, replies: String, flags: UInt8? = nil) {
        var answer = FakeUnit(0x23, to: request, statusNumber: nextStatus)
        answer.header[1] = flags ?? request.header[1]
        answer.header.replaceSubrange(8..<14, with: request.header[8..<14])
        answer.header[15] = 1
        answer.data = Array(replies.utf8)
        stream.write(answer.octets)
    }

    /// A SCSI response (RFC 3720 10.4).
    func respond(_ request: FakeUnit, status: UInt8, sense: [UInt8] = [], data: [UInt8]? = nil) {
        var answer = FakeUnit(0x21, to: request, statusNumber: nextStatus)
        answer.header[3] = status
        answer.data = data ?? (sense.isEmpty ? [] : [0, UInt8(sense.count)] + sense)
        // Nothing was transferred.
        let expected = request.header.field32(20)
        if expected > 0 {
            answer.header[1] |= 0x02
            answer.header.set(expected, at: 44)
        }
        stream.write(answer.octets)
    }

    /// SCSI data-in with status GOOD (RFC 3720 10.7).
    func respond(_ request: FakeUnit, data: [UInt8], offset: UInt32 = 0) {
        var answer = FakeUnit(0x25, to: request, statusNumber: nextStatus)
        answer.header[1] = 0x81
        answer.header.set(UInt32.max, at: 20)
        answer.header.set(offset, at: 40)
        let expected = request.header.field32(20)
        if Int(expected) > data.count {
            answer.header[1] |= 0x02
            answer.header.set(expected - UInt32(data.count), at: 44)
        }
        answer.data = data
        stream.write(answer.octets)
    }
}

/// Stands between an initiator and a target and cuts the connection at a command of the test's choosing.
final class FakeCable: Sendable {
    /// When to cut.
    struct Cut: Sendable {
        /// The command's operation code.
        var operation: UInt8
        /// Whether the target still gets the command.
        var delivers: Bool
    }

    private let server: FakeServer
    private let pending: CutBox

    var port: UInt16 { server.port }
    var connections: Int { server.connections }

    init(to target: UInt16) throws {
        let pending = CutBox()
        self.pending = pending
        server = try FakeServer { stream, _ in
            guard let upstream = FakeStream(port: target) else { return }
            defer { upstream.end() }
            Thread.detachNewThread {
                while let octets = upstream.readSome() { stream.write(octets) }
                stream.end()
            }
            while let unit = stream.readUnit() {
                let cut = unit.opcode == 0x01 ? pending.take(unit.cdb[0]) : nil
                if cut == nil || cut?.delivers == true { upstream.write(unit.octets) }
                if cut != nil { return }
            }
        }
    }

    /// Cuts the connection at the next command with this operation code.
    func cut(at operation: UInt8, delivering delivers: Bool) {
        pending.set(Cut(operation: operation, delivers: delivers))
    }

    /// Cuts all connections now.
    func cutNow() {
        server.endAll()
    }

    private final class CutBox: Sendable {
        private let cut = Mutex<Cut?>(nil)

        func set(_ value: Cut) { cut.withLock { $0 = value } }

        func take(_ operation: UInt8) -> Cut? {
            cut.withLock { cut in
                guard let found = cut, found.operation == operation else { return nil }
                cut = nil
                return found
            }
        }
    }
}

/// A number that a server's closure learns after it was made.
final class PortBox: Sendable {
    private let value = Mutex<UInt16>(0)
    var port: UInt16 {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}

private func withLoopback<T>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
