import InterfaceValues
import NDR

/// Two values of one field that are not the same.
public struct FieldDifference: Sendable, Hashable, Codable {
    /// `Interface.Operation.field.field[0]`.
    public let path: String
    /// The captured value in words.
    public let captured: String
    /// The live value in words.
    public let live: String
    /// Why they may differ; nil if they may not.
    public let allowed: String?
}

/// Compares a live answer with the captured one, field by field, and learns what the server calls things now.
struct AnswerComparison {
    var identities: IdentityMap
    let rules: ReplayRules
    /// What the server that answers is known by.
    let servers: [IdentityMap.Server]
    private(set) var differences: [FieldDifference] = []
    private var types: [String] = []

    init(identities: IdentityMap, rules: ReplayRules, servers: [IdentityMap.Server] = []) {
        self.identities = identities
        self.servers = servers
        self.rules = rules
    }

    /// - Parameter path: `Interface.Operation`.
    mutating func compare(_ captured: FieldTree, _ live: FieldTree, path: String) {
        compare(captured.fields, live.fields, path)
        if captured.trailing.drop(while: { $0 == 0 }) != live.trailing.drop(while: { $0 == 0 }) {
            note(
                "\(path).(behind the last value)", "\(captured.trailing.count) octets", "\(live.trailing.count) octets")
        }
    }

    private mutating func compare(_ captured: [FieldNode], _ live: [FieldNode], _ path: String) {
        for (first, second) in zip(captured, live) { compare(first, second, path) }
        if captured.count != live.count { note(path, "\(captured.count) elements", "\(live.count) elements") }
    }

    private mutating func compare(_ captured: FieldNode, _ live: FieldNode, _ parent: String) {
        let path =
            captured.name.isEmpty
            ? parent : captured.name.hasPrefix("[") ? parent + captured.name : "\(parent).\(captured.name)"
        types.append(captured.type)
        defer { types.removeLast() }
        learnPorts(captured, live)
        switch (captured.value, live.value) {
        case (.pointer(let first, let target), .pointer(let second, let other)):
            // The identifiers themselves mean nothing.
            if (first == 0) != (second == 0) {
                note(path, captured.brief, live.brief)
            } else if let target, let other {
                compare(target, other, path)
            }
        case (.structure(let fields), .structure(let others)):
            compareStructure(captured.type, fields, others, path)
        case (.array(let elements), .array(let others)): compare(elements, others, path)
        case (.union(let first, let arm), .union(let second, let other)):
            if first != second {
                note(path, "discriminant \(first)", "discriminant \(second)")
            } else if let arm, let other {
                compare(arm, other, path)
            }
        case (.opened(let layout, let tree), .opened(let other, let otherTree)) where layout == other:
            compare(opened: layout, tree.fields, otherTree.fields, path)
        case (.unsigned(let first), .unsigned(let second)) where IdentityMap.kinds[captured.type] != nil:
            if first == 0 || second == 0 {
                if first != second { note(path, captured.brief, live.brief) }
            } else {
                settle(identities.learn(captured.type, first, second), captured, live, path)
            }
        case (.guid(let first), .guid(let second)) where IdentityMap.kinds[captured.type] != nil:
            if first == .zero || second == .zero {
                if first != second { note(path, captured.brief, live.brief) }
            } else {
                settle(identities.learn(first, second), captured, live, path)
            }
        case (.contextHandle(let first), .contextHandle(let second)):
            if first.isNull || second.isNull {
                if first != second { note(path, captured.brief, live.brief) }
            } else {
                settle(identities.learn(first, second), captured, live, path)
            }
        default:
            guard captured.value != live.value else { return }
            if rules.replaced(captured.value, path) == live.value {
                differences.append(
                    FieldDifference(
                        path: path, captured: captured.brief, live: live.brief, allowed: "a rule replaces it"))
            } else {
                note(path, captured.brief, live.brief)
            }
        }
    }

    /// What is counted in a structure of known layout differs with what it counts, which is compared itself.
    private mutating func compareStructure(
        _ type: String, _ fields: [FieldNode], _ others: [FieldNode], _ path: String
    ) {
        let isCounted =
            switch (type, fields.last?.value, others.last?.value) {
            case ("MInterfacePointer", .opened?, .opened?): true
            case ("FLAGGED_WORD_BLOB", _, _): Self.countsItself(fields) && Self.countsItself(others)
            default: false
            }
        guard isCounted else { return compare(fields, others, path) }
        compare(Array(fields.suffix(1)), Array(others.suffix(1)), path)
    }

