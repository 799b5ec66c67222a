import ClusterProtocols
import DCOM
import ErrorCodes
import NDR
import Testing

/// SAFEARRAYs ([MS-OAUT] 2.2.30.10): what agrees with itself is read, and written the same; what does not is named.
struct SafeArrayTests {
    static let badStub: UInt32 = 0x8007_06F7

    /// Encodes as a referent is: hoisted count, body, referents.
    static func octets(_ array: SafeArray) throws -> [UInt8] {
        var encoder = NDREncoder()
        try encoder.encode(array.wire)
        return encoder.bytes
    }

    static func decode(_ octets: [UInt8]) throws -> SafeArray {
        var decoder = NDRDecoder(octets)
        let wire = try decoder.decode(wireSAFEARRAYStr.self)
        try decoder.finish()
        return try SafeArray(wire)
    }

    /// By hand from 2.2.30: maximum count of rgsabound; cDims, fFeatures FADF_HAVEVARTYPE; cbElements; VT_UI1 in cLocks's high
    /// word; SF_I1; clSize; a referent; the bound; the maximum count of pData; pData.
    @Test func octetsByHand() throws {
        let expected: [UInt8] = [
            1, 0, 0, 0, 1, 0, 0x80, 0, 1, 0, 0, 0, 0, 0, 0x11, 0, 0x10, 0, 0, 0, 3, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0,
            0, 0, 0, 0, 3, 0, 0, 0, 7, 8, 9,
        ]
        #expect(try Self.octets(.octets([7, 8, 9])) == expected)
        #expect(try Self.decode(expected).octets() == [7, 8, 9])
    }

    /// By hand: as above with FADF_BSTR | FADF_HAVEVARTYPE, VT_BSTR and SF_BSTR; then two referents, and a FLAGGED_WORD_BLOB (maximum count,
    /// cBytes, clSize, units) for each, the second of which is the NULL BSTR.
    @Test func stringsByHand() throws {
        let expected: [UInt8] = [
            1, 0, 0, 0, 1, 0, 0x80, 1, 4, 0, 0, 0, 0, 0, 8, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0,
            0, 0, 0, 0, 2, 0, 0, 0, 4, 0, 2, 0, 8, 0, 2, 0,
            1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0x41, 0, 0, 0,
            0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
        ]
        #expect(try Self.octets(.strings([BSTRValue("A"), .null])) == expected)
        #expect(try Self.decode(expected).strings() == [BSTRValue("A"), .null])
    }

    @Test func everyKindComesBack() throws {
        let arrays = [
            SafeArray.longs([]), .longs([0, .max]), .octets([]), .strings([]), .strings([.null, .octets([1])]),
            SafeArray(.words([1, 0xFFFF]), variantType: .VT_BOOL),
            SafeArray(.hypers([.min, .max]), variantType: .VT_DATE),
            SafeArray(.hypers([1])), SafeArray(.variants([nil, nil])), SafeArray(.references([nil], .FADF_UNKNOWN)),
            SafeArray(.references([nil], .FADF_DISPATCH)),
            SafeArray(.interfaces([nil], iid: "00000000-0000-0000-c000-000000000046", .FADF_UNKNOWN)),
            try .records([ROUTE_LOSS_AND_STATE(packetLoss: 7, status: .UP_DOWN)], described: RecordInfo(verMajor: 3)),
            try .records([ROUTE_LOSS_AND_STATE](), described: RecordInfo()),
        ]
        for array in arrays {
            #expect(try Self.decode(Self.octets(array)) == array)
        }
    }

