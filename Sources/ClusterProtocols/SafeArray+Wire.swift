import DCOM
import ErrorCodes
import NDR

extension SafeArray {
    /// From the wire, with every consistency statement of [MS-OAUT] 2.2.30.10 checked.
    ///
    /// Two MUSTs bind only senders here: an array without elements (2.2.30.1) is read as what it is, and a variant type is let
    /// pass without FADF_HAVEVARTYPE where it is right.
    ///
    /// - Throws: what contradicts what.
    public init(_ wire: wireSAFEARRAYStr) throws(SafeArrayError) {
        let (kind, features) = (wire.uArrayStructs.sfType, wire.fFeatures & ~Self.ignoredFeatures)
        guard !wire.rgsabound.isEmpty else { throw .noDimensions }
        guard Self.features(of: kind).contains(where: { features & ~Self.typed == $0 }) else {
            throw .features(wire.fFeatures, kind: kind)
        }
        let type = VARENUM(rawValue: UInt16(wire.cLocks >> 16))
        let isTyped = features & Self.typed != 0
        guard Self.variantTypes(of: kind).contains(type) || (!isTyped && type == .VT_EMPTY) else {
            throw .variantType(type.rawValue, kind: kind)
        }
        // The size of a record is that of the sender's compiler; who reads the records checks it.
        guard
            wire.cbElements == Self.elementSize(of: kind) || (kind == SF_TYPE.SF_RECORD.rawValue && wire.cbElements > 0)
        else { throw .elementSize(wire.cbElements, kind: kind) }
        let count = try Self.count(in: wire.rgsabound)
        self.init(
            bounds: wire.rgsabound.map { Bound(count: $0.cElements, lowerBound: $0.lLbound) },
            elements: try Self.elements(of: wire, count: count, features: features),
            variantType: type == .VT_EMPTY ? nil : type)
        guard elements.count == count else { throw .count(elements.count, bounds: count) }
    }

    /// The product of the bounds.
    private static func count(in bounds: [SAFEARRAYBOUND]) throws(SafeArrayError) -> Int {
        var product = 1
        for bound in bounds {
            guard bound.cElements == 0 || Int64(bound.lLbound) + Int64(bound.cElements) - 1 <= Int64(Int32.max) else {
                throw .bound(lower: bound.lLbound, count: bound.cElements)
            }
            let (result, overflow) = product.multipliedReportingOverflow(by: Int(bound.cElements))
            guard !overflow else { throw .count(0, bounds: nil) }
            product = result
        }
        return product
    }

    private static func elements(
        of wire: wireSAFEARRAYStr, count: Int, features: UInt16
    ) throws(SafeArrayError) -> Elements {
        // What an IUnknown or IDispatch is, besides having an identifier and a type.
        let ancestor = ADVFEATUREFLAGS(rawValue: features & ~typed & ~ADVFEATUREFLAGS.FADF_HAVEIID.rawValue)
        switch wire.uArrayStructs.u {
        case .ByteStr(let array): return .octets(array.pData ?? [])
        case .WordStr(let array): return .words(array.pData ?? [])
        case .LongStr(let array): return .longs(array.pData ?? [])
        case .HyperStr(let array): return .hypers(array.pData ?? [])
        case .BstrStr(let array):
            var strings: [BSTRValue] = []
            strings.reserveCapacity(array.aBstr.count)
            for (index, blob) in array.aBstr.enumerated() {
                do {
                    strings.append(try BSTRValue(blob))
                } catch {
                    throw .string(index: index)
                }
            }
            return .strings(strings)
        case .RecordStr(let array):
            guard array.aRecord.count == 1, let record = array.aRecord.first else {
                throw .records("\(array.aRecord.count) collections instead of one")
            }
            return .records(try SafeArrayRecords(record, count: count, memorySize: wire.cbElements))
        case .VariantStr(let array): return .variants(array.aVariant)
        case .UnknownStr(let array): return .references(array.apUnknown, ancestor)
        case .DispatchStr(let array): return .references(array.apDispatch, ancestor)
        case .HaveIidStr(let array): return .interfaces(array.apUnknown, iid: array.iid, ancestor)
        }
    }

    /// The form on the wire.
    public var wire: wireSAFEARRAYStr {
        let kind = elements.kind.rawValue
        // 2.2.30.10: a record's features are FADF_RECORD and nothing else, and the variant type goes with FADF_HAVEVARTYPE only.
        let type = kind == SF_TYPE.SF_RECORD.rawValue ? nil : variantType
        return wireSAFEARRAYStr(
            cDims: UInt16(clamping: bounds.count),
            fFeatures: features | (type == nil ? 0 : Self.typed),
            cbElements: Self.elementSize(of: kind) ?? 0,
            cLocks: UInt32(type?.rawValue ?? 0) << 16,
            uArrayStructs: SAFEARRAYUNION(sfType: kind, u: arm),
            rgsabound: bounds.map { SAFEARRAYBOUND(cElements: $0.count, lLbound: $0.lowerBound) })
    }

