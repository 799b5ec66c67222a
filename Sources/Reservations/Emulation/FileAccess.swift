import ErrorCodes
import Glibc

/// A call to the operating system that failed.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was tried, such as `open`.
    public var operation: String
    /// The file.
    public var path: String
    /// The error number.
    public var number: Int32

    init(_ operation: String, _ path: String, _ number: Int32 = errno) {
        self.operation = operation
        self.path = path
        self.number = number
    }

    /// The file, the call and the system's text.
    public var description: String {
        "\(path): \(operation): " + String(cString: strerror(number))
    }
}

extension FileError: HRESULTConvertible {
    /// The nearest Win32 code to the error number.
    public var hresult: HRESULT {
        switch number {
        case ENOENT: Win32Error.fileNotFound.hresult
        case EACCES, EPERM: Win32Error.accessDenied.hresult
        case EROFS: Win32Error.writeProtect.hresult
        case ENOSPC, EDQUOT: Win32Error.diskFull.hresult
        default: Win32Error.ioDevice.hresult
        }
    }
}

/// An open file, closed with its last reference.
final class OpenFile: Sendable {
    let descriptor: Int32
    let path: String

    init(_ path: String, flags: Int32, mode: mode_t = 0o600) throws(FileError) {
        let descriptor = Self.retrying { open(path, flags | O_CLOEXEC, mode) }
        guard descriptor >= 0 else { throw FileError("open", path) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        close(descriptor)
    }

    func status() throws(FileError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError("fstat", path) }
        return status
    }

    /// Reads up to so many octets; fewer only at the file's end.
    func read(at offset: UInt64, count: Int) throws(FileError) -> [UInt8] {
        guard let start = off_t(exactly: offset) else { throw FileError("read", path, EINVAL) }
        var failure: FileError?
        let octets = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count {
                let result = Self.retrying {
                    pread(
                        descriptor, buffer.baseAddress?.advanced(by: initialized), count - initialized,
                        start + off_t(initialized))
                }
                if result < 0 { failure = FileError("read", path) }
                if result <= 0 { return }
                initialized += result
            }
        }
        if let failure { throw failure }
        return octets
    }

    func write(_ octets: [UInt8], at offset: UInt64) throws(FileError) {
        guard let start = off_t(exactly: offset) else { throw FileError("write", path, EINVAL) }
        var written = 0
        while written < octets.count {
            let result = octets.withUnsafeBytes { buffer in
                Self.retrying {
                    pwrite(
                        descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written,
                        start + off_t(written))
                }
            }
            guard result > 0 else { throw FileError("write", path, result == 0 ? EIO : errno) }
            written += result
        }
    }

    /// Brings the file's data onto stable storage.
    func synchronize() throws(FileError) {
        guard Self.retrying({ fdatasync(descriptor) }) == 0 else { throw FileError("fdatasync", path) }
    }

    /// Brings new names in the folder of a file onto stable storage.
    static func synchronizeFolder(of path: String) throws(FileError) {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let file = try OpenFile(folder, flags: O_RDONLY | O_DIRECTORY)
        guard retrying({ fsync(file.descriptor) }) == 0 else { throw FileError("fsync", folder) }
    }

    /// The kinds of a lock on an octet of the file.
    enum Lock {
        case shared
        case exclusive
        case none

        fileprivate var type: Int16 {
            switch self {
            case .shared: Int16(F_RDLCK)
            case .exclusive: Int16(F_WRLCK)
            case .none: Int16(F_UNLCK)
            }
        }
    }

    /// Takes, changes or gives back an advisory lock on one octet, waiting for it where needed.
    ///
    /// It is an open-file-description lock: it belongs to this opening of the file, not to the process, so two units of one
    /// process exclude each other as those of two processes do, and closing another opening does not give it back.
    func lock(_ kind: Lock, octet: off_t) throws(FileError) {
        var request = flock(
            l_type: kind.type, l_whence: Int16(SEEK_SET), l_start: octet, l_len: 1, l_pid: 0)
        let result = withUnsafeMutablePointer(to: &request) { pointer in
            Self.retrying { fcntl(descriptor, Self.setLockAndWait, UnsafeMutableRawPointer(pointer)) }
        }
        guard result == 0 else { throw FileError("lock", path) }
    }

    /// Whether another opening of the file has a lock on the octet.
    func isLockedElsewhere(octet: off_t) throws(FileError) -> Bool {
        var request = flock(
            l_type: Lock.exclusive.type, l_whence: Int16(SEEK_SET), l_start: octet, l_len: 1, l_pid: 0)
        let result = withUnsafeMutablePointer(to: &request) { pointer in
            Self.retrying { fcntl(descriptor, Self.getLock, UnsafeMutableRawPointer(pointer)) }
        }
        guard result == 0 else { throw FileError("lock", path) }
        return request.l_type != Lock.none.type
    }

    /// F_OFD_GETLK and F_OFD_SETLKW of Linux, which the C library declares only for GNU sources.
    private static let getLock: Int32 = 36
    private static let setLockAndWait: Int32 = 38

    private static func retrying<Result: FixedWidthInteger>(_ call: () -> Result) -> Result {
        while true {
            let result = call()
            if result < 0, errno == EINTR { continue }
            return result
        }
    }
}
