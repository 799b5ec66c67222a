/// CRC-32C (Castagnoli; RFC 3720 12.1 and appendix B.4), which iSCSI and file systems use: reflected polynomial 82F63B78h.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { remainder, _ in
            remainder & 1 == 1 ? remainder >> 1 ^ 0x82F6_3B78 : remainder >> 1
        }
    }

    /// The checksum of the octets.
    static func checksum(_ octets: some Sequence<UInt8>) -> UInt32 {
        let table = table
        return ~octets.reduce(UInt32.max) { remainder, octet in
            remainder >> 8 ^ table[Int(UInt8(truncatingIfNeeded: remainder) ^ octet)]
        }
    }
}
