/// Writes the statements that encode a level: straight-line code, typed throughout.
struct EncodeWriter {
    var printer: Printer
    let naming: Naming
    private var counter = 0

    init(printer: Printer, naming: Naming) {
        self.printer = printer
        self.naming = naming
    }

    private mutating func name(_ stem: String) -> String {
        counter += 1
        return "\(stem)\(counter)"
    }

    // MARK: Whole items

    /// A parameter or a referent: hoisted maximum counts, body, referents.
    mutating func whole(_ level: Level, _ value: String, _ subject: String) {
        switch level {
        case .structure:
            printer.line("try encoder.encode(\(value))")
        case .string(let string):
            if case .conformant(let size) = string.size {
                rangeOfString(string, value, subject)
                let size = size.map { ", size: \(naming.int($0))" } ?? ""
                printer.line("try encoder.write(string: \(value)\(size), \"\(subject)\")")
            } else {
                body(level, value, subject)
            }
        case .pointer(let pointer) where pointer.isTopLevelReference:
            whole(pointer.target, value, subject)
        default:
            conformance(level, value, subject)
            body(level, value, subject)
            pointees(level, value, subject)
        }
    }

    // MARK: Conformance

    /// The maximum counts that stand in front.
    mutating func conformance(_ level: Level, _ value: String, _ subject: String) {
        switch level {
        case .structure(let structure) where structure.isConformant:
            printer.line("try \(value).encodeConformance(into: &encoder)")
        case .array(let array):
            guard case .conformant(let size) = array.size else { return }
            let text = naming.int(size)
            if let range = array.range { check(text, range, subject) }
            if array.length == nil {
                printer.line("try encoder.require(count: \(value).count, equals: \(text), \"\(subject)\")")
                printer.line("encoder.writeConformance(\(value).count)")
            } else {
                printer.line("encoder.writeConformance(\(text))")
            }
        case .string(let string):
            guard case .conformant(let size) = string.size else { return }
            rangeOfString(string, value, subject)
            printer.line("encoder.writeConformance(\(size.map(naming.int) ?? count(of: string, value)))")
        default: return
        }
    }

    private func count(of string: StringLevel, _ value: String) -> String {
        string.isWide ? "\(value).units.count + 1" : "\(value).octets.count + 1"
    }

    private mutating func rangeOfString(_ string: StringLevel, _ value: String, _ subject: String) {
        guard let range = string.range, case .conformant(let size) = string.size else { return }
        check(size.map(naming.int) ?? count(of: string, value), range, subject)
    }

    private mutating func check(_ value: String, _ range: RangeBounds, _ subject: String) {
        printer.line(
            "try encoder.require(\(value), atLeast: \(range.minimum), atMost: \(range.maximum), \"\(subject)\")")
    }

    // MARK: Bodies

    mutating func body(_ level: Level, _ value: String, _ subject: String) {
        switch level {
        case .scalar(_, let range):
            if let range { check(value, range, subject) }
            printer.line("encoder.write(\(value))")
        case .pointerSized(_, let range):
            if let range { check(value, range, subject) }
            printer.line("encoder.writePointerSized(\(value))")
        case .hresult:
            printer.line("encoder.write(\(value).rawValue)")
        case .enumeration(let enumeration, let range):
            if let range { check("\(value).rawValue", range, subject) }
            printer.line(
                enumeration.isWide
                    ? "encoder.write(\(value).rawValue)" : "encoder.writeEnum16(\(value).rawValue)")
        case .guid, .contextHandle, .structure:
            printer.line("try \(value).encodeBody(into: &encoder)")
        case .union(let union, let discriminant):
            let text = naming.value(discriminant, as: union.discriminant)
            unionAlignment(union)
            printer.line(
                union.isEnum16 ? "encoder.writeEnum16(\(text))" : "encoder.write(\(typed(text, union, discriminant)))")
            unionAlignment(union)
            printer.line("try \(value).encodeArm(into: &encoder, discriminant: \(text))")
        case .pointer(let pointer):
            if pointer.kind == .reference {
                printer.line("encoder.writeReferent()")
            } else {
                printer.line("encoder.writeReferent(isNull: \(value) == nil)")
            }
        case .array(let array):
            arrayBody(array, value, subject)
        case .string(let string):
            let size: String
            switch string.size {
            case .fixed(let count): size = String(count)
            case .conformant(let expression): size = expression.map(naming.int) ?? count(of: string, value)
            }
            printer.line("try encoder.write(varyingString: \(value), size: \(size), \"\(subject)\")")
        }
    }

