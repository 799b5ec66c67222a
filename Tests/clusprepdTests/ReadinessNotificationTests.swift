import Foundation
import Testing

@testable import clusprepd

struct ReadinessNotificationTests {
    /// A datagram socket of this name, as a service manager has one.
    private func socket(named octets: [UInt8]) throws -> Int32 {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: octets) }
        let descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let length = socklen_t(MemoryLayout.size(ofValue: name.sun_family) + octets.count)
        let result = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(descriptor >= 0 && result == 0)
        return descriptor
    }

    private func received(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    @Test
    func byPathAndByAbstractName() throws {
        let path = NSTemporaryDirectory() + "notify-\(UUID().uuidString.prefix(8))"
        defer { unlink(path) }
        let name = "clusprep-\(UUID().uuidString)"
        for (text, octets) in [(path, Array(path.utf8)), ("@" + name, [0] + Array(name.utf8))] {
            let descriptor = try socket(named: octets)
            defer { close(descriptor) }
            try ReadinessNotification.send(environment: ["NOTIFY_SOCKET": text])
            #expect(received(descriptor) == "READY=1")
        }
    }

    @Test
    func nobodyAskedOrNobodyIsThere() throws {
        try ReadinessNotification.send(environment: [:])
        try ReadinessNotification.send(environment: ["NOTIFY_SOCKET": ""])
        for path in ["/nonexistent/notify", String(repeating: "a", count: 200)] {
            #expect(throws: ReadinessNotification.Failure.self) {
                try ReadinessNotification.send(environment: ["NOTIFY_SOCKET": path])
            }
        }
    }
}
