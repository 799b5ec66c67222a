/// Reads NDR 2.0 (C706 chapter 14) in either byte order, with the strict consistency checks of target level 6.0
/// ([MS-RPCE] 3.1.1.5.3).
///
/// **Invariants**
/// - It never reserves memory for more elements than the octets at hand can hold.
/// - It never follows pointers deeper than ``maximumDepth``.
/// - It never reads past the buffer, and every failure is an ``NDRError`` that says where.
///
/// Alignment counts from the start of the buffer, so that a stub may follow a header such as ORPCTHIS.
public struct NDRDecoder: Sendable {
    /// How deep referents may be nested unless told otherwise.
    ///
    /// The types of the cluster protocols need less than ten; only lists and VARIANTs can go deeper.
    public static let defaultMaximumDepth = 64

    /// How deep referents may be nested.
    public let maximumDepth: Int

    /// How many octets of padding ``finish()`` lets pass behind the last item; none unless told otherwise.
    ///
    /// A request with a verification trailer has up to three between its stub and the trailer, and only who decodes the
    /// stub can tell where it ends ([MS-RPCE] 2.2.2.13).
    public var paddingAllowance = 0

    @usableFromInline let buffer: [UInt8]
    @usableFromInline let isBigEndian: Bool
    @usableFromInline var position: Int = 0
    // Referent identifiers that bodies have left behind, a frame for each item being read, innermost last.
    @usableFromInline var referents: [UInt32] = []
    @usableFromInline var nextReferent = 0
    @usableFromInline var depth = 0
    // Hoisted maximum counts that no array has taken yet.
    @usableFromInline var hoisted: [Int] = []
    var fullPointers: [UInt32: FullPointer] = [:]

    /// Over a whole stub, which begins at `offset` of `bytes`.
    public init(
        _ bytes: [UInt8], representation: DataRepresentation = .littleEndianASCIIIEEE, offset: Int = 0,
        maximumDepth: Int = NDRDecoder.defaultMaximumDepth
    ) {
        buffer = bytes
        isBigEndian = representation.byteOrder == .bigEndian
        position = min(max(offset, 0), bytes.count)
        self.maximumDepth = maximumDepth
    }

    /// The octet that is read next, counted from the start of the buffer.
    @inlinable
    public var offset: Int {
        position
    }

    /// The octets that are left.
    @inlinable
    public var remaining: Int {
        buffer.count - position
    }

    /// Whether no octets are left.
    @inlinable
    public var isAtEnd: Bool {
        position == buffer.count
    }

    /// The octets that are left, without reading them.
    public var rest: ArraySlice<UInt8> {
        buffer[position...]
    }

    /// Checks that nothing follows the last item.
    ///
    /// NDR has padding only before an item (C706 section 14.1, [MS-RPCE] 3.1.1.5.3.2.2.6), never behind the last one, so
    /// not even a zero octet is let pass, but for ``paddingAllowance``. The padding of a PDU is not part of the stub, and
    /// must be gone already.
    public func finish() throws(NDRError) {
        guard remaining <= paddingAllowance else {
            throw NDRError(.trailingOctets(remaining), at: position, "the end of the stub")
        }
    }

    /// Reads a whole value, as a parameter or a referent is read: hoisted maximum counts, body, referents.
    @inlinable
    public mutating func decode<Value: NDRCodable>(_ type: Value.Type = Value.self) throws(NDRError) -> Value {
        try Value.hoistConformance(from: &self)
        let frame = try openFrame()
        var value = try Value(bodyFrom: &self)
        try value.decodePointees(from: &self)
        closeFrame(frame)
        return value
    }

    /// Skips the padding up to a multiple of `alignment`, a power of two; what it holds is ignored
    /// ([MS-RPCE] 3.1.1.5.3.2.2.6).
    @inlinable
    public mutating func align(_ alignment: Int) throws(NDRError) {
        let aligned = (position + alignment - 1) & ~(alignment - 1)
        guard aligned <= buffer.count else {
            throw NDRError(.truncated(needed: aligned - position, available: remaining), at: position, "padding")
        }
        position = aligned
    }

    // MARK: Primitives