    /// The padding that a union has in NDR64 before its discriminant, and once more before its arm.
    private mutating func unionAlignment(_ union: UnionType) {
        guard let alignment = union.paddingInNDR64 else { return }
        printer.line("encoder.alignUnion(\(alignment))")
    }

    private func typed(_ text: String, _ union: UnionType, _ discriminant: Expression) -> String {
        discriminant.constant == nil ? text : "\(text) as \(union.discriminant.rawValue)"
    }

    private mutating func arrayBody(_ array: ArrayLevel, _ value: String, _ subject: String) {
        if let length = array.length {
            let length = naming.int(length)
            let size: String
            switch array.size {
            case .fixed(let count): size = String(count)
            case .conformant(let expression): size = naming.int(expression)
            }
            let first = array.first.map(naming.int)
            printer.line("try encoder.require(count: \(value).count, equals: \(length), \"\(subject)\")")
            printer.line(
                "try encoder.require(length: \(first.map { "\($0) &+ " } ?? "")\(value).count, within: \(size), \"\(subject)\")"
            )
            printer.line("encoder.writeVariance(\(first.map { "offset: \($0), " } ?? "")count: \(value).count)")
        } else if case .fixed(let count) = array.size {
            printer.line("try encoder.require(count: \(value).count, equals: \(count), \"\(subject)\")")
        }
        switch array.element {
        case .scalar(let scalar, nil) where scalar.isInteger:
            printer.line("encoder.write(elements: \(value))")
        case .guid, .contextHandle, .structure, .enumeration(_, nil):
            printer.line("try encoder.write(bodies: \(value))")
        default:
            let element = name("element")
            printer.line("for \(element) in \(value) {")
            printer.indent()
            body(array.element, element, subject)
            printer.outdent()
            printer.line("}")
        }
    }

    // MARK: Referents

    mutating func pointees(_ level: Level, _ value: String, _ subject: String) {
        guard level.hasPointees else { return }
        switch level {
        case .structure, .union:
            printer.line("try \(value).encodePointees(into: &encoder)")
        case .pointer(let pointer):
            if pointer.kind == .reference {
                whole(pointer.target, value, subject)
                return
            }
            let referent = name("referent")
            printer.line("if let \(referent) = \(value) {")
            printer.indent()
            whole(pointer.target, referent, subject)
            printer.outdent()
            if let count = pointer.nullCount {
                printer.line("} else {")
                printer.indent()
                printer.line("try encoder.require(nullCount: \(naming.int(count)), \"\(subject)\")")
                printer.outdent()
            }
            printer.line("}")
        case .array(let array):
            if case .structure = array.element {
                printer.line("try encoder.write(pointeesOf: \(value))")
                return
            }
            let element = name("element")
            printer.line("for \(element) in \(value) {")
            printer.indent()
            pointees(array.element, element, subject)
            printer.outdent()
            printer.line("}")
        default: return
        }
    }
}

extension PointerLevel {
    /// What must be zero if the pointer is NULL ([MS-RPCE] 3.1.1.5.3.3.1.2).
    var nullCount: Expression? {
        guard !allowsNullWithCount else { return nil }
        switch target {
        case .array(let array):
            if case .conformant(let size) = array.size { return size }
            return nil
        case .string(let string):
            if case .conformant(let size) = string.size { return size }
            return nil
        default: return nil
        }
    }
}
