/// The names that a count can be made of: the fields of one structure, or the parameters of one operation.
final class Scope {
    let names: [String]
    let kind: String
    /// Every expression that was used, to be checked once the levels of all names are known.
    var uses: [(Variable, SourceLocation)] = []

    init(_ names: [String], kind: String) {
        self.names = names
        self.kind = kind
    }
}

extension Analyzer {
    /// The meaning of an expression; constants are folded. Without a scope it must be constant.
    func expression(_ syntax: ExpressionSyntax, scope: Scope?) throws(Diagnostic) -> Expression {
        switch syntax.kind {
        case .integer(let value): return .integer(value)
        case .name(let name): return try variable(name, isDereferenced: false, syntax.location, scope)
        case .dereference(let inner):
            guard case .name(let name) = inner.kind, constant(name) == nil else {
                throw Diagnostic(syntax.location, "'*' stands before a parameter or a field")
            }
            return try variable(name, isDereferenced: true, syntax.location, scope)
        case .unary(let symbol, let inner):
            return try Expression.unary(symbol, expression(inner, scope: scope)).folded(at: syntax.location)
        case .binary(let symbol, let left, let right):
            let result = Expression.binary(
                symbol, try expression(left, scope: scope), try expression(right, scope: scope))
            if symbol == "/" || symbol == "%" {
                guard case .binary(_, _, let divisor) = result, let value = divisor.constant, value != 0 else {
                    throw Diagnostic(right.location, "a divisor must be a constant other than zero")
                }
            }
            return try result.folded(at: syntax.location)
        case .conditional(let condition, let first, let second):
            return try Expression.conditional(
                expression(condition, scope: scope), expression(first, scope: scope), expression(second, scope: scope)
            ).folded(at: syntax.location)
        }
    }

    private func variable(
        _ name: String, isDereferenced: Bool, _ location: SourceLocation, _ scope: Scope?
    ) throws(Diagnostic) -> Expression {
        if let scope, let index = scope.names.firstIndex(of: name) {
            let variable = Variable(index: index, name: name, isDereferenced: isDereferenced)
            scope.uses.append((variable, location))
            return .variable(variable)
        }
        if let value = constant(name) { return .integer(value) }
        guard let scope else { throw Diagnostic(location, "'\(name)' is not a constant") }
        throw Diagnostic(location, "'\(name)' is not \(scope.kind) or a constant")
    }

    /// Every count must be an integer, and a pointer to one must be followed.
    func checkUses(_ scope: Scope, _ levels: [Level]) throws(Diagnostic) {
        for (variable, location) in scope.uses {
            let level = levels[variable.index]
            if case .pointer(let pointer) = level {
                guard variable.isDereferenced else {
                    throw Diagnostic(
                        location, "'\(variable.name)' is a pointer; '*\(variable.name)' is what it points at")
                }
                guard pointer.target.isCount else {
                    throw Diagnostic(location, "'*\(variable.name)' is not an integer")
                }
            } else {
                guard !variable.isDereferenced else {
                    throw Diagnostic(location, "'\(variable.name)' is not a pointer")
                }
                guard level.isCount else { throw Diagnostic(location, "'\(variable.name)' is not an integer") }
            }
        }
    }
}

extension Level {
    /// Whether it can be a count or a discriminant.
    var isCount: Bool {
        switch self {
        case .scalar(let scalar, _): scalar.isInteger
        case .enumeration, .pointerSized: true
        default: false
        }
    }
}

extension Expression {
    /// The value, if it is known already.
    var constant: Int64? {
        if case .integer(let value) = self { return value }
        return nil
    }

    /// The variables in it.
    var variables: [Variable] {
        switch self {
        case .integer: []
        case .variable(let variable): [variable]
        case .unary(_, let inner): inner.variables
        case .binary(_, let left, let right): left.variables + right.variables
        case .conditional(let condition, let first, let second):
            condition.variables + first.variables + second.variables
        }
    }

    func folded(at location: SourceLocation) throws(Diagnostic) -> Expression {
        switch self {
        case .unary(let symbol, .integer(let value)):
            switch symbol {
            case "-": return .integer(0 &- value)
            case "~": return .integer(~value)
            case "!": return .integer(value == 0 ? 1 : 0)
            default: return .integer(value)
            }
        case .binary(let symbol, .integer(let left), .integer(let right)):
            return .integer(Self.apply(symbol, left, right))
        case .conditional(.integer(let condition), let first, let second):
            return condition != 0 ? first : second
        default:
            return self
        }
    }

    private static func apply(_ symbol: String, _ left: Int64, _ right: Int64) -> Int64 {
        switch symbol {
        case "+": left &+ right
        case "-": left &- right
        case "*": left &* right
        case "/": left / right
        case "%": left % right
        case "<<": left << right
        case ">>": left >> right
        case "&": left & right
        case "|": left | right
        case "^": left ^ right
        case "==": left == right ? 1 : 0
        case "!=": left != right ? 1 : 0
        case "<": left < right ? 1 : 0
        case "<=": left <= right ? 1 : 0
        case ">": left > right ? 1 : 0
        case ">=": left >= right ? 1 : 0
        case "&&": left != 0 && right != 0 ? 1 : 0
        default: left != 0 || right != 0 ? 1 : 0
        }
    }
}
