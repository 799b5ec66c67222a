import CNTFS3G
import Reservations

/// A mounted NTFS volume: libntfs-3g's handle, the device window under it and the log lines it caused.
///
/// Not thread safe: ``Volume`` keeps it behind a lock. The window and the log are what other threads may touch.
final class NTFSMount: MountedFileSystem {
    private let handle: OpaquePointer
    private let device: NTFSCallbacks
    private var isClosed = false

    var window: DeviceWindow { device.window }

    /// Mounts. A device failure is thrown as ``VolumeError/device(_:)``, anything else as what it says of the volume.
    init(window: DeviceWindow, log: @escaping @Sendable (VolumeLogEntry) -> Void) throws(VolumeError) {
        let context = NTFSCallbacks(window: window, log: log)
        do throws(VolumeError) {
            handle = try Self.mount(context)
        } catch .corrupt(let detail) {
            handle = try Self.mount(context, repairing: detail)
        }
        device = context
    }

    private static func mount(_ context: NTFSCallbacks) throws(VolumeError) -> OpaquePointer {
        let window = context.window
        var description = cntfs_device(
            // The context outlives the handle: an `NTFSMount` holds it until it has closed the handle.
            context: Unmanaged.passUnretained(context).toOpaque(),
            size: Int64(window.size), sector_size: UInt32(window.blockSize), read_only: window.isReadOnly,
            read: { NTFSCallbacks.from($0).read($1, count: $2, offset: $3) },
            write: { NTFSCallbacks.from($0).write($1, count: $2, offset: $3) },
            flush: { NTFSCallbacks.from($0).flush() },
            log: { NTFSCallbacks.from($0).log(isFailure: $1, $2) })
        var status: Int32 = 0
        context.begin(transferring: 0)
        let handle = withExtendedLifetime(context) { cntfs_open(&description, &status) }
        if let handle { return handle }
        if let cause = window.failure { throw .device(cause) }
        throw context.error(status, path: "")
    }

    /// Mounts a volume whose mirror is behind. It is only written to once the mount has shown that nothing else speaks
    /// against it, such as a hibernated Windows.
    private static func mount(
        _ context: NTFSCallbacks, repairing detail: String
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
        try perform(path: path.description, transferring: data.count) {
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
            try self.perform(path: path.description, transferring: count) {
                chunk.withUnsafeMutableBufferPointer {
                    cntfs_read_file(file, Int64(offset), $0.baseAddress, Int64($0.count))
                }
            }
            return chunk
        }
    }

    /// Calls the library; what the device said goes before what errno says, and before an apparent success.
    private func perform(path: String, transferring octets: Int = 0, _ call: () -> Int32) throws(VolumeError) {
        window.clearFailure()
        device.begin(transferring: octets)
        let status = withExtendedLifetime(device) { call() }
        if let cause = window.failure { throw (cause as? VolumeError) ?? .device(cause) }
        if window.isDetached { throw .offline }
        if status != 0 { throw device.error(status, path: path) }
    }
}
