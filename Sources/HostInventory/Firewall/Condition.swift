extension Walk {
    /// Whether a statement lets its rule go on, after it has done what it does to the packet.
    mutating func condition(
        _ statement: Statement, beside chain: Ruleset.Name, isSure: Bool
    ) throws(Stop) -> Truth {
        switch statement {
        case .match(let comparison, let expression, let pattern):
            return try matches(comparison, expression, pattern, beside: chain)
        case .limit(let isOver): return .of(!isOver)
        case .namedLimit(let name):
            return ruleset.limit(name, beside: chain).map { .of(!$0) } ?? .unknown("the limit \(name)")
        case .mark(let ofConnection, let value):
            let known = isSure ? value : nil
            if ofConnection { packet.connectionMark = known } else { packet.mark = known }
            return .yes
        case .untracked:
            // Only what connection tracking has not seen yet can be kept from it.
            if !isTracked { packet.state = isSure ? .untracked : nil }
            return .yes
        case .obscure(let name): return .unknown(name)
        case .verdict, .map, .none: return .yes
        }
    }

    private func matches(
        _ comparison: Statement.Comparison, _ expression: Expression, _ pattern: Pattern, beside chain: Ruleset.Name
    ) throws(Stop) -> Truth {
        if expression == .connection("status", hasDirection: false), comparison == .within || comparison == .without,
            isTracked, let bits = pattern.number, packet.statusBits(bits) != nil
        {
            return .of(comparison == .without)
        }
        let operand = packet.operand(expression, through: face, isTracked: isTracked)
        // A field that is not there ends a rule even where it asks for its being different.
        if case .absent = operand { return .no }
        if case .unknown(let name) = operand { return .unknown(name) }
        switch comparison {
        case .equal: return try holds(pattern, operand, beside: chain)
        case .unequal: return !(try holds(pattern, operand, beside: chain))
        case .within, .without:
            guard case .number(let range, _) = operand, range.lowerBound == range.upperBound, let bits = pattern.number
            else { return .unknown(expression.name) }
            return .of((range.lowerBound & bits != 0) == (comparison == .within))
        case .less, .greater, .atMost, .atLeast:
            guard let bound = pattern.number else { return .unknown(expression.name) }
            return try compare(operand, comparison, bound, name: expression.name)
        }
    }

    private func compare(
        _ operand: Operand, _ comparison: Statement.Comparison, _ bound: UInt128, name: String
    ) throws(Stop) -> Truth {
        let range: ClosedRange<UInt128>?
        switch comparison {
        case .less: range = bound > 0 ? 0...(bound - 1) : nil
        case .atMost: range = 0...bound
        case .greater: range = bound < .max ? (bound + 1)...UInt128.max : nil
        case .atLeast: range = bound...UInt128.max
        case .equal, .unequal, .within, .without: return .unknown(name)
        }
        guard let range else { return .no }
        return try Self.holds(range, operand)
    }

    /// Whether a range has all, or none, of a number's values.
    private static func holds(_ range: ClosedRange<UInt128>, _ operand: Operand) throws(Stop) -> Truth {
        switch operand {
        case .absent: return .no
        case .unknown(let name): return .unknown(name)
        case .adapter(_, let index): return .of(range.contains(UInt128(index)))
        case .eitherOrder(let number):
            return .of(range.contains(UInt128(number)) || range.contains(UInt128(number.byteSwapped)))
        case .flag, .concatenation: return .unknown("a number")
        case .number(let values, let field):
            if range.lowerBound <= values.lowerBound, values.upperBound <= range.upperBound { return .yes }
            if values.upperBound < range.lowerBound || range.upperBound < values.lowerBound { return .no }
            guard let field else { return .unknown("a part of a range") }
            let boundary = range.lowerBound > values.lowerBound ? range.lowerBound : range.upperBound + 1
            throw .divide(.init(field: field, boundary: boundary))
        }
    }

    /// Whether a pattern holds for what a rule found.
    func holds(_ pattern: Pattern, _ operand: Operand, beside chain: Ruleset.Name) throws(Stop) -> Truth {
        switch pattern {
        case .any: return .yes
        case .range(let range): return try Self.holds(range, operand)
        case .text(let text):
            guard case .adapter(let name, _) = operand else { return .unknown(text) }
            return .of(Self.isName(name, text))
        case .flag(let flag):
            switch operand {
            case .flag(let own): return .of(own == flag)
            case .adapter: return .of(flag)
            case .absent, .unknown, .number, .eitherOrder, .concatenation: return .unknown("whether something is there")
            }
        case .concatenation(let patterns):
            guard case .concatenation(let operands) = operand, operands.count == patterns.count else {
                return .unknown("a concatenation")
            }
            return try all(patterns, operands, beside: chain)
        case .set(let patterns): return try any(patterns, operand, beside: chain)
        case .named(let name):
            guard let patterns = ruleset.set(name, beside: chain) else { return .unknown("the set \(name)") }
            return try any(patterns, operand, beside: chain)
        case .unknown(let name): return .unknown(name)
        }
    }

    private func all(_ patterns: [Pattern], _ operands: [Operand], beside chain: Ruleset.Name) throws(Stop) -> Truth {
        var doubt: Truth?
        var division: Stop?
        for (pattern, operand) in zip(patterns, operands) {
            // A part that is not there makes the whole not there, and one that differs makes the others' ranges irrelevant.
            if case .absent = operand { return .no }
            do throws(Stop) {
                switch try holds(pattern, operand, beside: chain) {
                case .no: return .no
                case .yes: continue
                case .unknown(let cause): doubt = .unknown(cause)
                }
            } catch {
                division = error
            }
        }
        if let division { throw division }
        return doubt ?? .yes
    }

    private func any(_ patterns: [Pattern], _ operand: Operand, beside chain: Ruleset.Name) throws(Stop) -> Truth {
        var doubt: Truth?
        var division: Stop?
        for pattern in patterns {
            do throws(Stop) {
                switch try holds(pattern, operand, beside: chain) {
                case .yes: return .yes
                case .no: continue
                case .unknown(let cause): doubt = .unknown(cause)
                }
            } catch {
                division = error
            }
        }
        if let division { throw division }
        return doubt ?? .no
    }

    /// An interface's name against one in a rule: `*` at the end stands for any end, `\*` for itself.
    static func isName(_ name: String, _ pattern: String) -> Bool {
        if pattern.hasSuffix("\\*") { return name == pattern.dropLast(2) + "*" }
        if pattern.hasSuffix("*") { return name.hasPrefix(pattern.dropLast()) }
        return name == pattern
    }
}
