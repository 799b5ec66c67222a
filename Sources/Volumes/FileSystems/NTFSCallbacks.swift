import CNTFS3G
import Glibc

/// What the callbacks of ``NTFSMount`` find behind their context pointer: the window, and the log lines of the call under way.
final class NTFSCallbacks {
    let window: DeviceWindow
    private let sink: @Sendable (VolumeLogEntry) -> Void
    private var messages: [String] = []
    /// How many more times the call under way may read. A damaged index leads in circles, and the library follows it.
    private var readsLeft = 0
    private var isExhausted = false
    /// More than any call needs beside a file's contents: the bitmap of 32 TiB, counted eight kibibytes at a time.
    private static let readLimit = 1 << 18

    init(window: DeviceWindow, log: @escaping @Sendable (VolumeLogEntry) -> Void) {
        self.window = window
        sink = log
    }

    /// The callbacks are only called while an `NTFSMount` holds the context, with the pointer that it passed.
    static func from(_ pointer: UnsafeMutableRawPointer?) -> NTFSCallbacks {
        guard let pointer else { preconditionFailure("a callback without its context") }
        return Unmanaged.fromOpaque(pointer).takeUnretainedValue()
    }

    func read(_ buffer: UnsafeMutableRawPointer?, count: Int64, offset: Int64) -> Int64 {
        guard let range = clamp(count: count, offset: offset) else { return Int64(-EINVAL) }
        guard readsLeft > 0 else {
            isExhausted = true
            return Int64(-EIO)
        }
        readsLeft -= 1
        do {
            try window.read(at: UInt64(offset), into: UnsafeMutableRawBufferPointer(start: buffer, count: range))
            return Int64(range)
        } catch {
            return Int64(-EIO)
        }
    }

    func write(_ buffer: UnsafeRawPointer?, count: Int64, offset: Int64) -> Int64 {
        guard let range = clamp(count: count, offset: offset), Int64(range) == count else { return Int64(-ENOSPC) }
        do {
            try window.write(at: UInt64(offset), UnsafeRawBufferPointer(start: buffer, count: range))
            return count
        } catch {
            return Int64(-EIO)
        }
    }

    func flush() -> Int32 {
        do {
            try window.flush()
            return 0
        } catch {
            return -EIO
        }
    }

    func log(isFailure: Bool, _ message: UnsafePointer<CChar>?) {
        guard let message else { return }
        let entry = VolumeLogEntry(isFailure: isFailure, message: String(cString: message))
        // The first complaints name the cause, the later ones its consequences.
        if isFailure, messages.count < 3 { messages.append(entry.message) }
        sink(entry)
    }

    func note(_ message: String) {
        sink(VolumeLogEntry(isFailure: false, message: message))
    }

    /// Forgets what the call before left. The next one reads or writes so many octets of a file, piece by piece at worst.
    func begin(transferring octets: Int) {
        messages = []
        readsLeft = Self.readLimit + octets / 512
        isExhausted = false
    }

    /// The part of a request that lies inside the window; a hostile volume points anywhere.
    private func clamp(count: Int64, offset: Int64) -> Int? {
        guard count >= 0, offset >= 0, UInt64(offset) <= window.size else { return nil }
        return Int(min(UInt64(count), window.size - UInt64(offset)))
    }

    /// A status of the shim, with what the library logged while it came about.
    func error(_ status: Int32, path: String) -> VolumeError {
        switch status {
        case ENOENT: return .fileNotFound(path)
        case EEXIST: return .alreadyExists(path)
        case EROFS: return .writeProtected
        case ENOSPC, EFBIG: return .diskFull
        case ENOMEM: return .outOfMemory
        case CNTFS_NO_FOLDER.rawValue: return .folderNotFound(path)
        case CNTFS_IS_FOLDER.rawValue: return .isFolder(path)
        case CNTFS_READ_ONLY_FILE.rawValue: return .readOnlyFile(path)
        case CNTFS_SYSTEM_FILE.rawValue: return .systemFile(path)
        case CNTFS_REPARSE_POINT.rawValue: return .unsupportedFile(path, reason: "a reparse point")
        case CNTFS_COMPRESSED.rawValue: return .unsupportedFile(path, reason: "compressed")
        case CNTFS_ENCRYPTED.rawValue: return .unsupportedFile(path, reason: "encrypted")
        case CNTFS_HIBERNATED.rawValue: return .hibernated
        case CNTFS_UNCLEAN_LOG.rawValue: return .uncleanLog
        default:
            if isExhausted { return .corrupt(detail: "its structures lead in circles") }
            let code = status > 0 ? String(cString: strerror(status)) : "inconsistent structures"
            return .corrupt(detail: messages.isEmpty ? code : messages.joined(separator: "; "))
        }
    }
}
