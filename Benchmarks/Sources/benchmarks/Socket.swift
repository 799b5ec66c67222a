import Foundation

/// An IPv4 TCP socket that blocks.
struct Socket: ~Copyable {
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Self.failure("socket") }
    }

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// Takes an address; port 0 is any that is free.
    borrowing func bind(_ address: String, _ port: UInt16) throws {
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard try withName(address, port, { Foundation.bind(descriptor, $0, $1) }) == 0 else {
            throw Self.failure("bind to \(address):\(port)")
        }
    }

    borrowing func connect(_ address: String, _ port: UInt16) throws {
        guard try withName(address, port, { Foundation.connect(descriptor, $0, $1) }) == 0 else {
            throw Self.failure("connect to \(address):\(port)")
        }
        sendAtOnce()
    }

    borrowing func listen() throws {
        guard Foundation.listen(descriptor, 1) == 0 else { throw Self.failure("listen") }
    }

    borrowing func accept() throws -> Socket {
        let accepted = Foundation.accept(descriptor, nil, nil)
        guard accepted >= 0 else { throw Self.failure("accept") }
        let result = Socket(descriptor: accepted)
        result.sendAtOnce()
        return result
    }

    borrowing func port() throws -> UInt16 {
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0 else { throw Self.failure("getsockname") }
        return UInt16(bigEndian: name.sin_port)
    }

    borrowing func write(_ octets: [UInt8]) throws {
        guard send(descriptor, octets, octets.count, Int32(MSG_NOSIGNAL)) == octets.count else {
            throw Self.failure("send")
        }
    }

    /// Fills the buffer; false at the end of the stream.
    borrowing func read(_ octets: inout [UInt8]) throws -> Bool {
        let count = recv(descriptor, &octets, octets.count, Int32(MSG_WAITALL))
        guard count >= 0 else { throw Self.failure("recv") }
        return count == octets.count
    }

    /// Tells the other side that nothing more comes.
    borrowing func end() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    private borrowing func sendAtOnce() {
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    private borrowing func withName(
        _ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws -> Int32 {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        guard inet_pton(AF_INET, address, &name.sin_addr) == 1 else {
            throw BenchmarkFailure("\(address) is no address")
        }
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func failure(_ operation: String) -> BenchmarkFailure {
        BenchmarkFailure("\(operation): \(String(cString: strerror(errno)))")
    }
}

/// Ports of servers that are started.
enum Port {
    /// One that is free now.
    static func free(on address: String) throws -> UInt16 {
        let socket = try Socket()
        try socket.bind(address, 0)
        return try socket.port()
    }

    /// Why a port cannot be had; nil if it can.
    static func obstacle(_ port: UInt16, on address: String) -> String? {
        do {
            try Socket().bind(address, port)
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Tries until a connection is taken, and tells when that was.
    static func wait(
        for port: UInt16, on address: String, of program: Program, log: String
    ) async throws -> ContinuousClock.Instant {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline, program.isRunning {
            if (try? Socket().connect(address, port)) != nil { return .now }
            try await Task.sleep(for: .milliseconds(1))
        }
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        throw BenchmarkFailure("nothing listens on \(address):\(port): \(text.suffix(2000))")
    }
}
