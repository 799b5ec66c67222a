/// Reads the declarations of a file. The first syntax error ends it: what follows one cannot be trusted.
struct Parser {
    private let source: SourceFile
    private let tokens: [Token]
    var index = 0

    init(_ source: SourceFile, tokens: [Token]) {
        self.source = source
        self.tokens = tokens
    }

    /// Cuts and reads a file.
    static func parse(_ source: SourceFile) throws(Diagnostic) -> FileSyntax {
        var lexer = Lexer(source)
        var parser = Parser(source, tokens: try lexer.tokens())
        var file = try parser.file()
        for macro in lexer.constants {
            // A macro whose text is no expression (a type's name, say) is no constant.
            var body = Parser(source, tokens: macro.body + [Token(kind: .end, location: macro.location)])
            if let value = try? body.expression(), body.isAtEnd {
                file.macros.append((macro.name, value, macro.location))
            }
        }
        return file
    }

    private mutating func file() throws(Diagnostic) -> FileSyntax {
        var file = FileSyntax(source: source)
        while !isAtEnd {
            if accept(";") { continue }
            if accept(word: "import") {
                repeat {
                    guard case .string(let name) = token.kind else {
                        throw unexpected("a file's name in quotation marks")
                    }
                    file.imports.append((name, token.location))
                    index += 1
                } while accept(",")
                try expect(";")
                continue
            }
            try item(into: &file.items, inInterface: false)
        }
        return file
    }

    private mutating func item(into items: inout [ItemSyntax], inInterface: Bool) throws(Diagnostic) {
        if accept(word: "cpp_quote") {
            try expect("(")
            guard case .string = token.kind else { throw unexpected("a string") }
            index += 1
            try expect(")")
            _ = accept(";")
            return
        }
        if accept(word: "const") {
            items.append(.constant(try constant()))
            return
        }
        if accept(word: "typedef") {
            items.append(.typedef(try typedef()))
            return
        }
        let attributes = try attributes()
        if !inInterface, accept(word: "interface") {
            items.append(try interface(attributes))
            return
        }
        if !inInterface, accept(word: "coclass") {
            items.append(.coclass(try coclass(attributes)))
            return
        }
        if !inInterface {
            for word in ["library", "module", "dispinterface"] where peek(word: word) {
                throw Diagnostic(token.location, "'\(word)' is not supported")
            }
        }
        let type = try self.type(attributes: attributes)
        if accept(";") {
            guard type.isDeclaration else { throw Diagnostic(type.location, "a type without a name declares nothing") }
            items.append(.tagged(type))
            return
        }
        guard inInterface else { throw unexpected("a declaration") }
        let declarator = try declarator(needsName: true)
        guard peek("(") else { throw unexpected("'('") }
        items.append(.operation(try operation(attributes, type, declarator)))
    }

    // MARK: Declarations

    private mutating func constant() throws(Diagnostic) -> ConstantSyntax {
        let type = try self.type(attributes: [])
        let declarator = try declarator(needsName: true)
        try expect("=")
        if case .string = token.kind { throw Diagnostic(token.location, "only integer constants are supported") }
        let value = try expression()
        try expect(";")
        guard declarator.modifiers.isEmpty else {
            throw Diagnostic(declarator.location, "only integer constants are supported")
        }
        return ConstantSyntax(type: type, name: declarator.name, value: value, location: declarator.location)
    }

    private mutating func typedef() throws(Diagnostic) -> TypedefSyntax {
        let attributes = try attributes()
        let type = try self.type(attributes: attributes)
        var declarators: [DeclaratorSyntax] = []
        repeat { declarators.append(try declarator(needsName: true)) } while accept(",")
        try expect(";")
        return TypedefSyntax(attributes: attributes, type: type, declarators: declarators)
    }

    private mutating func interface(_ attributes: [AttributeSyntax]) throws(Diagnostic) -> ItemSyntax {
        let (name, location) = try identifier("the interface's name")
        if accept(";") { return .forward(name) }
        var base: (name: String, location: SourceLocation)?
        if accept(":") { base = try identifier("the base interface's name") }
        try expect("{")
        var items: [ItemSyntax] = []
        while !accept("}") {
            if isAtEnd { throw unexpected("'}'") }
            if accept(";") { continue }
            if peek(word: "import") { throw Diagnostic(token.location, "'import' stands outside of interfaces") }
            try item(into: &items, inInterface: true)
        }
        return .interface(
            InterfaceSyntax(attributes: attributes, name: name, location: location, base: base, items: items))
    }

    private mutating func coclass(_ attributes: [AttributeSyntax]) throws(Diagnostic) -> CoclassSyntax {
        let (name, location) = try identifier("the class's name")
        try expect("{")
        while !accept("}") {
            _ = try self.attributes()
            guard accept(word: "interface") else { throw unexpected("'interface'") }
            _ = try identifier("the interface's name")
            try expect(";")
        }
        return CoclassSyntax(attributes: attributes, name: name, location: location)
    }

