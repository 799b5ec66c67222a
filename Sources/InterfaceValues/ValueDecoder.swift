import ErrorCodes
import IDLCompiler
import NDR

/// Reads values by their description.
///
/// A constructed item has three parts on the wire (C706 section 14.3): the maximum counts that are hoisted to its front, its
/// body, and the referents of the pointers in its body, in their order.
///
/// **Invariants**
/// - It makes no room for more elements than the octets at hand can hold, and for no more than ``maximumValues`` in all.
/// - It follows no more than ``NDRDecoder/defaultMaximumDepth`` referents into each other.
/// - It opens activation properties that are inside of others no more than ``maximumOpenings`` deep.
struct ValueDecoder {
    /// How many values one stub may have, arrays of octets and of 16-bit integers being one.
    static let maximumValues = 1 << 18
    /// How deep activation properties may be in each other. Each level is written again by all that it is in, so that the time
    /// grows by a factor with every level; what clients send has one inside of the other at most.
    static let maximumOpenings = 2

    typealias Representation = TypeLibrary.Representation

    var reader: StubReader
    let library: TypeLibrary
    /// What stands in front of the octets: where a layout was opened that is not the stub itself.
    let base: Int
    var depth: Int
    var values: Int
    /// How many activation properties the octets are in.
    let openings: Int
    private var hoisted: [UInt64] = []
    private var fullPointers: Set<UInt64> = []
    private var path: [String] = []

    init(
        _ reader: StubReader, _ library: TypeLibrary, base: Int = 0, depth: Int = 0, values: Int = 0, openings: Int = 0
    ) {
        self.reader = reader
        self.library = library
        self.base = base
        self.depth = depth
        self.values = values
        self.openings = openings
    }

    /// All parameters, and what follows them.
    mutating func tree(_ fields: [TypeLibrary.Field]) throws(ValueError) -> FieldTree {
        var nodes: [FieldNode] = []
        for field in fields { nodes.append(try whole(field.representation, field.name, field.typeName)) }
        return FieldTree(
            fields: nodes, syntax: reader.syntax, isBigEndian: reader.isBigEndian, padding: reader.padding,
            trailing: reader.rest, length: reader.bytes.count)
    }

    // MARK: Whole items

    /// A parameter or a referent: hoisted maximum counts, body, referents.
    mutating func whole(_ type: Representation, _ name: String, _ typeName: String) throws(ValueError) -> FieldNode {
        path.append(name)
        if case .pointer(let kind, let target) = type {
            if kind == .topLevelReference {
                path.removeLast()
                return try whole(target, name, typeName)
            }
            var node = try body(type, name, typeName)
            try referents(type, &node)
            path.removeLast()
            return node
        }
        try hoist(type)
        var node = try body(type, name, typeName)
        try referents(type, &node)
        path.removeLast()
        return node
    }

    private mutating func hoist(_ type: Representation) throws(ValueError) {
        switch type {
        case .structure(let index):
            let structure = library.structures[index]
            if structure.isConformant, let last = structure.fields.last { try hoist(last.representation) }
        case .array(nil, _, _), .string(_, nil):
            hoisted.append(try read { reader throws(ShortStub) in try reader.word() })
        default: break
        }
    }

    // MARK: Bodies

    private mutating func body(_ type: Representation, _ name: String, _ typeName: String) throws(ValueError)
        -> FieldNode
    {
        guard values < Self.maximumValues else { throw error(.tooManyValues(limit: Self.maximumValues)) }
        values += 1
        switch type {
        case .integer(let octets, let isSigned):
            let value = try integer(octets)
            let end = reader.position
            let content: FieldValue
            if typeName == "error_status_t" {
                content = .win32(Win32Error(rawValue: UInt32(truncatingIfNeeded: value)))
            } else {
                content = isSigned ? .signed(Self.signed(value, octets)) : .unsigned(value)
            }
            return node(name, typeName, end - octets, content)
        case .pointerSized(let isSigned):
            let octets = reader.syntax == .ndr64 ? 8 : 4
            let value = try integer(octets)
            return node(
                name, typeName, reader.position - octets,
                isSigned ? .signed(Self.signed(value, octets)) : .unsigned(value))
        case .float(let octets):
            let value = try integer(octets)
            return node(
                name, typeName, reader.position - octets,
                octets == 4 ? .single(UInt32(truncatingIfNeeded: value)) : .double(value))
        case .hresult:
            let value = try integer(4)
            return node(
                name, typeName, reader.position - 4,
                .hresult(HRESULT(rawValue: UInt32(truncatingIfNeeded: value))))
        case .guid:
            let value = try read { reader throws(ShortStub) in try reader.guid() }
            return node(name, typeName, reader.position - 16, .guid(value))
        case .contextHandle:
            let attributes = try integer(4)
            let value = try read { reader throws(ShortStub) in try reader.guid() }
            return node(
                name, typeName, reader.position - 20,
                .contextHandle(ContextHandle(attributes: UInt32(truncatingIfNeeded: attributes), uuid: value)))
        case .enumeration(let index):
            let enumeration = library.enumerations[index]
            let octets = reader.syntax == .ndr64 ? 4 : enumeration.octets
            let value = try integer(octets)
            return node(
                name, enumeration.name, reader.position - octets,
                .enumeration(UInt32(truncatingIfNeeded: value), name: enumeration.name(of: value)))
        case .structure(let index):
            return try structure(library.structures[index], name)
        case .union(let index):
            return try union(library.unions[index], name)
        case .pointer(let kind, _):
            let referent = try read { reader throws(ShortStub) in try reader.word() }
            if referent == 0, kind == .reference { throw error(.nullReference) }
            let octets = reader.syntax == .ndr64 ? 8 : 4
            return node(name, typeName, reader.position - octets, .pointer(referent: referent, target: nil))
        case .array(let count, let isVarying, let element):
            return try array(count, isVarying, element, name, typeName)
        case .string(let isWide, let count):
            return try string(isWide, count, name, typeName)
        }
    }

