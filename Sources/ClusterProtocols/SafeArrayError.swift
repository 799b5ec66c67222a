import ErrorCodes

/// Why a SAFEARRAY is none ([MS-OAUT] 2.2.30.10), or not the one that its reader wants.
public enum SafeArrayError: Error, Sendable, Equatable {
    /// There are no dimensions.
    case noDimensions
    /// The features (fFeatures) are none that go with the kind of elements (sfType).
    case features(UInt16, kind: UInt32)
    /// The size of an element (cbElements) is not that of this kind of elements (sfType).
    case elementSize(UInt32, kind: UInt32)
    /// The variant type (high word of cLocks) is missing, or none that goes with the kind of elements (sfType).
    case variantType(UInt16, kind: UInt32)
    /// The number of elements is not the product of the bounds; nil where that is beyond all numbers.
    case count(Int, bounds: Int?)
    /// The highest index of a dimension is no LONG.
    case bound(lower: Int32, count: UInt32)
    /// The lengths of a BSTR do not agree ([MS-OAUT] 2.2.23.1).
    case string(index: Int)
    /// The records are not what [MS-OAUT] 2.2.28.2.1 says.
    case records(String)
    /// It is a SAFEARRAY, but of another type or shape than the method takes.
    case unsuitable(expected: String, actual: String)
}

extension SafeArrayError: HRESULTConvertible {
    /// RPC_X_BAD_STUB_DATA where the array contradicts itself: what the caller of a proxy gets when, as the product-behaviour note on
    /// 2.2.30.10 has it, unmarshaling raises that exception. E_INVALIDARG where the array is sound and of no use.
    public var hresult: HRESULT {
        switch self {
        case .noDimensions, .features, .elementSize, .variantType, .count, .bound, .records:
            Self.badStubData
        case .string, .unsuitable:
            .invalidArgument
        }
    }

    /// RPC_X_BAD_STUB_DATA as an HRESULT.
    static let badStubData = Win32Error(rawValue: 0x6F7).hresult
}

extension SafeArrayError: CustomStringConvertible {
    /// What is wrong, with the numbers.
    public var description: String {
        switch self {
        case .noDimensions: "a SAFEARRAY without dimensions"
        case .features(let features, let kind):
            "a SAFEARRAY of \(SF_TYPE(rawValue: kind)) with the features 0x\(String(features, radix: 16))"
        case .elementSize(let size, let kind): "a SAFEARRAY of \(SF_TYPE(rawValue: kind)) in elements of \(size) octets"
        case .variantType(let type, let kind):
            "a SAFEARRAY of \(SF_TYPE(rawValue: kind)) that says it is of \(VARENUM(rawValue: type))"
        case .count(let count, let bounds):
            "a SAFEARRAY of \(count) elements whose bounds make \(bounds.map(String.init) ?? "too many")"
        case .bound(let lower, let count):
            "a SAFEARRAY whose \(count) elements begin at \(lower), and end beyond all indices"
        case .string(let index): "element \(index) of a SAFEARRAY is a BSTR whose lengths do not agree"
        case .records(let reason): "records of a SAFEARRAY: \(reason)"
        case .unsuitable(let expected, let actual): "\(actual) where \(expected) is wanted"
        }
    }
}
