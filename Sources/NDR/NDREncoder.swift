/// Writes NDR 2.0 (transfer syntax 8a885d04-1ceb-11c9-9fe8-08002b104860, C706 chapter 14), always little endian.
///
/// Alignment counts from the start of the encoder's buffer, so a stub may follow a header such as ORPCTHIS that was
/// written before. Everything that a second transfer syntax lays out differently goes through a method of its own here:
/// ``writeConformance(_:)``, ``writeVariance(offset:count:)``, ``writeReferent()``, ``writeEnum16(_:)``.
public struct NDREncoder: Sendable {
    @usableFromInline var storage: [UInt8] = []
    @usableFromInline var nextReferent: UInt32 = 0x0002_0000

    /// An empty encoder.
    @inlinable
    public init() {}

    /// An empty encoder with room for `capacity` octets.
    @inlinable
    public init(reservingCapacity capacity: Int) {
        storage.reserveCapacity(capacity)
    }

    /// What has been written.
    @inlinable
    public var bytes: [UInt8] {
        storage
    }

    /// How many octets have been written.
    @inlinable
    public var count: Int {
        storage.count
    }

    /// Writes a whole value, as a parameter or a referent is written: hoisted maximum counts, body, referents.
    @inlinable
    public mutating func encode<Value: NDRCodable>(_ value: Value) throws(NDRError) {
        try value.encodeConformance(into: &self)
        try value.encodeBody(into: &self)
        try value.encodePointees(into: &self)
    }

    /// Pads with zeros up to a multiple of `alignment`, which is a power of two.
    @inlinable
    public mutating func align(_ alignment: Int) {
        let padding = -storage.count & (alignment - 1)
        for _ in 0..<padding { storage.append(0) }
    }

    // MARK: Primitives

    /// Writes an integer at its natural alignment.
    @inlinable
    public mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        align(MemoryLayout<Value>.size)
        writeUnaligned(value)
    }

    /// Writes an IEEE single at its natural alignment.
    @inlinable
    public mutating func write(_ value: Float) {
        write(value.bitPattern)
    }

    /// Writes an IEEE double at its natural alignment.
    @inlinable
    public mutating func write(_ value: Double) {
        write(value.bitPattern)
    }

    /// Writes an integer, little endian, where the encoder stands.
    @inlinable
    public mutating func writeUnaligned<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { storage.append(contentsOf: $0) }
    }

    /// Writes octets as they are.
    @inlinable
    public mutating func write(octets: some Collection<UInt8>) {
        storage.append(contentsOf: octets)
    }

    /// Writes an enumeration without `[v1_enum]`: 16 bits (C706 section 14.2.4).
    @inlinable
    public mutating func writeEnum16(_ value: UInt16) {
        write(value)
    }

    // MARK: Counts and pointers

    /// Writes the maximum count of a conformant array or string.
    @inlinable
    public mutating func writeConformance(_ count: Int) {
        write(UInt32(truncatingIfNeeded: count))
    }

    /// Writes the offset and the actual count of a varying array or string.
    @inlinable
    public mutating func writeVariance(offset: Int = 0, count: Int) {
        write(UInt32(truncatingIfNeeded: offset))
        write(UInt32(truncatingIfNeeded: count))
    }

    /// Writes a fresh referent identifier: a pointer that points at something.
    ///
    /// They start at 0x00020000 and step by 4, as those of Windows do.
    @inlinable
    public mutating func writeReferent() {
        write(nextReferent)
        nextReferent &+= 4
    }

    /// Writes the referent identifier of a unique or full pointer: zero for NULL.
    ///
    /// A full pointer gets an identifier of its own as well: values have no aliases.
    @inlinable
    public mutating func writeReferent(isNull: Bool) {
        if isNull {
            write(UInt32(0))
        } else {
            writeReferent()
        }
    }

    // MARK: Arrays and strings

    /// Writes the integers of an array, the first one at its natural alignment.
    @inlinable
    public mutating func write<Value: FixedWidthInteger>(elements: [Value]) {
        guard !elements.isEmpty else { return }
        align(MemoryLayout<Value>.size)
        #if _endian(little)
            elements.withUnsafeBytes { storage.append(contentsOf: $0) }
        #else
            for element in elements { writeUnaligned(element) }
        #endif
    }

    /// Writes the bodies of an array's elements.
    @inlinable
    public mutating func write<Value: NDRCodable>(bodies: [Value]) throws(NDRError) {
        for value in bodies { try value.encodeBody(into: &self) }
    }

    /// Writes the referents of an array's elements, after all of the bodies.
    @inlinable
    public mutating func write<Value: NDRCodable>(pointeesOf values: [Value]) throws(NDRError) {
        for value in values { try value.encodePointees(into: &self) }
    }

    /// Writes a conformant and varying string with its terminator; `size` is its maximum count if a field dictates it.
    @inlinable
    public mutating func write(string: WideString, size: Int? = nil, _ subject: StaticString) throws(NDRError) {
        let count = string.units.count + 1
        writeConformance(size ?? count)
        try write(varyingString: string, size: size ?? count, subject)
    }

    /// Writes a varying string with its terminator into a fixed array of `size` characters.
    @inlinable
    public mutating func write(varyingString string: WideString, size: Int, _ subject: StaticString) throws(NDRError) {
        let count = string.units.count + 1
        guard count <= size else {
            throw NDRError(.lengthExceedsSize(length: count, size: size), at: self.count, subject)
        }
        writeVariance(count: count)
        write(elements: string.units)
        write(UInt16(0))
    }

    /// Writes a conformant and varying string of octets with its terminator.
    @inlinable
    public mutating func write(string: OctetString, size: Int? = nil, _ subject: StaticString) throws(NDRError) {
        let count = string.octets.count + 1
        writeConformance(size ?? count)
        try write(varyingString: string, size: size ?? count, subject)
    }

    /// Writes a varying string of octets with its terminator into a fixed array of `size` characters.
    @inlinable
    public mutating func write(varyingString string: OctetString, size: Int, _ subject: StaticString) throws(NDRError) {
        let count = string.octets.count + 1
        guard count <= size else {
            throw NDRError(.lengthExceedsSize(length: count, size: size), at: self.count, subject)
        }
        writeVariance(count: count)
        write(octets: string.octets)
        storage.append(0)
    }
}
