import CNTFS3G
import Glibc
import Reservations

/// One line of what libntfs-3g has to say.
public struct VolumeLogEntry: Hashable, Sendable {
    /// Whether it tells a failure, and not a remark.
    public var isFailure: Bool
    /// The line.
    public var message: String
}

/// A mounted NTFS volume: libntfs-3g's handle, the device window under it and the log lines it caused.
///
/// Not thread safe: ``Volume`` keeps it behind a lock. The window and the log are what other threads may touch.
final class NTFSMount {
    private let handle: OpaquePointer
    private let device: CallbackContext
    private var isClosed = false

    var window: DeviceWindow { device.window }

    /// Mounts. A device failure is thrown as ``VolumeError/device(_:)``, anything else as what it says of the volume.
    init(window: DeviceWindow, log: @escaping @Sendable (VolumeLogEntry) -> Void) throws(VolumeError) {
        let context = CallbackContext(window: window, log: log)
        do throws(VolumeError) {
            handle = try Self.mount(context)
        } catch .corrupt(let detail) {
            handle = try Self.mount(context, repairing: detail)
        }
        device = context
    }

    private static func mount(_ context: CallbackContext) throws(VolumeError) -> OpaquePointer {
        let window = context.window
        var description = cntfs_device(
            // The context outlives the handle: an `NTFSMount` holds it until it has closed the handle.
            context: Unmanaged.passUnretained(context).toOpaque(),
            size: Int64(window.size), sector_size: UInt32(window.blockSize), read_only: window.isReadOnly,
            read: { CallbackContext.from($0).read($1, count: $2, offset: $3) },
            write: { CallbackContext.from($0).write($1, count: $2, offset: $3) },
            flush: { CallbackContext.from($0).flush() },
            log: { CallbackContext.from($0).log(isFailure: $1, $2) })
        var status: Int32 = 0
        context.forgetMessages()
        let handle = withExtendedLifetime(context) { cntfs_open(&description, &status) }
        if let handle { return handle }
        if let cause = window.failure { throw .device(cause) }
        throw context.error(status, path: "")
    }

    /// Mounts a volume whose mirror is behind. It is only written to once the mount has shown that nothing else speaks
    /// against it, such as a hibernated Windows.
    private static func mount(
        _ context: CallbackContext, repairing detail: String
    ) throws(VolumeError) -> OpaquePointer {
        let window = context.window
        let repair: MasterFileTableMirror?
        do {
            repair = try MasterFileTableMirror.repair(of: window)
        } catch {
            throw .device(error)
        }
        guard let repair else { throw .corrupt(detail: detail) }
        window.present(repair)
        let handle = try mount(context)
        // A read-only disk keeps the copy as it is, and reads go on seeing the repaired one.
        if window.isReadOnly { return handle }
        do {
            try repair.octets.withUnsafeBytes { try window.write(at: repair.offset, $0) }
            try window.flush()
        } catch {
            _ = withExtendedLifetime(context) { cntfs_close(handle) }
            throw .device(error)
        }
        window.present(nil)
        context.note("$MFTMirr was behind $MFT and has been made again")
        return handle
    }

    deinit {
        // Nobody is left to hear a failure; whoever wants to know calls `close` first.
        if !isClosed { withExtendedLifetime(device) { _ = cntfs_close(handle) } }
    }

    /// Dismounts, with everything on stable storage; nothing may be called after it, whatever it throws.
    ///
    /// What dismounting writes comes after everything else is safe, and is made safe in turn.
    func close() throws(VolumeError) {
        var failure: VolumeError?
        do throws(VolumeError) {
            try flush()
        } catch {
            failure = error
        }
        isClosed = true
        do throws(VolumeError) {
            try perform(path: "") { cntfs_close(handle) }
            try flushDevice()
        } catch {
            failure = failure ?? error
        }
        if let failure { throw failure }
    }

    private func flushDevice() throws(VolumeError) {
        do {
            try window.flush()
        } catch {
            throw .device(error)
        }
    }

    var isDirty: Bool { cntfs_is_dirty(handle) }

    var label: String { String(cString: cntfs_label(handle)) }

    var freeOctets: UInt64? { UInt64(exactly: cntfs_free_octets(handle)) }

    func flush() throws(VolumeError) {
        try perform(path: "") { cntfs_flush(handle) }
    }

    func write(_ path: VolumePath, _ data: [UInt8]) throws(VolumeError) {
        try perform(path: path.description) {
            data.withUnsafeBufferPointer {
                cntfs_write_file(handle, path.units, path.units.count, $0.baseAddress, Int64($0.count))
            }
        }
    }

    func delete(_ path: VolumePath) throws(VolumeError) {
        try perform(path: path.description) { cntfs_delete_file(handle, path.units, path.units.count) }
    }

    func createFolder(_ path: VolumePath) throws(VolumeError) {
        try perform(path: path.description) { cntfs_create_folder(handle, path.units, path.units.count) }
    }

    /// Opens a file for as long as the body runs. The body gets its length and a function that reads a range of it.
    func withFile(
        _ path: VolumePath,
        _ body: (UInt64, (UInt64, Int) throws(VolumeError) -> [UInt8]) throws(VolumeError) -> Void
    ) throws(VolumeError) {
        var file: OpaquePointer?
        try perform(path: path.description) {
            var status: Int32 = 0
            file = cntfs_open_file(handle, path.units, path.units.count, &status)
            return status
        }
        guard let file else { return }
        defer { cntfs_close_file(file) }
        let size = UInt64(max(0, cntfs_file_size(file)))
        try body(size) { (offset, count) throws(VolumeError) in
            var chunk = [UInt8](repeating: 0, count: count)
            try self.perform(path: path.description) {
                chunk.withUnsafeMutableBufferPointer {
                    cntfs_read_file(file, Int64(offset), $0.baseAddress, Int64($0.count))
                }
            }
            return chunk
        }
    }

    /// Calls the library; what the device said goes before what errno says, and before an apparent success.
    private func perform(path: String, _ call: () -> Int32) throws(VolumeError) {
        window.clearFailure()
        device.forgetMessages()
        let status = withExtendedLifetime(device) { call() }
        if let cause = window.failure { throw (cause as? VolumeError) ?? .device(cause) }
        if window.isDetached { throw .offline }
        if status != 0 { throw device.error(status, path: path) }
    }
}

/// What the C callbacks find behind their context pointer.
private final class CallbackContext {
    let window: DeviceWindow
    private let sink: @Sendable (VolumeLogEntry) -> Void
    private var messages: [String] = []

    init(window: DeviceWindow, log: @escaping @Sendable (VolumeLogEntry) -> Void) {
        self.window = window
        sink = log
    }

    /// The callbacks are only called while an `NTFSMount` holds the context, with the pointer that it passed.
    static func from(_ pointer: UnsafeMutableRawPointer?) -> CallbackContext {
        guard let pointer else { preconditionFailure("a callback without its context") }
        return Unmanaged.fromOpaque(pointer).takeUnretainedValue()
    }

    func read(_ buffer: UnsafeMutableRawPointer?, count: Int64, offset: Int64) -> Int64 {
        guard let range = clamp(count: count, offset: offset) else { return Int64(-EINVAL) }
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

    func forgetMessages() {
        messages = []
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
            let code = status > 0 ? String(cString: strerror(status)) : "inconsistent structures"
            return .corrupt(detail: messages.isEmpty ? code : messages.joined(separator: "; "))
        }
    }
}
