import Testing

@testable import NDR

/// GUIDs as text and as octets.
struct GUIDTests {
    // C706 appendix A's name space for DNS, and its octets in both orders.
    private let guid: GUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    private let little: [UInt8] = [
        0x10, 0xB8, 0xA7, 0x6B, 0xAD, 0x9D, 0xD1, 0x11, 0x80, 0xB4, 0x00, 0xC0, 0x4F, 0xD4, 0x30, 0xC8,
    ]
    private let big: [UInt8] = [
        0x6B, 0xA7, 0xB8, 0x10, 0x9D, 0xAD, 0x11, 0xD1, 0x80, 0xB4, 0x00, 0xC0, 0x4F, 0xD4, 0x30, 0xC8,
    ]

    @Test func travelsInBothByteOrders() throws {
        var encoder = NDREncoder()
        try encoder.encode(guid)
        #expect(encoder.bytes == little)
        #expect(guid.littleEndianBytes == little)
        #expect(GUID(littleEndianBytes: little) == guid)
        var decoder = NDRDecoder(little)
        #expect(try decoder.decode(GUID.self) == guid)
        var other = NDRDecoder(big, representation: .bigEndianASCIIIEEE)
        #expect(try other.decode(GUID.self) == guid)
    }

    @Test func readsAndPrintsText() {
        let text = "{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}"
        #expect(GUID(text) == guid)
        #expect(guid.description == "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
        #expect(GUID.zero.description == "00000000-0000-0000-0000-000000000000")
        for wrong in [
            "", "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430c8a",
            "6ba7b810x9dad-11d1-80b4-00c04fd430c8",
            "6ba7b81g-9dad-11d1-80b4-00c04fd430c8", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        ] {
            #expect(GUID(String(wrong)) == nil)
        }
        #expect(GUID(littleEndianBytes: little.dropLast()) == nil)
    }

    @Test func randomOnesAreVersion4() {
        for _ in 0..<32 {
            let text = GUID.random().description
            #expect(text.utf8.dropFirst(14).first == UInt8(ascii: "4"))
            #expect("89ab".contains(text.dropFirst(19).first ?? " "))
        }
    }
}
