import Foundation

/// Tells the service manager that the node serves, as sd_notify(3) has it: one datagram to the socket in NOTIFY_SOCKET.
enum ReadinessNotification {
    /// Why it could not be told.
    struct Failure: Error, CustomStringConvertible {
        var socket: String
        var errno: Int32

        var description: String { "cannot tell the service manager at \(socket): \(String(cString: strerror(errno)))" }
    }

    /// Sends the datagram; nothing where no service manager asked for it.
    ///
    /// - Throws: ``Failure``.
    static func send(environment: [String: String] = ProcessInfo.processInfo.environment) throws(Failure) {
        guard let path = environment["NOTIFY_SOCKET"], !path.isEmpty else { return }
        let octets = Array(path.utf8)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: name.sun_path)
        guard octets.count < room else { throw Failure(socket: path, errno: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &name.sun_path) { field in
            field.copyBytes(from: octets)
            // A name in the abstract namespace begins with a zero, which stands as an at sign in text.
            if octets[0] == UInt8(ascii: "@") { field[0] = 0 }
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(socket: path, errno: errno) }
        defer { close(descriptor) }
        let message = Array("READY=1".utf8)
        let length = socklen_t(MemoryLayout.size(ofValue: name.sun_family) + octets.count)
        let sent = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
        guard sent == message.count else { throw Failure(socket: path, errno: errno) }
    }
}
