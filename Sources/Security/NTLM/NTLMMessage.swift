/// What all three NTLM messages have in common, and the bounds-checked reading of them.
///
/// Source: [MS-NLMP] 2.2.1.
enum NTLMMessage {
    /// 'N', 'T', 'L', 'M', 'S', 'S', 'P', NUL.
    static let signature: [UInt8] = [0x4E, 0x54, 0x4C, 0x4D, 0x53, 0x53, 0x50, 0x00]

    /// The longest token: the `auth_length` of a PDU has 16 bits ([C706] 12.6.3.1).
    static let maximumLength = 0xFFFF

    /// Where the MIC stands in an AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3).
    static let integrityCodeRange = 72..<88

    /// The version that we send: it is for debugging only ([MS-NLMP] 2.2.2.10). NTLMSSP_REVISION_W2K3 is its last octet.
    static let version: [UInt8] = [10, 0, 0, 0, 0, 0, 0, 0x0F]
}

/// Reads the fixed part of a message, and the parts of the payload that it points to.
struct NTLMReader {
    let bytes: [UInt8]
    let message: String

    /// Checks what every message starts with.
    init(_ bytes: [UInt8], type: UInt32, message: String, minimumLength: Int) throws(SecurityError) {
        self.bytes = bytes
        self.message = message
        guard bytes.count <= NTLMMessage.maximumLength else {
            throw .malformedToken("\(message): \(bytes.count) octets are too many")
        }
        guard bytes.starts(with: NTLMMessage.signature) else {
            throw .malformedToken("\(message) at 0: not an NTLM message")
        }
        guard bytes.count >= minimumLength else {
            throw .malformedToken("\(message): \(bytes.count) octets, at least \(minimumLength) needed")
        }
        let found = UInt32(truncatingIfNeeded: Array(bytes[8..<12]).littleEndianValue)
        guard found == type else {
            throw .unexpectedToken("message type \(found) instead of \(type), \(message)")
        }
    }

    func integer(at offset: Int) throws(SecurityError) -> UInt32 {
        guard offset + 4 <= bytes.count else { throw .malformedToken("\(message) at \(offset): ends early") }
        return UInt32(truncatingIfNeeded: Array(bytes[offset..<(offset + 4)]).littleEndianValue)
    }

    /// The payload part that the eight octets at `offset` describe: length, maximum length (ignored), offset.
    ///
    /// An empty part may point anywhere.
    func payload(at offset: Int, _ what: String) throws(SecurityError) -> ArraySlice<UInt8> {
        let length = Int(try integer(at: offset) & 0xFFFF)
        let start = Int(try integer(at: offset + 4))
        guard length > 0 else { return [] }
        guard start <= bytes.count, length <= bytes.count - start else {
            throw .malformedToken(
                "\(message), \(what) at \(offset): \(start)+\(length) is outside of \(bytes.count) octets")
        }
        return bytes[start..<(start + length)]
    }
}

/// Writes a message: a fixed part of known length, and behind it the payload.
struct NTLMWriter {
    private var fixed: [UInt8]
    private var payload: [UInt8] = []
    private let fixedLength: Int

    init(type: UInt32, fixedLength: Int) {
        fixed = NTLMMessage.signature
        fixed.appendLittleEndian(type)
        self.fixedLength = fixedLength
    }

    mutating func append(_ value: UInt32) { fixed.appendLittleEndian(value) }

    mutating func append(_ octets: [UInt8]) { fixed += octets }

    /// Appends the description of a part to the fixed part, and the part to the payload.
    mutating func append(payload part: [UInt8]) {
        fixed.appendLittleEndian(UInt16(clamping: part.count))
        fixed.appendLittleEndian(UInt16(clamping: part.count))
        fixed.appendLittleEndian(UInt32(clamping: fixedLength + payload.count))
        payload += part
    }

    var message: [UInt8] {
        precondition(fixed.count == fixedLength, "the fixed part has another length than promised")
        return fixed + payload
    }
}
