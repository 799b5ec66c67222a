/// Gives every name its meaning and turns declarations into the model.
///
/// Declarations are collected first, for all files that take part, and the bodies of structures are looked at
/// afterwards: a pointer may name a structure that is declared later.
final class Analyzer {
    /// A type before its pointers and attributes are looked at.
    enum TypeReference {
        case base(BaseType)
        case typedef(String)
        case interface(String)
        case structure(StructureType)
        case union(UnionType)
        case enumeration(EnumType)
        /// A tag that is declared somewhere, perhaps later.
        case structureTag(String, SourceLocation)
        case unionTag(String, SourceLocation)
    }

    struct Typedef {
        let type: TypeReference
        let modifiers: [DeclaratorSyntax.Modifier]
        let attributes: [AttributeSyntax]
        let pointerDefault: PointerKind
    }

    private(set) var diagnostics: [Diagnostic] = []
    var models: [String: FileModel] = [:]

    var typedefs: [String: Typedef] = [:]
    var structureTags: [String: StructureType] = [:]
    var unionTags: [String: UnionType] = [:]
    var enumTags: [String: EnumType] = [:]
    var interfaces: [String: InterfaceType] = [:]
    var constants: [String: Int64] = [:]
    private var declared: [String: SourceLocation] = [:]
    var pendingStructures: [(StructureType, [MemberSyntax], PointerKind)] = []
    var pendingUnions: [(UnionType, [ArmSyntax], PointerKind)] = []
    var pendingEncapsulated: [(StructureType, EncapsulatedSyntax, UnionType, PointerKind)] = []
    private var pendingInterfaces: [(InterfaceSyntax, String)] = []
    private var interfaceNames: Set<String> = []
    /// The file whose declarations are being looked at.
    var file = ""

    /// Collects a file's declarations; the files that it imports come before it.
    func declare(_ syntax: FileSyntax) {
        file = syntax.source.name
        models[file] = FileModel()
        for macro in syntax.macros {
            // A macro is no name of IDL's: one that is not constant is nobody's error until it is used.
            if let value = try? evaluate(macro.value) {
                let fits = value >= 0 && value <= 0xFFFF_FFFF
                models[file]?.constants.append((macro.name, fits ? .uint32 : .int64, value))
            }
        }
        declare(syntax.items, pointerDefault: .unique)
    }

    /// Looks at the bodies of everything that was declared; ``models`` has the declarations of each file then.
    func finish() {
        // Bodies can declare inline types, so these lists grow while they are worked off.
        while true {
            if !pendingStructures.isEmpty {
                let (structure, members, pointerDefault) = pendingStructures.removeFirst()
                file = structure.file
                attempt { () throws(Diagnostic) in try fill(structure, members, pointerDefault) }
            } else if !pendingEncapsulated.isEmpty {
                let (structure, syntax, union, pointerDefault) = pendingEncapsulated.removeFirst()
                file = structure.file
                attempt { () throws(Diagnostic) in try fill(structure, syntax, union, pointerDefault) }
            } else if !pendingUnions.isEmpty {
                let (union, arms, pointerDefault) = pendingUnions.removeFirst()
                file = union.file
                attempt { () throws(Diagnostic) in try fill(union, arms, pointerDefault) }
            } else {
                break
            }
        }
        for (syntax, file) in pendingInterfaces { attempt { () throws(Diagnostic) in try interface(syntax, file) } }
        let all = models.keys.sorted()
        for file in all { checkLayouts(of: models[file]) }
    }

    private func checkLayouts(of model: FileModel?) {
        guard let model, diagnostics.isEmpty else { return }
        for structure in model.structures { attempt { () throws(Diagnostic) in try Recursion.checkByValue(structure) } }
        guard diagnostics.isEmpty else { return }
        for union in model.unions { Recursion.mark(union) }
        for structure in model.structures { attempt { () throws(Diagnostic) in try Recursion.mark(structure) } }
        for structure in model.structures { attempt { () throws(Diagnostic) in try Conformance.check(structure) } }
        for union in model.unions { attempt { () throws(Diagnostic) in try Conformance.check(union) } }
    }

