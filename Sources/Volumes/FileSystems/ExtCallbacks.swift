import CExt2FS
import Glibc

/// What the callbacks of ``ExtMount`` find behind their context pointer: the window, and what the call under way staged.
final class ExtCallbacks {
    let window: DeviceWindow
    var staged = StagedWrites()
    /// How many more times the call under way may read from the disk, and from anywhere. A damaged tree leads in circles.
    private var readsLeft = 0
    private var requestsLeft = 0
    /// Whether the call under way ran out of them, or of room for what it staged.
    private(set) var isExhausted = false

    /// Blocks that the call under way has read: the way to a file's blocks leads through the same ones again and again.
    private var recent: [UInt64: [UInt8]] = [:]
    private static let recentLimit = 64
    private static let longestRecent = 4096

    private let sink: @Sendable (VolumeLogEntry) -> Void

    init(window: DeviceWindow, log: @escaping @Sendable (VolumeLogEntry) -> Void) {
        self.window = window
        sink = log
    }

    /// The callbacks are only called while an `ExtMount` holds the context, with the pointer that it passed.
    static func from(_ pointer: UnsafeMutableRawPointer?) -> ExtCallbacks {
        guard let pointer else { preconditionFailure("a callback without its context") }
        return Unmanaged.fromOpaque(pointer).takeUnretainedValue()
    }

    /// The callbacks as the shim wants them. The context must outlive the volume that is opened with them.
    var description: cext_device {
        cext_device(
            context: Unmanaged.passUnretained(self).toOpaque(), read_only: window.isReadOnly,
            read: { ExtCallbacks.from($0).read($1, count: $2, offset: $3) },
            stage: { ExtCallbacks.from($0).stage($1, count: $2, offset: $3) },
            stage_zeros: { ExtCallbacks.from($0).stageZeros(count: $1, offset: $2) },
            write: { ExtCallbacks.from($0).write($1, count: $2, offset: $3) })
    }

    /// Forgets what the call before left.
    ///
    /// - Parameters:
    ///   - readLimit: how many times the call may read from the disk.
    ///   - written: the octets it is to write; the way to each block may be looked at several times.
    func begin(readLimit: Int, written: Int) {
        window.clearFailure()
        staged.removeAll()
        recent.removeAll(keepingCapacity: true)
        readsLeft = readLimit
        requestsLeft = 16 * (readLimit + written / StagedWrites.cellSize)
        isExhausted = false
    }

    func log(isFailure: Bool, _ message: String) {
        sink(VolumeLogEntry(isFailure: isFailure, message: message))
    }

    private func read(_ buffer: UnsafeMutableRawPointer?, count: Int64, offset: UInt64) -> Int32 {
        guard isInside(count: count, offset: offset) else { return EIO }
        guard requestsLeft > 0 else {
            isExhausted = true
            return EIO
        }
        requestsLeft -= 1
        let target = UnsafeMutableRawBufferPointer(start: buffer, count: Int(count))
        if let known = recent[offset], known.count == target.count {
            target.copyBytes(from: known)
        } else if !staged.covers(count: target.count, at: offset) {
            guard readsLeft > 0 else {
                isExhausted = true
                return EIO
            }
            readsLeft -= 1
            do {
                try window.read(at: offset, into: target)
            } catch {
                return EIO
            }
            if target.count <= Self.longestRecent {
                if recent.count >= Self.recentLimit { recent.removeAll(keepingCapacity: true) }
                recent[offset] = Array(target)
            }
        }
        staged.cover(target, at: offset)
        return 0
    }

    private func stage(_ buffer: UnsafeRawPointer?, count: Int64, offset: UInt64) -> Int32 {
        guard isInside(count: count, offset: offset) else { return EIO }
        if staged.stage(UnsafeRawBufferPointer(start: buffer, count: Int(count)), at: offset) { return 0 }
        isExhausted = true
        return EIO
    }

    private func stageZeros(count: UInt64, offset: UInt64) -> Int32 {
        guard let signed = Int64(exactly: count), isInside(count: signed, offset: offset) else { return EIO }
        if staged.stageZeros(count: count, at: offset) { return 0 }
        isExhausted = true
        return EIO
    }

    private func write(_ buffer: UnsafeRawPointer?, count: Int64, offset: UInt64) -> Int32 {
        guard isInside(count: count, offset: offset) else { return EIO }
        // The library may have had new blocks be zeros.
        staged.remove(count: Int(count), at: offset)
        recent.removeAll(keepingCapacity: true)
        do {
            try window.write(at: offset, UnsafeRawBufferPointer(start: buffer, count: Int(count)))
            return 0
        } catch {
            return EIO
        }
    }

    /// Whether a request lies inside the window; a hostile volume points anywhere.
    private func isInside(count: Int64, offset: UInt64) -> Bool {
        count >= 0 && offset <= window.size && UInt64(count) <= window.size - offset
    }
}
