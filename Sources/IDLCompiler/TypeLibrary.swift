/// What IDL files declare, as plain values: for programs that read and write NDR by description, at run time.
///
/// Types refer to each other by their places in the lists, because a structure may lead back to itself.
public struct TypeLibrary: Sendable {
    /// What one item looks like on the wire, outermost part first.
    public indirect enum Representation: Sendable, Hashable {
        /// An integer of 1, 2, 4 or 8 octets.
        case integer(octets: Int, isSigned: Bool)
        /// `__int3264`: 32 bits in NDR 2.0, 64 in NDR64 ([MS-RPCE] 2.2.4.1.2).
        case pointerSized(isSigned: Bool)
        /// An IEEE number of 4 or 8 octets.
        case float(octets: Int)
        /// An HRESULT.
        case hresult
        /// A GUID.
        case guid
        /// A context handle (C706 section 14.2.8).
        case contextHandle
        /// The enumeration at this place of ``TypeLibrary/enumerations``.
        case enumeration(Int)
        /// The structure at this place of ``TypeLibrary/structures``.
        case structure(Int)
        /// The union at this place of ``TypeLibrary/unions``.
        case union(Int)
        /// A pointer to something.
        case pointer(Pointer, Representation)
        /// An array; `count` is nil where the wire says it, and `isVarying` where an offset and an actual count are there too.
        case array(count: Int?, isVarying: Bool, element: Representation)
        /// A varying string with its terminator; `count` is nil where a maximum count is on the wire too.
        case string(isWide: Bool, count: Int?)
    }

    /// How a pointer behaves (C706 section 4.2.20).
    public enum Pointer: Sendable, Hashable {
        /// A parameter's reference pointer, of which nothing is on the wire.
        case topLevelReference
        /// Never NULL.
        case reference
        /// NULL or the only pointer to its referent.
        case unique
        /// NULL or one of several pointers to its referent.
        case full
    }

    /// An alignment or a size in each transfer syntax, in octets.
    public struct Measure: Sendable, Hashable {
        /// In NDR 2.0.
        public let ndr20: Int
        /// In NDR64.
        public let ndr64: Int
    }

    /// A field, a parameter, a union's arm or a result.
    public struct Field: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// Its type as the declaration spells it, without pointers and arrays, such as `OXID`.
        public let typeName: String
        /// What is on the wire.
        public let representation: Representation

        /// From its parts.
        public init(name: String, typeName: String, representation: Representation) {
            self.name = name
            self.typeName = typeName
            self.representation = representation
        }
    }

    /// An enumeration.
    public struct Enumeration: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// 2 octets in NDR 2.0, or 4 with `[v1_enum]`; always 4 in NDR64.
        public let octets: Int
        /// The names and values, in the order of the declaration; a value may have several names.
        public let enumerators: [Enumerator]
    }

    /// A name of a value.
    public struct Enumerator: Sendable, Hashable {
        /// The name.
        public let name: String
        /// The value, cut to the enumeration's width, as a bit pattern.
        public let value: Int64
    }

    /// A structure.
    public struct Structure: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// Its fields, in their order.
        public let fields: [Field]
        /// Whether it is an encapsulated union: two fields, of which the discriminant travels within the second.
        public let isEncapsulatedUnion: Bool
        /// What its body is aligned to.
        public let alignment: Measure
        /// What NDR64 pads its end to; nil where it never has to.
        public let paddingInNDR64: Int?
        /// The least number of octets that a body takes.
        public let minimumSize: Int
        /// Whether it ends in a conformant array, whose maximum count is hoisted to its front.
        public let isConformant: Bool
    }

    /// A union.
    public struct Union: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// The octets of the discriminant in NDR 2.0.
        public let discriminantOctets: Int
        /// Whether the discriminant is a signed integer.
        public let isDiscriminantSigned: Bool
        /// Whether the discriminant is an enumeration of 16 bits, which takes 4 octets in NDR64.
        public let isEnum16: Bool
        /// What NDR64 aligns the discriminant to, and then the arm; nil where their own alignments do it all.
        public let paddingInNDR64: Int?
        /// The arms.
        public let arms: [Arm]
    }

    /// An arm of a union.
    public struct Arm: Sendable, Hashable {
        /// What selects it, cut to the discriminant's width.
        public let labels: [Int64]
        /// Whether every other value selects it.
        public let isDefault: Bool
        /// What it holds; nil for nothing.
        public let field: Field?
    }

    /// An operation of an interface.
    public struct Operation: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// Its number.
        public let opnum: Int
        /// The interface that declares it.
        public let interface: String
        /// What goes in, in the order of the declaration.
        public let request: [Field]
        /// What comes out, in the order of the declaration, and the result last.
        public let response: [Field]
        /// Whether `response` ends in the operation's result.
        public let hasResult: Bool
        /// Whether it is ever called remotely.
        public let isOnWire: Bool
    }

    /// An interface.
    public struct Interface: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// Its UUID, in digits.
        public let uuid: String
        /// The major version.
        public let major: Int
        /// The minor version.
        public let minor: Int
        /// Whether its calls carry ORPCTHIS and ORPCTHAT ([MS-DCOM] 2.2.13).
        public let isObject: Bool
        /// The name of what it derives from.
        public let base: String?
        /// The operations, those of its bases first: each at the place of its number.
        public let operations: [Operation]
    }

    /// A class of objects.
    public struct Class: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// Its UUID, in digits.
        public let uuid: String
    }

    /// The enumerations.
    public internal(set) var enumerations: [Enumeration] = []
    /// The structures.
    public internal(set) var structures: [Structure] = []
    /// The unions.
    public internal(set) var unions: [Union] = []
    /// The interfaces.
    public internal(set) var interfaces: [Interface] = []
    /// The classes.
    public internal(set) var classes: [Class] = []

    /// What the files declare, and all that they import.
    ///
    /// - Parameters:
    ///   - sources: The files.
    ///   - load: The text of an imported file; nil if there is none of that name.
    /// - Throws: Everything that is wrong with them.
    public init(_ sources: [SourceFile], load: (String) -> SourceFile?) throws(CompilationError) {
        let models = try Compiler.analyze(sources, load: load).map(\.model)
        let writer = TypeLibraryWriter(models)
        enumerations = models.flatMap(\.enums).map(writer.describe)
        structures = models.flatMap(\.structures).map(writer.describe)
        unions = models.flatMap(\.unions).map(writer.describe)
        interfaces = models.flatMap(\.interfaces).map(writer.describe)
        classes = models.flatMap(\.classes).map { Class(name: $0.name, uuid: $0.uuid) }
    }
}