    /// Each field wrong by itself, and what says so.
    @Test func partsThatDisagree() {
        let cases: [(SafeArrayError, (inout wireSAFEARRAYStr) -> Void)] = [
            (SafeArrayError.features(0x00A0, kind: 3), { $0.fFeatures = 0x00A0 }),
            (.features(0x0180, kind: 3), { $0.fFeatures = 0x0180 }),
            (.elementSize(0, kind: 3), { $0.cbElements = 0 }),
            (.elementSize(8, kind: 3), { $0.cbElements = 8 }),
            (.variantType(0, kind: 3), { $0.cLocks = 0 }),
            (.variantType(0x11, kind: 3), { $0.cLocks = 0x11 << 16 }),
            (.variantType(14, kind: 3), { $0.cLocks = 14 << 16 }),
            (.variantType(8, kind: 3), { ($0.fFeatures, $0.cLocks) = (0, 8 << 16) }),
            (.noDimensions, { ($0.cDims, $0.rgsabound) = (0, []) }),
            (.count(2, bounds: 3), { $0.rgsabound = [SAFEARRAYBOUND(cElements: 3)] }),
            (.count(2, bounds: 0), { $0.rgsabound = [SAFEARRAYBOUND()] }),
            (.count(2, bounds: 4), { $0.rgsabound = [SAFEARRAYBOUND(cElements: 2), SAFEARRAYBOUND(cElements: 2)] }),
            (.count(0, bounds: nil), { $0.rgsabound = .init(repeating: SAFEARRAYBOUND(cElements: 1 << 31), count: 3) }),
            (.bound(lower: .max, count: 2), { $0.rgsabound = [SAFEARRAYBOUND(cElements: 2, lLbound: .max)] }),
        ]
        for (expected, spoil) in cases {
            var wire = SafeArray.longs([1, 2]).wire
            spoil(&wire)
            #expect(throws: expected) { try SafeArray(wire) }
            #expect(expected.hresult.rawValue == Self.badStub)
        }
    }

    /// What receivers must ignore, or may let pass.
    @Test func partsThatDoNotMatter() throws {
        let cases: [(inout wireSAFEARRAYStr) -> Void] = [
            { $0.fFeatures |= 0x0017 }, { $0.cLocks |= 0xFFFF }, { ($0.fFeatures, $0.cLocks) = (0, 0) },
            { $0.fFeatures = 0 },
            { $0.fFeatures |= 0x2000 }, { $0.rgsabound = [SAFEARRAYBOUND(cElements: 2, lLbound: .max - 1)] },
            { $0.rgsabound = [SAFEARRAYBOUND(cElements: 2, lLbound: .min)] }, { $0.cLocks = 3 << 16 },
        ]
        for change in cases {
            var wire = SafeArray.longs([1, 2]).wire
            change(&wire)
            #expect(try SafeArray(wire).longs() == [1, 2])
        }
    }

    @Test func otherTypesAndShapes() throws {
        var plane = SafeArray.longs([1, 2]).wire
        (plane.cDims, plane.rgsabound) = (2, [SAFEARRAYBOUND(cElements: 2), SAFEARRAYBOUND(cElements: 1)])
        let sound = try [SafeArray(plane), .octets([1]), SafeArray(.longs([1]), variantType: .VT_R4), .strings([])]
        for array in sound {
            let error = #expect(throws: SafeArrayError.self) { try array.longs() }
            #expect(error?.hresult == .invalidArgument)
        }
        #expect(throws: SafeArrayError.self) { try SafeArray.longs([1]).strings() }
        #expect(throws: SafeArrayError.self) { try SafeArray.longs([1]).octets() }
        #expect(throws: SafeArrayError.self) { try SafeArray.longs([1]).records() }
    }

    @Test func stringsWhoseLengthsDisagree() throws {
        var wire = SafeArray.strings([BSTRValue("a"), BSTRValue("b")]).wire
        wire.uArrayStructs.u = .BstrStr(
            SAFEARR_BSTR(Size: 2, aBstr: [nil, FLAGGED_WORD_BLOB(cBytes: 9, clSize: 1, asData: [1])]))
        #expect(throws: SafeArrayError.string(index: 1)) { try SafeArray(wire) }
    }

    // MARK: Records

