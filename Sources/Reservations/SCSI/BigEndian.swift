/// SCSI fields are big endian; these read and write them in octet arrays whose length the caller has checked.
extension RandomAccessCollection where Element == UInt8, Index == Int {
    /// The unsigned field of this many octets at this offset from the start of the collection.
    func field(_ offset: Int, octets: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<octets {
            value = value << 8 | UInt64(self[startIndex + offset + index])
        }
        return value
    }

    /// A 16-bit field.
    func field16(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: field(offset, octets: 2)) }
    /// A 32-bit field.
    func field32(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: field(offset, octets: 4)) }
    /// A 64-bit field.
    func field64(_ offset: Int) -> UInt64 { field(offset, octets: 8) }
}

extension Array where Element == UInt8 {
    /// Appends the value's octets, most significant first.
    mutating func append<T: FixedWidthInteger & UnsignedInteger>(bigEndian value: T) {
        for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> T(shift)))
        }
    }

    /// Overwrites the octets at the offset with the value's, most significant first.
    mutating func set<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
        var octets: [UInt8] = []
        octets.append(bigEndian: value)
        replaceSubrange(offset..<offset + octets.count, with: octets)
    }
}
