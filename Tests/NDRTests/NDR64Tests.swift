import Testing

@testable import NDR

/// Constructs in NDR64, both ways; the octets follow from [MS-RPCE] 2.2.5, as the comments beside them say.
struct NDR64Tests {
    /// - Parameter padding: the octets at the end that pad the structure, and that may be missing at the end of a stub.
    private func check<Value: NDRCodable & Equatable>(_ value: Value, padding: Int = 0, _ text: String) throws {
        let bytes = hex(text)
        #expect(try encoded(value, .ndr64) == bytes)
        for length in 0...bytes.count {
            let start = Array(bytes.prefix(length))
            if length < bytes.count - padding {
                #expect(throws: NDRError.self) { try decoded(Value.self, start, .littleEndianASCIIIEEE, .ndr64) }
            } else {
                #expect(try decoded(Value.self, start, .littleEndianASCIIIEEE, .ndr64) == value)
            }
        }
        #expect(throws: NDRError.self) { try decoded(Value.self, bytes + [0], .littleEndianASCIIIEEE, .ndr64) }
    }

    private let gaps = GAPS(
        a: 1, b: 0x0203, c: 4, d: 0x0506_0708_090A_0B0C, colour: .Blue, wide: .Large, f: 1.5, g: -2,
        id: "6ba7b810-9dad-11d1-80b4-00c04fd430c8")

