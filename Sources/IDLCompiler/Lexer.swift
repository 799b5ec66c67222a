/// Cuts a file into tokens, and does what little preprocessing the specifications' IDL asks for: object-like and
/// function-like `#define`, `#undef`, and `#pragma`, which is ignored.
struct Lexer {
    private struct Macro {
        let parameters: [String]?
        let body: [Token]
    }

    private let source: SourceFile
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var lineStart = 0
    private var macros: [String: Macro] = [:]
    private(set) var constants: [(name: String, body: [Token], location: SourceLocation)] = []

    init(_ source: SourceFile) {
        self.source = source
        bytes = source.bytes
    }

    /// The file's tokens with its macros expanded, and `.end` last.
    mutating func tokens() throws(Diagnostic) -> [Token] {
        var result: [Token] = []
        while true {
            try skipSpace(acrossLines: true)
            if position < bytes.count, bytes[position] == UInt8(ascii: "#"), isAtStartOfLine {
                try directive()
                continue
            }
            let token = try next()
            if case .end = token.kind {
                result.append(token)
                return try expand(result)
            }
            result.append(token)
            // The digits and hyphens of a UUID are no expression.
            let count = result.count
            if count >= 2, case .symbol("(") = token.kind, case .identifier(let name) = result[count - 2].kind,
                name == "uuid" || name == "async_uuid"
            {
                result.append(try uuid())
            }
        }
    }

    // MARK: Space

    private var isAtStartOfLine: Bool {
        bytes[lineStart..<position].allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    }

    private func location(from start: Int, length: Int? = nil) -> SourceLocation {
        SourceLocation(
            file: source.name, line: line, column: start - lineStart + 1, length: length ?? max(1, position - start),
            text: line <= source.lines.count ? source.lines[line - 1] : "")
    }

    private mutating func advanceOverLineEnd() {
        position += 1
        line += 1
        lineStart = position
    }

