/// Writes the statements that decode a level.
///
/// A count can come after what it counts. Then the item is read as the wire has it, and checked at the end.
struct DecodeWriter {
    var printer: Printer
    let naming: Naming
    /// Whether a variable's value is known already.
    var isKnown: (Variable) -> Bool = { _ in true }
    private var counter = 0

    init(printer: Printer, naming: Naming) {
        self.printer = printer
        self.naming = naming
    }

    private mutating func name(_ stem: String) -> String {
        counter += 1
        return "\(stem)\(counter)"
    }

    private func known(_ expression: Expression?) -> Expression? {
        guard let expression, expression.variables.allSatisfy(isKnown) else { return nil }
        return expression
    }

    // MARK: Whole items

    /// A parameter or a referent; what is returned is the Swift expression of its value.
    mutating func whole(_ level: Level, _ subject: String) -> String {
        switch level {
        case .scalar, .pointerSized, .hresult, .guid, .contextHandle, .enumeration:
            return body(level, subject)
        case .structure(let structure):
            return "try decoder.decode(\(structure.name).self)"
        case .string(let string):
            guard case .conformant(let size) = string.size else { return body(level, subject) }
            let call = string.isWide ? "readWideString" : "readOctetString"
            let expected = known(size).map { "size: \(naming.int($0)), " } ?? ""
            return rangeOfString(string, "try decoder.\(call)(\(expected)\"\(subject)\")", subject)
        case .union(let union, _):
            let frame = openFrame(level)
            let value = name("value")
            let text = body(level, subject)
            printer.line("\(union.hasPointees ? "var" : "let") \(value) = \(text)")
            pointees(level, value, subject)
            closeFrame(frame)
            return value
        case .pointer(let pointer):
            if pointer.isTopLevelReference { return whole(pointer.target, subject) }
            return immediate(pointer, subject)
        case .array(let array):
            let frame = openFrame(level)
            var count: String?
            if case .conformant = array.size {
                let maximum = name("count")
                printer.line("let \(maximum) = try decoder.readConformance()")
                count = maximum
            }
            let value = arrayBody(array, hoisted: count, isWhole: true, subject)
            pointees(level, value, subject)
            closeFrame(frame)
            return value
        }
    }

    private mutating func openFrame(_ level: Level) -> String? {
        guard level.hasPointees else { return nil }
        let frame = name("frame")
        printer.line("let \(frame) = try decoder.openFrame()")
        return frame
    }

    private mutating func closeFrame(_ frame: String?) {
        guard let frame else { return }
        printer.line("decoder.closeFrame(\(frame))")
    }

    /// A pointer whose referent follows at once.
    private mutating func immediate(_ pointer: PointerLevel, _ subject: String) -> String {
        if pointer.kind == .reference {
            printer.line("try decoder.readReference(\"\(subject)\")")
            return whole(pointer.target, subject)
        }
        let value = name("value")
        let identifier = name("referent")
        printer.line("var \(value): \(pointer.target.swiftType)? = nil")
        printer.line("let \(identifier) = try decoder.readImmediateReferent()")
        follow(pointer, identifier: identifier, into: value, subject)
        return value
    }

    /// The referent of a pointer whose identifier is known.
    private mutating func follow(
        _ pointer: PointerLevel, identifier: String, into target: String, _ subject: String
    ) {
        printer.line("if \(identifier) != 0 {")
        printer.indent()
        if pointer.kind == .full {
            let type = pointer.target.swiftType
            let alias = name("alias")
            printer.line("if let \(alias) = try decoder.alias(of: \(identifier), as: \(parenthesized(type)).self) {")
            printer.indent()
            printer.line("\(target) = \(alias)")
            printer.outdent()
            printer.line("} else {")
            printer.indent()
            let referent = name("referent")
            let text = whole(pointer.target, subject)
            printer.line("let \(referent): \(type) = \(text)")
            printer.line("decoder.remember(\(referent), as: \(identifier))")
            printer.line("\(target) = \(referent)")
            printer.outdent()
            printer.line("}")
        } else {
            let text = whole(pointer.target, subject)
            printer.line("\(target) = \(text)")
        }
        printer.outdent()
        if let count = known(pointer.nullCount) {
            printer.line("} else {")
            printer.indent()
            printer.line("try decoder.require(nullCount: \(naming.int(count)), \"\(subject)\")")
            printer.outdent()
        }
        printer.line("}")
    }

    private func parenthesized(_ type: String) -> String {
        type.hasSuffix("?") ? "(\(type))" : type
    }

    // MARK: Bodies