    @Test func writesEnumerationsOf32Bits() throws {
        try check(
            gaps,
            """
            01 00 03 02 04 00 00 00 0c 0b 0a 09 08 07 06 05
            ff 7f 00 00 00 00 00 80   ; colour and wide, [v1_enum] or not (2.2.5.2)
            00 00 c0 3f 00 00 00 00
            00 00 00 00 00 00 00 c0
            10 b8 a7 6b ad 9d d1 11 80 b4 00 c0 4f d4 30 c8
            """)
        // No enumerator is beyond 32,767 (2.2.4.11).
        #expect(
            throws: NDRError(
                .outOfRange(value: 0x1_0000, minimum: 0, maximum: 0xFFFF), offset: 4, subject: "enumeration")
        ) {
            try decoded(COLOUR.self, hex("00 00 01 00"), .littleEndianASCIIIEEE, .ndr64)
        }
        #expect(try decoded(COLOUR.self, hex("ff ff 00 00"), .littleEndianASCIIIEEE, .ndr64).rawValue == 0xFFFF)
    }

    @Test func writesPointersOfEightOctets() throws {
        try check(
            POINTERS(gaps: nil, number: -2, name: "disk", label: "ab", twice: .some(.some(7))),
            """
            00 00 00 00 00 00 00 00   ; gaps: NULL (2.2.5.3.5)
            00 00 02 00 00 00 00 00   ; number: an embedded reference pointer has its octets, too (2.2.5.3.5.1)
            04 00 02 00 00 00 00 00 08 00 02 00 00 00 00 00 0c 00 02 00 00 00 00 00
            fe ff ff ff 00 00 00 00   ; number; a gap up to 8
            05 00 00 00 00 00 00 00   ; name: maximum count, offset, actual count (2.2.5.3.3.2)
            00 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00
            64 00 69 00 73 00 6b 00 00 00
            00 00 00 00 00 00         ; a gap up to 8
            03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 61 62 00
            00 00 00 00 00            ; a gap up to 8
            10 00 02 00 00 00 00 00 07 00 00 00
            """)
        try check(
            NODE(value: 1, next: NODE(value: 2)),
            """
            01 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00
            02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
            """)
    }

    @Test func hoistsMaximumCounts() throws {
        try check(
            CONFORMANT(count: 2, values: [1, -1]),
            """
            02 00 00 00 00 00 00 00   ; in front of the structure (2.2.5.3.4.2)
            02 00 00 00 00 00 00 00
            01 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff
            """)
        try check(
            NESTED(tag: 9, tail: CONFORMANT(count: 1, values: [5])),
            """
            01 00 00 00 00 00 00 00
            09 00 00 00 00 00 00 00
            01 00 00 00 00 00 00 00
            05 00 00 00 00 00 00 00
            """)
    }

    @Test func writesVaryingArrays() throws {
        try check(
            VARYING(words: [0x1111, 0x2222], length: 5, used: 2),
            """
            00 00 02 00 00 00 00 00 05 00 00 00 02 00 00 00
            05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00   ; (2.2.5.3.2.3)
            11 11 22 22
            """)
        try check(
            FIXED_VARYING(used: 2, fixed: [1, 2], note: "abc", title: "xy"), padding: 2,
            """
            02 00 00 00 00 00 00 00                            ; a gap: the counts are aligned to 8 (2.2.5.3.2.2)
            00 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 01 00 02 00
            00 00 00 00
            00 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 61 62 63 00
            00 00 00 00
            00 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 78 00 79 00 00 00
            00 00                                              ; the structure's own alignment is 8 (2.2.5.3.4.1)
            """)
        try check(
            COUNTS(last: 4, first: 3, window: [30, 40], padded: Array(1...8)),
            """
            04 00 03 00 00 00 00 00 00 00 02 00 00 00 00 00 04 00 02 00 00 00 00 00
            0a 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 1e 00 28 00
            00 00 00 00
            08 00 00 00 00 00 00 00 01 02 03 04 05 06 07 08
            """)
    }

    @Test func writesArrays() throws {
        try check(
            ARRAYS(
                grid: [[1, 2, 3], [4, 5, 6]], colours: [.Red, .Green, .Blue], name: [UInt16](wide: "abcdef", count: 4),
                nodes: [nil, NODE(value: 8)]),
            """
            01 00 02 00 03 00 04 00 05 00 06 00
            01 00 00 00 02 00 00 00 ff 7f 00 00
            61 00 62 00 63 00 00 00
            00 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00
            08 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
            """)
        let lists = LISTS(count: 2, items: [POINTERS(number: 1), POINTERS(number: 2, label: "")], names: ["a", nil])
        #expect(try decoded(LISTS.self, encoded(lists, .ndr64), .littleEndianASCIIIEEE, .ndr64) == lists)
    }

    // 2.2.5.3.4.4: the union begins at the largest alignment of its arms, and so does the arm, whichever it is.
    @Test func alignsUnions() throws {
        try check(
            TAGGED(kind: .Red, value: .number(7)), padding: 4,
            """
            01 00 00 00 00 00 00 00   ; kind
            01 00 00 00 00 00 00 00   ; the discriminant
            07 00 00 00 00 00 00 00   ; the arm, and the structure's padding
            """)
        try check(
            TAGGED(kind: .Blue, value: .text("q")),
            """
            ff 7f 00 00 00 00 00 00 ff 7f 00 00 00 00 00 00 00 00 02 00 00 00 00 00
            02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 71 00 00 00
            """)
        try check(TAGGED(kind: COLOUR(rawValue: 7), value: .empty), "07 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00")
        try check(
            LATE(choice: .tiny(5), kind: -1), padding: 4, "ff ff 00 00 00 00 00 00 05 00 ff ff 00 00 00 00")
        try check(
            LATE(choice: .large(5), kind: 2), padding: 6,
            "02 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00")
        // A union has no padding of its own behind it.
        try check(ENCAPSULATED(which: 1, value: .a(5)), "01 00 00 00 00 00 00 00 05 00")
        try check(
            TREE_branch(kind: 1, left: .branch(TREE_branch(kind: 0, left: .empty))),
            """
            01 00 00 00 00 00 00 00 00 00 02 00 00 00 00 00
            01 00 00 00 00 00 00 00
            00 00 00 00 00 00 00 00 04 00 02 00 00 00 00 00
            00 00 00 00 00 00 00 00
            """)
    }

    // 2.2.4.1.2: a hyper.
    @Test func writesPointerSizedIntegersWhole() throws {
        try check(
            POINTER_SIZED(first: 1, size: 2, offset: -2, octets: [0xAA, 0xBB], pair: [3, .max]),
            """
            01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 fe ff ff ff ff ff ff ff
            00 00 02 00 00 00 00 00 03 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff
            02 00 00 00 00 00 00 00 aa bb
            """)
    }

    @Test func tellsFullPointersApartByAll64Bits() throws {
        let far = hex(
            "10 00 00 00 01 00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 2a 00 00 00 2b 00 00 00")
        #expect(try decoded(ALIASES.self, far, .littleEndianASCIIIEEE, .ndr64) == ALIASES(first: 42, second: 43))
        let shared = hex("00 00 00 00 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 2a 00 00 00")
        #expect(try decoded(ALIASES.self, shared, .littleEndianASCIIIEEE, .ndr64) == ALIASES(first: 42, second: 42))
    }

    // No number of 64 bits makes arithmetic overflow or memory be reserved.
    @Test(arguments: ["ff ff ff ff ff ff ff ff", "00 00 00 80 00 00 00 00", "02 00 00 00 01 00 00 00"])
    func refusesHugeCounts(_ count: String) throws {
        let one = "01 00 00 00 00 00 00 00"
        let none = "00 00 00 00 00 00 00 00"
        let body = "01 00 02 00 00 00 00 00 01 00 00 00 01 00 00 00"
        for counts in [[count, none, one], [one, count, one], [one, none, count], [count, count, count]] {
            let bytes = hex(([body] + counts + ["11 11"]).joined(separator: " "))
            #expect(throws: NDRError.self) { try decoded(VARYING.self, bytes, .littleEndianASCIIIEEE, .ndr64) }
        }
        #expect(throws: NDRError.self) {
            try decoded(CONFORMANT.self, hex(count + one + one), .littleEndianASCIIIEEE, .ndr64)
        }
    }

    @Test func namesTransferSyntaxes() {
        for syntax in TransferSyntax.allCases {
            #expect(TransferSyntax(syntax.identifier) == syntax)
            #expect(NDREncoder(syntax: syntax).syntax == syntax)
            #expect(NDRDecoder([], syntax: syntax).syntax == syntax)
        }
        #expect(TransferSyntax(SyntaxIdentifier(uuid: SyntaxIdentifier.ndr64.uuid, major: 2)) == nil)
        #expect("\(TransferSyntax.ndr64)" == "NDR64")
    }
}
