/// The insides of structures, unions and operations.
extension Analyzer {
    func fill(
        _ structure: StructureType, _ members: [MemberSyntax], _ pointerDefault: PointerKind
    ) throws(Diagnostic) {
        guard !members.isEmpty else {
            throw Diagnostic(structure.location, "structure '\(structure.name)' has no fields")
        }
        // An anonymous union is a member all the same; `u` is what MIDL's headers call it.
        let names = members.map { $0.declarator.name.isEmpty ? "u" : $0.declarator.name }
        if let twice = names.indices.first(where: { names[..<$0].contains(names[$0]) }) {
            throw Diagnostic(members[twice].declarator.location, "field '\(names[twice])' is already declared")
        }
        let scope = Scope(names, kind: "a field of the structure")
        for (name, member) in zip(names, members) {
            try checkPlaces(member.attributes, .field)
            let type = try inlineType(member, name: "\(structure.name)_\(name)", pointerDefault)
            try setDiscriminant(type, member, members, names, pointerDefault)
            let level = try level(
                type, member.declarator, member.attributes, scope: scope, pointerDefault: pointerDefault, isTop: false)
            structure.fields.append(
                Field(
                    name: name, level: level, location: member.declarator.location, typeName: member.type.spelling))
        }
        try checkUses(scope, structure.fields.map(\.level))
    }

    func fill(
        _ structure: StructureType, _ syntax: EncapsulatedSyntax, _ union: UnionType, _ pointerDefault: PointerKind
    ) throws(Diagnostic) {
        let scope = Scope([syntax.switchName, syntax.unionName], kind: "a field of the structure")
        let type = try declareType(syntax.switchType, name: nil, pointerDefault)
        let declarator = DeclaratorSyntax(name: syntax.switchName, location: structure.location, modifiers: [])
        let discriminant = try level(
            type, declarator, [], scope: scope, pointerDefault: pointerDefault, isTop: false)
        switch discriminant {
        case .scalar(let scalar, _) where scalar.isInteger: union.discriminant = scalar
        case .enumeration(let enumeration, _):
            union.discriminant = enumeration.scalar
            union.isEnum16 = !enumeration.isWide
        default: throw Diagnostic(syntax.switchType.location, "a discriminant is an integer or an enumeration")
        }
        structure.fields = [
            Field(
                name: syntax.switchName, level: discriminant, location: structure.location,
                typeName: syntax.switchType.spelling),
            Field(
                name: syntax.unionName,
                level: .union(
                    union,
                    discriminant: .variable(Variable(index: 0, name: syntax.switchName, isDereferenced: false))),
                location: structure.location),
        ]
        try fill(union, syntax.arms, pointerDefault)
    }

    func fill(_ union: UnionType, _ arms: [ArmSyntax], _ pointerDefault: PointerKind) throws(Diagnostic) {
        guard !arms.isEmpty else { throw Diagnostic(union.location, "union '\(union.name)' has no arms") }
        var seen: Set<Int64> = []
        var names: Set<String> = []
        let scope = Scope([], kind: "a constant")
        for arm in arms {
            if arm.isDefault, union.arms.contains(where: \.isDefault) {
                throw Diagnostic(arm.location, "union '\(union.name)' has a default arm already")
            }
            var labels: [Int64] = []
            for label in arm.labels {
                let value = union.discriminant.truncating(try evaluate(label))
                guard seen.insert(value).inserted else {
                    throw Diagnostic(label.location, "case \(value) is already taken")
                }
                labels.append(value)
            }
            var field: Field?
            if let member = arm.member {
                try checkPlaces(member.attributes, .arm)
                guard names.insert(member.declarator.name).inserted else {
                    throw Diagnostic(member.declarator.location, "arm '\(member.declarator.name)' is already declared")
                }
                let type = try inlineType(member, name: "\(union.name)_\(member.declarator.name)", pointerDefault)
                let level = try level(
                    type, member.declarator, member.attributes, scope: scope, pointerDefault: pointerDefault,
                    isTop: false)
                field = Field(
                    name: member.declarator.name, level: level, location: member.declarator.location,
                    typeName: member.type.spelling)
            }
            union.arms.append(Arm(field: field, labels: labels, isDefault: arm.isDefault))
        }
    }

    /// The type of a member, which may be declared right there.
    private func inlineType(
        _ member: MemberSyntax, name: String, _ pointerDefault: PointerKind
    ) throws(Diagnostic) -> TypeReference {
        switch member.type.kind {
        case .structure(_, .some), .union(_, .some), .encapsulated, .enumeration(_, .some, _):
            let declarator = DeclaratorSyntax(name: name, location: member.type.location, modifiers: [])
            return try declareType(member.type, name: declarator, pointerDefault, attributes: member.attributes)
        default:
            return try declareType(member.type, name: nil, pointerDefault)
        }
    }

    /// A union without `switch_type` takes the type of the field that `switch_is` names.
    private func setDiscriminant(
        _ type: TypeReference, _ member: MemberSyntax, _ members: [MemberSyntax], _ names: [String],
        _ pointerDefault: PointerKind
    ) throws(Diagnostic) {
        guard case .union(_, .some) = member.type.kind, case .union(let union) = type,
            !member.attributes.contains(where: { $0.name == "switch_type" }),
            let switchIs = member.attributes.first(where: { $0.name == "switch_is" })?.arguments.first,
            case .name(let name) = switchIs?.kind, let index = names.firstIndex(of: name)
        else { return }
        let source = try declareType(members[index].type, name: nil, pointerDefault)
        switch try resolve(source) {
        case .enumeration(let enumeration):
            union.discriminant = enumeration.scalar
            union.isEnum16 = !enumeration.isWide
        case .base(let base):
            if let scalar = base.scalar, scalar.isInteger { union.discriminant = scalar }
        default: break
        }
    }

