import Foundation

/// Which ports a lab's nodes can have.
enum LabPorts {
    /// Whether a port is free on all addresses, and ours to take.
    static func canTake(_ port: Int, _ addresses: [String]) -> Bool {
        addresses.allSatisfy { address in
            withSocket { descriptor in
                var yes: Int32 = 1
                setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout.size(ofValue: yes)))
                return withName(address, port) { bind(descriptor, $0, $1) == 0 }
            }
        }
    }

    /// A port that is free on all addresses, above those that systems hand out by themselves.
    ///
    /// - Throws: ``CommandFailure`` where a hundred are taken.
    static func free(_ addresses: [String]) throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 61_000...65_000)
            if canTake(port, addresses) { return port }
        }
        throw CommandFailure("there is no free port on \(addresses.joined(separator: ", "))")
    }

    /// Whether somebody listens there.
    static func answers(_ address: String, _ port: Int) -> Bool {
        withSocket { descriptor in withName(address, port) { connect(descriptor, $0, $1) == 0 } }
    }

    private static func withSocket(_ body: (Int32) -> Bool) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return body(descriptor)
    }

    private static func withName(
        _ address: String, _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = in_port_t(port).bigEndian
        guard inet_pton(AF_INET, address, &name.sin_addr) == 1 else { return false }
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
