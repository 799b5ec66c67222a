#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The few things that the state folder needs from the system, each with its error.
enum FileOperations {
    /// Makes the folder if it is not there (the folder above it has to be), and closes it to others.
    static func prepareFolder(_ path: String) throws(ClusterStoreError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw failure(path) }
        var status = stat()
        guard stat(path, &status) == 0 else { throw failure(path) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .folderUnusable(path: path, reason: "it is not a folder")
        }
        let mode = status.st_mode & 0o7777
        // A folder that everybody writes to (/tmp, say) is nobody's state folder: do not take it away from the others.
        guard mode & 0o002 == 0 else { throw .insecurePermissions(path: path, mode: UInt32(mode)) }
        if mode & 0o077 != 0, chmod(path, 0o700) != 0 { throw failure(path) }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw failure(path) }
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// The size of a regular file.
    static func size(_ path: String) throws(ClusterStoreError) -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .folderUnusable(path: path, reason: "it is not a regular file")
        }
        return Int(status.st_size)
    }

    static func requireWritable(_ path: String) throws(ClusterStoreError) {
        guard access(path, R_OK | W_OK) == 0 else { throw failure(path) }
    }

    /// Refuses a file that others than its owner can read or write.
    static func requirePrivate(_ path: String) throws(ClusterStoreError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw failure(path) }
        let mode = status.st_mode & 0o7777
        guard mode & 0o077 == 0 else { throw .insecurePermissions(path: path, mode: UInt32(mode)) }
    }

    /// Reads a small file; one that is longer than `limit` is read no further than one octet over it.
    static func read(_ path: String, limit: Int) throws(ClusterStoreError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                systemRead(descriptor, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path) }
            if count == 0 { break }
            filled += count
        }
        return Array(bytes[..<filled])
    }

    /// Makes a new file that only its owner may use, and puts it on stable storage.
    static func write(_ bytes: [UInt8], to path: String) throws(ClusterStoreError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        try write(bytes, to: descriptor, path: path)
        guard fsync(descriptor) == 0 else { throw failure(path) }
    }

    fileprivate static func write(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(ClusterStoreError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                systemWrite(descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path) }
            written += count
        }
    }

    /// Puts a file's contents, or a folder's list of names, on stable storage.
    static func synchronize(_ path: String) throws(ClusterStoreError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(path) }
    }

    /// Renames within a folder; when it returns, a crash cannot undo it.
    static func rename(_ path: String, to other: String) throws(ClusterStoreError) {
        guard systemRename(path, other) == 0 else { throw failure(other) }
        let folder = other.lastIndex(of: "/").map { String(other[..<$0]) } ?? "."
        try synchronize(folder.isEmpty ? "/" : folder)
    }

    /// Removes a file if it is there.
    static func remove(_ path: String) throws(ClusterStoreError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw failure(path) }
    }

    /// The error that `errno` stands for.
    fileprivate static func failure(_ path: String) -> ClusterStoreError {
        let code = errno
        let reason = String(cString: strerror(code))
        return switch code {
        case ENOSPC, EDQUOT: .full(path: path)
        case EIO: .failed(path: path, detail: reason)
        default: .folderUnusable(path: path, reason: reason)
        }
    }
}

/// An exclusive lock on a file; let go with the last reference, or with the process.
package final class FileLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        // Unlocked before it is closed: a child process that was forked, but has not yet come to its exec, has the descriptor too
        // and would keep the lock for that moment.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// Waits for the lock. For what takes moments only.
    static func waiting(_ path: String) throws(ClusterStoreError) -> FileLock {
        let lock = FileLock(descriptor: try openFile(path))
        while flock(lock.descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw FileOperations.failure(path) }
        }
        return lock
    }

    /// Takes the lock and writes our process's number into the file, or returns the number of who has it (nil if unreadable).
    package static func taking(_ path: String) throws(ClusterStoreError) -> Result<FileLock, Holder> {
        let lock = FileLock(descriptor: try openFile(path))
        guard flock(lock.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw FileOperations.failure(path) }
            let text = String(decoding: (try? FileOperations.read(path, limit: 20)) ?? [], as: UTF8.self)
            return .failure(Holder(process: Int32(text.prefix { $0.isNumber })))
        }
        guard ftruncate(lock.descriptor, 0) == 0 else { throw FileOperations.failure(path) }
        try FileOperations.write(Array("\(getpid())\n".utf8), to: lock.descriptor, path: path)
        return .success(lock)
    }

    /// Who else has the lock.
    package struct Holder: Error {
        package var process: Int32?
    }

    private static func openFile(_ path: String) throws(ClusterStoreError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileOperations.failure(path) }
        return descriptor
    }
}

// Inside of FileOperations these names mean its own methods.
private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}

private func systemWrite(_ descriptor: Int32, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, buffer, count)
}

private func systemRename(_ path: String, _ other: String) -> Int32 {
    rename(path, other)
}
