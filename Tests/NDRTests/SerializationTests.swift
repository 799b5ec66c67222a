import Testing

@testable import NDR

/// Type serialization version 1 ([MS-RPCE] 2.2.6), text and handles.
struct SerializationTests {
    // Headers as in 2.2.6.1 and 2.2.6.2; twelve octets of body are padded to sixteen, and the length says so.
    @Test func encodesHeadersAndPadding() throws {
        let bytes = try NDRTypeSerialization.encode(NODE(value: 1))
        #expect(bytes == hex("01 10 08 00 cc cc cc cc 08 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00"))
        let padded = try NDRTypeSerialization.encode(ALIASES(first: nil))
        #expect(padded == hex("01 10 08 00 cc cc cc cc 10 00 00 00 00 00 00 00") + [UInt8](repeating: 0, count: 16))
        #expect(try NDRTypeSerialization.decode(ALIASES.self, from: padded) == ALIASES())
    }

    @Test func decodesBothByteOrders() throws {
        let big = hex("01 00 08 00 cc cc cc cc 00 00 00 08 00 00 00 00 00 00 00 01 00 00 00 00")
        #expect(try NDRTypeSerialization.decode(NODE.self, from: big) == NODE(value: 1))
    }

    @Test func toleratesPaddingOutsideOfTheLength() throws {
        let head = hex("01 10 08 00 cc cc cc cc 0c 00 00 00 00 00 00 00") + [UInt8](repeating: 0, count: 12)
        #expect(try NDRTypeSerialization.decode(ALIASES.self, from: head) == ALIASES())
        #expect(try NDRTypeSerialization.decode(ALIASES.self, from: head + [0, 0, 0, 0]) == ALIASES())
        #expect(throws: NDRError.self) {
            try NDRTypeSerialization.decode(ALIASES.self, from: head + [UInt8](repeating: 0, count: 8))
        }
    }

    @Test func refusesWrongHeaders() throws {
        let good = try NDRTypeSerialization.encode(NODE(value: 1))
        for (index, value) in [(0, UInt8(2)), (1, 0x11), (2, 9), (3, 1), (8, 9), (8, 0)] {
            var bytes = good
            bytes[index] = value
            #expect(throws: NDRError.self) { try NDRTypeSerialization.decode(NODE.self, from: bytes) }
        }
        #expect(throws: NDRError.self) { try NDRTypeSerialization.decode(NODE.self, from: good.prefix(15)) }
    }

    @Test func stringsKeepTheirUnits() {
        #expect(WideString("Größe 𝄞").units == [0x47, 0x72, 0xF6, 0xDF, 0x65, 0x20, 0xD834, 0xDD1E])
        #expect(WideString(units: [0x41, 0xD800]).string == "A\u{FFFD}")
        #expect(OctetString("ab").octets == [0x61, 0x62])
        #expect([UInt16](wide: "ab", count: 4) == [0x61, 0x62, 0, 0])
        // A terminator always fits, and a pair is never cut in two.
        #expect([UInt16](wide: "abcd", count: 4) == [0x61, 0x62, 0x63, 0])
        #expect([UInt16](wide: "ab𝄞", count: 4) == [0x61, 0x62, 0, 0])
        #expect([UInt16](wide: "ab", count: 4).wideString == "ab")
        #expect([UInt8](placeholder: 0, count: 3) == [0, 0, 0])
        #expect([UInt32](placeholder: 0, count: 1 << 40) == [])
        #expect([UInt32](placeholder: 0, count: -1) == [])
    }

    @Test func contextHandlesHaveTwentyOctets() throws {
        let handle = ContextHandle(attributes: 0, uuid: "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
        #expect(try encoded(handle) == hex("00 00 00 00 10 b8 a7 6b ad 9d d1 11 80 b4 00 c0 4f d4 30 c8"))
        #expect(try decoded(ContextHandle.self, encoded(handle)) == handle)
        #expect(ContextHandle.null.isNull)
        #expect(!handle.isNull)
    }
}