    private static func records(_ change: (inout wireBRECORDStr) -> Void) throws -> wireSAFEARRAYStr {
        var wire = try SafeArray.records(
            [ROUTE_LOSS_AND_STATE(packetLoss: 1, status: .UP), ROUTE_LOSS_AND_STATE(packetLoss: 2)],
            described: RecordInfo()
        ).wire
        guard case .RecordStr(var array) = wire.uArrayStructs.u, var record = array.aRecord[0] else { return wire }
        change(&record)
        array.aRecord = [record]
        wire.uArrayStructs.u = .RecordStr(array)
        return wire
    }

    /// By hand: 18 octets; packetLoss, status in 16 bits, two of padding, packetLoss, status.
    @Test func recordsByHand() throws {
        let wire = try Self.records { _ in }
        guard case .RecordStr(let array) = wire.uArrayStructs.u else { return #expect(Bool(false)) }
        #expect(array.aRecord[0]?.pRecord == [18, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0])
        #expect(array.aRecord[0]?.clSize == 18 && array.aRecord[0]?.fFlags == 1)
        #expect(wire.fFeatures == 0x20 && wire.cLocks == 0 && wire.cbElements == 4)
    }

    @Test func collectionsThatDisagree() throws {
        let cases: [(inout wireBRECORDStr) -> Void] = [
            { $0.fFlags = 0 }, { $0.fFlags = 2 }, { $0.pRecInfo = nil }, { $0.pRecord?[0] = 17 },
            { $0.pRecord = [1, 2] },
            { $0.pRecord = nil }, { ($0.pRecord, $0.fFlags) = (nil, 0) },
            {
                $0.pRecInfo =
                    OBJREF(iid: .zero, body: .custom(clsid: .zero, data: .init(repeating: 0, count: 44)))
                    .interfacePointer
            },
        ]
        for spoil in cases {
            let wire = try Self.records(spoil)
            let error = #expect(throws: SafeArrayError.self) { try SafeArray(wire) }
            #expect(error?.hresult.rawValue == Self.badStub)
        }
    }

    @Test func recordsThatAreCutOrTooLong() throws {
        for (extra, isFine) in [(0, true), (1, true), (7, true), (8, false)] {
            let wire = try Self.records { record in
                record.pRecord?.append(contentsOf: [UInt8](repeating: 0, count: extra))
                record.clSize += UInt32(extra)
                record.pRecord?[0] = UInt8(record.clSize)
            }
            let decoded = try? SafeArray(wire).records().decode(ROUTE_LOSS_AND_STATE.self, memorySizes: [])
            #expect((decoded?.count == 2) == isFine, "\(extra) octets more")
        }
        let cut = try Self.records { record in
            record.pRecord?.removeLast()
            record.clSize = 17
            record.pRecord?[0] = 17
        }
        #expect(throws: SafeArrayError.self) {
            try SafeArray(cut).records().decode(ROUTE_LOSS_AND_STATE.self, memorySizes: [])
        }
    }

    /// The table of 2.2.8 says 4 for a record; compilers say what theirs takes.
    @Test func sizesOfRecords() throws {
        for (size, isFine) in [(4, true), (8, true), (16, false), (5, false)] {
            var wire = try Self.records { _ in }
            wire.cbElements = UInt32(size)
            let decoded = try? SafeArray(wire).records().decode(ROUTE_LOSS_AND_STATE.self, memorySizes: [8])
            #expect((decoded != nil) == isFine, "\(size) octets")
        }
        var wire = try Self.records { _ in }
        wire.cbElements = 0
        #expect(throws: SafeArrayError.elementSize(0, kind: 0x24)) { try SafeArray(wire) }
    }

    @Test func twoCollections() throws {
        var wire = try Self.records { _ in }
        guard case .RecordStr(let array) = wire.uArrayStructs.u else { return #expect(Bool(false)) }
        for records in [[], array.aRecord + array.aRecord] {
            wire.uArrayStructs.u = .RecordStr(SAFEARR_BRECORD(Size: UInt32(records.count), aRecord: records))
            #expect(throws: SafeArrayError.self) { try SafeArray(wire) }
        }
    }
}
