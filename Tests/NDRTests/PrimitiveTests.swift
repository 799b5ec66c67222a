import Testing

@testable import NDR

/// Alignment, byte order and integers.
struct PrimitiveTests {
    @Test func alignsFromTheStartOfTheBuffer() {
        var encoder = NDREncoder()
        encoder.write(UInt8(0x11))
        encoder.write(UInt16(0x2233))
        encoder.write(UInt8(0x44))
        encoder.write(UInt64(0x5566_7788_99AA_BBCC))
        encoder.write(UInt8(0xDD))
        encoder.write(UInt32(0xEEFF_0011))
        // Each integer at a multiple of its size, gaps zero, little endian.
        #expect(
            encoder.bytes == [
                0x11, 0, 0x33, 0x22, 0x44, 0, 0, 0, 0xCC, 0xBB, 0xAA, 0x99, 0x88, 0x77, 0x66, 0x55, 0xDD, 0, 0, 0, 0x11,
                0,
                0xFF, 0xEE,
            ])
    }

    @Test func readsBothByteOrders() throws {
        let bytes: [UInt8] = [0x01, 0xFF, 0x12, 0x34, 0x00, 0x01, 0x02, 0x03]
        var little = NDRDecoder(bytes)
        #expect(try little.read(UInt8.self) == 1)
        #expect(try little.read(UInt16.self) == 0x3412)
        #expect(try little.read(UInt32.self) == 0x0302_0100)
        #expect(little.isAtEnd)
        var big = NDRDecoder(bytes, representation: .bigEndianASCIIIEEE)
        #expect(try big.read(UInt8.self) == 1)
        #expect(try big.read(UInt16.self) == 0x1234)
        #expect(try big.read(UInt32.self) == 0x0001_0203)
        try big.finish()
    }

    @Test func readsArraysInBothByteOrders() throws {
        let bytes: [UInt8] = [9, 0xEE, 0x01, 0x02, 0x03, 0x04]
        for (representation, expected) in [
            (DataRepresentation.littleEndianASCIIIEEE, [UInt16(0x0201), 0x0403]),
            (.bigEndianASCIIIEEE, [0x0102, 0x0304]),
        ] {
            var decoder = NDRDecoder(bytes, representation: representation)
            #expect(try decoder.read(UInt8.self) == 9)
            #expect(try decoder.read(elements: UInt16.self, count: 2) == expected)
        }
    }

    @Test func refusesWhatIsTruncated() throws {
        for length in 0..<8 {
            var decoder = NDRDecoder(Array(repeating: 0, count: length))
            #expect(throws: NDRError(.truncated(needed: 8, available: length), offset: 0, subject: "UInt64")) {
                try decoder.read(UInt64.self)
            }
        }
        var decoder = NDRDecoder(Array(repeating: 0, count: 8))
        #expect(try decoder.read(UInt64.self) == 0)
    }

    @Test func reservesNothingThatTheOctetsDoNotJustify() throws {
        var decoder = NDRDecoder([0, 0, 0, 0])
        #expect(throws: NDRError(.truncated(needed: 0xFFFF_FFFE, available: 4), offset: 0, subject: "array")) {
            try decoder.read(elements: UInt16.self, count: 0x7FFF_FFFF)
        }
        #expect(throws: NDRError.self) { try decoder.read(elements: UInt64.self, count: .max) }
        #expect(throws: NDRError.self) { try decoder.read(octets: -1) }
        #expect(try decoder.read(elements: UInt16.self, count: 2) == [0, 0])
    }

    @Test func refusesTrailingOctets() throws {
        var decoder = NDRDecoder([1, 0, 0, 0, 0])
        _ = try decoder.read(UInt32.self)
        #expect(throws: NDRError(.trailingOctets(1), offset: 4, subject: "the end of the stub")) {
            try decoder.finish()
        }
    }

    @Test func limitsMaximumCounts() throws {
        var accepted = NDRDecoder([0xFF, 0xFF, 0xFF, 0x7F])
        #expect(try accepted.readConformance() == 0x7FFF_FFFF)
        var refused = NDRDecoder([0x00, 0x00, 0x00, 0x80])
        #expect(throws: NDRError(.countTooLarge(0x8000_0000), offset: 4, subject: "maximum count")) {
            try refused.readConformance()
        }
    }

    @Test func readsTheFormatLabel() throws {
        #expect(DataRepresentation([0x10, 0, 0, 0]) == .littleEndianASCIIIEEE)
        #expect(DataRepresentation([0x00, 0, 0, 0]) == .bigEndianASCIIIEEE)
        #expect(DataRepresentation([0x11, 0x03, 0, 0])?.characterSet == .ebcdic)
        #expect(DataRepresentation([0x20, 0, 0, 0]) == nil)
        #expect(DataRepresentation([0x10, 4, 0, 0]) == nil)
        #expect(DataRepresentation([0x10]) == nil)
        #expect(DataRepresentation.littleEndianASCIIIEEE.octets == [0x10, 0, 0, 0])
    }
}