    // MARK: Operations

    func method(
        _ operation: OperationSyntax, opnum: Int, _ pointerDefault: PointerKind, isOnWire: Bool
    ) throws(Diagnostic) -> Method {
        let name = operation.declarator
        guard isOnWire else {
            return Method(
                name: name.name, opnum: opnum, parameters: [], result: nil, isOnWire: false, location: name.location)
        }
        var members: [MemberSyntax] = []
        for parameter in operation.parameters {
            try checkPlaces(parameter.attributes, .parameter)
            let type = try declareType(parameter.type, name: nil, pointerDefault)
            if case .base(.handle) = try resolve(type), parameter.declarator.modifiers.isEmpty { continue }
            members.append(parameter)
        }
        let names = members.map(\.declarator.name)
        if let twice = names.indices.first(where: { names[..<$0].contains(names[$0]) }) {
            throw Diagnostic(members[twice].declarator.location, "parameter '\(names[twice])' is already declared")
        }
        let scope = Scope(names, kind: "a parameter of the operation")
        var parameters: [Parameter] = []
        for member in members {
            parameters.append(try parameter(member, scope: scope, pointerDefault))
        }
        try checkUses(scope, parameters.map(\.field.level))
        try checkDirections(parameters, operation)
        return Method(
            name: name.name, opnum: opnum, parameters: parameters, result: try result(operation, pointerDefault),
            isOnWire: true, location: name.location, resultTypeName: operation.result.spelling)
    }

    private func parameter(
        _ member: MemberSyntax, scope: Scope, _ pointerDefault: PointerKind
    ) throws(Diagnostic) -> Parameter {
        let isIn = member.attributes.contains { $0.name == "in" }
        let isOut = member.attributes.contains { $0.name == "out" }
        let location = member.declarator.location
        guard isIn || isOut else {
            throw Diagnostic(location, "parameter '\(member.declarator.name)' needs a direction: [in], [out] or both")
        }
        let type = try declareType(member.type, name: nil, pointerDefault)
        let level = try level(
            type, member.declarator, member.attributes, scope: scope, pointerDefault: pointerDefault, isTop: true)
        if isOut {
            switch level {
            case .pointer(let pointer):
                guard pointer.kind == .reference || isIn else {
                    throw Diagnostic(
                        location,
                        "[out] parameter '\(member.declarator.name)' must be a reference pointer: the callee could not set it"
                    )
                }
            case .array, .string: break
            default:
                throw Diagnostic(location, "[out] parameter '\(member.declarator.name)' must be a pointer or an array")
            }
        }
        return Parameter(
            field: Field(
                name: member.declarator.name, level: level, location: location, typeName: member.type.spelling),
            isIn: isIn, isOut: isOut)
    }

    /// What goes in cannot be counted by what only comes out.
    private func checkDirections(_ parameters: [Parameter], _ operation: OperationSyntax) throws(Diagnostic) {
        for parameter in parameters where parameter.isIn {
            for variable in parameter.field.level.variables where !parameters[variable.index].isIn {
                throw Diagnostic(
                    parameter.field.location,
                    "[in] parameter '\(parameter.field.name)' depends on '\(variable.name)', which is [out] only")
            }
        }
    }

    private func result(_ operation: OperationSyntax, _ pointerDefault: PointerKind) throws(Diagnostic) -> Level? {
        let type = try declareType(operation.result, name: nil, pointerDefault)
        if operation.declarator.modifiers.isEmpty, case .base(.void) = try resolve(type) { return nil }
        let declarator = DeclaratorSyntax(
            name: operation.declarator.name, location: operation.result.location,
            modifiers: operation.declarator.modifiers)
        let level = try level(
            type, declarator, operation.attributes, scope: Scope([], kind: "a constant"),
            pointerDefault: pointerDefault,
            isTop: false)
        switch level {
        case .scalar, .pointerSized, .hresult, .enumeration, .contextHandle: return level
        default:
            throw Diagnostic(
                operation.result.location, "an operation returns an integer, an HRESULT, a handle or nothing")
        }
    }
}

extension Scalar {
    /// The value's lowest bits, read as this type.
    func truncating(_ value: Int64) -> Int64 {
        switch self {
        case .uint8: Int64(UInt8(truncatingIfNeeded: value))
        case .int8: Int64(Int8(truncatingIfNeeded: value))
        case .uint16: Int64(UInt16(truncatingIfNeeded: value))
        case .int16: Int64(Int16(truncatingIfNeeded: value))
        case .uint32: Int64(UInt32(truncatingIfNeeded: value))
        case .int32: Int64(Int32(truncatingIfNeeded: value))
        case .uint64, .int64, .float, .double: value
        }
    }
}

extension Level {
    /// The fields or parameters that it depends on.
    var variables: [Variable] {
        switch self {
        case .scalar, .pointerSized, .hresult, .guid, .contextHandle, .enumeration, .structure: return []
        case .union(_, let discriminant): return discriminant.variables
        case .pointer(let pointer): return pointer.target.variables
        case .string(let string):
            if case .conformant(.some(let size)) = string.size { return size.variables }
            return []
        case .array(let array):
            var result = array.element.variables + (array.length?.variables ?? []) + (array.first?.variables ?? [])
            if case .conformant(let size) = array.size { result += size.variables }
            return result
        }
    }
}
