/// What a level is in Swift.
extension Level {
    /// The type of the value.
    var swiftType: String {
        switch self {
        case .scalar(let scalar, _): scalar.rawValue
        case .pointerSized(let isSigned, _): isSigned ? "Int64" : "UInt64"
        case .hresult: "HRESULT"
        case .guid: "GUID"
        case .contextHandle: "ContextHandle"
        case .enumeration(let enumeration, _): enumeration.name
        case .structure(let structure): structure.name
        case .union(let union, _): union.name
        case .pointer(let pointer):
            pointer.kind == .reference ? pointer.target.swiftType : pointer.target.swiftType + "?"
        case .array(let array): "[\(array.element.swiftType)]"
        case .string(let string): string.isWide ? "WideString" : "OctetString"
        }
    }

    /// The value that is all zero, NULL and empty.
    var zero: String {
        switch self {
        case .scalar, .pointerSized: return "0"
        case .hresult: return ".ok"
        case .guid: return ".zero"
        case .contextHandle: return ".null"
        case .enumeration(let enumeration, _): return "\(enumeration.name)()"
        case .structure(let structure): return "\(structure.name)()"
        case .union(let union, _): return "\(union.name)()"
        case .pointer(let pointer): return pointer.kind == .reference ? pointer.target.zero : "nil"
        case .array(let array):
            // With an actual count on the wire, a fixed array holds only the elements that travel.
            if case .fixed(let count) = array.size, array.length == nil {
                return "[\(array.element.swiftType)](repeating: \(array.element.zero), count: \(count))"
            }
            return "[]"
        case .string: return "\(swiftType)()"
        }
    }

    /// The level that Swift sees: reference pointers are transparent.
    var withoutReferences: Level {
        if case .pointer(let pointer) = self, pointer.kind == .reference { return pointer.target.withoutReferences }
        return self
    }
}

/// How the variables of a count are spelled in Swift, and which of them are known already.
struct Naming {
    /// The level of a variable.
    let level: (Int) -> Level
    /// The Swift expression of a variable.
    let spelling: (Int) -> String

    /// The expression as an `Int`.
    func int(_ expression: Expression) -> String {
        switch expression {
        case .integer(let value): return String(value)
        case .variable(let variable): return self.int(variable)
        case .unary(let symbol, let inner):
            switch symbol {
            case "-": return "(0 &- \(int(inner)))"
            case "~": return "(~\(int(inner)))"
            case "!": return "(\(int(inner)) == 0 ? 1 : 0)"
            default: return int(inner)
            }
        case .binary(let symbol, let left, let right):
            let (left, right) = (int(left), int(right))
            switch symbol {
            case "+", "-", "*": return "(\(left) &\(symbol) \(right))"
            case "<<", ">>": return "(\(left) &\(symbol) \(right))"
            case "==", "!=", "<", "<=", ">", ">=": return "(\(left) \(symbol) \(right) ? 1 : 0)"
            case "&&", "||": return "((\(left) != 0) \(symbol) (\(right) != 0) ? 1 : 0)"
            default: return "(\(left) \(symbol) \(right))"
            }
        case .conditional(let condition, let first, let second):
            return "(\(int(condition)) != 0 ? \(int(first)) : \(int(second)))"
        }
    }

    /// The expression as a value of the discriminant's type.
    func value(_ expression: Expression, as scalar: Scalar) -> String {
        if case .integer(let value) = expression { return String(scalar.truncating(value)) }
        if case .variable(let variable) = expression {
            switch level(variable.index).withoutReferences {
            case .scalar(scalar, _): return spelling(variable.index)
            case .enumeration(let enumeration, _) where enumeration.scalar == scalar:
                return "\(spelling(variable.index)).rawValue"
            default: break
            }
        }
        return "\(scalar.rawValue)(truncatingIfNeeded: \(int(expression)))"
    }

    private func int(_ variable: Variable) -> String {
        let name = spelling(variable.index)
        switch level(variable.index).withoutReferences {
        case .pointer(let pointer):
            // A count behind a NULL pointer counts nothing.
            if case .enumeration = pointer.target { return "Int(\(name)?.rawValue ?? 0)" }
            return "Int(truncatingIfNeeded: \(name) ?? 0)"
        case .enumeration: return "Int(\(name).rawValue)"
        default: return "Int(truncatingIfNeeded: \(name))"
        }
    }
}
