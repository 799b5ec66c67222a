import Testing

@testable import NDR

/// Every construct of constructs.idl, both ways; the octets follow from C706 chapter 14, as the comments beside them say.
struct ConstructTests {
    private func check<Value: NDRCodable & Equatable>(_ value: Value, _ text: String) throws {
        let bytes = hex(text)
        #expect(try encoded(value) == bytes)
        #expect(try decoded(Value.self, bytes) == value)
        // Whatever is missing at the end is missed.
        for length in 0..<bytes.count {
            #expect(throws: NDRError.self) { try decoded(Value.self, Array(bytes.prefix(length))) }
        }
        #expect(throws: NDRError.self) { try decoded(Value.self, bytes + [0]) }
    }

    private let gaps = GAPS(
        a: 1, b: 0x0203, c: 4, d: 0x0506_0708_090A_0B0C, colour: .Blue, wide: .Large, f: 1.5, g: -2,
        id: "6ba7b810-9dad-11d1-80b4-00c04fd430c8")

    // The same octets as impacket 0.13 gives for the same structure, but for its random padding and our enumerators.
    private let gapsText = """
        01 00 03 02               ; a, a gap, b
        04 00 00 00               ; c, a gap up to 8
        0c 0b 0a 09 08 07 06 05   ; d
        ff 7f 00 00               ; colour: an enumeration has 16 bits (14.2.4); a gap up to 4
        00 00 00 80               ; wide: [v1_enum] has 32
        00 00 c0 3f 00 00 00 00   ; f, a gap up to 8
        00 00 00 00 00 00 00 c0   ; g
        10 b8 a7 6b ad 9d d1 11 80 b4 00 c0 4f d4 30 c8
        """

    @Test func alignsFieldsAndStructures() throws {
        try check(gaps, gapsText)
        #expect(GAPS.ndrAlignment == 8)
        #expect(GAPS.ndrMinimumSize == 46)
    }

    @Test func readsTheOtherByteOrder() throws {
        let bytes = hex(
            """
            01 00 02 03 04 00 00 00 05 06 07 08 09 0a 0b 0c 7f ff 00 00 80 00 00 00 3f c0 00 00 00 00 00 00
            c0 00 00 00 00 00 00 00 6b a7 b8 10 9d ad 11 d1 80 b4 00 c0 4f d4 30 c8
            """)
        #expect(try decoded(GAPS.self, bytes, .bigEndianASCIIIEEE) == gaps)
    }

    @Test func ignoresWhatIsInGaps() throws {
        var bytes = hex(gapsText)
        for index in [1, 5, 6, 7, 18, 19, 28, 31] { bytes[index] = 0xAB }
        #expect(try decoded(GAPS.self, bytes) == gaps)
    }

    @Test func defersReferents() throws {
        try check(
            POINTERS(gaps: nil, number: -2, name: "disk", label: "ab", twice: .some(.some(7))),
            """
            00 00 00 00               ; gaps: NULL
            00 00 02 00               ; number: referents count from 0x00020000 in steps of 4
            04 00 02 00 08 00 02 00 0c 00 02 00
            fe ff ff ff               ; the referents, in the order of the pointers
            05 00 00 00 00 00 00 00 05 00 00 00 64 00 69 00 73 00 6b 00 00 00
            00 00                     ; a gap up to 4
            03 00 00 00 00 00 00 00 03 00 00 00 61 62 00
            00                        ; a gap up to 4
            10 00 02 00 07 00 00 00   ; a pointer to a pointer: its own referent follows at once
            """)
        try check(
            POINTERS(twice: .some(nil)),
            "00 00 00 00 00 00 02 00 00 00 00 00 00 00 00 00 04 00 02 00 00 00 00 00 00 00 00 00")
    }

    @Test func alignsReferentsFromTheStart() throws {
        // Five pointers are 20 octets, so the structure of alignment 8 behind them starts at 24.
        let bytes = try encoded(POINTERS(gaps: gaps))
        #expect(bytes.count == 24 + 56 + 4)
        #expect(Array(bytes[24..<80]) == hex(gapsText))
        #expect(try decoded(POINTERS.self, bytes) == POINTERS(gaps: gaps))
    }

    @Test func holdsRecursiveTypes() throws {
        try check(
            NODE(value: 1, next: NODE(value: 2, next: NODE(value: 3))),
            "01 00 00 00 00 00 02 00 02 00 00 00 04 00 02 00 03 00 00 00 00 00 00 00")
        try check(
            TREE_branch(kind: 1, left: .branch(TREE_branch(kind: 0, left: .empty))),
            """
            01 00 00 00 00 00 02 00   ; kind, left
            01 00 00 00               ; the union's own discriminant
            00 00 00 00 04 00 02 00   ; kind, left
            00 00 00 00               ; and again; the arm is empty
            """)
    }

    @Test func hoistsMaximumCounts() throws {
        try check(
            CONFORMANT(count: 2, values: [1, -1]),
            """
            02 00 00 00 00 00 00 00   ; the maximum count stands in front; the structure is aligned to 8
            02 00 00 00 00 00 00 00
            01 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff
            """)
        try check(
            NESTED(tag: 9, tail: CONFORMANT(count: 1, values: [5])),
            """
            01 00 00 00 00 00 00 00   ; hoisted through the inner structure
            09 00 00 00 00 00 00 00
            01 00 00 00 00 00 00 00
            05 00 00 00 00 00 00 00
            """)
    }

