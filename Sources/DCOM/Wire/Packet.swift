import NDR

/// Reads the little-endian structures of [MS-DCOM] that are packets rather than NDR: nothing is aligned, and no count is
/// believed before the octets are there.
struct PacketReader {
    private let octets: ArraySlice<UInt8>
    private var position: Int

    init(_ octets: some Collection<UInt8>) {
        self.octets = ArraySlice(octets)
        position = self.octets.startIndex
    }

    /// The octets that are left.
    var remaining: Int { octets.endIndex - position }

    /// What is missing, as an error's text.
    struct Truncated: Error {
        let needed: Int
        let available: Int
    }

    mutating func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self
    ) throws(Truncated) -> Value {
        let size = MemoryLayout<Value>.size
        return try read(octets: size).reversed().reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }

    mutating func readGUID() throws(Truncated) -> GUID {
        let octets = try read(octets: 16)
        // Sixteen octets always make a GUID.
        return GUID(littleEndianBytes: octets) ?? .zero
    }

    mutating func read(octets count: Int) throws(Truncated) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw Truncated(needed: count, available: remaining) }
        defer { position += count }
        return octets[position..<position + count]
    }

    mutating func rest() -> ArraySlice<UInt8> {
        defer { position = octets.endIndex }
        return octets[position...]
    }
}

/// Writes what ``PacketReader`` reads.
struct PacketWriter {
    private(set) var octets: [UInt8] = []

    mutating func write<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { octets.append(contentsOf: $0) }
    }

    mutating func write(_ guid: GUID) {
        octets += guid.littleEndianBytes
    }

    mutating func write(octets more: some Collection<UInt8>) {
        octets.append(contentsOf: more)
    }
}
