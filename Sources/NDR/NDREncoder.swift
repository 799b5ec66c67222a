/// Writes NDR 2.0 (C706 chapter 14) or NDR64 ([MS-RPCE] 2.2.5), always little endian.
///
/// Alignment counts from the start of the encoder's buffer, so a stub may follow a header such as ORPCTHIS that was
/// written before. What the two transfer syntaxes lay out differently goes through a method of its own here, so that
/// generated code is the same for both: ``writeConformance(_:)``, ``writeVariance(offset:count:)``, ``writeReferent()``,
/// ``writeEnum16(_:)``, ``writePointerSized(_:)``, ``align(_:ndr64:)``, ``alignUnion(_:)``, ``padStructure(_:)``.
public struct NDREncoder: Sendable {
    @usableFromInline var storage: [UInt8] = []
    @usableFromInline var nextReferent: UInt32 = 0x0002_0000
    @usableFromInline let isNDR64: Bool

    /// An empty encoder with room for `capacity` octets: enough for most stubs, unless told.
    @inlinable
    public init(syntax: TransferSyntax = .ndr20, reservingCapacity capacity: Int = 224) {
        isNDR64 = syntax.rawValue == TransferSyntax.ndr64.rawValue
        storage.reserveCapacity(capacity)
    }

    /// What it writes.
    public var syntax: TransferSyntax {
        isNDR64 ? .ndr64 : .ndr20
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
        if padding != 0 { pad(padding) }
    }

    @inline(never) @usableFromInline
    mutating func pad(_ count: Int) {
        storage.append(contentsOf: repeatElement(0, count: count))
    }

    /// Pads to the alignment of a structure that holds pointers or counts, and has another one in each transfer syntax.
    @inlinable
    public mutating func align(_ ndr20: Int, ndr64: Int) {
        align(isNDR64 ? ndr64 : ndr20)
    }

    /// Pads before a union's discriminant, and again before its arm, to the largest alignment of its arms: only NDR64 does
    /// so ([MS-RPCE] 2.2.5.3.4.4).
    @inlinable
    public mutating func alignUnion(_ alignment: Int) {
        if isNDR64 { align(alignment) }
    }

    /// Pads behind a structure to a multiple of its alignment: only NDR64 does so ([MS-RPCE] 2.2.5.3.4.1).
    @inlinable
    public mutating func padStructure(_ alignment: Int) {
        if isNDR64 { align(alignment) }
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

    /// Writes an enumeration without `[v1_enum]`: 16 bits (C706 section 14.2.4), in NDR64 32 ([MS-RPCE] 2.2.5.2).
    @inlinable
    public mutating func writeEnum16(_ value: UInt16) {
        if isNDR64 { write(UInt32(value)) } else { write(value) }
    }

    /// Writes an `unsigned __int3264`: 32 bits, to which it is cut, in NDR64 64 ([MS-RPCE] 2.2.4.1.2 and 3.1.1.5.1.1.1).
    @inlinable
    public mutating func writePointerSized(_ value: UInt64) {
        if isNDR64 { write(value) } else { write(UInt32(truncatingIfNeeded: value)) }
    }

    /// Writes an `__int3264`, like its unsigned counterpart.
    @inlinable
    public mutating func writePointerSized(_ value: Int64) {
        writePointerSized(UInt64(bitPattern: value))
    }

    // MARK: Counts and pointers

    // A count or a referent identifier: four octets, in NDR64 eight.
    @inlinable
    mutating func writeWord(_ value: UInt32) {
        if isNDR64 { writeWide(value) } else { write(value) }
    }

    // Out of line: it must not weigh on what is written in NDR 2.0.
    @inline(never) @usableFromInline
    mutating func writeWide(_ value: UInt32) {
        write(UInt64(value))
    }

    /// Writes the maximum count of a conformant array or string.
    @inlinable
    public mutating func writeConformance(_ count: Int) {
        writeWord(UInt32(truncatingIfNeeded: count))
    }

    /// Writes the offset and the actual count of a varying array or string.
    @inlinable
    public mutating func writeVariance(offset: Int = 0, count: Int) {
        writeWord(UInt32(truncatingIfNeeded: offset))
        writeWord(UInt32(truncatingIfNeeded: count))
    }

    /// Writes a fresh referent identifier: a pointer that points at something.
    ///
    /// They start at 0x00020000 and step by 4, as those of Windows do.
    @inlinable
    public mutating func writeReferent() {
        writeWord(nextReferent)
        nextReferent &+= 4
    }

    /// Writes the referent identifier of a unique or full pointer: zero for NULL.
    ///
    /// A full pointer gets an identifier of its own as well: values have no aliases.
    @inlinable
    public mutating func writeReferent(isNull: Bool) {
        if isNull {
            writeWord(0)
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