    @Test func writesVaryingArrays() throws {
        try check(
            VARYING(words: [0x1111, 0x2222], length: 5, used: 2),
            "00 00 02 00 05 00 00 00 02 00 00 00 05 00 00 00 00 00 00 00 02 00 00 00 11 11 22 22")
        try check(VARYING(), "00 00 00 00 00 00 00 00 00 00 00 00")
        try check(
            FIXED_VARYING(used: 2, fixed: [1, 2], note: "abc", title: "xyz"),
            """
            02 00 00 00
            00 00 00 00 02 00 00 00 01 00 02 00           ; offset, actual count; no maximum count: it is fixed
            00 00 00 00 04 00 00 00 61 62 63 00
            00 00 00 00 04 00 00 00 78 00 79 00 7a 00 00 00
            """)
    }

    @Test func evaluatesCounts() throws {
        try check(
            COUNTS(last: 4, first: 3, window: [30, 40], padded: Array(1...8)),
            """
            04 00 03 00 00 00 02 00 04 00 02 00
            0a 00 00 00 03 00 00 00 02 00 00 00 1e 00 28 00   ; max_is(9) is 10 elements; from the third
            08 00 00 00 01 02 03 04 05 06 07 08                ; (4 + 7) & ~7
            """)
    }

    @Test func writesArrays() throws {
        try check(
            ARRAYS(
                grid: [[1, 2, 3], [4, 5, 6]], colours: [.Red, .Green, .Blue], name: [UInt16](wide: "abcdef", count: 4),
                nodes: [nil, NODE(value: 8)]),
            """
            01 00 02 00 03 00 04 00 05 00 06 00
            01 00 02 00 ff 7f
            61 00 62 00 63 00 00 00 00 00
            00 00 00 00 00 00 02 00
            08 00 00 00 00 00 00 00
            """)
    }

    @Test func defersTheReferentsOfArrays() throws {
        try check(
            LISTS(count: 2, items: [POINTERS(number: 1), POINTERS(number: 2, label: "")], names: ["a", nil]),
            """
            02 00 00 00 00 00 02 00 04 00 02 00
            02 00 00 00                                                     ; items: all bodies
            00 00 00 00 08 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00
            00 00 00 00 0c 00 02 00 00 00 00 00 10 00 02 00 00 00 00 00
            01 00 00 00                                                     ; then the referents
            02 00 00 00 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00     ; "" is its terminator; a gap up to 4
            02 00 00 00 14 00 02 00 00 00 00 00                             ; names
            02 00 00 00 00 00 00 00 02 00 00 00 61 00 00 00
            """)
    }

    @Test func repeatsTheDiscriminant() throws {
        try check(TAGGED(kind: .Red, value: .number(7)), "01 00 01 00 07 00 00 00")
        try check(
            TAGGED(kind: .Blue, value: .text("q")),
            "ff 7f ff 7f 00 00 02 00 02 00 00 00 00 00 00 00 02 00 00 00 71 00 00 00")
        try check(TAGGED(kind: COLOUR(rawValue: 7), value: .empty), "07 00 07 00")
        try check(TAGGED(kind: COLOUR(rawValue: 9), value: .gaps(nil)), "09 00 09 00 00 00 00 00")
        // Without ms_union an arm is aligned by itself, not by the widest arm ([MS-RPCE] 2.2.4.4).
        try check(LATE(choice: .tiny(5), kind: -1), "ff ff 05 00 ff ff")
        try check(LATE(choice: .large(5), kind: 2), "02 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 02 00")
        // An encapsulated union has its discriminant once.
        try check(ENCAPSULATED(which: 1, value: .a(5)), "01 00 00 00 05 00")
        try check(
            ENCAPSULATED(which: 3, value: .node(NODE(value: 6))), "03 00 00 00 00 00 02 00 06 00 00 00 00 00 00 00")
        try check(ENCAPSULATED(which: 4, value: .empty), "04 00 00 00")
    }

    @Test func readsAliases() throws {
        // Both full pointers share a referent: it is there once.
        let shared = hex("10 00 00 00 10 00 00 00 00 00 00 00 2a 00 00 00")
        #expect(try decoded(ALIASES.self, shared) == ALIASES(first: 42, second: 42))
        // We never share, so each has its own.
        try check(ALIASES(first: 42, second: 42), "00 00 02 00 04 00 02 00 00 00 00 00 2a 00 00 00 2a 00 00 00")
        let mixed = hex("10 00 00 00 00 00 00 00 10 00 00 00 2a 00 00 00")
        #expect(throws: NDRError(.referentTypeMismatch(0x10), offset: 16, subject: "Int16")) {
            try decoded(ALIASES.self, mixed)
        }
    }

    // [MS-RPCE] 2.2.4.1.2: four octets.
    @Test func cutsPointerSizedIntegers() throws {
        let text = "01 00 00 00 02 00 00 00 fe ff ff ff 00 00 02 00 03 00 00 00 ff ff ff ff 02 00 00 00 aa bb"
        try check(
            POINTER_SIZED(first: 1, size: 2, offset: -2, octets: [0xAA, 0xBB], pair: [3, 0xFFFF_FFFF]), text)
        let wide = POINTER_SIZED(first: 1, size: 2, offset: -2, octets: [0xAA, 0xBB], pair: [3, .max])
        #expect(try encoded(wide) == hex(text))
        #expect(throws: NDRError.self) { try encoded(POINTER_SIZED(offset: -3)) }
    }

    @Test func zeroesAreValid() throws {
        #expect(try decoded(GAPS.self, encoded(GAPS())) == GAPS())
        #expect(try decoded(ARRAYS.self, encoded(ARRAYS())) == ARRAYS())
        #expect(try decoded(FIXED_VARYING.self, encoded(FIXED_VARYING())) == FIXED_VARYING())
        #expect(TAGGED_value() == .gaps(nil))
        #expect(ENCAPSULATED_value() == .empty)
        #expect("\(COLOUR.Blue) \(COLOUR(rawValue: 5))" == "Blue COLOUR(5)")
    }
}
