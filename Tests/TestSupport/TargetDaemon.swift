import Foundation
import Synchronization

/// An iSCSI target of this machine: `tgtd` on a port, a control socket and in a folder of its own, which all go with the value.
///
/// Its images outlive a ``restart()``; its registrations and sessions do not, as tgtd keeps neither.
public final class TargetDaemon: Sendable {
    /// What went wrong while a target was set up.
    public struct Failure: Error, CustomStringConvertible {
        /// What went wrong.
        public let description: String
    }

    /// A user with whom CHAP is done.
    public struct Account: Sendable {
        /// The name.
        public var user: String
        /// The secret.
        public var password: String
        /// Whether the target proves itself with it, rather than initiators.
        public var isOutgoing: Bool

        /// A user.
        public init(user: String, password: String, isOutgoing: Bool = false) {
            self.user = user
            self.password = password
            self.isOutgoing = isOutgoing
        }
    }

    /// The target's name.
    public let name: String
    /// Where the images are.
    public let folder: String
    /// The TCP port.
    public let port: UInt16

    private let units: Int
    private let accounts: [Account]
    private let parameters: [String: String]
    private let process = Mutex<Child?>(nil)

    /// Whether this machine has what is needed; tests that need it are enabled by this.
    public static let isInstalled = ["/usr/sbin/tgtd", "/usr/sbin/tgtadm"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// Starts a target with units 1 to `units`.
    ///
    /// - Parameters:
    ///   - units: how many disks it has; tgtd's unit 0 is a controller.
    ///   - octets: the size of each.
    ///   - name: the target's iSCSI name.
    ///   - accounts: who may log in, and as whom the target proves itself; everybody where it is empty.
    ///   - parameters: of the target, such as `["HeaderDigest": "CRC32C"]`.
    public init(
        units: Int = 1, octets: Int = 16 << 20, name: String = "iqn.2024-01.net.example:tests",
        accounts: [Account] = [],
        parameters: [String: String] = [:]
    ) throws {
        var template = Array("/tmp/clusprep-target-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Failure(description: "no temporary folder") }
        folder = String(cString: made)
        self.name = name
        self.units = units
        self.accounts = accounts
        self.parameters = parameters
        for unit in 1...max(1, units) {
            let path = folder + "/unit\(unit).img"
            guard FileManager.default.createFile(atPath: path, contents: nil), truncate(path, off_t(octets)) == 0 else {
                throw Failure(description: "\(path) could not be made")
            }
        }
        // Between choosing a port and tgtd's taking it somebody else may have; then another one is tried.
        var started: UInt16?
        var failure: any Error = Failure(description: "no free port")
        for _ in 0..<10 where started == nil {
            let port = try Self.freePort()
            do {
                let child = try Self.start(folder: folder, port: port)
                process.withLock { $0 = child }
                started = port
            } catch {
                failure = error
            }
        }
        guard let started else { throw failure }
        port = started
        try setUp()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The URL of a unit.
    public func url(unit: Int = 1, options: String = "") -> String {
        "iscsi://127.0.0.1:\(port)/\(name)/\(unit)" + (options.isEmpty ? "" : "?" + options)
    }

    /// The file behind a unit.
    public func image(unit: Int = 1) -> String {
        folder + "/unit\(unit).img"
    }

    /// Ends the target with SIGKILL, and returns when it is gone.
    public func kill() {
        process.withLock { child in
            child?.kill()
            child = nil
        }
    }

    /// Starts the target again after ``kill()``, with the same port and images.
    public func start() throws {
        let child = try Self.start(folder: folder, port: port)
        process.withLock { $0 = child }
        try setUp()
    }

    /// Ends and starts the target.
    public func restart() throws {
        kill()
        try start()
    }

    /// Runs tgtadm and returns what it prints.
    @discardableResult
    public func administer(_ arguments: String...) throws -> String {
        try Self.administer(arguments, folder: folder)
    }

    /// Ends every connection of the target's sessions from its side; the registrations stay.
    public func dropConnections() throws {
        for (session, connection) in try connections() {
            try administer(
                "--lld", "iscsi", "--op", "delete", "--mode", "conn", "--tid", "1", "--sid", session, "--cid",
                connection)
        }
    }

    /// How many sessions the target has.
    public func sessionCount() throws -> Int {
        try connections().count
    }

    /// The numbers of the sessions and of their connections.
    private func connections() throws -> [(session: String, connection: String)] {
        let listing = try administer("--lld", "iscsi", "--op", "show", "--mode", "conn", "--tid", "1")
        var session: String?
        var found: [(session: String, connection: String)] = []
        for line in listing.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == ":" }
            guard words.count >= 2 else { continue }
            if words[0] == "Session" { session = String(words[1]) }
            if words[0] == "Connection", let session { found.append((session, String(words[1]))) }
        }
        return found
    }

    private func setUp() throws {
        try administer("--lld", "iscsi", "--op", "new", "--mode", "target", "--tid", "1", "-T", name)
        for unit in 1...max(1, units) {
            try administer(
                "--lld", "iscsi", "--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", String(unit), "-b",
                image(unit: unit))
        }
        for (parameter, value) in parameters {
            try administer(
                "--lld", "iscsi", "--op", "update", "--mode", "target", "--tid", "1", "--name", parameter, "--value",
                value)
        }
        for account in accounts {
            try administer(
                "--lld", "iscsi", "--op", "new", "--mode", "account", "--user", account.user, "--password",
                account.password)
            let bind = ["--lld", "iscsi", "--op", "bind", "--mode", "account", "--tid", "1", "--user", account.user]
            _ = try Self.administer(bind + (account.isOutgoing ? ["--outgoing"] : []), folder: folder)
        }
        try administer("--lld", "iscsi", "--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL")
    }

    private static func start(folder: String, port: UInt16) throws -> Child {
        let child = try Child(
            // The shell keeps watch, whatever signals the process group gets: when the other end of its input closes, the target
            // dies. Without a line before that, this process has died, and nobody needs the folder any more.
            script: """
                trap '' HUP INT TERM
                /usr/sbin/tgtd -f -C 1 --iscsi "portal=127.0.0.1:$1" >&2 </dev/null &
                read -r line || died=yes
                kill -9 $!
                wait
                [ -z "$died" ] || rm -r "$2"
                """, arguments: ["\(port)", folder], environment: environment(folder), log: folder + "/tgtd.log")
        for _ in 0..<500 {
            if (try? administer(["--op", "show", "--mode", "sys"], folder: folder)) != nil { return child }
            // There is nothing to wait for but the daemon's socket's appearing.
            usleep(10_000)
        }
        child.kill()
        let log = (try? String(contentsOfFile: folder + "/tgtd.log", encoding: .utf8)) ?? ""
        throw Failure(description: "tgtd did not start: \(log)")
    }

    private static func administer(_ arguments: [String], folder: String) throws -> String {
        let child = try Child(
            script: #"exec /usr/sbin/tgtadm -C 1 "$@" 2>&1 </dev/null"#, arguments: arguments,
            environment: environment(folder), log: folder + "/tgtd.log")
        let (output, status) = child.finish()
        guard status == 0 else { throw Failure(description: "tgtadm \(arguments.joined(separator: " ")): \(output)") }
        return output
    }

    /// tgtd tells several of itself apart by a number, but the sockets are in folders of their own anyway.
    private static func environment(_ folder: String) -> [String] {
        ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TGT_IPC_SOCKET=\(folder)/control"]
    }

    /// A port that nobody listens on, for now.
    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "no socket") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw Failure(description: "no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// A shell whose standard input and output are one end of a socket, and whose standard error is a file.
private struct Child: Sendable {
    private let identifier: pid_t
    private let end: Int32

    init(script: String, arguments: [String], environment: [String], log: String) throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw TargetDaemon.Failure(description: "no socket")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        // Nothing else is handed down: a daemon that outlived its test would keep locks, sockets and the pipes of whoever runs
        // the tests alive. Swift does not see posix_spawn_file_actions_addclosefrom_np; descriptors that are not open are passed
        // over, but none may be beyond the limit.
        for descriptor in 3..<Int32(min(sysconf(Int32(_SC_OPEN_MAX)), 4096)) {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        // Threads of Swift's pools block signals, and a shell without SIGCHLD waits for ever.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let words = (["/bin/sh", "-c", script, "sh"] + arguments).map { strdup($0) }
        let variables = environment.map { strdup($0) }
        defer { (words + variables).forEach { free($0) } }
        var identifier: pid_t = 0
        let result = posix_spawn(&identifier, "/bin/sh", &actions, &attributes, words + [nil], variables + [nil])
        close(ends[1])
        guard result == 0 else {
            close(ends[0])
            throw TargetDaemon.Failure(description: "no shell: \(String(cString: strerror(result)))")
        }
        self.identifier = identifier
        end = ends[0]
    }

    /// Tells the shell to end, and waits until it has.
    func kill() {
        _ = send(end, "\n", 1, Int32(MSG_NOSIGNAL))
        _ = finish()
    }

    /// Closes the shell's input and returns what it printed and its status.
    func finish() -> (output: String, status: Int32) {
        shutdown(end, Int32(SHUT_WR))
        var octets: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(end, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            octets += buffer[..<count]
        }
        close(end)
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
        return (String(decoding: octets, as: UTF8.self), status)
    }
}
