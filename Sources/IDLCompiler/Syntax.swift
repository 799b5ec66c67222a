/// What an IDL file says, as it is written.
struct FileSyntax: Sendable {
    let source: SourceFile
    var imports: [(name: String, location: SourceLocation)] = []
    var items: [ItemSyntax] = []
    /// Object-like macros, which become constants where their text is an integer.
    var macros: [(name: String, value: ExpressionSyntax, location: SourceLocation)] = []
}

/// A declaration at the top of a file or inside an interface.
enum ItemSyntax: Sendable {
    case constant(ConstantSyntax)
    case typedef(TypedefSyntax)
    /// A structure, union or enumeration that is declared by its tag alone.
    case tagged(TypeSyntax)
    case interface(InterfaceSyntax)
    /// `interface IFoo;`
    case forward(String)
    case coclass(CoclassSyntax)
    case operation(OperationSyntax)
}

struct ConstantSyntax: Sendable {
    let type: TypeSyntax
    let name: String
    let value: ExpressionSyntax
    let location: SourceLocation
}

struct TypedefSyntax: Sendable {
    let attributes: [AttributeSyntax]
    let type: TypeSyntax
    let declarators: [DeclaratorSyntax]
}

struct InterfaceSyntax: Sendable {
    let attributes: [AttributeSyntax]
    let name: String
    let location: SourceLocation
    let base: (name: String, location: SourceLocation)?
    let items: [ItemSyntax]
}

struct CoclassSyntax: Sendable {
    let attributes: [AttributeSyntax]
    let name: String
    let location: SourceLocation
}

struct OperationSyntax: Sendable {
    let attributes: [AttributeSyntax]
    let result: TypeSyntax
    /// Pointers and the operation's name.
    let declarator: DeclaratorSyntax
    let parameters: [MemberSyntax]
}

/// A parameter, or a field of a structure.
struct MemberSyntax: Sendable {
    let attributes: [AttributeSyntax]
    let type: TypeSyntax
    let declarator: DeclaratorSyntax
}

struct AttributeSyntax: Sendable {
    let name: String
    let location: SourceLocation
    /// The expressions between the parentheses; nil where a position is left empty, as in `size_is(,*n)`.
    var arguments: [ExpressionSyntax?] = []
    /// The type in `switch_type(…)`.
    var type: TypeSyntax?
    /// The text of `uuid(…)`, `version(…)`, `pointer_default(…)` or `call_as(…)`.
    var text: String?
}

struct DeclaratorSyntax: Sendable {
    enum Modifier: Sendable {
        case pointer
        /// `[]` and `[*]` have no bound.
        case array(ExpressionSyntax?, SourceLocation)
    }

    /// Empty for the unnamed member that an anonymous union is.
    let name: String
    let location: SourceLocation
    /// Outermost first: `T *x[3]` is an array of pointers.
    let modifiers: [Modifier]
}

struct TypeSyntax: Sendable {
    indirect enum Kind: Sendable {
        case base(BaseType)
        case named(String)
        case structure(tag: String?, members: [MemberSyntax]?)
        case union(tag: String?, arms: [ArmSyntax]?)
        case encapsulated(tag: String?, EncapsulatedSyntax)
        case enumeration(tag: String?, enumerators: [EnumeratorSyntax]?, attributes: [AttributeSyntax])
    }

    let kind: Kind
    let location: SourceLocation
}

struct EncapsulatedSyntax: Sendable {
    let switchType: TypeSyntax
    let switchName: String
    let unionName: String
    let arms: [ArmSyntax]
}

struct ArmSyntax: Sendable {
    /// Empty for the default arm.
    let labels: [ExpressionSyntax]
    let isDefault: Bool
    /// nil for an empty arm.
    let member: MemberSyntax?
    let location: SourceLocation
}

struct EnumeratorSyntax: Sendable {
    let name: String
    let location: SourceLocation
    let value: ExpressionSyntax?
}

struct ExpressionSyntax: Sendable {
    indirect enum Kind: Sendable {
        case integer(Int64)
        case name(String)
        case dereference(ExpressionSyntax)
        case unary(String, ExpressionSyntax)
        case binary(String, ExpressionSyntax, ExpressionSyntax)
        case conditional(ExpressionSyntax, ExpressionSyntax, ExpressionSyntax)
    }

    let kind: Kind
    let location: SourceLocation
}

/// The types that IDL knows without a declaration.
enum BaseType: Hashable, Sendable {
    case uint8, int8, uint16, int16, uint32, int32, uint64, int64, float, double
    /// `char` and `unsigned char`, which can make strings.
    case character
    case wideCharacter
    case void
    case handle
    case hresult
    case guid
    /// `__int3264` ([MS-RPCE] 2.2.4.1.2).
    case signedPointerSized, unsignedPointerSized
}
