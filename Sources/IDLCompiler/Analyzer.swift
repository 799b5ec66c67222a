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
    private(set) var models: [String: FileModel] = [:]

    var typedefs: [String: Typedef] = [:]
    private var structureTags: [String: StructureType] = [:]
    private var unionTags: [String: UnionType] = [:]
    private var enumTags: [String: EnumType] = [:]
    private var interfaces: [String: InterfaceType] = [:]
    private var constants: [String: Int64] = [:]
    private var declared: [String: SourceLocation] = [:]
    private var pendingStructures: [(StructureType, [MemberSyntax], PointerKind)] = []
    private var pendingUnions: [(UnionType, [ArmSyntax], PointerKind)] = []
    private var pendingEncapsulated: [(StructureType, EncapsulatedSyntax, UnionType, PointerKind)] = []
    private var pendingInterfaces: [(InterfaceSyntax, String)] = []
    private var interfaceNames: Set<String> = []
    /// The file whose declarations are being looked at.
    private var file = ""

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

    /// Looks at the bodies of everything that was declared.
    ///
    /// - Returns: The file's declarations.
    func finish(_ name: String) -> FileModel {
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
        return models[name] ?? FileModel()
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

    private func attempt(_ work: () throws(Diagnostic) -> Void) {
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

    private func claim(_ name: String, _ location: SourceLocation) throws(Diagnostic) {
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

    /// Declares what the syntax defines, and says what it means.
    ///
    /// - Parameter name: The typedef's or the member's own name, which an unnamed type takes.
    func declareType(
        _ syntax: TypeSyntax, name: DeclaratorSyntax?, _ pointerDefault: PointerKind, attributes: [AttributeSyntax] = []
    ) throws(Diagnostic) -> TypeReference {
        switch syntax.kind {
        case .base(let base): return .base(base)
        case .named(let name): return try lookUp(name, syntax.location)
        case .structure(let tag, nil): return .structureTag(tag ?? "", syntax.location)
        case .union(let tag, nil): return .unionTag(tag ?? "", syntax.location)
        case .enumeration(let tag, nil, _):
            guard let enumeration = enumTags[tag ?? ""] else {
                throw Diagnostic(syntax.location, "'enum \(tag ?? "")' is not declared")
            }
            return .enumeration(enumeration)
        case .structure(let tag, .some(let members)):
            let structure = StructureType(
                name: try ownName(name, tag, syntax), file: file, location: name?.location ?? syntax.location)
            try claim(structure.name, structure.location)
            if let tag { try claimTag(tag, structure.name, syntax.location, structureTags[tag] != nil) }
            if let tag { structureTags[tag] = structure }
            models[file]?.structures.append(structure)
            pendingStructures.append((structure, members, pointerDefault))
            return .structure(structure)
        case .union(let tag, .some(let arms)):
            let union = UnionType(
                name: try ownName(name, tag, syntax), file: file, location: name?.location ?? syntax.location)
            try claim(union.name, union.location)
            if let tag { unionTags[tag] = union }
            try setDiscriminant(of: union, attributes)
            models[file]?.unions.append(union)
            pendingUnions.append((union, arms, pointerDefault))
            return .union(union)
        case .encapsulated(let tag, let encapsulated):
            let structure = StructureType(
                name: try ownName(name, tag, syntax), file: file, location: name?.location ?? syntax.location)
            structure.isEncapsulatedUnion = true
            try claim(structure.name, structure.location)
            if let tag { structureTags[tag] = structure }
            let union = UnionType(
                name: "\(structure.name)_\(encapsulated.unionName)", file: file, location: syntax.location)
            models[file]?.structures.append(structure)
            models[file]?.unions.append(union)
            pendingEncapsulated.append((structure, encapsulated, union, pointerDefault))
            return .structure(structure)
        case .enumeration(let tag, .some(let enumerators), let own):
            return .enumeration(try declareEnum(tag, enumerators, own + attributes, name, syntax))
        }
    }

    private func ownName(_ name: DeclaratorSyntax?, _ tag: String?, _ syntax: TypeSyntax) throws(Diagnostic) -> String {
        guard let result = name?.name ?? tag, !result.isEmpty else {
            throw Diagnostic(syntax.location, "a type needs a tag or a typedef's name")
        }
        return result
    }

    private func claimTag(
        _ tag: String, _ name: String, _ location: SourceLocation, _ isTaken: Bool
    ) throws(Diagnostic) {
        if isTaken { throw Diagnostic(location, "tag '\(tag)' is already declared") }
    }

    private func declareEnum(
        _ tag: String?, _ enumerators: [EnumeratorSyntax], _ attributes: [AttributeSyntax], _ name: DeclaratorSyntax?,
        _ syntax: TypeSyntax
    ) throws(Diagnostic) -> EnumType {
        let isWide = attributes.contains { $0.name == "v1_enum" }
        var next: Int64 = 0
        var values: [(name: String, value: Int64)] = []
        let ownName = try ownName(name, tag, syntax)
        try claim(ownName, name?.location ?? syntax.location)
        for enumerator in enumerators {
            if let value = enumerator.value { next = try evaluate(value) }
            let limits: ClosedRange<Int64> = isWide ? -0x8000_0000...0xFFFF_FFFF : -0x8000...0x7FFF
            guard limits.contains(next) else {
                throw Diagnostic(
                    enumerator.value?.location ?? enumerator.location,
                    "\(next) does not fit into \(isWide ? 32 : 16) bits\(isWide ? "" : "; [v1_enum] has 32")")
            }
            try claim(enumerator.name, enumerator.location)
            constants[enumerator.name] = next
            values.append((enumerator.name, next))
            next += 1
        }
        let result = EnumType(name: ownName, file: file, isWide: isWide, enumerators: values)
        if let tag { enumTags[tag] = result }
        models[file]?.enums.append(result)
        return result
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

    // MARK: Interfaces

    private func interface(_ syntax: InterfaceSyntax, _ file: String) throws(Diagnostic) {
        self.file = file
        var base: InterfaceType?
        if let name = syntax.base {
            guard let known = interfaces[name.name] else {
                throw Diagnostic(name.location, "base interface '\(name.name)' is not declared")
            }
            base = known
        }
        guard
            let uuid = syntax.attributes.first(where: { $0.name == "uuid" })?.text
                ?? (syntax.attributes.contains { $0.name == "local" } ? "00000000-0000-0000-0000-000000000000" : nil)
        else { throw Diagnostic(syntax.location, "interface '\(syntax.name)' needs a uuid") }
        let isObject = syntax.attributes.contains { $0.name == "object" }
        if let base, base.isObject != isObject {
            throw Diagnostic(
                syntax.location,
                "interface '\(syntax.name)' \(isObject ? "has" : "lacks") [object], its base '\(base.name)' does not match"
            )
        }
        let version = try version(syntax.attributes)
        let result = InterfaceType(
            name: syntax.name, file: file, uuid: uuid, version: version, isObject: isObject, base: base)
        interfaces[syntax.name] = result
        models[file]?.interfaces.append(result)
        let isLocal = syntax.attributes.contains { $0.name == "local" }
        let pointerDefault =
            syntax.attributes.first { $0.name == "pointer_default" }?.text
            .flatMap(PointerKind.init(rawValue:)) ?? .unique
        // IUnknown's three methods are never called by opnum ([MS-DCOM] 3.1.1.5.8 has IRemUnknown for them).
        let isUnknown = isObject && uuid == "00000000-0000-0000-c000-000000000046"
        let operations: [OperationSyntax] = syntax.items.compactMap { item in
            if case .operation(let operation) = item { return operation }
            return nil
        }
        var opnum = base?.allMethods.count ?? 0
        // A [call_as] method takes the place of the local one that it stands for.
        let replaced = Set(
            operations.compactMap { operation in operation.attributes.first { $0.name == "call_as" }?.text })
        var names: Set<String> = []
        for operation in operations {
            attempt { () throws(Diagnostic) in
                let name = operation.declarator
                guard names.insert(name.name).inserted else {
                    throw Diagnostic(name.location, "operation '\(name.name)' is already declared in this interface")
                }
                try checkPlaces(operation.attributes, .operation)
                let isLocalMethod = isLocal || isUnknown || operation.attributes.contains { $0.name == "local" }
                if isLocalMethod, replaced.contains(name.name) { return }
                result.methods.append(
                    try method(operation, opnum: opnum, pointerDefault, isOnWire: !isLocalMethod))
                opnum += 1
            }
        }
    }

    private func version(_ attributes: [AttributeSyntax]) throws(Diagnostic) -> (major: Int, minor: Int) {
        guard let attribute = attributes.first(where: { $0.name == "version" }), let text = attribute.text else {
            return (0, 0)
        }
        let parts = text.split(separator: ".").map { UInt16($0).map(Int.init) }
        guard parts.count == 1 || parts.count == 2, let major = parts[0], let minor = parts.count == 2 ? parts[1] : 0
        else {
            throw Diagnostic(attribute.location, "a version is two numbers of 16 bits, major.minor")
        }
        return (major, minor)
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
        case .uint32, .unsignedPointerSized: .uint32
        case .int32, .signedPointerSized: .int32
        case .uint64: .uint64
        case .int64: .int64
        case .float: .float
        case .double: .double
        case .void, .handle, .hresult, .guid: nil
        }
    }
}
