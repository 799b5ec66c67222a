/// The transfer syntaxes that one text is emitted for.
enum WireSyntax {
    case ndr20
    case ndr64

    /// The octets of a count or a referent identifier.
    var word: Int { self == .ndr64 ? 8 : 4 }
}

/// What NDR 2.0 (C706 section 14.3) and NDR64 ([MS-RPCE] 2.2.5) make of a level.
extension Level {
    /// The alignment of the body.
    func alignment(_ syntax: WireSyntax) -> Int {
        switch self {
        case .scalar(let scalar, _): scalar.size
        case .hresult, .guid, .contextHandle: 4
        case .pointer, .pointerSized, .string: syntax.word
        case .enumeration(let enumeration, _): enumeration.size(syntax)
        case .structure(let structure): structure.alignment(syntax)
        case .union(let union, _): union.alignment(syntax)
        case .array(let array): max(array.length == nil ? 1 : syntax.word, array.element.alignment(syntax))
        }
    }

    /// The least number of octets that the body takes in either syntax, without padding: those of NDR 2.0.
    var minimumSize: Int {
        switch self {
        case .scalar(let scalar, _): scalar.size
        case .hresult, .pointer, .pointerSized: 4
        case .guid: 16
        case .contextHandle: 20
        case .enumeration(let enumeration, _): enumeration.size(.ndr20)
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
        case .scalar, .pointerSized, .hresult, .guid, .contextHandle, .enumeration, .string: false
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

extension EnumType {
    func size(_ syntax: WireSyntax) -> Int {
        syntax == .ndr64 ? 4 : scalar.size
    }
}

extension StructureType {
    func alignment(_ syntax: WireSyntax) -> Int {
        // An encapsulated union's discriminant and arm each align by themselves.
        fields.map { $0.level.alignment(syntax) }.max() ?? 1
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
    func alignment(_ syntax: WireSyntax) -> Int {
        switch syntax {
        case .ndr20: max(discriminant.size, armAlignment(syntax))
        // "Unions are aligned according to the largest of the union arms" ([MS-RPCE] 2.2.5.3.4.4).
        case .ndr64: armAlignment(syntax)
        }
    }

    private func armAlignment(_ syntax: WireSyntax) -> Int {
        arms.compactMap { $0.field?.level.alignment(syntax) }.max() ?? 1
    }

    /// What NDR64 aligns the discriminant to, and then the arm; nil where the discriminant's own alignment does it all.
    var paddingInNDR64: Int? {
        let alignment = armAlignment(.ndr64)
        return alignment > (isEnum16 ? 4 : discriminant.size) ? alignment : nil
    }

    var hasPointees: Bool { arms.contains { $0.field?.level.hasPointees ?? false } }
}

/// Where things end in NDR64, for as long as it is the same in every value.
extension Level {
    /// The offset behind the body, which begins at or after `offset`; nil where the value decides.
    func end(from offset: Int) -> Int? {
        func rounded(_ size: Int, _ alignment: Int) -> Int { (offset + alignment - 1) & ~(alignment - 1) + size }
        switch self {
        case .scalar(let scalar, _): return rounded(scalar.size, scalar.size)
        case .pointerSized, .pointer: return rounded(8, 8)
        case .hresult, .enumeration: return rounded(4, 4)
        case .guid: return rounded(16, 4)
        case .contextHandle: return rounded(20, 4)
        case .structure(let structure):
            guard !structure.isEncapsulatedUnion else { return nil }
            let alignment = structure.alignment(.ndr64)
            let start = rounded(0, alignment)
            guard let end = structure.fixedSizeInNDR64 else { return nil }
            return (start + end + alignment - 1) & ~(alignment - 1)
        case .array(let array):
            guard case .fixed(let count) = array.size, array.length == nil, count <= 0x1_0000 else { return nil }
            var position = offset
            for _ in 0..<count {
                guard let next = array.element.end(from: position) else { return nil }
                position = next
            }
            return position
        case .union, .string: return nil
        }
    }
}

extension StructureType {
    /// The octets from the first field to the last, without the padding behind that; nil where the value decides.
    var fixedSizeInNDR64: Int? {
        var position = 0
        for field in fields {
            guard let next = field.level.end(from: position) else { return nil }
            position = next
        }
        return position
    }

    /// What NDR64 pads the structure to at its end; nil where it never has to.
    var paddingInNDR64: Int? {
        // A union has no gap: it ends where its arm does, and so does one that holds its discriminant itself.
        guard !isEncapsulatedUnion else { return nil }
        let alignment = alignment(.ndr64)
        if alignment == 1 { return nil }
        if let size = fixedSizeInNDR64, size % alignment == 0 { return nil }
        return alignment
    }
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
