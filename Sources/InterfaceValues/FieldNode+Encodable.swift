import NDR

/// As JSON: `name`, `type`, `offset` and `length` in the stub, `kind`, and what belongs to the kind.
extension FieldNode: Encodable {
    private enum Key: String, CodingKey {
        case name, type, offset, length, kind, value, words, maximum, first
        case discriminant, arm, referent, target, fields, elements, layout
    }

    /// Writes the value and all of its parts.
    ///
    /// Integers are numbers, GUIDs and strings are strings, octets are hexadecimal digits; `words` has the name of an
    /// enumeration's value, of an error code, or of an interface, where there is one.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(name, forKey: .name)
        try container.encode(type, forKey: .type)
        try container.encode(octets.lowerBound, forKey: .offset)
        try container.encode(octets.count, forKey: .length)
        if let variance {
            try container.encodeIfPresent(variance.maximum, forKey: .maximum)
            try container.encode(variance.offset, forKey: .first)
        }
        try container.encode(kind, forKey: .kind)
        switch value {
        case .unsigned(let value): try container.encode(value, forKey: .value)
        case .signed(let value): try container.encode(value, forKey: .value)
        case .single(let bits): try container.encode(Float(bitPattern: bits).description, forKey: .value)
        case .double(let bits): try container.encode(Double(bitPattern: bits).description, forKey: .value)
        case .enumeration(let value, let name):
            try container.encode(value, forKey: .value)
            try container.encodeIfPresent(name, forKey: .words)
        case .hresult(let code):
            try container.encode(code.rawValue, forKey: .value)
            try container.encodeIfPresent(code.name, forKey: .words)
        case .win32(let code):
            try container.encode(code.rawValue, forKey: .value)
            try container.encodeIfPresent(code.name, forKey: .words)
        case .guid(let guid):
            try container.encode(guid.description, forKey: .value)
            try container.encodeIfPresent(InterfaceCatalogue.standard.name(of: guid), forKey: .words)
        case .contextHandle(let handle):
            try container.encode("\(handle.attributes):\(handle.uuid)", forKey: .value)
        case .wideString(let units):
            let text = units.last == 0 ? units.dropLast() : units[...]
            try container.encode(String(decoding: text, as: UTF16.self), forKey: .value)
        case .octetString(let octets):
            let text = octets.last == 0 ? octets.dropLast() : octets[...]
            try container.encode(String(decoding: text, as: UTF8.self), forKey: .value)
        case .octets(let octets):
            let digits = octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            try container.encode(digits.joined(), forKey: .value)
        case .units(let units, isText: true):
            try container.encode(String(decoding: units, as: UTF16.self), forKey: .value)
        case .units(let units, isText: false): try container.encode(units, forKey: .value)
        case .array(let elements): try container.encode(elements, forKey: .elements)
        case .structure(let fields): try container.encode(fields, forKey: .fields)
        case .union(let discriminant, let arm):
            try container.encode(discriminant, forKey: .discriminant)
            try container.encodeIfPresent(arm, forKey: .arm)
        case .pointer(let referent, let target):
            try container.encode(referent, forKey: .referent)
            try container.encodeIfPresent(target, forKey: .target)
        case .opened(let layout, let tree):
            try container.encode(layout.rawValue, forKey: .layout)
            try container.encode(tree.fields, forKey: .fields)
        }
    }

    private var kind: String {
        switch value {
        case .unsigned, .signed: "integer"
        case .single, .double: "number"
        case .enumeration: "enumeration"
        case .hresult: "hresult"
        case .win32: "win32"
        case .guid: "guid"
        case .contextHandle: "contextHandle"
        case .wideString, .octetString, .units(_, isText: true): "text"
        case .octets: "octets"
        case .units, .array: "array"
        case .structure: "structure"
        case .union: "union"
        case .pointer: "pointer"
        case .opened: "opened"
        }
    }
}
