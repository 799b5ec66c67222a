/// Little-endian fields of layouts that are not NDR; readers have checked the length.
extension [UInt8] {
    /// The field at this offset.
    func littleEndian<Value: FixedWidthInteger & UnsignedInteger>(_: Value.Type = Value.self, at offset: Int) -> Value {
        var value: Value = 0
        for index in (0..<Value.bitWidth / 8).reversed() {
            value = value << 8 | Value(self[offset + index])
        }
        return value
    }

    /// Appends the value, least significant octet first.
    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(littleEndian value: Value) {
        for index in 0..<Value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: value >> Value(8 * index)))
        }
    }
}
