import Testing

@testable import NDR

/// The checks of target level 6.0 ([MS-RPCE] 3.1.1.5.3), each beside what just passes.
struct StrictnessTests {
    private func reason<Value: NDRCodable>(_ type: Value.Type, _ text: String) -> NDRError.Reason? {
        do throws(NDRError) {
            _ = try decoded(Value.self, hex(text))
            return nil
        } catch {
            return error.reason
        }
    }

    private func reason<Value: NDRCodable>(encoding value: Value) -> NDRError.Reason? {
        do throws(NDRError) {
            _ = try encoded(value)
            return nil
        } catch {
            return error.reason
        }
    }

    /// Octets behind the last item: none unless they were announced, then so many and no more, whatever they hold.
    @Test(arguments: [(0, 0, true), (1, 0, false), (3, 3, true), (4, 3, false), (0, 3, true)])
    func endsWithTheLastItem(surplus: Int, allowance: Int, isTaken: Bool) throws {
        var decoder = NDRDecoder([1, 0, 0, 0] + [UInt8](repeating: 0xEE, count: surplus))
        #expect(decoder.paddingAllowance == 0)
        decoder.paddingAllowance = allowance
        #expect(try decoder.read(UInt32.self) == 1)
        do throws(NDRError) {
            try decoder.finish()
            #expect(isTaken)
        } catch {
            #expect(!isTaken)
            #expect(error.reason == .trailingOctets(surplus))
            #expect(error.offset == 4)
        }
        // It never stands in for an item that is not there.
        var empty = NDRDecoder([1, 0, 0])
        empty.paddingAllowance = allowance
        #expect(throws: NDRError.self) { try empty.read(UInt32.self) }
    }

