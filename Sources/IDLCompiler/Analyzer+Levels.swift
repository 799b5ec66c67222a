/// The attributes of one member, by what they say.
struct MemberAttributes {
    var sizes: [ExpressionSyntax?] = []
    var maxima: [ExpressionSyntax?] = []
    var lengths: [ExpressionSyntax?] = []
    var lasts: [ExpressionSyntax?] = []
    var firsts: [ExpressionSyntax?] = []
    var positionsLocation: SourceLocation?
    var isString = false
    var stringLocation: SourceLocation?
    var range: RangeBounds?
    var switchIs: ExpressionSyntax?
    var isContextHandle = false
    var isInterfacePointer = false
    var allowsNullWithCount = false

    /// How many pointers or arrays the attributes speak of.
    var positions: Int {
        [sizes, maxima, lengths, lasts, firsts].map { list in
            list.lastIndex { $0 != nil }.map { $0 + 1 } ?? 0
        }.max() ?? 0
    }

    func at(_ list: [ExpressionSyntax?], _ position: Int) -> ExpressionSyntax? {
        position < list.count ? list[position] : nil
    }
}

/// From types and attributes to levels.
extension Analyzer {
    /// Where a level stands.
    struct LevelContext {
        let scope: Scope
        let pointerDefault: PointerKind
        let location: SourceLocation
        /// The outermost level of a parameter.
        var isTop: Bool
        /// What an attribute says about the next pointer.
        var kind: PointerKind?
        /// Which position of `size_is(…)` is next.
        var position = 0
    }

    func attributes(_ syntax: [AttributeSyntax]) throws(Diagnostic) -> (MemberAttributes, PointerKind?) {
        var result = MemberAttributes()
        var kind: PointerKind?
        for attribute in syntax {
            switch attribute.name {
            case "size_is": result.sizes = attribute.arguments
            case "max_is": result.maxima = attribute.arguments
            case "length_is": result.lengths = attribute.arguments
            case "last_is": result.lasts = attribute.arguments
            case "first_is": result.firsts = attribute.arguments
            case "min_is":
                // NDR has no minimum: C706 section 4.2.18.3 lets it be zero only.
                for case .some(let argument) in attribute.arguments where try evaluate(argument) != 0 {
                    throw Diagnostic(argument.location, "'min_is' can only be 0")
                }
            case "string":
                result.isString = true
                result.stringLocation = attribute.location
            case "range":
                guard attribute.arguments.count == 2, let low = attribute.arguments[0],
                    let high = attribute.arguments[1]
                else {
                    throw Diagnostic(attribute.location, "'range' has a minimum and a maximum")
                }
                let bounds = RangeBounds(minimum: try evaluate(low), maximum: try evaluate(high))
                guard bounds.minimum <= bounds.maximum else {
                    throw Diagnostic(attribute.location, "the range is empty")
                }
                result.range = bounds
            case "switch_is":
                guard attribute.arguments.count == 1, let argument = attribute.arguments[0] else {
                    throw Diagnostic(attribute.location, "'switch_is' has one discriminant")
                }
                result.switchIs = argument
            case "context_handle": result.isContextHandle = true
            case "iid_is": result.isInterfacePointer = true
            case "disable_consistency_check": result.allowsNullWithCount = true
            case "unique", "ref", "ptr":
                guard kind == nil else {
                    throw Diagnostic(attribute.location, "a pointer is only one of ref, unique and ptr")
                }
                kind = PointerKind(rawValue: attribute.name)
            default: break
            }
            switch attribute.name {
            case "size_is", "max_is", "length_is", "last_is", "first_is": result.positionsLocation = attribute.location
            default: break
            }
        }
        if let location = result.positionsLocation {
            if !result.sizes.isEmpty, !result.maxima.isEmpty {
                throw Diagnostic(location, "only one of 'size_is' and 'max_is' can be given")
            }
            if !result.lengths.isEmpty, !result.lasts.isEmpty {
                throw Diagnostic(location, "only one of 'length_is' and 'last_is' can be given")
            }
        }
        return (result, kind)
    }

