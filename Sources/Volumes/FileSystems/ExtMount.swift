import CExt2FS
import Glibc
import Reservations

/// A mounted ext2, ext3 or ext4 volume: libext2fs's handle and what it staged.
///
/// The library has no journal. So an operation is staged in memory and reaches the disk in an order that makes no promise too
/// early: a file's contents, a superblock that says "not consistent", everything else, a superblock that says "consistent",
/// each durable before the next. Whoever dies in between leaves a volume that is refused until e2fsck has looked at it;
/// before and after, all is well, and an operation that fails otherwise has changed nothing but the contents of the file it
/// was to overwrite.
final class ExtMount: MountedFileSystem {
    let label: String
    let isDirty: Bool
    private let fileSystem: FileSystem
    private let device: ExtCallbacks
    private let readLimit: Int
    /// Why nothing is written; nil if something is.
    private let writeRefusal: VolumeError?
    /// Nil after closing, and after an undone operation whose volume could not be opened again.
    private var handle: OpaquePointer?

    /// What the library may read for one operation beside a file's contents: a folder of a gigabyte, block by block.
    private static let readsForOneOperation = 1 << 18

    var window: DeviceWindow { device.window }

    /// Mounts. A device failure is thrown as ``VolumeError/device(_:)``, anything else as what it says of the volume.
    init(
        window: DeviceWindow, fileSystem: FileSystem, log: @escaping @Sendable (VolumeLogEntry) -> Void
    ) throws(VolumeError) {
        self.fileSystem = fileSystem
        device = ExtCallbacks(window: window, log: log)
        let superblock = try Self.superblock(of: window)
        switch superblock.verdict(fileSystem, size: window.size) {
        case .writable: writeRefusal = window.isReadOnly ? .writeProtected : nil
        case .readable(let reason):
            // Where it could be repaired, it has to be first.
            if case .uncleanVolume = reason, !window.isReadOnly { throw reason }
            writeRefusal = window.isReadOnly ? .writeProtected : reason
        case .refused(let reason): throw reason
        }
        label = superblock.label
        isDirty = superblock.isDirty
        // Both bitmaps of each group are read before the first change.
        readLimit = Self.readsForOneOperation + 2 * Int(superblock.groupCount)
        handle = try Self.open(device, readLimit: readLimit, isReadOnly: writeRefusal != nil, fileSystem: fileSystem)
    }

    deinit {
        if let handle { withExtendedLifetime(device) { cext_close(handle) } }
    }

    private static func superblock(of window: DeviceWindow) throws(VolumeError) -> ExtSuperblock {
        guard window.size >= ExtSuperblock.offset + UInt64(ExtSuperblock.length) else {
            throw .corrupt(detail: "no room for a superblock")
        }
        do {
            return ExtSuperblock(try window.read(at: ExtSuperblock.offset, count: ExtSuperblock.length))
        } catch {
            throw .device(error)
        }
    }

    private static func open(
        _ device: ExtCallbacks, readLimit: Int, isReadOnly: Bool, fileSystem: FileSystem
    ) throws(VolumeError) -> OpaquePointer {
        var description = device.description
        description.read_only = isReadOnly
        var status: Int32 = 0
        device.begin(readLimit: readLimit, written: 0)
        let handle = withExtendedLifetime(device) { cext_open(&description, &status) }
        if let handle { return handle }
        if let cause = device.window.failure { throw .device(cause) }
        throw Self.error(status, path: "", device)
    }

    var freeOctets: UInt64? { handle.map { cext_free_octets($0) } }

    func write(_ path: VolumePath, _ data: [UInt8]) throws(VolumeError) {
        let name = try ExtPath(path)
        try change(name, written: data.count) { handle, path, length in
            data.withUnsafeBufferPointer { cext_write_file(handle, path, length, $0.baseAddress, Int64($0.count)) }
        }
    }

    func delete(_ path: VolumePath) throws(VolumeError) {
        try change(ExtPath(path)) { cext_delete_file($0, $1, $2) }
    }

    func createFolder(_ path: VolumePath) throws(VolumeError) {
        try change(ExtPath(path)) { cext_create_folder($0, $1, $2) }
    }

    func withFile(
        _ path: VolumePath,
        _ body: (UInt64, (UInt64, Int) throws(VolumeError) -> [UInt8]) throws(VolumeError) -> Void
    ) throws(VolumeError) {
        let name = try ExtPath(path)
        var file: OpaquePointer?
        try perform(name) { handle, path, length in
            var status: Int32 = 0
            file = cext_open_file(handle, path, length, &status)
            return status
        }
        guard let file else { return }
        defer { cext_close_file(file) }
        try body(cext_file_size(file)) { (offset, count) throws(VolumeError) in
            var chunk = [UInt8](repeating: 0, count: count)
            try self.perform(name) { _, _, _ in
                chunk.withUnsafeMutableBufferPointer {
                    cext_read_file(file, offset, $0.baseAddress, Int64($0.count))
                }
            }
            return chunk
        }
    }

    func flush() throws(VolumeError) {
        if window.isReadOnly { return }
        do {
            try window.flush()
        } catch {
            throw .device(error)
        }
    }

