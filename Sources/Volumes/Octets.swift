/// Fields in octets; the caller has checked that they are there.
extension RandomAccessCollection where Element == UInt8, Index == Int {
    func littleEndian<Value: FixedWidthInteger>(_ type: Value.Type = Value.self, at offset: Int) -> Value {
        var value: Value = 0
        for index in (0..<Value.bitWidth / 8).reversed() {
            value = value << 8 | Value(truncatingIfNeeded: self[startIndex + offset + index])
        }
        return value
    }

    func bigEndian<Value: FixedWidthInteger>(_ type: Value.Type = Value.self, at offset: Int) -> Value {
        littleEndian(type, at: offset).byteSwapped
    }
}

extension [UInt8] {
    /// Puts a little-endian field where there is room for it already.
    mutating func setLittleEndian(_ value: some FixedWidthInteger, at offset: Int) {
        for index in 0..<value.bitWidth / 8 {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }

    /// Puts octets where there is room for them already.
    mutating func setOctets(_ octets: some Collection<UInt8>, at offset: Int) {
        replaceSubrange(offset..<offset + octets.count, with: octets)
    }

    /// Whether every octet is zero; in words, as what is looked at may be large.
    var isZero: Bool {
        withUnsafeBytes { octets in
            let words = octets.count / 8
            for index in 0..<words where octets.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self) != 0 {
                return false
            }
            return octets[(8 * words)...].allSatisfy { $0 == 0 }
        }
    }
}

/// The CRC of GPT headers and entries (UEFI 2.10, 5.3.2): CCITT32, the polynomial of Ethernet and zlib.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320
        }
    }

    static func checksum(_ octets: some Sequence<UInt8>) -> UInt32 {
        var value: UInt32 = 0xFFFF_FFFF
        for octet in octets {
            value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ octet)]
        }
        return ~value
    }
}
