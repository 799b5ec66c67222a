/// Types: base types, structures, unions, enumerations.
extension Parser {
    mutating func acceptQualifier() -> Bool {
        accept(word: "const") || accept(word: "volatile") || accept(word: "__RPC_FAR")
    }

    mutating func type(attributes: [AttributeSyntax]) throws(Diagnostic) -> TypeSyntax {
        while acceptQualifier() {}
        var attributes = attributes
        // `[attributes] struct`, but also `typedef [v1_enum] enum` and `typedef struct [attributes] tag`.
        if peek("[") { attributes += try self.attributes() }
        let start = token
        guard case .identifier(let word) = start.kind else { throw unexpected("a type") }
        let result: TypeSyntax
        switch word {
        case "struct": result = try structure()
        case "union": result = try union()
        case "enum": result = try enumeration(attributes)
        default: result = try simple()
        }
        while acceptQualifier() {}
        return result
    }

    private mutating func simple() throws(Diagnostic) -> TypeSyntax {
        // MIDL lets `interface IFoo *` stand for `IFoo *`.
        _ = accept(word: "interface")
        let start = token.location
        var words: [String] = []
        while case .identifier(let word) = token.kind, BaseTypes.words.contains(word) {
            words.append(word)
            index += 1
        }
        if words.isEmpty {
            let (name, location) = try identifier("a type")
            if let builtin = BaseTypes.builtins[name] { return TypeSyntax(kind: .base(builtin), location: location) }
            return TypeSyntax(kind: .named(name), location: location)
        }
        guard let base = BaseTypes.type(words) else {
            throw Diagnostic(start, "'\(words.joined(separator: " "))' is not a type")
        }
        return TypeSyntax(kind: .base(base), location: start)
    }

    private mutating func tag() -> String? {
        guard case .identifier(let word) = token.kind else { return nil }
        index += 1
        return word
    }

    private mutating func structure() throws(Diagnostic) -> TypeSyntax {
        let start = token.location
        index += 1
        let tag = tag()
        guard accept("{") else {
            guard tag != nil else { throw unexpected("'{'") }
            return TypeSyntax(kind: .structure(tag: tag, members: nil), location: start)
        }
        var members: [MemberSyntax] = []
        while !accept("}") {
            if isAtEnd { throw unexpected("'}'") }
            let attributes = try attributes()
            let type = try type(attributes: attributes)
            repeat {
                let declarator = try declarator(needsName: !type.isInlineUnion)
                members.append(MemberSyntax(attributes: attributes, type: type, declarator: declarator))
            } while accept(",")
            try expect(";")
        }
        return TypeSyntax(kind: .structure(tag: tag, members: members), location: start)
    }

    private mutating func union() throws(Diagnostic) -> TypeSyntax {
        let start = token.location
        index += 1
        let tag = peek(word: "switch") ? nil : tag()
        if accept(word: "switch") {
            try expect("(")
            let switchType = try type(attributes: [])
            let (switchName, _) = try identifier("the discriminant's name")
            try expect(")")
            let unionName = self.tag() ?? "tagged_union"
            try expect("{")
            let arms = try encapsulatedArms()
            return TypeSyntax(
                kind: .encapsulated(
                    tag: tag,
                    EncapsulatedSyntax(switchType: switchType, switchName: switchName, unionName: unionName, arms: arms)
                ),
                location: start)
        }
        guard accept("{") else {
            guard tag != nil else { throw unexpected("'{'") }
            return TypeSyntax(kind: .union(tag: tag, arms: nil), location: start)
        }
        var arms: [ArmSyntax] = []
        while !accept("}") {
            if isAtEnd { throw unexpected("'}'") }
            let location = token.location
            let attributes = try attributes()
            let labels = attributes.filter { $0.name == "case" }
            let isDefault = attributes.contains { $0.name == "default" }
            guard !labels.isEmpty || isDefault else {
                throw Diagnostic(token.location, "a union's arm needs [case(…)] or [default]")
            }
            let rest = attributes.filter { $0.name != "case" && $0.name != "default" }
            arms.append(
                ArmSyntax(
                    labels: labels.flatMap { $0.arguments.compactMap(\.self) }, isDefault: isDefault,
                    member: try armMember(rest), location: location))
        }
        return TypeSyntax(kind: .union(tag: tag, arms: arms), location: start)
    }

    private mutating func encapsulatedArms() throws(Diagnostic) -> [ArmSyntax] {
        var arms: [ArmSyntax] = []
        while !accept("}") {
            if isAtEnd { throw unexpected("'}'") }
            let location = token.location
            var labels: [ExpressionSyntax] = []
            var isDefault = false
            while true {
                if accept(word: "case") {
                    labels.append(try expression())
                    try expect(":")
                } else if accept(word: "default") {
                    isDefault = true
                    try expect(":")
                } else {
                    break
                }
            }
            guard !labels.isEmpty || isDefault else { throw unexpected("'case' or 'default'") }
            arms.append(
                ArmSyntax(
                    labels: labels, isDefault: isDefault, member: try armMember(try attributes()), location: location))
        }
        return arms
    }

    private mutating func armMember(_ attributes: [AttributeSyntax]) throws(Diagnostic) -> MemberSyntax? {
        if accept(";") { return nil }
        let type = try type(attributes: attributes)
        let member = MemberSyntax(attributes: attributes, type: type, declarator: try declarator(needsName: true))
        try expect(";")
        return member
    }

    private mutating func enumeration(_ attributes: [AttributeSyntax]) throws(Diagnostic) -> TypeSyntax {
        let start = token.location
        index += 1
        let tag = tag()
        guard accept("{") else {
            guard tag != nil else { throw unexpected("'{'") }
            return TypeSyntax(kind: .enumeration(tag: tag, enumerators: nil, attributes: attributes), location: start)
        }
        var enumerators: [EnumeratorSyntax] = []
        while !accept("}") {
            let (name, location) = try identifier("an enumerator")
            enumerators.append(
                EnumeratorSyntax(name: name, location: location, value: accept("=") ? try expression() : nil))
            if !accept(","), !peek("}") { throw unexpected("',' or '}'") }
        }
        return TypeSyntax(
            kind: .enumeration(tag: tag, enumerators: enumerators, attributes: attributes), location: start)
    }
}

extension TypeSyntax {
    /// Whether it declares a tag, so that nothing more need follow.
    var isDeclaration: Bool {
        switch kind {
        case .structure(let tag, _), .union(let tag, _), .encapsulated(let tag, _), .enumeration(let tag, _, _):
            tag != nil
        case .base, .named: false
        }
    }

    /// Whether a member of this type may go without a name.
    var isInlineUnion: Bool {
        if case .union(_, .some) = kind { return true }
        return false
    }
}
