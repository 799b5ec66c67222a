/// The first exchange of SMB 2 and 3: whether whoever listens on a port is an SMB server ([MS-SMB2] 2.2.3, 2.2.4).
package enum SMBNegotiation {
    /// SMB 2.0.2, 2.1, 3.0 and 3.0.2. 3.1.1 would need negotiate contexts, and whoever speaks it speaks these.
    static let dialects: [UInt16] = [0x0202, 0x0210, 0x0300, 0x0302]

    private static let headerSize = 64
    /// The octets of the answer that are looked at: the frame's length, the header, and the body up to the dialect.
    package static let replySize = 4 + headerSize + 6

    /// An SMB2 NEGOTIATE request in its frame.
    package static var request: [UInt8] {
        // Header: protocol, size, credit charge, status, command NEGOTIATE, one credit.
        var message: [UInt8] = [0xFE, 0x53, 0x4D, 0x42, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
        message += [UInt8](repeating: 0, count: headerSize - message.count)
        // Body: its size, the dialects' number, signing enabled, no capabilities, no client identifier, no start time.
        message += [36, 0, UInt8(dialects.count), 0, 1, 0]
        message += [UInt8](repeating: 0, count: 2 + 4 + 16 + 8)
        for dialect in dialects { message += [UInt8(truncatingIfNeeded: dialect), UInt8(dialect >> 8)] }
        return [0, 0, 0, UInt8(message.count)] + message
    }

    /// Whether these first octets of an answer are an SMB server's: a NEGOTIATE response that succeeded, in a dialect that was
    /// offered.
    package static func isAccepted(_ reply: [UInt8]) -> Bool {
        guard reply.count >= replySize else { return false }
        let header = Array(reply[4...])
        let length = Int(reply[1]) << 16 | Int(reply[2]) << 8 | Int(reply[3])
        let status = header[8..<12]
        let command = header[12..<14]
        let isResponse = header[16] & 1 == 1
        let body = header[headerSize...]
        let dialect = UInt16(body[headerSize + 4]) | UInt16(body[headerSize + 5]) << 8
        return reply[0] == 0 && length >= headerSize + 64 && header.starts(with: [0xFE, 0x53, 0x4D, 0x42, 64, 0])
            && status.allSatisfy { $0 == 0 } && command.allSatisfy { $0 == 0 } && isResponse
            && body.starts(with: [65, 0]) && dialects.contains(dialect)
    }
}
