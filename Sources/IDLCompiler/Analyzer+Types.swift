/// Structures, unions and enumerations, as they are declared.
extension Analyzer {
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
}
