import Foundation

@testable import FileShares

/// An smbd of a test's own: on 127.0.0.x, on a port of its own, with its accounts and usershares in a folder of its own.
final class SambaServer {
    let folder: String
    let port: UInt16
    let addresses: [String]

    private let process = Process()
    private let input = Pipe()

    /// Only root can have an smbd that becomes the users who log on.
    static let isAvailable =
        geteuid() == 0
        && programs.allSatisfy { name in
            searchPath.split(separator: ":").contains { access("\($0)/\(name)", X_OK) == 0 }
        }

    static let hasIPv6 =
        (try? String(contentsOfFile: "/proc/net/if_inet6", encoding: .utf8))?
        .contains("00000000000000000000000000000001") == true

    static let searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"
    private static let programs = ["smbd", "net", "pdbedit", "smbcontrol", "smbclient"]

    var configurationFile: String { folder + "/smb.conf" }

    init(addresses: [String] = ["127.0.0.1"]) throws {
        self.addresses = addresses
        folder =
            FileManager.default.temporaryDirectory.appendingPathComponent("smb-\(UUID().uuidString.prefix(8))").path
        port = try freePort()
        for name in ["", "/data", "/usershares"] {
            try FileManager.default.createDirectory(atPath: folder + name, withIntermediateDirectories: true)
        }
        // What smbd asks of a usershare folder: root's, and sticky.
        chmod(folder + "/usershares", 0o1755)
        try configuration.write(toFile: configurationFile, atomically: true, encoding: .utf8)
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/smbd")
        // Its process group is its own already, and it refuses to make another.
        process.arguments = ["-F", "--no-process-group", "-s", configurationFile]
        process.standardInput = input
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        for address in addresses where !address.contains(":") {
            while process.isRunning, !isListening(address, port) { usleep(10_000) }
        }
    }

    func stop() {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private var configuration: String {
        """
        [global]
        netbios name = TEST
        workgroup = TEST
        server role = standalone server
        interfaces = \(addresses.map { $0.contains(":") ? $0 : $0 + "/8" }.joined(separator: " "))
        bind interfaces only = yes
        smb ports = \(port)
        disable netbios = yes
        lock directory = \(folder)/data
        state directory = \(folder)/data
        cache directory = \(folder)/data
        private dir = \(folder)/data
        pid directory = \(folder)/data
        ncalrpc dir = \(folder)/data/ncalrpc
        log file = \(folder)/log
        passdb backend = tdbsam
        usershare path = \(folder)/usershares
        usershare max shares = 10
        load printers = no
        printing = bsd
        printcap name = /dev/null
        disable spoolss = yes

        """
    }

    // MARK: A foreign judge

    /// What Samba's own client says to reading the share's file.
    func smbclient(_ share: TestShare, user: String = "nobody", password: String? = nil, address: String? = nil) throws
        -> (status: Int32, output: String)
    {
        let password = password ?? String(decoding: share.password.bytes, as: UTF8.self)
        return try run(
            "/usr/bin/smbclient",
            [
                "//\(address ?? addresses[0])/\(share.name)", "-p", "\(port)", "-U", "\(user)%\(password)", "-E", "-c",
                "get clusprep.txt -",
            ])
    }

    var accounts: String {
        get throws { try run("/usr/bin/pdbedit", ["-s", configurationFile, "-L"]).output }
    }

    var usershares: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder + "/usershares") }
    }

    @discardableResult
    func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}

/// A socket that listens on 127.0.0.1 and says nothing.
final class SilentServer {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try bindAnywhere(descriptor)
        guard listen(descriptor, 16) == 0 else { throw POSIXError(.EADDRINUSE) }
    }

    /// Answers the next connection with these octets, on a thread of its own, and then closes it.
    func answerNext(_ octets: [UInt8]) {
        let descriptor = descriptor
        Thread.detachNewThread {
            let connection = accept(descriptor, nil, nil)
            var request = [UInt8](repeating: 0, count: 4096)
            _ = recv(connection, &request, request.count, 0)
            _ = send(connection, octets, octets.count, Int32(MSG_NOSIGNAL))
            shutdown(connection, Int32(SHUT_WR))
            _ = recv(connection, &request, request.count, 0)
            close(connection)
        }
    }

    /// The user whose socket makes the next connection, which is closed then.
    func ownerOfNext() async throws -> uid_t? {
        let (descriptor, port) = (descriptor, port)
        return try await withCheckedThrowingContinuation { continuation in
            // Waiting for it blocks.
            Thread.detachNewThread { continuation.resume(with: Result { try Self.ownerOfNext(descriptor, port) }) }
        }
    }

    private static func ownerOfNext(_ descriptor: Int32, _ ownPort: UInt16) throws -> uid_t? {
        var name = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let connection = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept(descriptor, $0, &size) }
        }
        defer { close(connection) }
        // A line has its number, both addresses with hexadecimal ports, state, queues, timer, retransmissions and the user.
        func port(_ field: Substring) -> UInt16? { UInt16(field.suffix(4), radix: 16) }
        let peerPort = UInt16(bigEndian: name.sin_port)
        return try procFile("/proc/self/net/tcp").split(separator: "\n").dropFirst()
            .map { $0.split(separator: " ") }.first { port($0[1]) == peerPort && port($0[2]) == ownPort }
            .flatMap { uid_t($0[7]) }
    }

    deinit { close(descriptor) }
}

/// A file of /proc, which Foundation takes for as long as the first part that the kernel gives of it.
private func procFile(_ path: String) throws -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw POSIXError(.ENOENT) }
    defer { close(descriptor) }
    var octets: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(descriptor, &part, part.count), count > 0 { octets += part[..<count] }
    return String(decoding: octets, as: UTF8.self)
}

/// A port that nobody has a moment ago.
func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    return try bindAnywhere(descriptor)
}

private func bindAnywhere(_ descriptor: Int32) throws -> UInt16 {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = inet_addr("127.0.0.1")
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &name) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
        }
    }
    guard isBound else { throw POSIXError(.EADDRINUSE) }
    return UInt16(bigEndian: name.sin_port)
}

private func isListening(_ address: String, _ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = inet_addr(address)
    return withUnsafePointer(to: &name) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