    private mutating func structure(_ structure: TypeLibrary.Structure, _ name: String) throws(ValueError) -> FieldNode
    {
        if structure.isEncapsulatedUnion { return try encapsulated(structure, name) }
        let alignment = reader.syntax == .ndr64 ? structure.alignment.ndr64 : structure.alignment.ndr20
        if alignment > 1 { try read { reader throws(ShortStub) in try reader.align(alignment) } }
        let start = reader.position
        var fields: [FieldNode] = []
        fields.reserveCapacity(structure.fields.count)
        for field in structure.fields {
            path.append(field.name)
            fields.append(try body(field.representation, field.name, field.typeName))
            path.removeLast()
        }
        let end = reader.position
        if reader.syntax == .ndr64, let padding = structure.paddingInNDR64 {
            try read { reader throws(ShortStub) in try reader.alignIfPossible(padding) }
        }
        openLayout(of: structure.name, &fields)
        return FieldNode(
            name: name, type: structure.name, octets: base + start..<base + end, value: .structure(fields))
    }

    private mutating func union(_ union: TypeLibrary.Union, _ name: String) throws(ValueError) -> FieldNode {
        try alignUnion(union)
        let octets = reader.syntax == .ndr64 && union.isEnum16 ? 4 : union.discriminantOctets
        let raw = try integer(octets)
        let start = reader.position - octets
        let discriminant = union.isDiscriminantSigned ? Self.signed(raw, octets) : Int64(truncatingIfNeeded: raw)
        try alignUnion(union)
        var arm: FieldNode?
        if let field = try self.arm(of: union, discriminant).field {
            path.append(field.name)
            arm = try body(field.representation, field.name, field.typeName)
            path.removeLast()
        }
        return FieldNode(
            name: name, type: union.name, octets: base + start..<base + reader.position,
            value: .union(discriminant: discriminant, arm: arm))
    }

    /// The discriminant of an encapsulated union travels with the union, once; the tree has it there as well.
    private mutating func encapsulated(
        _ structure: TypeLibrary.Structure, _ name: String
    ) throws(ValueError) -> FieldNode {
        guard structure.fields.count == 2, case .union(let index) = structure.fields[1].representation else {
            throw error(.unexpectedValue(expected: "an encapsulated union"))
        }
        let field = structure.fields[1]
        path.append(field.name)
        let inner = try union(library.unions[index], field.name)
        path.removeLast()
        return FieldNode(name: name, type: structure.name, octets: inner.octets, value: .structure([inner]))
    }

    private func arm(of union: TypeLibrary.Union, _ discriminant: Int64) throws(ValueError) -> TypeLibrary.Arm {
        guard let arm = union.arm(discriminant) else { throw error(.badDiscriminant(discriminant)) }
        return arm
    }

    private mutating func alignUnion(_ union: TypeLibrary.Union) throws(ValueError) {
        guard reader.syntax == .ndr64, let padding = union.paddingInNDR64 else { return }
        try read { reader throws(ShortStub) in try reader.align(padding) }
    }

    // MARK: Arrays and strings

    private mutating func array(
        _ fixed: Int?, _ isVarying: Bool, _ element: Representation, _ name: String, _ typeName: String
    ) throws(ValueError) -> FieldNode {
        let (count, variance) = try counts(fixed, isVarying)
        let start = reader.position
        let value: FieldValue
        switch element {
        case .integer(octets: 1, isSigned: _):
            value = .octets(Array(try take(count)))
        case .integer(octets: 2, isSigned: false):
            value = .units(try units(count), isText: ["wchar_t", "WCHAR", "UNICODE"].contains(typeName))
        default:
            guard count <= reader.remaining / max(1, library.minimumSize(of: element)) else {
                throw error(.countTooLarge(UInt64(count)))
            }
            guard count <= Self.maximumValues - values else {
                throw error(.tooManyValues(limit: Self.maximumValues))
            }
            var elements: [FieldNode] = []
            elements.reserveCapacity(count)
            for index in 0..<count { elements.append(try body(element, "[\(index)]", typeName)) }
            value = .array(elements)
        }
        return FieldNode(
            name: name, type: typeName, octets: base + start..<base + reader.position, variance: variance,
            value: value)
    }

