import Reservations
import Synchronization

/// A disk whose first contents are shared by every input, and whose changes are its own.
final class MemoryDisk: BlockDevice {
    let blockSize: Int
    let blockCount: UInt64
    let isReadOnly: Bool
    private let contents: [UInt8]
    private let writable: Range<UInt64>
    private let changes = Mutex<[UInt64: [UInt8]]>([:])

    /// - Parameters:
    ///   - contents: what the disk begins with; behind it there are zeros.
    ///   - writable: the blocks that may be written; a write elsewhere ends the program.
    init(
        contents: [UInt8], blockSize: Int, blockCount: UInt64, writable: Range<UInt64>, isReadOnly: Bool = false
    ) {
        self.contents = contents
        self.blockSize = blockSize
        self.blockCount = blockCount
        self.writable = writable
        self.isReadOnly = isReadOnly
    }

    struct OutOfRange: Error {}

    func read(block: UInt64, count: Int) throws -> [UInt8] {
        guard count >= 0, block <= blockCount, UInt64(count) <= blockCount - block else { throw OutOfRange() }
        let start = Int(block) * blockSize
        let known = contents[min(start, contents.count)..<min(start + count * blockSize, contents.count)]
        var octets: [UInt8]
        if known.count == count * blockSize {
            octets = Array(known)
        } else {
            octets = [UInt8](repeating: 0, count: count * blockSize)
            octets.replaceSubrange(..<known.count, with: known)
        }
        changes.withLock { changes in
            // Whichever is shorter is gone through.
            if changes.count < count {
                for (changed, data) in changes where changed >= block && changed < block + UInt64(count) {
                    let offset = Int(changed - block) * blockSize
                    octets.replaceSubrange(offset..<offset + blockSize, with: data)
                }
            } else {
                for index in 0..<count {
                    guard let data = changes[block + UInt64(index)] else { continue }
                    octets.replaceSubrange(index * blockSize..<(index + 1) * blockSize, with: data)
                }
            }
        }
        return octets
    }

    func write(block: UInt64, _ data: [UInt8]) throws {
        let end = block + UInt64(data.count / blockSize)
        promise(!isReadOnly, "a write to a disk that is read-only")
        promise(block >= writable.lowerBound && end <= writable.upperBound, "a write to block \(block)")
        store(block: block, data)
    }

    func flush() {}

    /// Changes octets wherever they are; what is behind the end is dropped.
    func patch(at offset: UInt64, _ octets: [UInt8]) {
        var offset = offset
        var rest = octets[...]
        while !rest.isEmpty, offset < blockCount * UInt64(blockSize) {
            let block = offset / UInt64(blockSize)
            let start = Int(offset % UInt64(blockSize))
            let part = rest.prefix(blockSize - start)
            guard var data = try? read(block: block, count: 1) else { return }
            data.replaceSubrange(start..<start + part.count, with: part)
            store(block: block, data)
            rest.removeFirst(part.count)
            offset += UInt64(part.count)
        }
    }

    private func store(block: UInt64, _ data: [UInt8]) {
        changes.withLock { changes in
            for index in 0..<data.count / blockSize {
                changes[block + UInt64(index)] = Array(data[index * blockSize..<(index + 1) * blockSize])
            }
        }
    }
}
