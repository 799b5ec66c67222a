import IDLCompiler
import NDR

/// Writes opened layouts: little endian, without gaps.
struct PackedWriter {
    private(set) var octets: [UInt8] = []
    private let library: TypeLibrary

    /// The octets of a layout.
    static func octets(_ layout: OpenedLayout, _ tree: FieldTree, _ library: TypeLibrary) throws(ValueError) -> [UInt8]
    {
        switch layout {
        case .serializedType: return try serialized(tree, library)
        case .activationProperties: return try activationProperties(tree, library)
        case .objectReference, .bindings:
            var writer = PackedWriter(library: library)
            for field in try writer.recounted(reference: tree.fields) { try writer.write(field) }
            return writer.octets
        }
    }

    /// How many units stand in front of the security bindings: those up to the zero that ends the string bindings.
    static func securityOffset(_ tree: FieldTree) -> Int {
        var units = 0
        for (index, field) in tree.fields.enumerated() {
            switch field.value {
            case .structure where field.type == "SECURITYBINDING": return units
            case .structure(let members):
                if case .wideString(let text)? = members.last?.value { units += 1 + text.count }
            default:
                units += 1
                // Without any string binding, a zero stands for the list, and one more ends it ([MS-DCOM] 2.2.19.1).
                let isFirst = index == 0
                let followsAnother = tree.fields.dropFirst(index + 1).first?.value == .unsigned(0)
                if !(isFirst && followsAnother) { return units }
            }
        }
        return units
    }

    private init(library: TypeLibrary) {
        self.library = library
    }

    private mutating func write(_ node: FieldNode) throws(ValueError) {
        switch node.value {
        case .unsigned(let value):
            let octets = Self.widths[node.type] ?? node.octets.count
            for index in 0..<octets { self.octets.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
        case .guid(let value): octets += value.littleEndianBytes
        case .octets(let value): octets += value
        case .units(let units, _), .wideString(let units): octets += units.littleEndianOctets
        case .structure(let fields):
            for field in try recounted(fields) { try write(field) }
        case .opened(let layout, let tree): octets += try Self.octets(layout, tree, library)
        default:
            throw ValueError(
                .unexpectedValue(expected: "an integer, a GUID or octets"), path: node.name, offset: octets.count)
        }
    }

    private static let widths = ["unsigned short": 2, "unsigned long": 4, "OXID": 8, "OID": 8]

    /// The counts in front of bindings that have become longer or shorter.
    private func recounted(_ fields: [FieldNode]) throws(ValueError) -> [FieldNode] {
        guard fields.count == 3, case .opened(.bindings, let tree) = fields[2].value else { return fields }
        let count = try Self.octets(.bindings, tree, library).count
        guard count != fields[2].octets.count else { return fields }
        var fields = fields
        fields[0].value = .unsigned(UInt64(count / 2))
        fields[1].value = .unsigned(UInt64(Self.securityOffset(tree)))
        return fields
    }

    /// An OBJREF_CUSTOM's size of its data, which it need not state ([MS-DCOM] 2.2.18.6), should it have changed.
    private func recounted(reference fields: [FieldNode]) throws(ValueError) -> [FieldNode] {
        guard let last = fields.last, case .opened(.activationProperties, let tree) = last.value,
            let size = fields.firstIndex(where: { $0.name == "reserved" }),
            fields[size].value == .unsigned(UInt64(last.octets.count))
        else { return fields }
        var fields = fields
        fields[size].value = .unsigned(UInt64(try Self.octets(.activationProperties, tree, library).count))
        return fields
    }

    // MARK: Type serialization

    /// The headers and the value; one of another length than it had gets another length in front and zeros behind.
    private static func serialized(_ tree: FieldTree, _ library: TypeLibrary) throws(ValueError) -> [UInt8] {
        guard tree.fields.count == 4, let value = tree.fields.last, let type = library.structure(named: value.type)
        else {
            throw ValueError(.unexpectedValue(expected: "a serialized structure"), path: "", offset: 0)
        }
        let field = TypeLibrary.Field(name: "value", typeName: value.type, representation: type)
        var headers = tree.fields.dropLast()
        var body = FieldTree(
            fields: [value], isBigEndian: tree.isBigEndian, padding: tree.padding, trailing: tree.trailing)
        var encoder = ValueEncoder(body, library)
        var octets = try encoder.stub([field], body)
        if 16 + octets.count != tree.length {
            body.trailing = []
            encoder = ValueEncoder(body, library)
            octets = try encoder.stub([field], body)
            octets.append(contentsOf: repeatElement(0, count: -octets.count & 7))
            headers[1].value = .unsigned(UInt64(octets.count))
        }
        var writer = PackedWriter(library: library)
        for header in headers { try writer.write(header) }
        return writer.octets + octets
    }

    // MARK: Activation properties

    /// The BLOB; its sizes are counted anew if a property has another length than it had.
    private static func activationProperties(_ tree: FieldTree, _ library: TypeLibrary) throws(ValueError) -> [UInt8] {
        var properties: [[UInt8]] = []
        for property in tree.fields.dropFirst(3) {
            var writer = PackedWriter(library: library)
            try writer.write(property)
            properties.append(writer.octets)
        }
        var fields = Array(tree.fields.prefix(3))
        if zip(properties, tree.fields.dropFirst(3)).contains(where: { $0.count != $1.octets.count }),
            case .opened(let layout, var header)? = fields.last?.value, header.fields.count == 4
        {
            let before = tree.fields.dropFirst(3).reduce(0) { $0 + $1.octets.count }
            let growth = properties.reduce(0) { $0 + $1.count } - before
            fields[0].grow(by: growth)
            header.fields[3].modify("totalSize") { $0.grow(by: growth) }
            header.fields[3].modify("pSizes") { sizes in
                guard case .pointer(let referent, .some(var array)) = sizes.value,
                    case .array(var elements) = array.value
                else { return }
                for (index, property) in zip(elements.indices, properties) {
                    elements[index].value = .unsigned(UInt64(property.count))
                }
                array.value = .array(elements)
                sizes.value = .pointer(referent: referent, target: array)
            }
            fields[2].value = .opened(layout, header)
        }
        var writer = PackedWriter(library: library)
        for field in fields { try writer.write(field) }
        return writer.octets + properties.joined()
    }
}

extension FieldNode {
    /// Adds to an unsigned integer.
    fileprivate mutating func grow(by growth: Int) {
        guard case .unsigned(let value) = value else { return }
        self.value = .unsigned(value &+ UInt64(bitPattern: Int64(growth)))
    }

    /// Changes a structure's field.
    fileprivate mutating func modify(_ name: String, _ change: (inout FieldNode) -> Void) {
        guard case .structure(var fields) = value, let index = fields.firstIndex(where: { $0.name == name }) else {
            return
        }
        change(&fields[index])
        value = .structure(fields)
    }
}
