/// Expressions, with C's precedences.
extension Parser {
    private static let precedences: [[String]] = [
        ["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<", "<=", ">", ">="], ["<<", ">>"], ["+", "-"],
        ["*", "/", "%"],
    ]

    mutating func expression() throws(Diagnostic) -> ExpressionSyntax {
        let condition = try binary(0)
        guard accept("?") else { return condition }
        let first = try expression()
        try expect(":")
        let second = try expression()
        return ExpressionSyntax(kind: .conditional(condition, first, second), location: condition.location)
    }

    private mutating func binary(_ level: Int) throws(Diagnostic) -> ExpressionSyntax {
        guard level < Self.precedences.count else { return try unary() }
        var left = try binary(level + 1)
        while let symbol = Self.precedences[level].first(where: { peek($0) }) {
            let location = token.location
            index += 1
            left = ExpressionSyntax(kind: .binary(symbol, left, try binary(level + 1)), location: location)
        }
        return left
    }

    private mutating func unary() throws(Diagnostic) -> ExpressionSyntax {
        let location = token.location
        for symbol in ["-", "+", "~", "!"] where accept(symbol) {
            return ExpressionSyntax(kind: .unary(symbol, try unary()), location: location)
        }
        if accept("*") { return ExpressionSyntax(kind: .dereference(try unary()), location: location) }
        if accept("(") {
            let inner = try expression()
            try expect(")")
            return inner
        }
        switch token.kind {
        case .integer(let value):
            index += 1
            return ExpressionSyntax(kind: .integer(value), location: location)
        case .identifier("TRUE"):
            index += 1
            return ExpressionSyntax(kind: .integer(1), location: location)
        case .identifier("FALSE"):
            index += 1
            return ExpressionSyntax(kind: .integer(0), location: location)
        case .identifier("sizeof"):
            throw Diagnostic(location, "'sizeof' is not supported: the size in memory is no part of the wire")
        case .identifier(let name):
            index += 1
            if peek(".") || peek("->") {
                throw Diagnostic(
                    token.location, "a count must be a field or parameter of the same structure or operation")
            }
            return ExpressionSyntax(kind: .name(name), location: location)
        default:
            throw unexpected("an expression")
        }
    }
}