    /// The level of a parameter, a field or an arm.
    func level(
        _ type: TypeReference, _ declarator: DeclaratorSyntax, _ syntax: [AttributeSyntax], scope: Scope,
        pointerDefault: PointerKind, isTop: Bool
    ) throws(Diagnostic) -> Level {
        let (attributes, kind) = try attributes(syntax)
        var context = LevelContext(
            scope: scope, pointerDefault: pointerDefault, location: declarator.location, isTop: isTop)
        context.kind = kind
        let levels = depth(type, declarator.modifiers)
        if attributes.positions > levels, let location = attributes.positionsLocation {
            throw Diagnostic(
                location,
                levels == 0
                    ? "'\(declarator.name)' is neither a pointer nor an array"
                    : "more positions than '\(declarator.name)' has pointers and arrays")
        }
        if kind != nil, levels == 0, !endsInHandle(type) {
            throw Diagnostic(
                syntax.first { ["unique", "ref", "ptr"].contains($0.name) }?.location ?? declarator.location,
                "'\(declarator.name)' is not a pointer")
        }
        return try build(type, declarator.modifiers[...], attributes, context)
    }

    private func endsInHandle(_ type: TypeReference) -> Bool {
        if case .typedef(let name) = type, let typedef = typedefs[name] {
            return typedef.attributes.contains { $0.name == "context_handle" } || endsInHandle(typedef.type)
        }
        return false
    }

    /// How many pointers and arrays there are, typedefs included.
    private func depth(_ type: TypeReference, _ modifiers: [DeclaratorSyntax.Modifier]) -> Int {
        if case .typedef(let name) = type, let typedef = typedefs[name] {
            return modifiers.count + depth(typedef.type, typedef.modifiers)
        }
        return modifiers.count
    }

    /// What stands at the end, if no pointer and no array is in between.
    private func plain(_ type: TypeReference, _ modifiers: ArraySlice<DeclaratorSyntax.Modifier>) throws(Diagnostic)
        -> TypeReference?
    {
        guard modifiers.isEmpty else { return nil }
        let resolved = try resolve(type)
        if case .typedef = resolved { return nil }
        return resolved
    }

    private func characterWidth(_ type: TypeReference?) -> Bool? {
        switch type {
        case .base(.character), .base(.uint8): false
        case .base(.wideCharacter), .base(.uint16): true
        default: nil
        }
    }

    private func build(
        _ type: TypeReference, _ modifiers: ArraySlice<DeclaratorSyntax.Modifier>, _ attributes: MemberAttributes,
        _ context: LevelContext
    ) throws(Diagnostic) -> Level {
        guard let modifier = modifiers.first else { return try buildPlain(type, attributes, context) }
        let rest = modifiers.dropFirst()
        switch modifier {
        case .pointer: return try buildPointer(type, rest, attributes, context)
        case .array(let bound, let location): return try buildArray(type, bound, location, rest, attributes, context)
        }
    }

    // MARK: Pointers