    private mutating func operation(
        _ attributes: [AttributeSyntax], _ result: TypeSyntax, _ declarator: DeclaratorSyntax
    ) throws(Diagnostic) -> OperationSyntax {
        try expect("(")
        var parameters: [MemberSyntax] = []
        if peek(word: "void"), peek(")", ahead: 1) { index += 1 }
        if !accept(")") {
            repeat {
                let attributes = try self.attributes()
                let type = try self.type(attributes: attributes)
                parameters.append(
                    MemberSyntax(attributes: attributes, type: type, declarator: try self.declarator(needsName: true)))
            } while accept(",")
            try expect(")")
        }
        try expect(";")
        return OperationSyntax(attributes: attributes, result: result, declarator: declarator, parameters: parameters)
    }

    mutating func declarator(needsName: Bool) throws(Diagnostic) -> DeclaratorSyntax {
        var pointers = 0
        while true {
            if accept("*") {
                pointers += 1
            } else if !acceptQualifier() {
                break
            }
        }
        var name = ""
        var location = token.location
        var inner: [DeclaratorSyntax.Modifier] = []
        if accept("(") {
            let nested = try declarator(needsName: needsName)
            try expect(")")
            (name, location, inner) = (nested.name, nested.location, nested.modifiers)
        } else if case .identifier(let word) = token.kind {
            name = word
            index += 1
        } else if needsName {
            throw unexpected("a name")
        }
        var arrays: [DeclaratorSyntax.Modifier] = []
        while peek("[") {
            let open = token.location
            index += 1
            if accept("*") || peek("]") {
                try expect("]")
                arrays.append(.array(nil, open))
            } else {
                let bound = try expression()
                try expect("]")
                arrays.append(.array(bound, open))
            }
        }
        let modifiers = inner + arrays + Array(repeating: .pointer, count: pointers)
        return DeclaratorSyntax(name: name, location: location, modifiers: modifiers)
    }

    // MARK: Attributes

    /// Any number of bracketed lists: `[case(1)] [string]` is one of two attributes.
    mutating func attributes() throws(Diagnostic) -> [AttributeSyntax] {
        var result: [AttributeSyntax] = []
        while accept("[") {
            while !accept("]") {
                result.append(try attribute())
                // A comma before the bracket is what some of the specifications have.
                if !accept(","), !peek("]") { throw unexpected("',' or ']'") }
            }
        }
        return result
    }

    private mutating func attribute() throws(Diagnostic) -> AttributeSyntax {
        let (name, location) = try identifier("an attribute")
        guard AttributeTable.places[name] != nil else {
            throw Diagnostic(
                location,
                AttributeTable.unsupported.contains(name)
                    ? "attribute '\(name)' is not supported" : "unknown attribute '\(name)'")
        }
        var attribute = AttributeSyntax(name: name, location: location)
        switch name {
        case "size_is", "length_is", "max_is", "min_is", "first_is", "last_is", "case", "range", "switch_is", "iid_is":
            try expect("(")
            repeat {
                attribute.arguments.append(peek(",") || peek(")") ? nil : try expression())
            } while accept(",")
            try expect(")")
        case "switch_type":
            try expect("(")
            attribute.type = try type(attributes: [])
            try expect(")")
        case "uuid", "async_uuid", "version", "pointer_default", "call_as":
            try expect("(")
            switch token.kind {
            case .uuid(let text), .decimal(let text), .identifier(let text): attribute.text = text
            case .integer(let value): attribute.text = String(value)
            default: throw unexpected("the value of '\(name)'")
            }
            index += 1
            try expect(")")
        default:
            if accept("(") { try skipParentheses() }
        }
        return attribute
    }

    private mutating func skipParentheses() throws(Diagnostic) {
        var depth = 1
        while depth > 0 {
            if isAtEnd { throw unexpected("')'") }
            if peek("(") { depth += 1 }
            if peek(")") { depth -= 1 }
            index += 1
        }
    }

    // MARK: Tokens

    var token: Token {
        tokens[index]
    }

    var isAtEnd: Bool {
        if case .end = token.kind { return true }
        return false
    }

    func peek(_ symbol: String, ahead: Int = 0) -> Bool {
        index + ahead < tokens.count && tokens[index + ahead].kind == .symbol(symbol)
    }

    func peek(word: String) -> Bool {
        token.kind == .identifier(word)
    }

    mutating func accept(_ symbol: String) -> Bool {
        guard peek(symbol) else { return false }
        index += 1
        return true
    }

    mutating func accept(word: String) -> Bool {
        guard peek(word: word) else { return false }
        index += 1
        return true
    }

    mutating func expect(_ symbol: String) throws(Diagnostic) {
        guard accept(symbol) else { throw unexpected("'\(symbol)'") }
    }

    mutating func identifier(_ what: String) throws(Diagnostic) -> (name: String, location: SourceLocation) {
        guard case .identifier(let name) = token.kind else { throw unexpected(what) }
        defer { index += 1 }
        return (name, token.location)
    }

    func unexpected(_ wanted: String) -> Diagnostic {
        Diagnostic(token.location, "expected \(wanted), not \(token.description)")
    }
}
