import ErrorCodes
import NDR

/// The values of a stub, in the order of the declaration: what ``OperationSchema/decodeRequest(_:syntax:isBigEndian:)``
/// yields and ``OperationSchema/encodeRequest(_:)`` takes.
public struct FieldTree: Sendable, Hashable {
    /// The parameters; in a call of an object ORPCTHIS or ORPCTHAT comes first, and a result is last.
    public var fields: [FieldNode]
    /// How the stub is laid out.
    public var syntax: TransferSyntax
    /// Whether integers have their most significant octet first.
    public var isBigEndian: Bool
    /// What stands in gaps that are not all zero, by the number of the gap; empty for a gap that is missing at the end. Not
    /// a value, but a part of the octets.
    public var padding: [Int: [UInt8]]
    /// What follows the last value: padding, or a verification trailer ([MS-RPCE] 2.2.2.13).
    public var trailing: [UInt8]
    /// How many octets it was read from; nil if from none.
    public var length: Int?

    /// From its parts.
    public init(
        fields: [FieldNode] = [], syntax: TransferSyntax = .ndr20, isBigEndian: Bool = false,
        padding: [Int: [UInt8]] = [:], trailing: [UInt8] = [], length: Int? = nil
    ) {
        self.fields = fields
        self.syntax = syntax
        self.isBigEndian = isBigEndian
        self.padding = padding
        self.trailing = trailing
        self.length = length
    }

    /// The parameter of this name.
    public subscript(name: String) -> FieldNode? {
        fields.first { $0.name == name }
    }
}

/// A value with its name: a parameter, a field, an element, a referent.
public struct FieldNode: Sendable, Hashable {
    /// The counts in front of a string or of a varying array.
    public struct Variance: Sendable, Hashable {
        /// The maximum count; nil where the declaration has it.
        public var maximum: UInt64?
        /// The place of the first element that is present.
        public var offset: UInt64

        /// From its parts.
        public init(maximum: UInt64? = nil, offset: UInt64 = 0) {
            self.maximum = maximum
            self.offset = offset
        }
    }

    /// The name in the IDL; for an element its number in brackets, and empty for a referent.
    public var name: String
    /// The type as the IDL spells it, without pointers and arrays: `OXID`, `DISK_PROPS`, `HRESULT`.
    public var type: String
    /// Where the value's own octets are in the stub: those of a pointer are its referent identifier's.
    public var octets: Range<Int>
    /// The counts of a string or of a varying array.
    public var variance: Variance?
    /// The value.
    public var value: FieldValue

    /// From its parts.
    public init(
        name: String, type: String, octets: Range<Int> = 0..<0, variance: Variance? = nil, value: FieldValue
    ) {
        self.name = name
        self.type = type
        self.octets = octets
        self.variance = variance
        self.value = value
    }
}

/// What a field holds.
public indirect enum FieldValue: Sendable, Hashable {
    /// An unsigned integer of any width.
    case unsigned(UInt64)
    /// A signed integer of any width.
    case signed(Int64)
    /// An IEEE single, as its bits.
    case single(UInt32)
    /// An IEEE double, as its bits.
    case double(UInt64)
    /// An enumeration's value, as its bits, and its first name; nil if the declaration has none.
    case enumeration(UInt32, name: String?)
    /// An HRESULT.
    case hresult(HRESULT)
    /// A Win32 error code: what an `error_status_t` is.
    case win32(Win32Error)
    /// A GUID.
    case guid(GUID)
    /// A context handle.
    case contextHandle(ContextHandle)
    /// A string of UTF-16, with its terminator if it has one.
    case wideString([UInt16])
    /// A string of octets, with its terminator if it has one.
    case octetString([UInt8])
    /// An array of octets.
    case octets([UInt8])
    /// An array of 16-bit integers; `isText` where they are characters.
    case units([UInt16], isText: Bool)
    /// Any other array.
    case array([FieldNode])
    /// A structure's fields.
    case structure([FieldNode])
    /// A union: the discriminant that travels with it, and the arm; nil for an empty one.
    case union(discriminant: Int64, arm: FieldNode?)
    /// A pointer: its referent identifier, zero for NULL, and what it points at.
    ///
    /// A full pointer whose identifier came before has nothing of its own: `target` is nil, and `referent` is not zero.
    case pointer(referent: UInt64, target: FieldNode?)
    /// An array of octets or of 16-bit integers that has a layout of its own, opened.
    case opened(OpenedLayout, FieldTree)
}

/// Layouts inside of octets, which NDR knows nothing of.
public enum OpenedLayout: String, Sendable, Hashable {
    /// OBJREF ([MS-DCOM] 2.2.18).
    case objectReference = "OBJREF"
    /// The activation properties BLOB ([MS-DCOM] 2.2.22).
    case activationProperties = "ACTIVATION_PROPERTIES"
    /// A constructed type behind the headers of type serialization ([MS-RPCE] 2.2.6).
    case serializedType = "TYPE_SERIALIZATION"
    /// String bindings and security bindings ([MS-DCOM] 2.2.19).
    case bindings = "DUALSTRINGARRAY"
}