    /// Reads a body; what is returned is the Swift expression of its value, pointers still NULL.
    mutating func body(_ level: Level, _ subject: String) -> String {
        switch level {
        case .scalar(let scalar, let range):
            let text = "try decoder.read(\(scalar.rawValue).self)"
            guard let range else { return text }
            let value = name("value")
            printer.line("let \(value) = \(text)")
            check(value, range, subject)
            return value
        case .pointerSized(let isSigned, let range):
            let text = "try decoder.read\(isSigned ? "Signed" : "Unsigned")PointerSized()"
            guard let range else { return text }
            let value = name("value")
            printer.line("let \(value) = \(text)")
            check(value, range, subject)
            return value
        case .hresult:
            return "HRESULT(rawValue: try decoder.read(UInt32.self))"
        case .guid:
            return "try GUID(bodyFrom: &decoder)"
        case .contextHandle:
            return "try ContextHandle(bodyFrom: &decoder)"
        case .structure(let structure):
            return "try \(structure.name)(bodyFrom: &decoder)"
        case .enumeration(let enumeration, let range):
            let text = enumeration.isWide ? "try decoder.read(UInt32.self)" : "try decoder.readEnum16()"
            guard let range else { return "\(enumeration.name)(rawValue: \(text))" }
            let value = name("value")
            printer.line("let \(value) = \(text)")
            check(value, range, subject)
            return "\(enumeration.name)(rawValue: \(value))"
        case .union(let union, let discriminant):
            let value = name("discriminant")
            unionAlignment(union)
            printer.line(
                "let \(value) = \(union.isEnum16 ? "try decoder.readEnum16()" : "try decoder.read(\(union.discriminant.rawValue).self)")"
            )
            if let discriminant = known(discriminant) {
                printer.line(
                    "try decoder.require(discriminant: \(value), equals: \(naming.value(discriminant, as: union.discriminant)), \"\(subject)\")"
                )
            }
            unionAlignment(union)
            return "try \(union.name)(armFrom: &decoder, discriminant: \(value))"
        case .pointer(let pointer):
            if pointer.kind == .reference {
                printer.line("try decoder.readReference(\"\(subject)\")")
                return pointer.target.zero
            }
            printer.line("try decoder.readReferent()")
            return "nil"
        case .array(let array):
            var count: String?
            if case .conformant = array.size {
                let maximum = name("count")
                printer.line("let \(maximum) = decoder.takeConformance()")
                count = maximum
            }
            return arrayBody(array, hoisted: count, isWhole: false, subject)
        case .string(let string):
            let call = string.isWide ? "readVaryingWideString" : "readVaryingOctetString"
            switch string.size {
            case .fixed(let count): return "try decoder.\(call)(size: \(count), \"\(subject)\")"
            case .conformant(let size):
                let count = name("count")
                printer.line("let \(count) = decoder.takeConformance()")
                if let size = known(size) {
                    printer.line("try decoder.require(count: \(count), equals: \(naming.int(size)), \"\(subject)\")")
                }
                return rangeOfString(string, "try decoder.\(call)(size: \(count), \"\(subject)\")", subject)
            }
        }
    }

    /// The padding that a union has in NDR64 before its discriminant, and once more before its arm.
    mutating func unionAlignment(_ union: UnionType) {
        guard let alignment = union.paddingInNDR64 else { return }
        printer.line("try decoder.alignUnion(\(alignment))")
    }

    private mutating func rangeOfString(_ string: StringLevel, _ text: String, _ subject: String) -> String {
        guard let range = string.range else { return text }
        let value = name("value")
        printer.line("let \(value) = \(text)")
        let count = string.isWide ? "\(value).units.count + 1" : "\(value).octets.count + 1"
        check(count, range, subject)
        return value
    }

    private mutating func check(_ value: String, _ range: RangeBounds, _ subject: String) {
        printer.line(
            "try decoder.require(\(value), atLeast: \(range.minimum), atMost: \(range.maximum), \"\(subject)\")")
    }

