/// What NDR 2.0 makes of a level (C706 section 14.3).
extension Level {
    /// The alignment of the body.
    var alignment: Int {
        switch self {
        case .scalar(let scalar, _): scalar.size
        case .hresult, .guid, .contextHandle, .pointer: 4
        case .enumeration(let enumeration, _): enumeration.scalar.size
        case .structure(let structure): structure.alignment
        case .union(let union, _): union.alignment
        case .array(let array): max(array.length == nil ? 1 : 4, array.element.alignment)
        case .string: 4
        }
    }

    /// The least number of octets that the body takes, without padding.
    var minimumSize: Int {
        switch self {
        case .scalar(let scalar, _): scalar.size
        case .hresult, .pointer: 4
        case .guid: 16
        case .contextHandle: 20
        case .enumeration(let enumeration, _): enumeration.scalar.size
        case .structure(let structure): structure.minimumSize
        case .union(let union, _): union.discriminant.size
        case .array(let array):
            if array.length != nil {
                8
            } else if case .fixed(let count) = array.size {
                count * array.element.minimumSize
            } else {
                0
            }
        case .string: 8
        }
    }

    /// Whether referents, or checks that had to wait for them, follow the body.
    var hasPointees: Bool {
        switch self {
        case .scalar, .hresult, .guid, .contextHandle, .enumeration, .string: false
        case .structure(let structure): structure.hasPointees
        case .union(let union, _): union.hasPointees
        case .pointer: true
        case .array(let array): array.element.hasPointees
        }
    }

    /// Whether a maximum count is hoisted out of it.
    var isConformant: Bool {
        switch self {
        case .structure(let structure): return structure.isConformant
        case .array(let array):
            if case .conformant = array.size { return true }
            return array.element.isConformant
        case .string(let string):
            if case .conformant = string.size { return true }
            return false
        default: return false
        }
    }
}

extension StructureType {
    var alignment: Int {
        // The discriminant and the arm each align by themselves.
        fields.map(\.level.alignment).max() ?? 1
    }

    var minimumSize: Int {
        if isEncapsulatedUnion { return fields[0].level.minimumSize }
        return max(1, fields.map(\.level.minimumSize).reduce(0, +))
    }

    var hasPointees: Bool { fields.contains { $0.level.hasPointees } || needsLateChecks }

    var isConformant: Bool { fields.last?.level.isConformant ?? false }

    /// Whether a count comes after what it counts, so that it is checked last.
    var needsLateChecks: Bool {
        fields.indices.contains { fields[$0].level.isLate(at: $0, isInBody: true) }
    }
}

extension Variable {
    /// Whether the value is known when the item at `index` of a structure is read: bodies come first, referents after them.
    func isKnown(at index: Int, isInBody: Bool) -> Bool {
        isInBody ? self.index < index && !isDereferenced : self.index < index || !isDereferenced
    }
}

extension Level {
    /// Whether a count of the level is not known yet when the level is read as the field at `index`.
    func isLate(at index: Int, isInBody: Bool) -> Bool {
        func isLate(_ expression: Expression?) -> Bool {
            expression?.variables.contains { !$0.isKnown(at: index, isInBody: isInBody) } ?? false
        }
        switch self {
        case .union(_, let discriminant): return isLate(discriminant)
        case .pointer(let pointer): return pointer.target.isLate(at: index, isInBody: false)
        case .array(let array):
            if case .conformant(let size) = array.size, isLate(size) { return true }
            return isLate(array.length) || array.element.isLate(at: index, isInBody: isInBody)
        default: return false
        }
    }
}

extension UnionType {
    var alignment: Int {
        max(discriminant.size, arms.compactMap { $0.field?.level.alignment }.max() ?? 1)
    }

    var hasPointees: Bool { arms.contains { $0.field?.level.hasPointees ?? false } }
}

/// Rules about conformant types (C706 sections 4.2.16 and 14.3.6).
enum Conformance {
    static func check(_ structure: StructureType) throws(Diagnostic) {
        for (index, field) in structure.fields.enumerated() {
            if field.level.isConformant, index != structure.fields.count - 1 {
                throw Diagnostic(field.location, "only the last field of a structure can be conformant")
            }
            try check(field.level, field.location)
        }
    }

    static func check(_ union: UnionType) throws(Diagnostic) {
        for case .some(let field) in union.arms.map(\.field) {
            if field.level.isConformant { throw Diagnostic(field.location, "a union's arm cannot be conformant") }
            try check(field.level, field.location)
        }
    }

    static func check(_ level: Level, _ location: SourceLocation) throws(Diagnostic) {
        switch level {
        case .array(let array):
            if array.element.isConformant {
                throw Diagnostic(
                    location, "the elements of an array cannot be conformant; only its first dimension can")
            }
            try check(array.element, location)
        case .pointer(let pointer): try check(pointer.target, location)
        default: break
        }
    }
}

/// Finds types that lead back to themselves.
enum Recursion {
    /// A structure cannot hold itself without a pointer in between.
    static func checkByValue(_ structure: StructureType) throws(Diagnostic) {
        var visited: Set<ObjectIdentifier> = []
        for field in structure.fields where holds(field.level, structure, &visited) {
            throw Diagnostic(field.location, "structure '\(structure.name)' holds itself")
        }
    }

    private static func holds(_ level: Level, _ target: StructureType, _ visited: inout Set<ObjectIdentifier>) -> Bool {
        switch level {
        case .structure(let structure):
            if structure === target { return true }
            guard visited.insert(ObjectIdentifier(structure)).inserted else { return false }
            return structure.fields.contains { holds($0.level, target, &visited) }
        case .union(let union, _):
            guard visited.insert(ObjectIdentifier(union)).inserted else { return false }
            return union.arms.contains { $0.field.map { holds($0.level, target, &visited) } ?? false }
        case .array(let array): return holds(array.element, target, &visited)
        default: return false
        }
    }

    /// A union that can hold another of its kind becomes an indirect enumeration.
    static func mark(_ union: UnionType) {
        var visited: Set<ObjectIdentifier> = []
        union.isIndirect = union.arms.contains { arm in
            arm.field.map { inlineReaches($0.level, union, &visited) } ?? false
        }
    }

    /// A field whose pointer leads back to its structure is boxed.
    static func mark(_ structure: StructureType) throws(Diagnostic) {
        for index in structure.fields.indices {
            var visited: Set<ObjectIdentifier> = []
            let field = structure.fields[index]
            guard case .pointer(let pointer) = field.level, inlineReaches(field.level, structure, &visited) else {
                continue
            }
            if pointer.kind == .reference {
                throw Diagnostic(
                    field.location, "reference pointer '\(field.name)' leads back to its structure: no value could end")
            }
            structure.fields[index].isBoxed = true
        }
    }

    /// Whether the Swift value of the level has the target inside of it, without an array's or a box's heap in between.
    private static func inlineReaches(_ level: Level, _ target: AnyObject, _ visited: inout Set<ObjectIdentifier>)
        -> Bool
    {
        switch level {
        case .structure(let structure):
            if structure === target { return true }
            guard visited.insert(ObjectIdentifier(structure)).inserted else { return false }
            return structure.fields.contains { !$0.isBoxed && inlineReaches($0.level, target, &visited) }
        case .union(let union, _):
            if union === target { return true }
            if union.isIndirect { return false }
            guard visited.insert(ObjectIdentifier(union)).inserted else { return false }
            return union.arms.contains { arm in arm.field.map { inlineReaches($0.level, target, &visited) } ?? false }
        case .pointer(let pointer): return inlineReaches(pointer.target, target, &visited)
        default: return false
        }
    }
}
