import NDR

/// Writes a PDU, always in little endian.
struct PDUWriter {
    private(set) var octets: [UInt8]

    /// Begins a PDU with its common header; the lengths are filled in by ``finish(authLength:)``.
    init(_ type: PDUType, flags: PDUFlags, callID: UInt32, capacity: Int = 64) {
        octets = []
        octets.reserveCapacity(capacity)
        octets.append(contentsOf: [PDUHeader.majorVersion, 0, type.rawValue, flags.rawValue, 0x10, 0, 0, 0, 0, 0, 0, 0])
        write(callID)
    }

    var count: Int { octets.count }

    mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        for index in 0..<MemoryLayout<Value>.size {
            octets.append(UInt8(truncatingIfNeeded: value >> Value(truncatingIfNeeded: 8 * index)))
        }
    }

    mutating func write(octets other: some Collection<UInt8>) {
        octets.append(contentsOf: other)
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
        while octets.count % alignment != 0 { octets.append(0) }
    }

    /// Fills the header's lengths in and hands the PDU out; `authLength` octets are still to be appended to it.
    consuming func finish(authLength: Int = 0) -> [UInt8] {
        let length = octets.count + authLength
        precondition(length <= UInt16.max, "a PDU is never longer than its length field can say")
        octets[8] = UInt8(truncatingIfNeeded: length)
        octets[9] = UInt8(truncatingIfNeeded: length >> 8)
        octets[10] = UInt8(truncatingIfNeeded: authLength)
        octets[11] = UInt8(truncatingIfNeeded: authLength >> 8)
        return octets
    }
}