    /// - Parameter isWhole: Whether the referents are read into the same variable; an embedded array's come later.
    private mutating func arrayBody(
        _ array: ArrayLevel, hoisted: String?, isWhole: Bool, _ subject: String
    ) -> String {
        var count: String
        switch array.size {
        case .fixed(let fixed): count = String(fixed)
        case .conformant(let size):
            count = hoisted ?? "0"
            if let range = array.range { check(count, range, subject) }
            if let size = known(size) {
                printer.line("try decoder.require(count: \(count), equals: \(naming.int(size)), \"\(subject)\")")
            }
        }
        if let length = array.length {
            let actual = name("length")
            let first = known(array.first).map { ", first: \(naming.int($0))" } ?? ""
            printer.line("let \(actual) = try decoder.readVariance(size: \(count)\(first), \"\(subject)\")")
            if let length = known(length) {
                printer.line("try decoder.require(count: \(actual), equals: \(naming.int(length)), \"\(subject)\")")
            }
            count = actual
        }
        let value = name("value")
        let isVariable = isWhole && array.element.hasPointees
        switch array.element {
        case .scalar(.uint8, nil):
            printer.line("let \(value) = try decoder.read(octets: \(count))")
        case .scalar(let scalar, nil) where scalar.isInteger:
            printer.line("let \(value) = try decoder.read(elements: \(scalar.rawValue).self, count: \(count))")
        case .guid, .contextHandle, .structure, .enumeration(_, nil):
            printer.line(
                "\(isVariable ? "var" : "let") \(value) = try decoder.read(bodies: \(array.element.swiftType).self, count: \(count))"
            )
        default:
            let type = array.element.swiftType
            let isPointer = if case .pointer = array.element { true } else { false }
            printer.line(
                "\(isVariable || !isPointer ? "var" : "let") \(value): [\(type)] = try decoder.placeholders(\(array.element.zero), count: \(count), ofSize: \(max(1, array.element.minimumSize)))"
            )
            if case .pointer = array.element {
                // Their placeholders are in place already.
                printer.line("for _ in \(value).indices {")
                printer.indent()
                _ = body(array.element, subject)
            } else {
                let index = name("index")
                printer.line("for \(index) in \(value).indices {")
                printer.indent()
                let text = body(array.element, subject)
                printer.line("\(value)[\(index)] = \(text)")
            }
            printer.outdent()
            printer.line("}")
        }
        return value
    }

    // MARK: Referents

    /// Reads the referents of a body that stands in `target`.
    mutating func pointees(_ level: Level, _ target: String, _ subject: String) {
        guard level.hasPointees else { return }
        switch level {
        case .structure, .union:
            printer.line("try \(target).decodePointees(from: &decoder)")
        case .pointer(let pointer):
            if pointer.kind == .reference {
                let text = whole(pointer.target, subject)
                printer.line("\(target) = \(text)")
                return
            }
            let identifier = name("referent")
            printer.line("let \(identifier) = decoder.takeReferent()")
            follow(pointer, identifier: identifier, into: target, subject)
        case .array(let array):
            if case .structure = array.element {
                printer.line("try decoder.read(pointeesOf: &\(target))")
                return
            }
            let index = name("index")
            printer.line("for \(index) in \(target).indices {")
            printer.indent()
            pointees(array.element, "\(target)[\(index)]", subject)
            printer.outdent()
            printer.line("}")
        default: return
        }
    }

    // MARK: Late checks

    /// The checks for which a count came too late; everything is known now.
    mutating func lateChecks(_ level: Level, _ value: String, _ subject: String) {
        switch level {
        case .union(let union, let discriminant) where known(discriminant) == nil:
            let text = naming.value(discriminant, as: union.discriminant)
            printer.line("guard \(value).belongs(to: \(text)) else {")
            printer.indent()
            printer.line("throw decoder.discriminantMismatch(\(text), \"\(subject)\")")
            printer.outdent()
            printer.line("}")
        case .pointer(let pointer):
            if pointer.kind == .reference {
                lateChecks(pointer.target, value, subject)
                return
            }
            var inner = self
            inner.printer = Printer()
            let referent = inner.name("referent")
            inner.lateChecks(pointer.target, referent, subject)
            let needsNull = pointer.nullCount != nil && known(pointer.nullCount) == nil
            guard !inner.printer.text.isEmpty || needsNull else { return }
            counter = inner.counter
            if inner.printer.text.isEmpty {
                printer.line("if \(value) == nil {")
            } else {
                printer.line("if let \(referent) = \(value) {")
                printer.indent()
                printer.line(String(inner.printer.text.dropLast()))
                printer.outdent()
                if needsNull { printer.line("} else {") }
            }
            if needsNull, let count = pointer.nullCount {
                printer.indent()
                printer.line("try decoder.require(nullCount: \(naming.int(count)), \"\(subject)\")")
                printer.outdent()
            }
            printer.line("}")
        case .array(let array):
            if let length = array.length {
                if known(length) == nil {
                    printer.line(
                        "try decoder.require(count: \(value).count, equals: \(naming.int(length)), \"\(subject)\")")
                }
            } else if case .conformant(let size) = array.size, known(size) == nil {
                printer.line("try decoder.require(count: \(value).count, equals: \(naming.int(size)), \"\(subject)\")")
            }
        default: return
        }
    }
}