    private func buildPointer(
        _ type: TypeReference, _ rest: ArraySlice<DeclaratorSyntax.Modifier>, _ attributes: MemberAttributes,
        _ context: LevelContext
    ) throws(Diagnostic) -> Level {
        let target = try plain(type, rest)
        let kind = context.kind ?? (context.isTop ? .reference : context.pointerDefault)
        func pointer(_ level: Level, kind: PointerKind = kind) -> Level {
            .pointer(
                PointerLevel(
                    kind: kind, target: level, isTopLevelReference: context.isTop && kind == .reference,
                    allowsNullWithCount: attributes.allowsNullWithCount))
        }
        if case .base(.void) = target {
            if attributes.isContextHandle { return .contextHandle }
            if attributes.isInterfacePointer { return pointer(try interfacePointer(context), kind: .unique) }
            throw Diagnostic(context.location, "'void *' has no representation on the wire")
        }
        if case .interface = target { return pointer(try interfacePointer(context), kind: .unique) }

        var inner = context
        inner.isTop = false
        inner.kind = nil
        inner.position += 1
        let count = try self.count(attributes, context)
        if attributes.isString, let isWide = characterWidth(target) {
            if count.length != nil || count.first != nil, let location = attributes.positionsLocation {
                throw Diagnostic(location, "a string's length is where its terminator is")
            }
            return pointer(
                .string(StringLevel(isWide: isWide, size: .conformant(count.size), range: attributes.range)))
        }
        guard count.size != nil || count.length != nil || count.first != nil else {
            return pointer(try build(type, rest, attributes, inner))
        }
        guard let size = count.size else {
            throw Diagnostic(
                attributes.positionsLocation ?? context.location, "a pointer to an array needs 'size_is' or 'max_is'")
        }
        var elementAttributes = attributes
        elementAttributes.range = nil
        let element = try build(type, rest, elementAttributes, inner)
        return pointer(
            .array(
                ArrayLevel(
                    size: .conformant(size), length: count.length, first: count.first, range: attributes.range,
                    element: element)))
    }

    private func interfacePointer(_ context: LevelContext) throws(Diagnostic) -> Level {
        guard let structure = structureNamed("MInterfacePointer") else {
            throw Diagnostic(
                context.location, "an interface pointer needs MInterfacePointer ([MS-DCOM] 2.2.14): import dcom.idl")
        }
        return .structure(structure)
    }

    // MARK: Arrays

    private func buildArray(
        _ type: TypeReference, _ bound: ExpressionSyntax?, _ location: SourceLocation,
        _ rest: ArraySlice<DeclaratorSyntax.Modifier>, _ attributes: MemberAttributes, _ context: LevelContext
    ) throws(Diagnostic) -> Level {
        var inner = context
        inner.isTop = false
        inner.kind = nil
        inner.position += 1
        let count = try self.count(attributes, context)
        let level: Level
        if let bound {
            let value = try evaluate(bound)
            guard value > 0, value <= 0x7FFF_FFFF else {
                throw Diagnostic(bound.location, "an array has at least one element, and at most 2147483647")
            }
            if count.size != nil {
                throw Diagnostic(attributes.positionsLocation ?? location, "the array's size is fixed already")
            }
            if attributes.isString, let isWide = characterWidth(try plain(type, rest)) {
                level = .string(StringLevel(isWide: isWide, size: .fixed(Int(value)), range: nil))
            } else {
                level = .array(
                    ArrayLevel(
                        size: .fixed(Int(value)), length: count.length, first: count.first, range: nil,
                        element: try build(type, rest, attributes, inner)))
            }
        } else if attributes.isString, let isWide = characterWidth(try plain(type, rest)) {
            level = .string(StringLevel(isWide: isWide, size: .conformant(count.size), range: attributes.range))
        } else {
            guard let size = count.size else {
                throw Diagnostic(location, "an array without a bound needs 'size_is' or 'max_is'")
            }
            var elementAttributes = attributes
            elementAttributes.range = nil
            level = .array(
                ArrayLevel(
                    size: .conformant(size), length: count.length, first: count.first, range: attributes.range,
                    element: try build(type, rest, elementAttributes, inner)))
        }
        // An array parameter is a pointer in C: [unique] lets it be NULL.
        if context.isTop, let kind = context.kind, kind != .reference {
            return .pointer(
                PointerLevel(
                    kind: kind, target: level, isTopLevelReference: false,
                    allowsNullWithCount: attributes.allowsNullWithCount))
        }
        return level
    }