    func attempt(_ work: () throws(Diagnostic) -> Void) {
        do throws(Diagnostic) {
            try work()
        } catch {
            diagnostics.append(error)
        }
    }

    // MARK: Declarations

    private func declare(_ items: [ItemSyntax], pointerDefault: PointerKind) {
        for item in items {
            attempt { () throws(Diagnostic) in
                switch item {
                case .constant(let constant): try declare(constant)
                case .typedef(let typedef): try declare(typedef, pointerDefault)
                case .tagged(let type): _ = try declareType(type, name: nil, pointerDefault)
                case .interface(let interface): try declare(interface)
                case .coclass(let coclass): try declare(coclass)
                case .forward(let name): interfaceNames.insert(name)
                case .operation: break
                }
            }
        }
    }

    func claim(_ name: String, _ location: SourceLocation) throws(Diagnostic) {
        if let first = declared[name] {
            throw Diagnostic(location, "'\(name)' is already declared at \(first.file):\(first.line)")
        }
        declared[name] = location
    }

    private func declare(_ constant: ConstantSyntax) throws(Diagnostic) {
        try claim(constant.name, constant.location)
        let value = try evaluate(constant.value)
        guard let scalar = scalar(of: constant.type), scalar.isInteger else {
            throw Diagnostic(constant.type.location, "only integer constants are supported")
        }
        guard value >= scalar.bounds.minimum, value <= scalar.bounds.maximum else {
            throw Diagnostic(constant.value.location, "\(value) does not fit into the constant's type")
        }
        constants[constant.name] = value
        models[file]?.constants.append((constant.name, scalar, value))
    }

    private func declare(_ typedef: TypedefSyntax, _ pointerDefault: PointerKind) throws(Diagnostic) {
        try checkPlaces(typedef.attributes, .typedef)
        // The structure is called by its own name, not by that of a pointer to it.
        let plain = typedef.declarators.first { $0.modifiers.isEmpty }
        let isBuiltin = plain.map { BaseTypes.builtins[$0.name] != nil } ?? false
        if isBuiltin { return }
        let type = try declareType(typedef.type, name: plain, pointerDefault, attributes: typedef.attributes)
        for declarator in typedef.declarators {
            if case .structure(let structure) = type, structure.name == declarator.name {
                // Claimed together with the type itself.
            } else if case .union(let union) = type, union.name == declarator.name {
            } else if case .enumeration(let enumeration) = type, enumeration.name == declarator.name {
            } else {
                try claim(declarator.name, declarator.location)
            }
            typedefs[declarator.name] = Typedef(
                type: type, modifiers: declarator.modifiers, attributes: typedef.attributes,
                pointerDefault: pointerDefault)
        }
    }

    private func declare(_ interface: InterfaceSyntax) throws(Diagnostic) {
        try claim(interface.name, interface.location)
        interfaceNames.insert(interface.name)
        try checkPlaces(interface.attributes, .interface)
        let pointerDefault: PointerKind
        if let attribute = interface.attributes.first(where: { $0.name == "pointer_default" }) {
            guard let kind = attribute.text.flatMap(PointerKind.init(rawValue:)) else {
                throw Diagnostic(attribute.location, "'pointer_default' is ref, unique or ptr")
            }
            pointerDefault = kind
        } else {
            pointerDefault = .unique
        }
        declare(interface.items, pointerDefault: pointerDefault)
        pendingInterfaces.append((interface, file))
    }

    private func declare(_ coclass: CoclassSyntax) throws(Diagnostic) {
        try checkPlaces(coclass.attributes, .coclass)
        guard let uuid = coclass.attributes.first(where: { $0.name == "uuid" })?.text else {
            throw Diagnostic(coclass.location, "coclass '\(coclass.name)' needs a uuid")
        }
        models[file]?.classes.append((coclass.name, uuid))
    }

