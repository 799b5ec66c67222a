import NDR

/// The verification trailer, which a client may put behind a request's stub to protect fields that its security provider
/// does not ([MS-RPCE] 2.2.2.13).
package struct VerificationTrailer: Equatable {
    /// What the request's header and presentation context say, to compare the trailer with.
    struct Expectation {
        let callID: UInt32
        let contextID: UInt16
        let opnum: UInt16
        let representation: DataRepresentation
        let interface: SyntaxIdentifier
        let transferSyntax: SyntaxIdentifier
        let headerSigning: Bool
    }

    private static let signature: [UInt8] = [0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71]
    /// All three commands together are 84 octets long; some more may be unknown to us. A trailer is looked for in no more
    /// than these last octets of a stub, so that a large stub costs no more than a small one.
    private static let longest = 256

    private enum Command: UInt16 {
        case bitmask = 1
        case presentationContext = 2
        case header = 3
        static let end: UInt16 = 0x4000
        static let mustProcess: UInt16 = 0x8000
        static let kindMask: UInt16 = 0x3FFF
    }

    /// Where the trailer begins in a stub, or nil if there is none.
    ///
    /// What only looks like a trailer, because a parameter holds its signature, does not reach exactly to the stub's end.
    package static func offset(in stub: [UInt8]) -> Int? {
        guard stub.count >= signature.count + 4 else { return nil }
        var offset = (stub.count - signature.count - 4) & ~3
        let lowest = max(0, stub.count - longest)
        while offset >= lowest {
            if stub[offset] == signature[0], stub[offset..<offset + signature.count].elementsEqual(signature),
                commands(in: stub, from: offset + signature.count) != nil
            {
                return offset
            }
            offset -= 4
        }
        return nil
    }

    /// Checks the trailer at `offset` against the request that it came with.
    ///
    /// - Returns: nil if it agrees, or the fault to answer.
    static func fault(in stub: [UInt8], at offset: Int, expecting expected: Expectation) -> RPCFault? {
        guard let commands = commands(in: stub, from: offset + signature.count) else { return .badStubData }
        for command in commands {
            // The trailer's own fields are little endian whatever the PDU is ([MS-RPCE] 2.2.2.13).
            var reader = PDUReader(
                stub, from: command.body.lowerBound, to: command.body.upperBound,
                representation: .littleEndianASCIIIEEE)
            do throws(PDUError) {
                guard try agrees(command.kind, &reader, with: expected) else { return .accessDenied }
            } catch {
                return .badStubData
            }
        }
        return nil
    }

    private static func agrees(
        _ kind: UInt16, _ reader: inout PDUReader, with expected: Expectation
    ) throws(PDUError) -> Bool {
        switch Command(rawValue: kind & Command.kindMask) {
        case .bitmask:
            let supportsHeaderSigning = try reader.read(UInt32.self) & 1 != 0
            return !supportsHeaderSigning || expected.headerSigning
        case .presentationContext:
            let interface = try reader.readSyntax()
            let transferSyntax = try reader.readSyntax()
            return interface == expected.interface && transferSyntax == expected.transferSyntax
        case .header:
            let type = try reader.read(UInt8.self)
            _ = try reader.read(octets: 3)
            let representation = DataRepresentation(try reader.read(octets: 4))
            let callID = try reader.read(UInt32.self)
            let contextID = try reader.read(UInt16.self)
            let opnum = try reader.read(UInt16.self)
            return type == PDUType.request.rawValue && representation == expected.representation
                && callID == expected.callID && contextID == expected.contextID && opnum == expected.opnum
        case nil:
            return kind & Command.mustProcess == 0
        }
    }

    private static func commands(in stub: [UInt8], from start: Int) -> [(kind: UInt16, body: Range<Int>)]? {
        var commands: [(kind: UInt16, body: Range<Int>)] = []
        var position = start
        while position + 4 <= stub.count {
            let kind = UInt16(stub[position]) | UInt16(stub[position + 1]) << 8
            let length = Int(stub[position + 2]) | Int(stub[position + 3]) << 8
            guard length % 4 == 0, position + 4 + length <= stub.count else { return nil }
            commands.append((kind, position + 4..<position + 4 + length))
            position += 4 + length
            if kind & Command.end != 0 { return position == stub.count ? commands : nil }
        }
        return nil
    }
}