    func close() throws(VolumeError) {
        if let handle { withExtendedLifetime(device) { cext_close(handle) } }
        handle = nil
        try flush()
    }

    /// Calls the library; what the device said goes before what the status says, and before an apparent success.
    private func perform(
        _ path: ExtPath, written: Int = 0, _ call: (OpaquePointer, UnsafePointer<CChar>?, Int) -> Int32
    ) throws(VolumeError) {
        guard let handle else { throw .offline }
        device.begin(readLimit: readLimit, written: written)
        let status = withExtendedLifetime(device) {
            path.units.withUnsafeBufferPointer { call(handle, $0.baseAddress, $0.count) }
        }
        if let cause = window.failure { throw (cause as? VolumeError) ?? .device(cause) }
        if window.isDetached { throw .offline }
        if status != 0 { throw Self.error(status, path: path.description, device) }
    }

    /// Calls the library for a change, and commits or undoes what it staged.
    private func change(
        _ path: ExtPath, written: Int = 0, _ call: (OpaquePointer, UnsafePointer<CChar>?, Int) -> Int32
    ) throws(VolumeError) {
        if let writeRefusal { throw writeRefusal }
        do throws(VolumeError) {
            try perform(path, written: written, call)
        } catch {
            try undo()
            throw error
        }
        try commit()
    }

    /// Forgets what the library has in memory, for the disk has nothing of it.
    private func undo() throws(VolumeError) {
        device.staged.removeAll()
        guard let old = handle, cext_is_changed(old), !window.isDetached else { return }
        withExtendedLifetime(device) { cext_close(old) }
        handle = nil
        do throws(VolumeError) {
            handle = try Self.open(device, readLimit: readLimit, isReadOnly: false, fileSystem: fileSystem)
        } catch {
            // Nothing is known of the volume any more, so nothing is written to it any more.
            window.detach()
            throw error
        }
    }

    private func commit() throws(VolumeError) {
        guard let handle else { throw .offline }
        do {
            guard var next = device.staged.take(at: ExtSuperblock.offset) else {
                throw VolumeError.corrupt(detail: "no superblock was written")
            }
            var interim = try window.read(at: ExtSuperblock.offset, count: ExtSuperblock.length)
            cext_mark_superblock(handle, &interim, false)
            cext_mark_superblock(handle, &next, true)
            try put(interim, at: ExtSuperblock.offset)
            try window.flush()
            try device.staged.forEachRun { try put($1, at: $0) }
            try window.flush()
            try put(next, at: ExtSuperblock.offset)
            try window.flush()
        } catch {
            // What the library has in memory is ahead of the disk; only mounting afresh brings the two together.
            window.detach()
            throw (error as? VolumeError) ?? .device(error)
        }
        if window.isDetached { throw .offline }
        device.staged.removeAll()
    }

    private func put(_ octets: [UInt8], at offset: UInt64) throws {
        try octets.withUnsafeBytes { try window.write(at: offset, $0) }
    }

    /// A status of the shim.
    private static func error(_ status: Int32, path: String, _ device: ExtCallbacks) -> VolumeError {
        switch status {
        case ENOENT: return .fileNotFound(path)
        case EEXIST: return .alreadyExists(path)
        case EROFS: return .writeProtected
        case ENOSPC, EFBIG: return .diskFull
        case ENOMEM: return .outOfMemory
        case ENAMETOOLONG: return .pathTooLong
        case CEXT_NO_FOLDER.rawValue: return .folderNotFound(path)
        case CEXT_IS_FOLDER.rawValue: return .isFolder(path)
        case CEXT_READ_ONLY_FILE.rawValue: return .readOnlyFile(path)
        case CEXT_SYSTEM_FILE.rawValue: return .systemFile(path)
        case CEXT_SYMBOLIC_LINK.rawValue: return .unsupportedFile(path, reason: "a symbolic link")
        case CEXT_SPECIAL_FILE.rawValue: return .unsupportedFile(path, reason: "a device, a pipe or a socket")
        case CEXT_ENCRYPTED.rawValue: return .unsupportedFile(path, reason: "encrypted")
        case CEXT_CASE_FOLDED.rawValue: return .unsupportedFile(path, reason: "in a folder without cases")
        case CEXT_SEALED.rawValue: return .unsupportedFile(path, reason: "sealed by fs-verity")
        default:
            var detail = status > 0 ? String(cString: cext_message(status)) : "an inode contradicts itself"
            if device.isExhausted { detail = "its structures lead in circles, or beyond all bounds" }
            device.log(isFailure: true, path.isEmpty ? detail : "\(path.debugDescription): \(detail)")
            return .corrupt(detail: detail)
        }
    }
}

/// A path as ext knows it: UTF-8, names of at most 255 octets, slashes between them.
private struct ExtPath: CustomStringConvertible {
    let units: [CChar]
    let description: String

    init(_ path: VolumePath) throws(VolumeError) {
        description = path.description
        // A name holds no slash: Windows reserves it.
        let octets = Array(description.utf8).map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 }
        guard octets.split(separator: UInt8(ascii: "/")).allSatisfy({ $0.count <= 255 }) else { throw .pathTooLong }
        units = octets.map { CChar(bitPattern: $0) }
    }
}