    func setDiscriminant(of union: UnionType, _ attributes: [AttributeSyntax]) throws(Diagnostic) {
        guard let attribute = attributes.first(where: { $0.name == "switch_type" }), let type = attribute.type else {
            return
        }
        if case .enumeration(let enumeration) = try resolve(declareType(type, name: nil, .unique)) {
            union.discriminant = enumeration.scalar
            union.isEnum16 = !enumeration.isWide
            return
        }
        guard let scalar = scalar(of: type), scalar.isInteger else {
            throw Diagnostic(type.location, "a discriminant is an integer or an enumeration")
        }
        union.discriminant = scalar
        union.isEnum16 = false
    }

    // MARK: Names

    func lookUp(_ name: String, _ location: SourceLocation) throws(Diagnostic) -> TypeReference {
        if typedefs[name] != nil { return .typedef(name) }
        // MIDL lets a tag go without its keyword.
        if let structure = structureTags[name] { return .structure(structure) }
        if let union = unionTags[name] { return .union(union) }
        if let enumeration = enumTags[name] { return .enumeration(enumeration) }
        if interfaceNames.contains(name) { return .interface(name) }
        throw Diagnostic(location, "'\(name)' is not declared")
    }

    /// Follows typedefs that add no pointer and no array.
    func resolve(_ type: TypeReference) throws(Diagnostic) -> TypeReference {
        var type = type
        while true {
            switch type {
            case .typedef(let name):
                guard let typedef = typedefs[name], typedef.modifiers.isEmpty else { return type }
                type = typedef.type
            case .structureTag(let tag, let location):
                guard let structure = structureTags[tag] else {
                    throw Diagnostic(location, "'struct \(tag)' is not declared")
                }
                return .structure(structure)
            case .unionTag(let tag, let location):
                // An encapsulated union is a structure, and its tag is written with `union` all the same.
                if let structure = structureTags[tag] { return .structure(structure) }
                guard let union = unionTags[tag] else {
                    throw Diagnostic(location, "'union \(tag)' is not declared")
                }
                return .union(union)
            default:
                return type
            }
        }
    }

    private func scalar(of syntax: TypeSyntax) -> Scalar? {
        guard let type = try? resolve(declareType(syntax, name: nil, .unique)), case .base(let base) = type else {
            return nil
        }
        return base.scalar
    }

    func structureNamed(_ name: String) -> StructureType? {
        for model in models.values {
            if let structure = model.structures.first(where: { $0.name == name }) { return structure }
        }
        return nil
    }

    // MARK: Constants

    func evaluate(_ expression: ExpressionSyntax) throws(Diagnostic) -> Int64 {
        let resolved = try self.expression(expression, scope: nil)
        guard let value = resolved.constant else { throw Diagnostic(expression.location, "not a constant") }
        return value
    }

    func constant(_ name: String) -> Int64? {
        constants[name]
    }

    func checkPlaces(_ attributes: [AttributeSyntax], _ place: AttributePlace) throws(Diagnostic) {
        for attribute in attributes {
            guard let places = AttributeTable.places[attribute.name], !places.isDisjoint(with: place) else {
                throw Diagnostic(
                    attribute.location, "attribute '\(attribute.name)' does not belong to \(place.description)")
            }
        }
    }

    func report(_ diagnostic: Diagnostic) {
        diagnostics.append(diagnostic)
    }
}

extension BaseType {
    /// The scalar that it is on the wire, if it is one.
    var scalar: Scalar? {
        switch self {
        case .uint8, .character: .uint8
        case .int8: .int8
        case .uint16, .wideCharacter: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        // What a constant can hold; a field or a parameter has a level of its own.
        case .uint64, .unsignedPointerSized: .uint64
        case .int64, .signedPointerSized: .int64
        case .float: .float
        case .double: .double
        case .void, .handle, .hresult, .guid: nil
        }
    }
}