    private mutating func skipSpace(acrossLines: Bool) throws(Diagnostic) {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\n"):
                guard acrossLines else { return }
                advanceOverLineEnd()
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), 0x0C:
                position += 1
            case UInt8(ascii: "\\") where !acrossLines && continuesLine:
                while bytes[position] != UInt8(ascii: "\n") { position += 1 }
                advanceOverLineEnd()
            case UInt8(ascii: "/") where position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "/"):
                while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
            case UInt8(ascii: "/") where position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "*"):
                let start = location(from: position, length: 2)
                position += 2
                while true {
                    guard position + 1 < bytes.count else { throw Diagnostic(start, "unterminated comment") }
                    if bytes[position] == UInt8(ascii: "*"), bytes[position + 1] == UInt8(ascii: "/") { break }
                    if bytes[position] == UInt8(ascii: "\n") { advanceOverLineEnd() } else { position += 1 }
                }
                position += 2
            default:
                return
            }
        }
    }

    private var continuesLine: Bool {
        var index = position + 1
        while index < bytes.count, bytes[index] == UInt8(ascii: "\r") { index += 1 }
        return index < bytes.count && bytes[index] == UInt8(ascii: "\n")
    }

    // MARK: Tokens

    private mutating func next() throws(Diagnostic) -> Token {
        guard position < bytes.count else { return Token(kind: .end, location: location(from: position, length: 1)) }
        let start = position
        let byte = bytes[position]
        if isIdentifierHead(byte) {
            while position < bytes.count, isIdentifierHead(bytes[position]) || isDigit(bytes[position]) {
                position += 1
            }
            return token(.identifier(text(from: start)), from: start)
        }
        if isDigit(byte) { return try number() }
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") { return try quoted(byte) }
        if byte == UInt8(ascii: "L"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "\"") {
            position += 1
            return try quoted(UInt8(ascii: "\""))
        }
        for symbol in ["<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "->"]
        where text(at: position, count: 2) == symbol {
            position += 2
            return token(.symbol(symbol), from: start)
        }
        if "{}[]()<>,;:=*+-/%&|^~!?.".utf8.contains(byte) {
            position += 1
            return token(.symbol(text(from: start)), from: start)
        }
        position += 1
        while position < bytes.count, bytes[position] & 0xC0 == 0x80 { position += 1 }
        throw Diagnostic(location(from: start, length: 1), "unexpected character '\(text(from: start))'")
    }

    private mutating func number() throws(Diagnostic) -> Token {
        let start = position
        while position < bytes.count,
            isIdentifierHead(bytes[position]) || isDigit(bytes[position]) || bytes[position] == UInt8(ascii: ".")
        {
            position += 1
        }
        let text = text(from: start)
        if text.contains(".") { return token(.decimal(text), from: start) }
        var digits = Substring(text.lowercased())
        while let last = digits.last, last == "u" || last == "l" { digits.removeLast() }
        let value: UInt64?
        if digits.hasPrefix("0x") {
            value = UInt64(digits.dropFirst(2), radix: 16)
        } else if digits.count > 1, digits.hasPrefix("0") {
            value = UInt64(digits.dropFirst(), radix: 8)
        } else {
            value = UInt64(digits)
        }
        guard let value else { throw Diagnostic(location(from: start), "'\(text)' is not a number") }
        return token(.integer(Int64(bitPattern: value)), from: start)
    }

    private mutating func quoted(_ quote: UInt8) throws(Diagnostic) -> Token {
        let start = position
        position += 1
        var content: [UInt8] = []
        while true {
            guard position < bytes.count, bytes[position] != UInt8(ascii: "\n") else {
                throw Diagnostic(location(from: start, length: 1), "unterminated string")
            }
            if bytes[position] == quote { break }
            if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count { position += 1 }
            content.append(bytes[position])
            position += 1
        }
        position += 1
        if quote == UInt8(ascii: "'") {
            guard content.count == 1 else {
                throw Diagnostic(location(from: start), "a character constant holds one character")
            }
            return token(.integer(Int64(content[0])), from: start)
        }
        return token(.string(String(decoding: content, as: UTF8.self)), from: start)
    }

    private mutating func uuid() throws(Diagnostic) -> Token {
        try skipSpace(acrossLines: true)
        let start = position
        while position < bytes.count, !") \t\r\n".utf8.contains(bytes[position]) { position += 1 }
        var digits = Substring(text(from: start))
        if digits.hasPrefix("\""), digits.hasSuffix("\""), digits.count > 1 { digits = digits.dropFirst().dropLast() }
        let groups = digits.split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12], groups.joined().allSatisfy(\.isHexDigit) else {
            throw Diagnostic(location(from: start), "'\(digits)' is not a UUID (8-4-4-4-12 hexadecimal digits)")
        }
        return token(.uuid(digits.lowercased()), from: start)
    }

    private func token(_ kind: Token.Kind, from start: Int) -> Token {
        Token(kind: kind, location: location(from: start))
    }

    private func text(from start: Int) -> String {
        String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private func text(at start: Int, count: Int) -> String {
        String(decoding: bytes[start..<min(start + count, bytes.count)], as: UTF8.self)
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private func isIdentifierHead(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
    }

    // MARK: Preprocessing

    private mutating func directive() throws(Diagnostic) {
        let start = position
        position += 1
        try skipSpace(acrossLines: false)
        let word = try next()
        let whole = location(from: start)
        switch word.kind {
        case .identifier("define"): try define()
        case .identifier("undef"):
            try skipSpace(acrossLines: false)
            guard case .identifier(let name) = try next().kind else {
                throw Diagnostic(whole, "'#undef' without a name")
            }
            macros[name] = nil
        case .identifier("pragma"):
            while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
        case .identifier(let name): throw Diagnostic(whole, "'#\(name)' is not supported")
        default: throw Diagnostic(whole, "'#' without a directive")
        }
    }

    private mutating func define() throws(Diagnostic) {
        try skipSpace(acrossLines: false)
        let nameToken = try next()
        guard case .identifier(let name) = nameToken.kind else {
            throw Diagnostic(nameToken.location, "expected a name after '#define'")
        }
        var parameters: [String]?
        // Only a parenthesis that touches the name begins parameters.
        if position < bytes.count, bytes[position] == UInt8(ascii: "(") {
            position += 1
            var names: [String] = []
            while true {
                try skipSpace(acrossLines: false)
                let token = try next()
                if case .symbol(")") = token.kind { break }
                if case .symbol(",") = token.kind { continue }
                guard case .identifier(let parameter) = token.kind else {
                    throw Diagnostic(token.location, "expected a macro parameter, not \(token.description)")
                }
                names.append(parameter)
            }
            parameters = names
        }
        var body: [Token] = []
        while true {
            try skipSpace(acrossLines: false)
            guard position < bytes.count, bytes[position] != UInt8(ascii: "\n") else { break }
            body.append(try next())
        }
        macros[name] = Macro(parameters: parameters, body: body)
        if parameters == nil, !body.isEmpty {
            constants.append((name, try expand(body, hiding: [name]), nameToken.location))
        }
    }

    private func expand(_ tokens: [Token], hiding hidden: Set<String> = []) throws(Diagnostic) -> [Token] {
        var result: [Token] = []
        var index = 0
        while index < tokens.count {
            let token = tokens[index]
            index += 1
            guard case .identifier(let name) = token.kind, let macro = macros[name], !hidden.contains(name) else {
                result.append(token)
                continue
            }
            var body = macro.body
            if let parameters = macro.parameters {
                guard index < tokens.count, case .symbol("(") = tokens[index].kind else {
                    result.append(token)
                    continue
                }
                let arguments = try arguments(of: name, in: tokens, at: &index)
                guard arguments.count == parameters.count || (parameters.isEmpty && arguments == [[]]) else {
                    throw Diagnostic(
                        token.location,
                        "macro '\(name)' takes \(parameters.count) argument\(parameters.count == 1 ? "" : "s"), not \(arguments.count)"
                    )
                }
                body = body.flatMap { token in
                    if case .identifier(let word) = token.kind, let place = parameters.firstIndex(of: word) {
                        return arguments[place]
                    }
                    return [token]
                }
            }
            // What a macro expands to is reported where the macro is used.
            let placed = body.map { Token(kind: $0.kind, location: token.location) }
            result += try expand(placed, hiding: hidden.union([name]))
        }
        return result
    }

    private func arguments(of name: String, in tokens: [Token], at index: inout Int) throws(Diagnostic) -> [[Token]] {
        let open = tokens[index].location
        index += 1
        var arguments: [[Token]] = [[]]
        var depth = 0
        while index < tokens.count {
            let token = tokens[index]
            index += 1
            switch token.kind {
            case .symbol("("): depth += 1
            case .symbol(")") where depth == 0: return arguments
            case .symbol(")"): depth -= 1
            case .symbol(",") where depth == 0:
                arguments.append([])
                continue
            default: break
            }
            arguments[arguments.count - 1].append(token)
        }
        throw Diagnostic(open, "the arguments of macro '\(name)' are not closed")
    }
}

extension Token: Equatable {
    static func == (left: Token, right: Token) -> Bool {
        left.kind == right.kind && left.location == right.location
    }
}
