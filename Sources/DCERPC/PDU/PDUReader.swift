import NDR

/// Reads a PDU's fields in the sender's byte order. Every read is checked against the end of the PDU.
struct PDUReader {
    private let octets: [UInt8]
    private let end: Int
    private let isBigEndian: Bool
    /// The offset of the next field from the PDU's first octet, which alignment counts from.
    private(set) var position: Int

    /// Reads `octets` from `position` up to, not including, `end`.
    init(_ octets: [UInt8], from position: Int, to end: Int, representation: DataRepresentation) {
        self.octets = octets
        self.position = min(position, octets.count)
        self.end = min(end, octets.count)
        isBigEndian = representation.byteOrder == .bigEndian
    }

    /// The octets up to the end.
    var remaining: Int { end - position }

    mutating func read<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws(PDUError) -> Value {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw .truncated }
        let value = octets.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Value.self) }
        position += size
        return isBigEndian ? Value(bigEndian: value) : Value(littleEndian: value)
    }

    mutating func read(octets count: Int) throws(PDUError) -> ArraySlice<UInt8> {
        guard remaining >= count else { throw .truncated }
        defer { position += count }
        return octets[position..<position + count]
    }

    mutating func readGUID() throws(PDUError) -> GUID {
        GUID(
            data1: try read(), data2: try read(), data3: try read(),
            data4: try read(octets: 8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// A p_syntax_id_t: the version is one number whose lower half is the major version ([C706] 12.6.3.1).
    mutating func readSyntax() throws(PDUError) -> SyntaxIdentifier {
        let uuid = try readGUID()
        let version = try read(UInt32.self)
        return SyntaxIdentifier(
            uuid: uuid, major: UInt16(truncatingIfNeeded: version), minor: UInt16(truncatingIfNeeded: version >> 16))
    }

    mutating func align(_ alignment: Int) throws(PDUError) {
        let padding = (alignment - position % alignment) % alignment
        guard remaining >= padding else { throw .truncated }
        position += padding
    }
}