    /// Reads an integer at its natural alignment.
    @inlinable
    public mutating func read<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws(NDRError) -> Value {
        let size = MemoryLayout<Value>.size
        let start = (position + size - 1) & ~(size - 1)
        guard start + size <= buffer.count else {
            throw NDRError(.truncated(needed: start + size - position, available: remaining), at: position, type: type)
        }
        position = start + size
        let value = buffer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: Value.self) }
        return isBigEndian ? Value(bigEndian: value) : Value(littleEndian: value)
    }

    /// Reads an IEEE single at its natural alignment.
    @inlinable
    public mutating func read(_ type: Float.Type) throws(NDRError) -> Float {
        Float(bitPattern: try read(UInt32.self))
    }

    /// Reads an IEEE double at its natural alignment.
    @inlinable
    public mutating func read(_ type: Double.Type) throws(NDRError) -> Double {
        Double(bitPattern: try read(UInt64.self))
    }

    /// Reads an enumeration without `[v1_enum]`: 16 bits (C706 section 14.2.4).
    @inlinable
    public mutating func readEnum16() throws(NDRError) -> UInt16 {
        try read(UInt16.self)
    }

    /// Reads octets as they are.
    @inlinable
    public mutating func read(octets count: Int) throws(NDRError) -> [UInt8] {
        try require(count: count, ofSize: 1, "octets")
        defer { position += count }
        return Array(buffer[position..<position + count])
    }

    // The last eight octets of a GUID, which have no byte order.
    @usableFromInline
    mutating func readTail() throws(NDRError) -> UInt64 {
        try require(count: 8, ofSize: 1, "GUID")
        defer { position += 8 }
        return UInt64(bigEndian: buffer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: UInt64.self) })
    }

    // MARK: Arrays

    /// Reads the integers of an array, the first one at its natural alignment.
    @inlinable
    public mutating func read<Value: FixedWidthInteger>(
        elements type: Value.Type, count: Int
    ) throws(NDRError) -> [Value] {
        guard count > 0 else { return [] }
        let size = MemoryLayout<Value>.size
        try align(size)
        try require(count: count, ofSize: size, "array")
        let start = position
        position += count * size
        return buffer.withUnsafeBytes { source in
            [Value](unsafeUninitializedCapacity: count) { target, initialized in
                let raw = UnsafeMutableRawBufferPointer(target)
                raw.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<start + count * size]))
                if isBigEndian != (Int(bigEndian: 1) == 1) {
                    for index in 0..<count { target[index] = target[index].byteSwapped }
                }
                initialized = count
            }
        }
    }

    /// Reads the bodies of an array's elements; their pointees are still to come.
    @inlinable
    public mutating func read<Value: NDRCodable>(bodies type: Value.Type, count: Int) throws(NDRError) -> [Value] {
        try require(count: count, ofSize: Value.ndrMinimumSize, "array")
        var values: [Value] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try Value(bodyFrom: &self)) }
        return values
    }

    /// Reads the referents of an array's elements, after all of the bodies.
    @inlinable
    public mutating func read<Value: NDRCodable>(pointeesOf values: inout [Value]) throws(NDRError) {
        for index in values.indices { try values[index].decodePointees(from: &self) }
    }

    /// `count` copies of NULL, the bodies of an array of pointers, once the octets at hand justify so many; generated
    /// code reads their referent identifiers with ``readReferent()`` and fills them in afterwards.
    @inlinable
    public func placeholders<Value>(_ value: Value, count: Int, ofSize size: Int) throws(NDRError) -> [Value] {
        try require(count: count, ofSize: size, "array")
        return Array(repeating: value, count: count)
    }

    /// Reads a maximum count and keeps it until ``takeConformance()``: it was hoisted to the front of the structure.
    @inlinable
    public mutating func hoistConformance() throws(NDRError) {
        hoisted.append(try readConformance())
    }

    /// The maximum count that was hoisted for the array whose turn it is.
    @inlinable
    public mutating func takeConformance() -> Int {
        hoisted.isEmpty ? 0 : hoisted.removeFirst()
    }

    /// Reads the maximum count of a conformant array or string, at most 2³¹−1 ([MS-RPCE] 3.1.1.5.3.2.2.1).
    @inlinable
    public mutating func readConformance() throws(NDRError) -> Int {
        let count = try read(UInt32.self)
        guard count <= 0x7FFF_FFFF else { throw NDRError(.countTooLarge(count), at: position, "maximum count") }
        return Int(count)
    }

    /// Reads the offset and the actual count of a varying array or string.
    ///
    /// - Parameters:
    ///   - size: The maximum count, within which the two must lie ([MS-RPCE] 3.1.1.5.3.2.1.12).
    ///   - first: What the offset must be; zero without `[first_is]` ([MS-RPCE] 3.1.1.5.3.2.1.7).
    /// - Returns: The actual count.
    @inlinable
    public mutating func readVariance(
        size: Int, first: Int = 0, _ subject: StaticString
    ) throws(NDRError) -> Int {
        let offset = try read(UInt32.self)
        let count = try read(UInt32.self)
        guard Int(offset) == first else { throw NDRError(.badOffset(offset), at: position, subject) }
        guard Int(offset) + Int(count) <= size else {
            throw NDRError(.lengthExceedsSize(length: Int(offset) + Int(count), size: size), at: position, subject)
        }
        return Int(count)
    }
}
