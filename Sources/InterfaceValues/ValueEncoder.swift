import IDLCompiler
import NDR

/// Writes values by their description: what ``ValueDecoder`` has read, octet for octet.
struct ValueEncoder {
    typealias Representation = TypeLibrary.Representation

    private(set) var writer: StubWriter
    let library: TypeLibrary
    private var fullPointers: Set<UInt64> = []
    private var path: [String] = []

    init(_ tree: FieldTree, _ library: TypeLibrary) {
        writer = StubWriter(tree)
        self.library = library
    }

    mutating func stub(_ fields: [TypeLibrary.Field], _ tree: FieldTree) throws(ValueError) -> [UInt8] {
        guard fields.count == tree.fields.count else {
            throw error("\(fields.count) parameters")
        }
        for (field, node) in zip(fields, tree.fields) {
            path.append(field.name)
            try whole(field.representation, node)
            path.removeLast()
        }
        writer.write(tree.trailing)
        return writer.bytes
    }

    /// A parameter or a referent.
    mutating func whole(_ type: Representation, _ node: FieldNode) throws(ValueError) {
        if case .pointer(let kind, let target) = type {
            if kind == .topLevelReference { return try whole(target, node) }
        } else {
            try hoist(type, node)
        }
        try body(type, node)
        try referents(type, node)
    }

    private mutating func hoist(_ type: Representation, _ node: FieldNode) throws(ValueError) {
        switch (type, node.value) {
        case (.structure(let index), .structure(let fields)):
            let structure = library.structures[index]
            guard structure.isConformant, let last = structure.fields.last else { return }
            guard let value = fields.last else { throw error("the fields of \(structure.name)") }
            try hoist(last.representation, value)
        case (.array(nil, let isVarying, _), let value):
            if isVarying {
                guard let maximum = node.variance?.maximum else { throw error("a maximum count") }
                writer.word(maximum)
            } else {
                writer.word(UInt64(try count(value)))
            }
        case (.string(_, nil), let value):
            let actual = UInt64(try count(value))
            writer.word(node.variance?.maximum ?? actual)
        default: return
        }
    }

    private func count(_ value: FieldValue) throws(ValueError) -> Int {
        switch value {
        case .octets(let octets), .octetString(let octets): octets.count
        case .units(let units, _), .wideString(let units): units.count
        case .array(let elements): elements.count
        case .opened(let layout, let tree):
            try PackedWriter.octets(layout, tree, library).count / (layout == .bindings ? 2 : 1)
        default: throw error("an array")
        }
    }

    // MARK: Bodies

    private mutating func body(_ type: Representation, _ node: FieldNode) throws(ValueError) {
        switch (type, node.value) {
        case (.integer(let octets, _), .unsigned(let value)): writer.integer(value, octets)
        case (.integer(let octets, _), .signed(let value)): writer.integer(UInt64(bitPattern: value), octets)
        case (.integer(let octets, _), .win32(let value)): writer.integer(UInt64(value.rawValue), octets)
        case (.pointerSized, .unsigned(let value)): writer.word(value)
        case (.pointerSized, .signed(let value)): writer.word(UInt64(bitPattern: value))
        case (.float(4), .single(let bits)): writer.integer(UInt64(bits), 4)
        case (.float(8), .double(let bits)): writer.integer(bits, 8)
        case (.hresult, .hresult(let value)): writer.integer(UInt64(value.rawValue), 4)
        case (.guid, .guid(let value)): writer.guid(value)
        case (.contextHandle, .contextHandle(let value)):
            writer.integer(UInt64(value.attributes), 4)
            writer.guid(value.uuid)
        case (.enumeration(let index), .enumeration(let value, _)):
            writer.integer(UInt64(value), writer.syntax == .ndr64 ? 4 : library.enumerations[index].octets)
        case (.structure(let index), .structure(let fields)):
            try structure(library.structures[index], fields, node)
        case (.union(let index), .union(let discriminant, let arm)):
            try union(library.unions[index], discriminant, arm)
        case (.pointer, .pointer(let referent, _)): writer.word(referent)
        case (.array(_, let isVarying, let element), let value):
            if isVarying { try variance(node) }
            try elements(element, value)
        case (.string, .wideString(let units)):
            try variance(node)
            write(units)
        case (.string, .octetString(let octets)):
            try variance(node)
            writer.write(octets)
        default: throw error(library.words(for: type))
        }
    }

    private mutating func variance(_ node: FieldNode) throws(ValueError) {
        writer.word(node.variance?.offset ?? 0)
        writer.word(UInt64(try count(node.value)))
    }

    private mutating func elements(_ element: Representation, _ value: FieldValue) throws(ValueError) {
        switch value {
        case .octets(let octets): writer.write(octets)
        case .units(let units, _): write(units)
        case .opened(let layout, let tree):
            let octets = try PackedWriter.octets(layout, tree, library)
            if layout == .bindings { write(octets.littleEndianUnits) } else { writer.write(octets) }
        case .array(let elements):
            for (index, value) in elements.enumerated() {
                path.append("[\(index)]")
                try body(element, value)
                path.removeLast()
            }
        default: throw error("an array")
        }
    }