    @Test func maximumCountIsDictated() {
        #expect(
            reason(CONFORMANT.self, "01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00") == nil)
        #expect(
            reason(CONFORMANT.self, "01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00")
                == .countMismatch(count: 1, expected: 2))
    }

    @Test func nullPointersCountNothing() {
        #expect(reason(VARYING.self, "00 00 00 00 00 00 00 00 00 00 00 00") == nil)
        #expect(reason(VARYING.self, "00 00 00 00 03 00 00 00 00 00 00 00") == .nullWithNonzeroCount(3))
        #expect(reason(encoding: VARYING(length: 3)) == .nullWithNonzeroCount(3))
    }

    @Test func lengthsStayWithinSizes() {
        let head = "00 00 02 00 02 00 00 00"
        #expect(reason(VARYING.self, head + "02 00 00 00 02 00 00 00 00 00 00 00 02 00 00 00 11 11 22 22") == nil)
        #expect(
            reason(VARYING.self, head + "03 00 00 00 02 00 00 00 00 00 00 00 03 00 00 00 11 11 22 22 33 33")
                == .lengthExceedsSize(length: 3, size: 2))
        #expect(
            reason(VARYING.self, head + "01 00 00 00 02 00 00 00 00 00 00 00 02 00 00 00 11 11 22 22")
                == .countMismatch(count: 2, expected: 1))
        #expect(
            reason(VARYING.self, head + "01 00 00 00 02 00 00 00 01 00 00 00 01 00 00 00 11 11") == .badOffset(1))
        #expect(
            reason(encoding: VARYING(words: [1, 2, 3], length: 2, used: 3)) == .lengthExceedsSize(length: 3, size: 2))
        #expect(
            reason(encoding: VARYING(words: [1, 2, 3], length: 5, used: 2)) == .countMismatch(count: 3, expected: 2))
    }

    @Test func offsetsAreDictated() {
        let head = "04 00 03 00 00 00 02 00 04 00 02 00"
        let tail = "08 00 00 00 01 02 03 04 05 06 07 08"
        #expect(reason(COUNTS.self, head + "0a 00 00 00 03 00 00 00 02 00 00 00 1e 00 28 00" + tail) == nil)
        #expect(
            reason(COUNTS.self, head + "0a 00 00 00 00 00 00 00 02 00 00 00 1e 00 28 00" + tail) == .badOffset(0))
        #expect(
            reason(COUNTS.self, head + "0b 00 00 00 03 00 00 00 02 00 00 00 1e 00 28 00" + tail)
                == .countMismatch(count: 11, expected: 10))
    }

    @Test func rangesHold() {
        let empty = "00 00 00 00"
        #expect(reason(LISTS.self, "00 00 00 00" + empty + empty) == .outOfRange(value: 0, minimum: 1, maximum: 10))
        #expect(reason(LISTS.self, "0b 00 00 00" + empty + empty) == .outOfRange(value: 11, minimum: 1, maximum: 10))
        #expect(reason(LISTS.self, "0a 00 00 00" + empty + empty) == .nullWithNonzeroCount(10))
        #expect(reason(encoding: LISTS(count: 11)) == .outOfRange(value: 11, minimum: 1, maximum: 10))
    }

    @Test func discriminantsSelectArms() {
        #expect(reason(TAGGED.self, "01 00 02 00 07 00 00 00") == .discriminantMismatch(discriminant: 2))
        #expect(reason(LATE.self, "03 00 05 00 03 00") == .badDiscriminant(3))
        #expect(reason(LATE.self, "ff ff 05 00 02 00") == .discriminantMismatch(discriminant: 2))
        #expect(reason(encoding: TAGGED(kind: .Red, value: .empty)) == .discriminantMismatch(discriminant: 1))
        #expect(reason(encoding: LATE(choice: .tiny(1), kind: 2)) == .discriminantMismatch(discriminant: 2))
    }

    @Test func referencesRefer() {
        let rest = "00 00 00 00 00 00 00 00 00 00 00 00"
        #expect(reason(POINTERS.self, "00 00 00 00 01 00 00 00" + rest + "05 00 00 00") == nil)
        #expect(reason(POINTERS.self, "00 00 00 00 00 00 00 00" + rest + "05 00 00 00") == .nullReference)
    }

    @Test func stringsEnd() {
        let head = "00 00 00 00 01 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 05 00 00 00"
        #expect(reason(POINTERS.self, head + "01 00 00 00 00 00 00 00 01 00 00 00 00 00") == nil)
        #expect(reason(POINTERS.self, head + "01 00 00 00 00 00 00 00 01 00 00 00 41 00") == .unterminatedString)
        #expect(reason(POINTERS.self, head + "01 00 00 00 00 00 00 00 00 00 00 00") == .unterminatedString)
        #expect(
            reason(POINTERS.self, head + "01 00 00 00 00 00 00 00 02 00 00 00 41 00 00 00")
                == .lengthExceedsSize(length: 2, size: 1))
        #expect(
            reason(POINTERS.self, head + "02 00 00 00 01 00 00 00 01 00 00 00 00 00") == .badOffset(1))
        #expect(reason(encoding: FIXED_VARYING(title: "xyz")) == nil)
        #expect(reason(encoding: FIXED_VARYING(title: "wxyz")) == .lengthExceedsSize(length: 5, size: 4))
    }

    @Test func fixedArraysAreFull() {
        #expect(reason(encoding: ARRAYS(name: [1, 2, 3])) == .countMismatch(count: 3, expected: 4))
        #expect(reason(encoding: ARRAYS(grid: [[1, 2, 3], [4, 5]])) == .countMismatch(count: 2, expected: 3))
    }

    @Test func hugeCountsReserveNothing() {
        // 0x7fffffff elements of 8 octets, and not one is there.
        #expect(
            reason(CONFORMANT.self, "ff ff ff 7f 00 00 00 00 ff ff 00 00 00 00 00 00")
                == .countMismatch(count: 0x7FFF_FFFF, expected: 0xFFFF))
        #expect(
            reason(CONFORMANT.self, "ff ff 00 00 00 00 00 00 ff ff 00 00 00 00 00 00")
                == .truncated(needed: 0xFFFF * 8, available: 0))
        // An array of pointers is believed only as far as there are four octets for each.
        #expect(
            reason(LISTS.self, "03 00 00 00 00 00 00 00 01 00 00 00 03 00 00 00 00 00 00 00 00 00 00 00")
                == .nullWithNonzeroCount(3))
        #expect(
            reason(LISTS.self, "0a 00 00 00 01 00 00 00 01 00 00 00 0a 00 00 00 00 00 00 00")
                == .truncated(needed: 200, available: 4))
    }

    @Test func depthIsLimited() throws {
        func list(_ count: Int) -> NODE {
            var node = NODE()
            for _ in 1..<count { node = NODE(next: node) }
            return node
        }
        let limit = NDRDecoder.defaultMaximumDepth
        #expect(try decoded(NODE.self, encoded(list(limit))) == list(limit))
        let deeper = try encoded(list(limit + 1))
        #expect(throws: NDRError(.tooDeep(limit: limit), offset: 8 * limit, subject: "pointer")) {
            try decoded(NODE.self, deeper)
        }
        var decoder = NDRDecoder(try encoded(list(3)), maximumDepth: 2)
        #expect(throws: NDRError.self) { try decoder.decode(NODE.self) }
    }

    @Test func errorsTellWhereAndWhat() {
        #expect(throws: NDRError(.countMismatch(count: 3, expected: 2), offset: 16, subject: "VARYING.words")) {
            try decoded(VARYING.self, hex("00 00 02 00 02 00 00 00 02 00 00 00 03 00 00 00"))
        }
        let error = NDRError(.trailingOctets(2), offset: 5, subject: "DISK_PROPS")
        #expect(error.description == "DISK_PROPS at octet 5: trailingOctets(2)")
    }

    /// Damaged input must only ever be refused or read as something else.
    @Test func damageNeverCrashes() throws {
        let samples: [[UInt8]] = [
            try encoded(
                LISTS(count: 2, items: [POINTERS(number: 1), POINTERS(name: "x", label: "y")], names: ["a", nil])),
            try encoded(COUNTS(last: 4, first: 3, window: [30, 40], padded: Array(1...8))),
            try encoded(ARRAYS(nodes: [NODE(value: 1, next: NODE()), nil])),
        ]
        for sample in samples {
            for index in sample.indices {
                for damage: UInt8 in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
                    var bytes = sample
                    bytes[index] = damage
                    _ = try? decoded(LISTS.self, bytes)
                    _ = try? decoded(COUNTS.self, bytes)
                    _ = try? decoded(ARRAYS.self, bytes)
                    _ = try? decoded(NESTED.self, bytes, .bigEndianASCIIIEEE)
                }
            }
        }
    }
}
