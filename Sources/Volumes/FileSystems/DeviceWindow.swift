import Reservations
import Synchronization

/// The octets of a partition: reads and writes of any alignment on a device of whole blocks, never outside the partition.
///
/// After a failed write, and after ``detach()``, nothing reaches the device any more: writes are taken and dropped, so that
/// a library can unwind and free what it holds. The owner knows from ``failure`` and ``isDetached`` that they were dropped.
final class DeviceWindow: Sendable {
    /// In octets.
    let size: UInt64
    let blockSize: Int
    let isReadOnly: Bool

    private let device: any BlockDevice
    private let firstBlock: UInt64
    private let detached = Atomic(false)
    private let firstFailure = Mutex<(any Error)?>(nil)
    private let overlay = Mutex<MasterFileTableMirror?>(nil)

    /// What is moved in one request to the device.
    private static let transferLimit = 1 << 20

    /// Nil for a range that the device does not have, or blocks of an odd size.
    init?(_ device: any BlockDevice, blocks: Range<UInt64>) {
        let blockSize = device.blockSize
        guard blockSize >= 512, blockSize <= 65536, blockSize.nonzeroBitCount == 1,
            blocks.upperBound <= device.blockCount, !blocks.isEmpty,
            blocks.upperBound <= UInt64(Int64.max) / UInt64(blockSize)
        else { return nil }
        self.device = device
        self.blockSize = blockSize
        firstBlock = blocks.lowerBound
        isReadOnly = device.isReadOnly
        size = UInt64(blocks.count) * UInt64(blockSize)
    }

    /// The first failure of the device since the last ``clearFailure()``.
    var failure: (any Error)? {
        firstFailure.withLock { $0 }
    }

    /// Whether writes are dropped.
    var isDetached: Bool {
        detached.load(ordering: .acquiring)
    }

    /// Forgets a failed read; a failed write stays, for the window is detached.
    func clearFailure() {
        firstFailure.withLock { $0 = nil }
    }

    /// Has reads see these octets in their place, whatever the device holds there; nil for none.
    func present(_ octets: MasterFileTableMirror?) {
        overlay.withLock { $0 = octets }
    }

    /// Lets nothing reach the device from now on; a request under way is finished.
    func detach() {
        detached.store(true, ordering: .releasing)
    }

    /// Reads `count` octets, which are all inside the window.
    func read(at offset: UInt64, count: Int) throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        try result.withUnsafeMutableBytes { try read(at: offset, into: $0) }
        return result
    }

    /// Fills the buffer, which lies inside the window.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        do {
            var done = 0
            while done < buffer.count {
                let position = offset + UInt64(done)
                let inside = Int(position % UInt64(blockSize))
                let wanted = min(buffer.count - done, Self.transferLimit - inside)
                let blocks = try readBlocks(
                    UInt64(position / UInt64(blockSize)), count: (inside + wanted + blockSize - 1) / blockSize)
                blocks.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + wanted])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[inside..<inside + wanted]))
                }
                done += wanted
            }
            if let overlay = overlay.withLock({ $0 }) {
                cover(buffer, at: offset, with: overlay)
            }
        } catch {
            record(error)
            throw error
        }
    }

    /// Writes the buffer, which lies inside the window; blocks that it covers in part are read first.
    func write(at offset: UInt64, _ buffer: UnsafeRawBufferPointer) throws {
        if isDetached { return }
        do {
            var done = 0
            while done < buffer.count {
                let position = offset + UInt64(done)
                let inside = Int(position % UInt64(blockSize))
                let count = min(buffer.count - done, Self.transferLimit - inside)
                let source = UnsafeRawBufferPointer(rebasing: buffer[done..<done + count])
                let block = position / UInt64(blockSize)
                if inside == 0, count % blockSize == 0 {
                    try writeBlocks(block, Array(source))
                } else {
                    let blocks = (inside + count + blockSize - 1) / blockSize
                    var octets = try readBlocks(block, count: blocks)
                    octets.replaceSubrange(inside..<inside + count, with: source)
                    try writeBlocks(block, octets)
                }
                done += count
            }
        } catch {
            record(error)
            detach()
            throw error
        }
    }

    /// Brings what was written onto stable storage.
    func flush() throws {
        if isDetached { return }
        do {
            try device.flush()
        } catch {
            record(error)
            detach()
            throw error
        }
    }

    private func cover(
        _ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, with overlay: MasterFileTableMirror
    ) {
        let common = (offset..<offset + UInt64(buffer.count))
            .clamped(to: overlay.offset..<overlay.offset + UInt64(overlay.octets.count))
        for position in common {
            buffer[Int(position - offset)] = overlay.octets[Int(position - overlay.offset)]
        }
    }

    private func readBlocks(_ block: UInt64, count: Int) throws -> [UInt8] {
        let octets = try device.read(block: firstBlock + block, count: count)
        guard octets.count == count * blockSize else { throw TruncatedRead(block: firstBlock + block) }
        return octets
    }

    private func writeBlocks(_ block: UInt64, _ octets: [UInt8]) throws {
        // Looked at again before every request: the disk may have become another node's meanwhile.
        if isDetached { throw VolumeError.offline }
        try device.write(block: firstBlock + block, octets)
    }

    private func record(_ error: any Error) {
        firstFailure.withLock { failure in
            if failure == nil { failure = error }
        }
    }
}
