/// Reads NDR 2.0 (C706 chapter 14) in either byte order, or NDR64 ([MS-RPCE] 2.2.5), with the strict consistency checks of
/// target level 6.0 ([MS-RPCE] 3.1.1.5.3).
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
    @usableFromInline let isNDR64: Bool
    @usableFromInline var position: Int = 0
    // Referent identifiers that bodies have left behind, a frame for each item being read, innermost last.
    @usableFromInline var referents: [UInt64] = []
    @usableFromInline var nextReferent = 0
    @usableFromInline var depth = 0
    // Hoisted maximum counts that no array has taken yet.
    @usableFromInline var hoisted: [Int] = []
    var fullPointers: [UInt64: FullPointer] = [:]

    /// Over a whole stub, which begins at `offset` of `bytes`.
    public init(
        _ bytes: [UInt8], representation: DataRepresentation = .littleEndianASCIIIEEE,
        syntax: TransferSyntax = .ndr20, offset: Int = 0, maximumDepth: Int = NDRDecoder.defaultMaximumDepth
    ) {
        buffer = bytes
        isNDR64 = syntax == .ndr64
        isBigEndian = representation.byteOrder == .bigEndian
        position = min(max(offset, 0), bytes.count)
        self.maximumDepth = maximumDepth
    }

    /// What it reads.
    public var syntax: TransferSyntax {
        isNDR64 ? .ndr64 : .ndr20
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

    /// Skips the padding before a structure that holds pointers or counts, and has another alignment in each transfer syntax.
    @inlinable
    public mutating func align(_ ndr20: Int, ndr64: Int) throws(NDRError) {
        try align(isNDR64 ? ndr64 : ndr20)
    }

    /// Skips the padding before a union's discriminant, and again before its arm; only NDR64 has it
    /// ([MS-RPCE] 2.2.5.3.4.4).
    @inlinable
    public mutating func alignUnion(_ alignment: Int) throws(NDRError) {
        if isNDR64 { try align(alignment) }
    }

    /// Skips the padding behind a structure; only NDR64 has it ([MS-RPCE] 2.2.5.3.4.1).
    ///
    /// The specification does not tell whether a conformant array at the structure's end is padded, too. Whatever follows
    /// it is aligned anyhow, so it only shows at the end of a stub, where the padding may be missing.
    @inlinable
    public mutating func skipStructurePadding(_ alignment: Int) {
        if isNDR64 { position = min((position + alignment - 1) & ~(alignment - 1), buffer.count) }
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

    /// Reads an enumeration without `[v1_enum]`: 16 bits (C706 section 14.2.4), in NDR64 32 ([MS-RPCE] 2.2.5.2), of which the
    /// upper half is zero because no enumerator is beyond 32,767 ([MS-RPCE] 2.2.4.11).
    @inlinable
    public mutating func readEnum16() throws(NDRError) -> UInt16 {
        guard isNDR64 else { return try read(UInt16.self) }
        let value = try read(UInt32.self)
        try require(value, atLeast: 0, atMost: 0xFFFF, "enumeration")
        return UInt16(truncatingIfNeeded: value)
    }

    /// Reads an `unsigned __int3264`: 32 bits, in NDR64 64 ([MS-RPCE] 2.2.4.1.2).
    @inlinable
    public mutating func readUnsignedPointerSized() throws(NDRError) -> UInt64 {
        try isNDR64 ? read(UInt64.self) : UInt64(read(UInt32.self))
    }

    /// Reads an `__int3264`: 32 bits, whose sign is kept, in NDR64 64 ([MS-RPCE] 2.2.4.1.2).
    @inlinable
    public mutating func readSignedPointerSized() throws(NDRError) -> Int64 {
        try isNDR64 ? read(Int64.self) : Int64(read(Int32.self))
    }

    // A count or a referent identifier: four octets, in NDR64 eight.
    @inlinable
    mutating func readWord() throws(NDRError) -> UInt64 {
        try isNDR64 ? readWide() : UInt64(read(UInt32.self))
    }

    // Out of line: it must not weigh on what is read in NDR 2.0.
    @inline(never) @usableFromInline
    mutating func readWide() throws(NDRError) -> UInt64 {
        try read(UInt64.self)
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
        let count = try readWord()
        guard count <= 0x7FFF_FFFF else { throw NDRError(.countTooLarge(count), at: position, "maximum count") }
        return Int(truncatingIfNeeded: count)
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
        let offset = try readWord()
        let count = try readWord()
        // In NDR64 either may be any number of 64 bits: neither is taken for an Int before it is known to be small.
        guard offset <= 0xFFFF_FFFF, Int(truncatingIfNeeded: offset) == first else {
            throw NDRError(.badOffset(offset), at: position, subject)
        }
        guard count <= 0xFFFF_FFFF, Int(truncatingIfNeeded: offset &+ count) <= size else {
            let length = Int(clamping: offset &+ min(count, UInt64(Int64.max)))
            throw NDRError(.lengthExceedsSize(length: length, size: size), at: position, subject)
        }
        return Int(truncatingIfNeeded: count)
    }
}