    private var features: UInt16 {
        switch elements {
        case .references(_, let ancestor): ancestor.rawValue
        case .interfaces(_, _, let ancestor): ancestor.rawValue | ADVFEATUREFLAGS.FADF_HAVEIID.rawValue
        default: Self.features(of: elements.kind.rawValue).first ?? 0
        }
    }

    private var arm: SAFEARRAYUNION_u {
        let size = UInt32(clamping: elements.count)
        switch elements {
        case .octets(let octets): return .ByteStr(BYTE_SIZEDARR(clSize: size, pData: octets))
        case .words(let words): return .WordStr(WORD_SIZEDARR(clSize: size, pData: words))
        case .longs(let longs): return .LongStr(DWORD_SIZEDARR(clSize: size, pData: longs))
        case .hypers(let hypers): return .HyperStr(HYPER_SIZEDARR(clSize: size, pData: hypers))
        case .strings(let strings): return .BstrStr(SAFEARR_BSTR(Size: size, aBstr: strings.map(\.blob)))
        case .records(let records): return .RecordStr(SAFEARR_BRECORD(Size: 1, aRecord: [records.wire]))
        case .variants(let variants): return .VariantStr(SAFEARR_VARIANT(Size: size, aVariant: variants))
        case .references(let references, .FADF_DISPATCH):
            return .DispatchStr(SAFEARR_DISPATCH(Size: size, apDispatch: references))
        case .references(let references, _):
            return .UnknownStr(SAFEARR_UNKNOWN(Size: size, apUnknown: references))
        case .interfaces(let references, let iid, _):
            return .HaveIidStr(SAFEARR_HAVEIID(Size: size, apUnknown: references, iid: iid))
        }
    }
}

// The tables of 2.2.8 and 2.2.30.10.
extension SafeArray {
    private static let typed = ADVFEATUREFLAGS.FADF_HAVEVARTYPE.rawValue

    /// Where the sender has the array (2.2.9: "MUST be ignored on receipt"), and the bits that 2.2.9 does not name.
    private static let ignoredFeatures: UInt16 = 0xF01F

    /// What the features may be besides FADF_HAVEVARTYPE; the first is what we send.
    private static func features(of kind: UInt32) -> [UInt16] {
        let identified = ADVFEATUREFLAGS.FADF_HAVEIID.rawValue
        let (unknown, dispatch) = (ADVFEATUREFLAGS.FADF_UNKNOWN.rawValue, ADVFEATUREFLAGS.FADF_DISPATCH.rawValue)
        return switch SF_TYPE(rawValue: kind) {
        case .SF_I1, .SF_I2, .SF_I4, .SF_I8: [0]
        case .SF_BSTR: [ADVFEATUREFLAGS.FADF_BSTR.rawValue]
        case .SF_VARIANT: [ADVFEATUREFLAGS.FADF_VARIANT.rawValue]
        case .SF_RECORD: [ADVFEATUREFLAGS.FADF_RECORD.rawValue]
        case .SF_UNKNOWN: [unknown, unknown | identified]
        case .SF_DISPATCH: [dispatch, dispatch | identified]
        case .SF_HAVEIID: [unknown | identified, dispatch | identified]
        default: []
        }
    }

    /// The variant types that go with a kind of elements.
    private static func variantTypes(of kind: UInt32) -> [VARENUM] {
        switch SF_TYPE(rawValue: kind) {
        case .SF_I1: [.VT_I1, .VT_UI1]
        case .SF_I2: [.VT_I2, .VT_UI2, .VT_BOOL]
        case .SF_I4: [.VT_ERROR, .VT_I4, .VT_UI4, .VT_R4, .VT_INT, .VT_UINT]
        case .SF_I8: [.VT_I8, .VT_UI8, .VT_R8, .VT_CY, .VT_DATE]
        case .SF_BSTR: [.VT_BSTR]
        case .SF_VARIANT: [.VT_VARIANT]
        case .SF_RECORD: [.VT_RECORD]
        case .SF_UNKNOWN: [.VT_UNKNOWN]
        case .SF_DISPATCH: [.VT_DISPATCH]
        case .SF_HAVEIID: [.VT_UNKNOWN, .VT_DISPATCH]
        default: []
        }
    }

    /// The element marshaling size of 2.2.8.
    private static func elementSize(of kind: UInt32) -> UInt32? {
        switch SF_TYPE(rawValue: kind) {
        case .SF_I1: 1
        case .SF_I2: 2
        case .SF_I4, .SF_BSTR, .SF_UNKNOWN, .SF_DISPATCH, .SF_RECORD, .SF_HAVEIID: 4
        case .SF_I8: 8
        case .SF_VARIANT: 16
        default: nil
        }
    }
}