    private mutating func string(
        _ isWide: Bool, _ fixed: Int?, _ name: String, _ typeName: String
    ) throws(ValueError) -> FieldNode {
        let (count, variance) = try counts(fixed, true)
        let start = reader.position
        let value: FieldValue = isWide ? .wideString(try units(count)) : .octetString(Array(try take(count)))
        return FieldNode(
            name: name, type: typeName, octets: base + start..<base + reader.position, variance: variance,
            value: value)
    }

    /// How many elements follow, and the counts that say so.
    private mutating func counts(
        _ fixed: Int?, _ isVarying: Bool
    ) throws(ValueError) -> (Int, FieldNode.Variance?) {
        var maximum = UInt64(fixed ?? 0)
        if fixed == nil { maximum = hoisted.isEmpty ? 0 : hoisted.removeFirst() }
        var count = maximum
        var variance: FieldNode.Variance?
        if isVarying {
            let offset = try read { reader throws(ShortStub) in try reader.word() }
            count = try read { reader throws(ShortStub) in try reader.word() }
            let (end, overflow) = offset.addingReportingOverflow(count)
            guard !overflow, end <= maximum else {
                throw error(.lengthExceedsSize(length: overflow ? .max : end, size: maximum))
            }
            variance = FieldNode.Variance(maximum: fixed == nil ? maximum : nil, offset: offset)
        }
        // No element is smaller than an octet.
        guard count <= UInt64(reader.remaining) else { throw error(.countTooLarge(count)) }
        return (Int(count), variance)
    }

    private mutating func units(_ count: Int) throws(ValueError) -> [UInt16] {
        guard count > 0 else { return [] }
        try read { reader throws(ShortStub) in try reader.align(2) }
        let octets = try take(count * 2)
        let isBigEndian = reader.isBigEndian
        return octets.withUnsafeBytes { source in
            (0..<count).map { index in
                let unit = source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                return isBigEndian ? UInt16(bigEndian: unit) : UInt16(littleEndian: unit)
            }
        }
    }

    // MARK: Referents

    /// Reads what the pointers in a body point at.
    private mutating func referents(_ type: Representation, _ node: inout FieldNode) throws(ValueError) {
        guard library.hasReferents(type) else { return }
        switch (type, node.value) {
        case (.pointer(let kind, let target), .pointer(let referent, _)):
            guard referent != 0 else { return }
            // The second pointer to one referent has none of its own.
            if kind == .full, !fullPointers.insert(referent).inserted { return }
            guard depth < NDRDecoder.defaultMaximumDepth else {
                throw error(.tooDeep(limit: NDRDecoder.defaultMaximumDepth))
            }
            depth += 1
            let inner = try whole(target, "", node.type)
            depth -= 1
            node.value = .pointer(referent: referent, target: inner)
        case (.structure(let index), .structure(var fields)):
            // An encapsulated union's discriminant has no node of its own.
            let described = library.structures[index].fields.suffix(fields.count)
            for (place, field) in zip(fields.indices, described) {
                path.append(field.name)
                try referents(field.representation, &fields[place])
                path.removeLast()
            }
            node.value = .structure(fields)
        case (.union(let index), .union(let discriminant, .some(var arm))):
            guard let field = try self.arm(of: library.unions[index], discriminant).field else { return }
            path.append(field.name)
            try referents(field.representation, &arm)
            path.removeLast()
            node.value = .union(discriminant: discriminant, arm: arm)
        case (.array(_, _, let element), .array(var elements)):
            for index in elements.indices {
                path.append("[\(index)]")
                try referents(element, &elements[index])
                path.removeLast()
            }
            node.value = .array(elements)
        default: return
        }
    }

    // MARK: Small things

    private func node(_ name: String, _ type: String, _ start: Int, _ value: FieldValue) -> FieldNode {
        FieldNode(name: name, type: type, octets: base + start..<base + reader.position, value: value)
    }

    private mutating func integer(_ octets: Int) throws(ValueError) -> UInt64 {
        try read { reader throws(ShortStub) in try reader.integer(octets) }
    }

    private mutating func take(_ count: Int) throws(ValueError) -> ArraySlice<UInt8> {
        try read { reader throws(ShortStub) in try reader.take(count) }
    }

    private mutating func read<Value>(
        _ body: (inout StubReader) throws(ShortStub) -> Value
    ) throws(ValueError) -> Value {
        do throws(ShortStub) {
            return try body(&reader)
        } catch {
            throw self.error(.truncated(needed: error.needed, available: error.available))
        }
    }

    private func error(_ reason: ValueError.Reason) -> ValueError {
        ValueError(
            reason, path: path.filter { !$0.isEmpty }.joined(separator: ".").replacing(".[", with: "["),
            offset: base + reader.position)
    }

    static func signed(_ value: UInt64, _ octets: Int) -> Int64 {
        let shift = 64 - 8 * octets
        return Int64(truncatingIfNeeded: value << UInt64(shift)) >> Int64(shift)
    }
}
