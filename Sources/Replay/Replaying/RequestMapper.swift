import InterfaceValues
import NDR

/// Puts into a captured request what the live server understands.
struct RequestMapper {
    var identities: IdentityMap
    let rules: ReplayRules
    /// What the captured server was called, and what the live one is.
    let hosts: [String: String]

    /// The request for the live server.
    ///
    /// - Parameter path: `Interface.Operation`.
    mutating func map(_ tree: FieldTree, path: String) -> FieldTree {
        var result = tree
        result.fields = tree.fields.map { map($0, path: path) }
        return result
    }

    private mutating func map(_ node: FieldNode, path: String) -> FieldNode {
        var node = node
        let path = node.name.isEmpty ? path : node.name.hasPrefix("[") ? path + node.name : "\(path).\(node.name)"
        switch node.value {
        case .unsigned(let value):
            node.value = .unsigned(rules.replaced(identities.number(node.type, value), path))
        case .signed(let value):
            node.value = rules.replaced(.signed(value), path)
        case .guid(let value):
            if node.type == "CID" {
                node.value = .guid(identities.causality(value))
            } else if IdentityMap.kinds[node.type] != nil {
                node.value = .guid(identities.guid(value))
            } else {
                node.value = rules.replaced(.guid(value), path)
            }
        case .contextHandle(let handle): node.value = .contextHandle(identities.handle(handle))
        case .wideString(let units):
            let terminator = units.last == 0 ? [UInt16](arrayLiteral: 0) : []
            if let text = replaced(String(decoding: units.dropLast(terminator.count), as: UTF16.self)) {
                let new = Array(text.utf16) + terminator
                if node.variance?.maximum == UInt64(units.count) { node.variance?.maximum = UInt64(new.count) }
                node.value = .wideString(new)
            }
        case .structure(let fields):
            node.value = .structure(
                replacedBasicString(node.type, fields) ?? fields.map { map($0, path: path) })
        case .array(let elements): node.value = .array(elements.map { map($0, path: path) })
        case .union(let discriminant, .some(let arm)):
            node.value = .union(discriminant: discriminant, arm: map(arm, path: path))
        case .pointer(let referent, .some(let target)):
            node.value = .pointer(referent: referent, target: map(target, path: path))
        case .opened(let layout, let tree):
            var tree = tree
            tree.fields = tree.fields.map { map($0, path: path) }
            node.value = .opened(layout, tree)
        default: break
        }
        return node
    }

    /// The text with the rules' replacements; nil if there are none in it.
    private func replaced(_ text: String) -> String? {
        let result = rules.replaced(hosts[text.lowercased()] ?? text)
        return result == text ? nil : result
    }

    /// A BSTR ([MS-OAUT] 2.2.23.2) with other text has other counts as well.
    private func replacedBasicString(_ type: String, _ fields: [FieldNode]) -> [FieldNode]? {
        guard type == "FLAGGED_WORD_BLOB", fields.count == 3, case .units(let units, let isText) = fields[2].value,
            let text = replaced(String(decoding: units, as: UTF16.self))
        else { return nil }
        var fields = fields
        let new = Array(text.utf16)
        fields[0].value = .unsigned(UInt64(new.count * 2))
        fields[1].value = .unsigned(UInt64(new.count))
        fields[2].value = .units(new, isText: isText)
        return fields
    }
}