    /// Whether a BSTR's counts are those of its text ([MS-OAUT] 2.2.23.2): those of NULL are not, nor are wrong ones.
    private static func countsItself(_ fields: [FieldNode]) -> Bool {
        guard fields.count == 3, case .units(let units, _) = fields[2].value else { return false }
        return fields[0].value == .unsigned(UInt64(units.count) * 2)
            && fields[1].value == .unsigned(UInt64(units.count))
    }

    private mutating func compare(
        opened layout: OpenedLayout, _ fields: [FieldNode], _ others: [FieldNode], _ path: String
    ) {
        func isCount(_ node: FieldNode) -> Bool {
            switch layout {
            case .activationProperties: ["dwSize", "CustomHeader"].contains(node.name)
            case .serializedType: ["CommonTypeHeader", "ObjectBufferLength", "Filler"].contains(node.name)
            case .objectReference: node.name == "reserved"
            case .bindings: false
            }
        }
        compare(fields.filter { !isCount($0) }, others.filter { !isCount($0) }, path)
    }

    private mutating func settle(
        _ verdict: IdentityMap.Verdict, _ captured: FieldNode, _ live: FieldNode, _ path: String
    ) {
        let kind = IdentityMap.kinds[captured.type] ?? "context handle"
        switch verdict {
        case .mapped:
            guard captured.value != live.value else { return }
            differences.append(
                FieldDifference(
                    path: path, captured: captured.brief, live: live.brief,
                    allowed: "each server names its own \(kind)"))
        case .contradiction:
            note(path, captured.brief, "\(live.brief), which is not what this \(kind) was before")
        }
    }

    private mutating func note(_ path: String, _ captured: String, _ live: String) {
        differences.append(
            FieldDifference(
                path: path, captured: captured, live: live, allowed: rules.allowance(path: path, types: types)))
    }

    // MARK: Ports

    /// Bindings and towers say where the next association goes.
    private mutating func learnPorts(_ captured: FieldNode, _ live: FieldNode) {
        let pair = (captured.ports, live.ports)
        for (old, new) in zip(pair.0, pair.1) { identities.learn(port: old, of: servers, new) }
    }
}

extension FieldNode {
    /// The value in a few words, or else the type.
    fileprivate var brief: String {
        words() ?? "\(type) with \(parts.count) parts"
    }

    /// The TCP ports in a list of bindings ([MS-DCOM] 2.2.19.3: `address[port]`), or in a tower (C706 appendix L).
    fileprivate var ports: [UInt16] {
        switch value {
        case .opened(.bindings, let tree):
            return tree.fields.compactMap { field in
                guard case .structure(let members) = field.value, case .unsigned(7)? = members.first?.value,
                    case .wideString(let units)? = members.last?.value
                else { return nil }
                let address = String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
                guard address.last == "]", let bracket = address.lastIndex(of: "[") else { return nil }
                return UInt16(address[address.index(after: bracket)...].dropLast())
            }
        case .octets(let octets) where name == "tower_octet_string": return TowerFloors(octets).port.map { [$0] } ?? []
        default: return []
        }
    }
}

/// The floors of a protocol tower (C706 appendix L).
struct TowerFloors {
    /// The port of the TCP floor; nil if there is none.
    let port: UInt16?

    init(_ octets: [UInt8]) {
        var rest = octets[...]
        func short() -> Int? {
            guard rest.count >= 2 else { return nil }
            defer { rest = rest.dropFirst(2) }
            return Int(rest[rest.startIndex]) | Int(rest[rest.startIndex + 1]) << 8
        }
        func part() -> ArraySlice<UInt8>? {
            guard let count = short(), count <= rest.count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        var found: UInt16?
        for _ in 0..<(short() ?? 0) {
            guard let left = part(), let right = part() else { break }
            // Protocol identifier 7 is TCP, whose port is in network order (C706 appendix I, L).
            if left.first == 7, right.count == 2 {
                found = right.reduce(0) { $0 << 8 | UInt16($1) }
            }
        }
        port = found
    }
}
