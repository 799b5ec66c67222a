import DCOM
import ErrorCodes
import NDR

/// A SAFEARRAY ([MS-OAUT] 2.2.30.10) whose parts agree with each other: what the elements are, how many, and in which shape.
///
/// NDR alone does not see to that: the features, the discriminant, the variant type, the element's size, the bounds and the
/// number of elements are told one by one, and each can contradict the others.
public struct SafeArray: Sendable, Equatable {
    /// A dimension (SAFEARRAYBOUND, 2.2.30.1).
    public struct Bound: Sendable, Equatable {
        /// How many elements it has.
        public var count: UInt32
        /// The index of the first one.
        public var lowerBound: Int32

        /// A dimension of so many elements, which begins at zero unless told otherwise.
        public init(count: UInt32, lowerBound: Int32 = 0) {
            self.count = count
            self.lowerBound = lowerBound
        }
    }

    /// The elements, the last dimension of the declaration running fastest.
    public enum Elements: Sendable, Equatable {
        /// SF_I1: integers of 8 bits.
        case octets([UInt8])
        /// SF_I2: integers of 16 bits, and VARIANT_BOOL.
        case words([UInt16])
        /// SF_I4: integers and floating-point numbers of 32 bits, and error codes.
        case longs([UInt32])
        /// SF_I8: integers and floating-point numbers of 64 bits, currencies and dates.
        case hypers([Int64])
        /// SF_BSTR.
        case strings([BSTRValue])
        /// SF_RECORD: structures of one kind.
        case records(SafeArrayRecords)
        /// SF_VARIANT, as they came.
        case variants([wireVARIANTStr?])
        /// SF_UNKNOWN and SF_DISPATCH: references to objects, as they came, with the feature that tells which of the two.
        case references([MInterfacePointer?], ADVFEATUREFLAGS)
        /// SF_HAVEIID: references to objects by any interface, with the feature of the interface it descends from.
        case interfaces([MInterfacePointer?], iid: GUID, ADVFEATUREFLAGS)
    }

    /// The dimensions in the order of the wire, which is the reverse of the declaration's.
    public let bounds: [Bound]
    /// The elements.
    public let elements: Elements
    /// The elements' type (2.2.7) where the array tells it.
    public let variantType: VARENUM?

    /// An array of one dimension that begins at zero.
    public init(_ elements: Elements, variantType: VARENUM? = nil) {
        bounds = [Bound(count: UInt32(clamping: elements.count))]
        self.elements = elements
        self.variantType = variantType
    }

    init(bounds: [Bound], elements: Elements, variantType: VARENUM?) {
        self.bounds = bounds
        self.elements = elements
        self.variantType = variantType
    }

    /// SAFEARRAY(byte).
    public static func octets(_ octets: [UInt8]) -> SafeArray {
        SafeArray(.octets(octets), variantType: .VT_UI1)
    }

    /// SAFEARRAY(unsigned long).
    public static func longs(_ longs: [UInt32]) -> SafeArray {
        SafeArray(.longs(longs), variantType: .VT_UI4)
    }

    /// SAFEARRAY(BSTR).
    public static func strings(_ strings: [BSTRValue]) -> SafeArray {
        SafeArray(.strings(strings), variantType: .VT_BSTR)
    }

    /// A SAFEARRAY of structures.
    ///
    /// - Throws: what keeps one of them from being marshaled.
    public static func records<Record: NDRCodable>(
        _ records: [Record], described info: RecordInfo
    ) throws(NDRError) -> SafeArray {
        SafeArray(.records(try SafeArrayRecords(records, described: info)))
    }
}

extension SafeArray.Elements {
    /// How many there are.
    public var count: Int {
        switch self {
        case .octets(let octets): octets.count
        case .words(let words): words.count
        case .longs(let longs): longs.count
        case .hypers(let hypers): hypers.count
        case .strings(let strings): strings.count
        case .records(let records): records.count
        case .variants(let variants): variants.count
        case .references(let references, _), .interfaces(let references, _, _): references.count
        }
    }

    /// The discriminant of SAFEARRAYUNION (2.2.30.9).
    var kind: SF_TYPE {
        switch self {
        case .octets: .SF_I1
        case .words: .SF_I2
        case .longs: .SF_I4
        case .hypers: .SF_I8
        case .strings: .SF_BSTR
        case .records: .SF_RECORD
        case .variants: .SF_VARIANT
        case .references(_, .FADF_DISPATCH): .SF_DISPATCH
        case .references: .SF_UNKNOWN
        case .interfaces: .SF_HAVEIID
        }
    }
}

/// What a method does with the array that it was given: it asks for elements of the type that its IDL declares.
extension SafeArray {
    /// The elements of a SAFEARRAY(byte).
    ///
    /// - Throws: ``SafeArrayError/unsuitable(expected:actual:)`` for another type, or more than one dimension.
    public func octets() throws(SafeArrayError) -> [UInt8] {
        guard bounds.count == 1, case .octets(let octets) = elements else { throw unsuitable("SAFEARRAY(byte)") }
        return octets
    }

    /// The elements of a SAFEARRAY(unsigned long); those of the signed types of the same size are taken for what they are on
    /// the wire.
    ///
    /// - Throws: ``SafeArrayError/unsuitable(expected:actual:)`` for another type, or more than one dimension.
    public func longs() throws(SafeArrayError) -> [UInt32] {
        guard bounds.count == 1, case .longs(let longs) = elements,
            [nil, .VT_UI4, .VT_I4, .VT_UINT, .VT_INT].contains(variantType)
        else { throw unsuitable("SAFEARRAY(ULONG)") }
        return longs
    }

    /// The elements of a SAFEARRAY(BSTR).
    ///
    /// - Throws: ``SafeArrayError/unsuitable(expected:actual:)`` for another type, or more than one dimension.
    public func strings() throws(SafeArrayError) -> [BSTRValue] {
        guard bounds.count == 1, case .strings(let strings) = elements else { throw unsuitable("SAFEARRAY(BSTR)") }
        return strings
    }

    /// The elements of a SAFEARRAY of structures, still marshaled.
    ///
    /// - Throws: ``SafeArrayError/unsuitable(expected:actual:)`` for another type, or more than one dimension.
    public func records() throws(SafeArrayError) -> SafeArrayRecords {
        guard bounds.count == 1, case .records(let records) = elements else {
            throw unsuitable("SAFEARRAY of structures")
        }
        return records
    }

    private func unsuitable(_ expected: String) -> SafeArrayError {
        let shape = bounds.count == 1 ? "" : " of \(bounds.count) dimensions"
        let type = variantType.map { " (\($0))" } ?? ""
        return .unsuitable(expected: expected, actual: "\(elements.kind)\(type)\(shape)")
    }
}
