import ErrorCodes
import NDR

/// Values as people read them.
extension FieldNode {
    /// The value in a few words; nil for what has parts of its own to show.
    ///
    /// - Parameter catalogue: What GUIDs are looked up in.
    public func words(_ catalogue: InterfaceCatalogue = .standard) -> String? {
        switch value {
        case .unsigned(let value):
            return Self.areFlags(name) || octets.count == 8
                ? "0x" + String(value, radix: 16) : String(value)
        case .signed(let value): return String(value)
        case .single(let bits): return String(Float(bitPattern: bits))
        case .double(let bits): return String(Double(bitPattern: bits))
        case .enumeration(let value, let name): return name.map { "\($0) (\(value))" } ?? "\(value), which has no name"
        case .hresult(let code): return code.description
        case .win32(let code): return code.description
        case .guid(let guid): return catalogue.name(of: guid).map { "\(guid) \($0)" } ?? guid.description
        case .contextHandle(let handle):
            return handle.isNull ? "NULL" : "\(handle.uuid), attributes \(handle.attributes)"
        case .wideString(let units):
            return String(decoding: units.last == 0 ? units.dropLast() : units[...], as: UTF16.self).debugDescription
        case .octetString(let octets):
            return String(decoding: octets.last == 0 ? octets.dropLast() : octets[...], as: UTF8.self).debugDescription
        case .octets(let octets): return Self.hexadecimal(octets)
        case .units(let units, isText: true): return units.wideString.debugDescription
        case .units(let units, isText: false): return "[" + units.map(String.init).joined(separator: ", ") + "]"
        case .array(let elements): return elements.isEmpty ? "no elements" : nil
        case .structure: return nil
        case .union(let discriminant, let arm): return arm == nil ? "nothing, by discriminant \(discriminant)" : nil
        case .pointer(let referent, nil):
            return referent == 0 ? "NULL" : "the referent 0x\(String(referent, radix: 16)) again"
        case .pointer(_, .some(let target)): return target.words(catalogue)
        case .opened: return nil
        }
    }

    /// The parts, where there are any: fields, elements, the arm, the referent's own.
    public var parts: [FieldNode] {
        switch value {
        case .array(let nodes), .structure(let nodes): nodes
        case .union(_, let arm): arm.map { [$0] } ?? []
        case .pointer(_, .some(let target)): target.parts
        case .opened(_, let tree): tree.fields
        default: []
        }
    }

    /// The value and all of its parts, one to a line, each part indented by two more spaces.
    ///
    /// A BSTR is shown as the text that it is.
    public func lines(_ catalogue: InterfaceCatalogue = .standard, indentation: Int = 0) -> [String] {
        let margin = String(repeating: " ", count: indentation)
        let title = name.isEmpty ? margin : "\(margin)\(name): "
        if let text = basicString { return ["\(title)\(text)"] }
        if let words = words(catalogue) { return ["\(title)\(words)"] }
        let kind = if case .opened(let layout, _) = value { layout.rawValue } else { type }
        return ["\(title)\(kind)"] + parts.flatMap { $0.lines(catalogue, indentation: indentation + 2) }
    }

    /// The text of a BSTR ([MS-OAUT] 2.2.23.2), whose NULL is a byte count of 0xFFFFFFFF; nil for anything else.
    private var basicString: String? {
        var node = self
        while case .pointer(_, .some(let target)) = node.value { node = target }
        guard node.type == "FLAGGED_WORD_BLOB", case .structure(let fields) = node.value, fields.count == 3,
            case .units(let units, _) = fields[2].value, case .unsigned(let octets) = fields[0].value
        else { return nil }
        if octets == 0xFFFF_FFFF, units.isEmpty { return "BSTR NULL" }
        return "BSTR " + String(decoding: units, as: UTF16.self).debugDescription
    }

    /// Names under which a number in hexadecimal says more.
    private static func areFlags(_ name: String) -> Bool {
        ["flags", "key", "signature"].contains { name.lowercased().hasSuffix($0) }
    }

    /// Up to 64 octets, and how many there are.
    private static func hexadecimal(_ octets: [UInt8]) -> String {
        guard !octets.isEmpty else { return "no octets" }
        let digits = octets.prefix(64).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(octets.count) octets \(digits)\(octets.count > 64 ? "…" : "")"
    }
}

extension FieldTree {
    /// All values, one to a line.
    public func lines(_ catalogue: InterfaceCatalogue = .standard, indentation: Int = 0) -> [String] {
        fields.flatMap { $0.lines(catalogue, indentation: indentation) }
    }
}