    private func count(
        _ attributes: MemberAttributes, _ context: LevelContext
    ) throws(Diagnostic) -> (size: Expression?, length: Expression?, first: Expression?) {
        let position = context.position
        func resolved(_ syntax: ExpressionSyntax?) throws(Diagnostic) -> Expression? {
            guard let syntax else { return nil }
            return try expression(syntax, scope: context.scope)
        }
        var size = try resolved(attributes.at(attributes.sizes, position))
        if let maximum = try resolved(attributes.at(attributes.maxima, position)) {
            size = try Expression.binary("+", maximum, .integer(1)).folded(at: context.location)
        }
        let first = try resolved(attributes.at(attributes.firsts, position))
        var length = try resolved(attributes.at(attributes.lengths, position))
        if let last = try resolved(attributes.at(attributes.lasts, position)) {
            length = try Expression.binary("+", last, .integer(1)).folded(at: context.location)
            if let first { length = length.map { .binary("-", $0, first) } }
        }
        if length == nil, first != nil {
            throw Diagnostic(
                attributes.positionsLocation ?? context.location, "'first_is' needs 'length_is' or 'last_is'")
        }
        return (size, length, first)
    }

    // MARK: What has neither

    private func buildPlain(
        _ type: TypeReference, _ attributes: MemberAttributes, _ context: LevelContext
    ) throws(Diagnostic) -> Level {
        if case .typedef(let name) = type, let typedef = typedefs[name] {
            let (own, kind) = try self.attributes(typedef.attributes)
            if own.isContextHandle { return .contextHandle }
            var merged = attributes
            if own.isString {
                merged.isString = true
                merged.stringLocation = merged.stringLocation ?? own.stringLocation
            }
            merged.range = attributes.range ?? own.range
            merged.allowsNullWithCount = attributes.allowsNullWithCount || own.allowsNullWithCount
            var inner = LevelContext(
                scope: context.scope, pointerDefault: typedef.pointerDefault, location: context.location,
                isTop: context.isTop)
            // The attribute at the place of use wins ([MS-RPCE] 2.2.4.10).
            inner.kind = context.kind ?? kind
            inner.position = context.position
            return try build(typedef.type, typedef.modifiers[...], merged, inner)
        }
        let resolved = try resolve(type)
        // Characters behind a pointer or in an array were dealt with there.
        if attributes.isString, let location = attributes.stringLocation {
            throw Diagnostic(location, "[string] needs a pointer to characters or an array of them")
        }
        switch resolved {
        case .base(.hresult): return .hresult
        case .base(.guid): return .guid
        case .base(.void): throw Diagnostic(context.location, "'void' has no representation on the wire")
        case .base(.handle):
            throw Diagnostic(context.location, "a handle_t is only a parameter of its own: it is not on the wire")
        case .base(let base):
            guard let scalar = base.scalar else {
                throw Diagnostic(context.location, "the type has no representation on the wire")
            }
            let range = try clamped(attributes.range, scalar, context)
            switch base {
            case .signedPointerSized: return .pointerSized(isSigned: true, range: range)
            case .unsignedPointerSized: return .pointerSized(isSigned: false, range: range)
            default: return .scalar(scalar, range: range)
            }
        case .enumeration(let enumeration):
            return .enumeration(enumeration, range: try clamped(attributes.range, enumeration.scalar, context))
        case .structure(let structure): return .structure(structure)
        case .union(let union):
            guard let switchIs = attributes.switchIs else {
                throw Diagnostic(context.location, "union '\(union.name)' needs 'switch_is'")
            }
            return .union(union, discriminant: try expression(switchIs, scope: context.scope))
        case .interface(let name):
            throw Diagnostic(context.location, "interface '\(name)' travels as a pointer only")
        case .typedef, .structureTag, .unionTag:
            throw Diagnostic(context.location, "the type is not declared")
        }
    }

    private func clamped(
        _ range: RangeBounds?, _ scalar: Scalar, _ context: LevelContext
    ) throws(Diagnostic) -> RangeBounds? {
        guard let range else { return nil }
        guard scalar.isInteger else { throw Diagnostic(context.location, "[range] needs an integer") }
        let minimum = max(range.minimum, scalar.bounds.minimum)
        let maximum = min(range.maximum, scalar.bounds.maximum)
        guard minimum <= maximum else { throw Diagnostic(context.location, "no value of the type is in the range") }
        return RangeBounds(minimum: minimum, maximum: maximum)
    }
}
