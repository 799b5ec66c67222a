@testable import NDR

/// Octets from hexadecimal digits; white space and everything from `;` to the end of a line is for the reader.
func hex(_ text: String) -> [UInt8] {
    var digits: [UInt8] = []
    for line in text.split(separator: "\n") {
        for character in line.prefix(while: { $0 != ";" }) {
            if let digit = character.hexDigitValue { digits.append(UInt8(digit)) }
        }
    }
    precondition(digits.count.isMultiple(of: 2))
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The octets of a value alone.
func encoded<Value: NDRCodable>(_ value: Value, _ syntax: TransferSyntax = .ndr20) throws(NDRError) -> [UInt8] {
    var encoder = NDREncoder(syntax: syntax)
    try encoder.encode(value)
    return encoder.bytes
}

/// The value that all of the octets hold.
func decoded<Value: NDRCodable>(
    _ type: Value.Type, _ bytes: [UInt8], _ representation: DataRepresentation = .littleEndianASCIIIEEE,
    _ syntax: TransferSyntax = .ndr20
) throws(NDRError) -> Value {
    var decoder = NDRDecoder(bytes, representation: representation, syntax: syntax)
    let value = try decoder.decode(Value.self)
    try decoder.finish()
    return value
}
