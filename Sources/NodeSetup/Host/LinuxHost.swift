import Foundation
import FileShares

/// This host, changed for real.
public struct LinuxHost: SetupHost {
    /// More than any file that a set-up reads.
    static let maximumFile = 1 << 20
    /// How long a program may take: a service that starts waits for its disks.
    static let programTime = Duration.seconds(120)
    private static let searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// This host.
    public init() {}

    /// Whether we may change the host: root.
    public var isAdministrator: Bool { geteuid() == 0 }

    /// The host's name, with its domain where it has one.
    public var name: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard !name.contains(".") else { return name }
        // The resolver knows the domain where the kernel was not told.
        var hints = addrinfo()
        hints.ai_flags = AI_CANONNAME
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0, let list else { return name }
        defer { freeaddrinfo(list) }
        let full = list.pointee.ai_canonname.map { String(cString: $0) } ?? name
        return full.lowercased().hasPrefix(name.lowercased() + ".") ? full : name
    }

    /// Whether systemd runs here.
    public var hasServiceManager: Bool {
        // What sd_booted(3) looks at.
        (try? status(of: "/run/systemd/system"))??.isFolder ?? false
    }

    // MARK: Files

    /// What lies at a path; nil where there is nothing. Links are followed.
    public func status(of path: String) throws(SetupError) -> FileStatus? {
        var status = Glibc.stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw failure("look at", path) }
            return nil
        }
        return FileStatus(
            isFolder: status.st_mode & S_IFMT == S_IFDIR, isRegular: status.st_mode & S_IFMT == S_IFREG,
            mode: status.st_mode & 0o7777, owner: status.st_uid)
    }

    /// The path with every link followed, as far as it leads somewhere; the rest of it stays what it is.
    public func resolved(_ path: String) -> String {
        var (head, tail) = (path, "")
        while !head.isEmpty {
            if let pointer = realpath(head, nil) {
                defer { free(pointer) }
                let found = String(cString: pointer)
                return found == "/" && !tail.isEmpty ? tail : found + tail
            }
            guard let slash = head.lastIndex(of: "/") else { break }
            tail = String(head[slash...]) + tail
            head = String(head[..<slash])
        }
        return path
    }

    /// A file's octets, up to 1 MiB; nil where there is no file.
    public func contents(of path: String) throws(SetupError) -> [UInt8]? {
        guard let status = try status(of: path) else { return nil }
        guard !status.isFolder else { throw .file(path: path, operation: "read", reason: "it is a folder") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure("read", path) }
        defer { close(descriptor) }
        var octets = [UInt8](repeating: 0, count: Self.maximumFile + 1)
        var filled = 0
        while filled < octets.count {
            let count = octets.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return Array(octets[..<filled]) }
            filled += count
        }
        throw .file(path: path, operation: "read", reason: "it is longer than \(Self.maximumFile) octets")
    }

    /// Makes one folder, of ours alone. The one above has to be there.
    public func makeFolder(_ path: String, mode: UInt32) throws(SetupError) {
        guard mkdir(path, mode_t(mode)) == 0 else { throw failure("make the folder", path) }
        // Whatever the umask is.
        guard chmod(path, mode_t(mode)) == 0 else { throw failure("make the folder", path) }
    }

    /// Puts a file in place, whole or not at all, durable when it returns.
    public func write(_ contents: [UInt8], to path: String, mode: UInt32) throws(SetupError) {
        // A link stays what it is: its target is replaced.
        var target = path
        if let resolved = realpath(path, nil) {
            target = String(cString: resolved)
            free(resolved)
        }
        let temporary = target + SetupPaths.unfinished
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(mode))
        guard descriptor >= 0 else { throw failure("write", path) }
        var isWritten = fchmod(descriptor, mode_t(mode)) == 0
        var written = 0
        while isWritten, written < contents.count {
            let count = contents.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            if count > 0 { written += count } else { isWritten = false }
        }
        isWritten = isWritten && fsync(descriptor) == 0 && rename(temporary, target) == 0
        guard isWritten else {
            let error = failure("write", path)
            close(descriptor)
            unlink(temporary)
            throw error
        }
        close(descriptor)
        try synchronizeFolder(of: target)
    }

    /// Removes a file, or a folder that is empty; what is not there is gone already, and a folder that is not empty stays.
    public func remove(_ path: String) throws(SetupError) {
        guard Glibc.remove(path) != 0 else { return }
        guard [ENOENT, ENOTDIR, ENOTEMPTY, EEXIST].contains(errno) else { throw failure("remove", path) }
    }

    /// Removes a folder with all that is in it.
    public func removeTree(_ path: String) throws(SetupError) {
        var trials = 3
        while try status(of: path) != nil {
            do {
                try FileManager.default.removeItem(atPath: path)
            } catch {
                // Somebody else may remove something of it at the same time, as SQLite does when a database is closed.
                trials -= 1
                guard trials > 0 else {
                    throw .file(path: path, operation: "remove", reason: error.localizedDescription)
                }
            }
        }
    }

    private func synchronizeFolder(of path: String) throws(SetupError) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("write", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("write", path) }
    }

    private func failure(_ operation: String, _ path: String) -> SetupError {
        .file(path: path, operation: operation, reason: String(cString: strerror(errno)))
    }

    // MARK: Programs and accounts

    /// The path of a program in the system's folders; nil where it is not installed.
    public func program(_ name: String) -> String? {
        Self.searchPath.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Runs a program to its end, without a shell.
    public func run(_ program: String, _ arguments: [String]) async throws(SetupError) -> ProgramResult {
        guard let path = program.hasPrefix("/") ? program : self.program(program) else {
            throw .program(command: program, reason: "it is not installed")
        }
        let command = ([program] + arguments).joined(separator: " ")
        do {
            let result = try await ProgramRun.run(
                path, arguments, environment: ["PATH": Self.searchPath, "LC_ALL": "C"], timeout: Self.programTime)
            return ProgramResult(status: result.status, output: result.output, errors: result.errors)
        } catch ProgramRun.Failure.timedOut {
            throw .program(command: command, reason: "it did not end within \(Self.programTime)")
        } catch ProgramRun.Failure.notStarted(let code) {
            throw .program(command: command, reason: String(cString: strerror(code)))
        } catch {
            throw .program(command: command, reason: "\(error)")
        }
    }

    /// Whether there is a Unix account of this name.
    public func hasAccount(_ name: String) -> Bool {
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        var record = passwd()
        var found: UnsafeMutablePointer<passwd>?
        return getpwnam_r(name, &record, &buffer, buffer.count, &found) == 0 && found != nil
    }

    /// Whether one could listen there.
    public func canListen(address: String, port: Int) -> ListenTrial {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address, "\(port)", &hints, &list) == 0, let list else { return .foreignAddress }
        defer { freeaddrinfo(list) }
        let found = list.pointee
        let descriptor = socket(found.ai_family, found.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), found.ai_protocol)
        guard descriptor >= 0 else { return .refused(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        // As the daemon does: connections that linger from before do not count.
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        if found.ai_family == AF_INET6 {
            setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        guard bind(descriptor, found.ai_addr, found.ai_addrlen) == 0, listen(descriptor, 1) == 0 else {
            return switch errno {
            case EADDRINUSE: .inUse
            case EADDRNOTAVAIL: .foreignAddress
            default: .refused(String(cString: strerror(errno)))
            }
        }
        return .free
    }
}
