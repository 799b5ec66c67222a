import NDR

/// Writes a PDU, always in little endian.
struct PDUWriter {
    private(set) var octets: [UInt8]

    /// Begins a PDU with its common header; the lengths are filled in by ``finish(authLength:)``.
    init(_ type: PDUType, flags: PDUFlags, callID: UInt32, capacity: Int = 64) {
        octets = []
        octets.reserveCapacity(capacity)
        write(UInt32(PDUHeader.majorVersion) | UInt32(type.rawValue) << 16 | UInt32(flags.rawValue) << 24)
        // Little endian, ASCII, IEEE.
        write(UInt32(0x10))
        write(UInt32(0))
        write(callID)
    }

    var count: Int { octets.count }

    mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { octets.append(contentsOf: $0) }
    }

    mutating func write(octets other: some Collection<UInt8>) {
        octets.append(contentsOf: other)
    }

    mutating func write(zeroes count: Int) {
        octets.append(contentsOf: repeatElement(0, count: count))
    }

    mutating func write(_ guid: GUID) {
        write(guid.data1)
        write(guid.data2)
        write(guid.data3)
        write(guid.data4.bigEndian)
    }

    mutating func write(_ syntax: SyntaxIdentifier) {
        write(syntax.uuid)
        write(UInt32(syntax.minor) << 16 | UInt32(syntax.major))
    }

    mutating func align(_ alignment: Int) {
        write(zeroes: (alignment - octets.count % alignment) % alignment)
    }

    /// Fills the header's lengths in and hands the PDU out; `authLength` octets are still to be appended to it.
    consuming func finish(authLength: Int = 0) -> [UInt8] {
        finish(length: octets.count + authLength, authLength: authLength)
    }

    /// Fills the header's lengths in and hands the PDU out, whose last `authLength` octets are the authentication value's.
    consuming func finish(countedAuthLength authLength: Int) -> [UInt8] {
        finish(length: octets.count, authLength: authLength)
    }

    private consuming func finish(length: Int, authLength: Int) -> [UInt8] {
        precondition(length <= UInt16.max, "a PDU is never longer than its length field can say")
        octets[8] = UInt8(truncatingIfNeeded: length)
        octets[9] = UInt8(truncatingIfNeeded: length >> 8)
        octets[10] = UInt8(truncatingIfNeeded: authLength)
        octets[11] = UInt8(truncatingIfNeeded: authLength >> 8)
        return octets
    }
}