    private mutating func write(_ units: [UInt16]) {
        guard !units.isEmpty else { return }
        writer.align(2)
        let isBigEndian = writer.isBigEndian
        writer.write(
            units.flatMap { unit in
                let (low, high) = (UInt8(truncatingIfNeeded: unit), UInt8(truncatingIfNeeded: unit >> 8))
                return isBigEndian ? [high, low] : [low, high]
            })
    }

    private mutating func structure(
        _ structure: TypeLibrary.Structure, _ fields: [FieldNode], _ node: FieldNode
    ) throws(ValueError) {
        if structure.isEncapsulatedUnion {
            guard fields.count == 1, let field = structure.fields.last else { throw error("an encapsulated union") }
            path.append(field.name)
            try body(field.representation, fields[0])
            path.removeLast()
            return
        }
        guard fields.count == structure.fields.count else { throw error("the fields of \(structure.name)") }
        let alignment = writer.syntax == .ndr64 ? structure.alignment.ndr64 : structure.alignment.ndr20
        if alignment > 1 { writer.align(alignment) }
        for (field, value) in zip(structure.fields, try recounted(structure.name, fields)) {
            path.append(field.name)
            try body(field.representation, value)
            path.removeLast()
        }
        if writer.syntax == .ndr64, let padding = structure.paddingInNDR64 { writer.align(padding) }
    }

    /// The fields with the count of an opened layout, should it be longer or shorter than it was.
    private func recounted(_ name: String, _ fields: [FieldNode]) throws(ValueError) -> [FieldNode] {
        guard let last = fields.last, case .opened(let layout, let tree) = last.value, fields.count > 1 else {
            return fields
        }
        let octets = try PackedWriter.octets(layout, tree, library)
        guard octets.count != last.octets.count else { return fields }
        var fields = fields
        fields[0].value = .unsigned(UInt64(layout == .bindings ? octets.count / 2 : octets.count))
        if layout == .bindings {
            fields[1].value = .unsigned(UInt64(PackedWriter.securityOffset(tree)))
        }
        return fields
    }

    private mutating func union(
        _ union: TypeLibrary.Union, _ discriminant: Int64, _ arm: FieldNode?
    ) throws(ValueError) {
        alignUnion(union)
        writer.integer(
            UInt64(bitPattern: discriminant),
            writer.syntax == .ndr64 && union.isEnum16 ? 4 : union.discriminantOctets)
        alignUnion(union)
        guard let described = union.arm(discriminant) else { throw error("an arm of \(union.name)") }
        guard let field = described.field else { return }
        guard let arm else { throw error("the arm \(field.name)") }
        path.append(field.name)
        try body(field.representation, arm)
        path.removeLast()
    }

    private mutating func alignUnion(_ union: TypeLibrary.Union) {
        if writer.syntax == .ndr64, let padding = union.paddingInNDR64 { writer.align(padding) }
    }

    // MARK: Referents

    private mutating func referents(_ type: Representation, _ node: FieldNode) throws(ValueError) {
        switch (type, node.value) {
        case (.pointer(let kind, let target), .pointer(let referent, let value)):
            guard referent != 0 else { return }
            if kind == .full, !fullPointers.insert(referent).inserted { return }
            guard let value else { throw error("a referent") }
            try whole(target, value)
        case (.structure(let index), .structure(let fields)):
            for (field, value) in zip(library.structures[index].fields.suffix(fields.count), fields) {
                path.append(field.name)
                try referents(field.representation, value)
                path.removeLast()
            }
        case (.union(let index), .union(let discriminant, .some(let arm))):
            guard let field = library.unions[index].arm(discriminant)?.field else { return }
            path.append(field.name)
            try referents(field.representation, arm)
            path.removeLast()
        case (.array(_, _, let element), .array(let elements)) where library.hasReferents(element):
            for (index, value) in elements.enumerated() {
                path.append("[\(index)]")
                try referents(element, value)
                path.removeLast()
            }
        default: return
        }
    }

    private func error(_ expected: String) -> ValueError {
        ValueError(
            .unexpectedValue(expected: expected),
            path: path.filter { !$0.isEmpty }.joined(separator: ".").replacing(".[", with: "["),
            offset: writer.bytes.count)
    }
}

extension TypeLibrary {
    /// What a tree should have for a type.
    fileprivate func words(for type: Representation) -> String {
        switch type {
        case .integer, .pointerSized: "an integer"
        case .float: "a number"
        case .hresult: "an HRESULT"
        case .guid: "a GUID"
        case .contextHandle: "a context handle"
        case .enumeration(let index): "a value of \(enumerations[index].name)"
        case .structure(let index): "the structure \(structures[index].name)"
        case .union(let index): "the union \(unions[index].name)"
        case .pointer: "a pointer"
        case .array: "an array"
        case .string: "a string"
        }
    }
}
