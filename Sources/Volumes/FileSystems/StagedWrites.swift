/// What an operation wants to change on a volume, kept in memory until all of it is known.
///
/// Reads see it in its place. Dropping it undoes the operation; committing it brings it to the disk.
struct StagedWrites {
    /// What the library's blocks and the superblock are multiples of, in octets.
    static let cellSize = 1024
    /// More than an operation on files ever changes beside their contents, in cells; a damaged volume asks for anything.
    static let limit = 256 << 10
    /// How many cells of zeros there may be, which all share one's memory. New blocks of a file are such until it is written.
    static let zeroLimit = 8 << 20

    private var cells: [UInt64: [UInt8]] = [:]
    /// How many have octets of their own, those that were replaced included.
    private var filled = 0

    private static let zeros = [UInt8](repeating: 0, count: cellSize)

    var isEmpty: Bool { cells.isEmpty }

    /// Keeps octets that begin and end on cells; false if they do not, or if there are too many.
    mutating func stage(_ octets: UnsafeRawBufferPointer, at offset: UInt64) -> Bool {
        guard admits(count: UInt64(octets.count), at: offset, among: filled, limit: Self.limit) else { return false }
        filled += octets.count / Self.cellSize
        for index in 0..<octets.count / Self.cellSize {
            let cell = octets[index * Self.cellSize..<(index + 1) * Self.cellSize]
            cells[offset / UInt64(Self.cellSize) + UInt64(index)] = Array(cell)
        }
        return true
    }

    /// Keeps zeros, as ``stage(_:at:)``.
    mutating func stageZeros(count: UInt64, at offset: UInt64) -> Bool {
        guard admits(count: count, at: offset, among: cells.count, limit: Self.zeroLimit) else { return false }
        for index in 0..<count / UInt64(Self.cellSize) {
            cells[offset / UInt64(Self.cellSize) + index] = Self.zeros
        }
        return true
    }

    /// Takes the octets of one cell out.
    mutating func take(at offset: UInt64) -> [UInt8]? {
        cells.removeValue(forKey: offset / UInt64(Self.cellSize))
    }

    /// Forgets what is written over, or was never wanted: all cells that lie in a range.
    mutating func remove(count: Int, at offset: UInt64) {
        if cells.isEmpty { return }
        let size = UInt64(Self.cellSize)
        for number in offset / size..<(offset + UInt64(count)) / size { cells[number] = nil }
    }

    mutating func removeAll() {
        cells = [:]
        filled = 0
    }

    /// Whether every octet of a range has been staged.
    func covers(count: Int, at offset: UInt64) -> Bool {
        let size = UInt64(Self.cellSize)
        if cells.isEmpty || count <= 0 { return false }
        return (offset / size...(offset + UInt64(count) - 1) / size).allSatisfy { cells[$0] != nil }
    }

    /// Puts what was staged over octets that were read.
    func cover(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) {
        if cells.isEmpty || buffer.isEmpty { return }
        let size = UInt64(Self.cellSize)
        for number in offset / size...(offset + UInt64(buffer.count) - 1) / size {
            guard let cell = cells[number] else { continue }
            let begin = max(offset, number * size)
            let end = min(offset + UInt64(buffer.count), (number + 1) * size)
            cell.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: buffer[Int(begin - offset)..<Int(end - offset)])
                    .copyMemory(
                        from: UnsafeRawBufferPointer(
                            rebasing: source[Int(begin - number * size)..<Int(end - number * size)]))
            }
        }
    }

    /// Hands over runs of neighbouring octets, in their order on the disk.
    func forEachRun(_ body: (UInt64, [UInt8]) throws -> Void) rethrows {
        let size = UInt64(Self.cellSize)
        var run: (offset: UInt64, octets: [UInt8])?
        for number in cells.keys.sorted() {
            guard let cell = cells[number] else { continue }
            if let current = run, current.offset + UInt64(current.octets.count) == number * size {
                run?.octets += cell
            } else {
                if let run { try body(run.offset, run.octets) }
                run = (number * size, cell)
            }
        }
        if let run { try body(run.offset, run.octets) }
    }

    private func admits(count: UInt64, at offset: UInt64, among present: Int, limit: Int) -> Bool {
        let size = UInt64(Self.cellSize)
        return offset % size == 0 && count % size == 0 && present <= limit && count / size <= UInt64(limit - present)
    }
}
