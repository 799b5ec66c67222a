/// Type serialization version 1 ([MS-RPCE] 2.2.6): a constructed type outside a call, behind headers of its own.
///
/// Activation properties are kept so ([MS-DCOM] 2.2.22).
public enum NDRTypeSerialization {
    /// The octets of the common header and of the private header together.
    public static let headerLength = 16

    /// A common header, a private header, the value, and padding to a multiple of eight, which the length includes.
    public static func encode<Value: NDRCodable>(_ value: Value) throws(NDRError) -> [UInt8] {
        var encoder = NDREncoder()
        encoder.write(octets: [0x01, 0x10, 0x08, 0x00, 0xCC, 0xCC, 0xCC, 0xCC])
        encoder.write(UInt64(0))
        try encoder.encode(value)
        encoder.align(8)
        var bytes = encoder.bytes
        let length = UInt32(bytes.count - headerLength)
        for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(index))) }
        return bytes
    }

    /// The value of a stream that holds one constructed type.
    ///
    /// Behind the value there may be up to seven octets of padding, whether the private header's length includes them
    /// (as it should) or not; anything more is an error.
    public static func decode<Value: NDRCodable>(
        _ type: Value.Type, from bytes: some Collection<UInt8>
    ) throws(NDRError) -> Value {
        let bytes = Array(bytes)
        guard bytes.count >= headerLength else {
            throw NDRError(.truncated(needed: headerLength, available: bytes.count), at: 0, "serialization header")
        }
        // The common header itself is always little endian (2.2.6.1).
        guard bytes[0] == 1, bytes[2] == 8, bytes[3] == 0 else {
            throw NDRError(.badSerializationHeader, at: 0, "common type header")
        }
        let representation: DataRepresentation
        switch bytes[1] {
        case 0x10: representation = .littleEndianASCIIIEEE
        case 0x00: representation = .bigEndianASCIIIEEE
        default: throw NDRError(.badSerializationHeader, at: 1, "common type header")
        }
        var header = NDRDecoder(bytes, representation: representation, offset: 8)
        let length = Int(try header.read(UInt32.self))
        guard length <= bytes.count - headerLength else {
            throw NDRError(.truncated(needed: length, available: bytes.count - headerLength), at: 8, "private header")
        }
        guard bytes.count - headerLength - length < 8 else {
            throw NDRError(
                .trailingOctets(bytes.count - headerLength - length), at: headerLength + length, "serialized type")
        }
        // Alignment counts from the first header, but both are multiples of eight: it may as well count from the body.
        var decoder = NDRDecoder(Array(bytes[headerLength..<headerLength + length]), representation: representation)
        let value = try decoder.decode(Value.self)
        guard decoder.remaining < 8 else {
            throw NDRError(
                .trailingOctets(decoder.remaining), at: headerLength + decoder.offset, "serialized type")
        }
        return value
    }
}
