/// A scalar on the wire, and in Swift.
enum Scalar: String, Sendable {
    case uint8 = "UInt8"
    case int8 = "Int8"
    case uint16 = "UInt16"
    case int16 = "Int16"
    case uint32 = "UInt32"
    case int32 = "Int32"
    case uint64 = "UInt64"
    case int64 = "Int64"
    case float = "Float"
    case double = "Double"

    var size: Int {
        switch self {
        case .uint8, .int8: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float: 4
        case .uint64, .int64, .double: 8
        }
    }

    var isInteger: Bool { self != .float && self != .double }

    /// The least and the greatest value, as far as 64 signed bits show them.
    var bounds: (minimum: Int64, maximum: Int64) {
        switch self {
        case .uint8: (0, 0xFF)
        case .int8: (-0x80, 0x7F)
        case .uint16: (0, 0xFFFF)
        case .int16: (-0x8000, 0x7FFF)
        case .uint32: (0, 0xFFFF_FFFF)
        case .int32: (-0x8000_0000, 0x7FFF_FFFF)
        case .uint64, .int64, .float, .double: (.min, .max)
        }
    }
}

/// How a pointer behaves (C706 section 4.2.20).
enum PointerKind: String, Sendable {
    /// Never NULL; the referent is always there.
    case reference = "ref"
    /// NULL or the only pointer to its referent.
    case unique = "unique"
    /// NULL, or one of several pointers to its referent.
    case full = "ptr"
}

/// What one item looks like on the wire, outermost part first: the tree between the syntax and the Swift text.
indirect enum Level {
    case scalar(Scalar, range: RangeBounds?)
    /// `__int3264`: 64 bits in Swift; on the wire 32 in NDR 2.0 and 64 in NDR64 ([MS-RPCE] 2.2.4.1.2).
    case pointerSized(isSigned: Bool, range: RangeBounds?)
    case hresult
    case guid
    case contextHandle
    case enumeration(EnumType, range: RangeBounds?)
    case structure(StructureType)
    case union(UnionType, discriminant: Expression)
    case pointer(PointerLevel)
    case array(ArrayLevel)
    case string(StringLevel)
}

struct RangeBounds {
    let minimum: Int64
    let maximum: Int64
}

struct PointerLevel {
    let kind: PointerKind
    let target: Level
    /// A top-level reference pointer has no representation (C706 section 14.3.12.1).
    let isTopLevelReference: Bool
    /// Whether NULL may go with a count that is not zero ([MS-RPCE] 2.2.4.17).
    let allowsNullWithCount: Bool
}

struct ArrayLevel {
    enum Size {
        /// Part of the type: nothing on the wire says it.
        case fixed(Int)
        /// A maximum count on the wire, dictated by an expression.
        case conformant(Expression)
    }

    let size: Size
    /// The actual count, if it is on the wire too.
    let length: Expression?
    /// The offset that the wire must have; 0 without `first_is`.
    let first: Expression?
    /// Limits of the maximum count ([MS-RPCE] 2.2.4.14.2).
    let range: RangeBounds?
    let element: Level
}

struct StringLevel {
    enum Size {
        /// A fixed array: only the actual count is on the wire.
        case fixed(Int)
        /// A maximum count on the wire, dictated by an expression if there is one.
        case conformant(Expression?)
    }

    let isWide: Bool
    let size: Size
    let range: RangeBounds?
}

/// A count or a discriminant: constants and the fields or parameters of the same scope.
indirect enum Expression {
    case integer(Int64)
    /// A field or parameter, by its place; `isDereferenced` says whether a pointer is followed to it.
    case variable(Variable)
    case unary(String, Expression)
    case binary(String, Expression, Expression)
    case conditional(Expression, Expression, Expression)
}

struct Variable {
    let index: Int
    let name: String
    let isDereferenced: Bool
}

final class EnumType {
    let name: String
    let file: String
    /// `[v1_enum]`: 32 bits on the wire, else 16.
    let isWide: Bool
    let enumerators: [(name: String, value: Int64)]

    init(name: String, file: String, isWide: Bool, enumerators: [(name: String, value: Int64)]) {
        self.name = name
        self.file = file
        self.isWide = isWide
        self.enumerators = enumerators
    }

    var scalar: Scalar { isWide ? .uint32 : .uint16 }
}

struct Field {
    let name: String
    let level: Level
    let location: SourceLocation
    /// Whether the value lives in a box, because it can hold another one of the structure's kind.
    var isBoxed = false
    /// The type as the declaration spells it, without pointers and arrays: `OXID` where the level says only 64 bits.
    var typeName = ""
}

final class StructureType {
    let name: String
    let file: String
    let location: SourceLocation
    var fields: [Field] = []
    /// An encapsulated union: its only two fields are the discriminant and the union, and the discriminant travels once.
    var isEncapsulatedUnion = false

    init(name: String, file: String, location: SourceLocation) {
        self.name = name
        self.file = file
        self.location = location
    }
}

struct Arm {
    /// nil for an empty arm.
    let field: Field?
    /// Truncated to the discriminant's width, as bit patterns.
    let labels: [Int64]
    let isDefault: Bool
}

final class UnionType {
    let name: String
    let file: String
    let location: SourceLocation
    var discriminant: Scalar = .uint32
    /// Whether the discriminant is an enumeration of 16 bits.
    var isEnum16 = false
    var arms: [Arm] = []
    /// Whether a value can hold another one of its own kind.
    var isIndirect = false

    init(name: String, file: String, location: SourceLocation) {
        self.name = name
        self.file = file
        self.location = location
    }
}

struct Parameter {
    let field: Field
    let isIn: Bool
    let isOut: Bool
}

struct Method {
    let name: String
    let opnum: Int
    let parameters: [Parameter]
    /// nil for void.
    let result: Level?
    /// False for IUnknown's three and for `[local]` methods.
    let isOnWire: Bool
    let location: SourceLocation
    /// The result's type as the declaration spells it.
    var resultTypeName = ""
}

final class InterfaceType {
    let name: String
    let file: String
    let uuid: String
    let version: (major: Int, minor: Int)
    let isObject: Bool
    let base: InterfaceType?
    /// Its own ones, without the base's.
    var methods: [Method] = []

    init(
        name: String, file: String, uuid: String, version: (major: Int, minor: Int), isObject: Bool,
        base: InterfaceType?
    ) {
        self.name = name
        self.file = file
        self.uuid = uuid
        self.version = version
        self.isObject = isObject
        self.base = base
    }

    /// The base's methods and its own ones.
    var allMethods: [Method] { (base?.allMethods ?? []) + methods }
    var hasWireMethods: Bool { allMethods.contains(where: \.isOnWire) }
}

/// What one file declares, in its order.
struct FileModel {
    var constants: [(name: String, type: Scalar, value: Int64)] = []
    var classes: [(name: String, uuid: String)] = []
    var enums: [EnumType] = []
    var structures: [StructureType] = []
    var unions: [UnionType] = []
    var interfaces: [InterfaceType] = []
}
