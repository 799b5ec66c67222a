/// Unions become enumerations with a value for each arm; the discriminant stays in the field or parameter beside them.
extension Emitter {
    func emit(_ union: UnionType, _ printer: inout Printer) {
        let raw = union.discriminant.rawValue
        printer.line()
        printer.line("/// The union `\(union.name)`; its discriminant is kept beside it and checked against the arm.")
        printer.line("public \(union.isIndirect ? "indirect " : "")enum \(union.name): Sendable, Equatable {")
        printer.indent()
        for arm in union.arms {
            guard let field = arm.field else { continue }
            printer.line("case \(SwiftNames.escaped(field.name))(\(field.level.swiftType))")
        }
        if union.hasEmptyArm { printer.line("/// An arm that holds nothing.\ncase \(union.emptyCase)") }
        printer.line()
        printer.line("public init() { self = \(union.zero) }")
        printer.line()
        emitBelongs(union, raw, &printer)
        emitEncoding(union, raw, &printer)
        emitDecoding(union, raw, &printer)
        printer.outdent()
        printer.line("}")
    }

    private func emitBelongs(_ union: UnionType, _ raw: String, _ printer: inout Printer) {
        printer.line("/// Whether this arm is the one that the discriminant selects.")
        printer.line("public func belongs(to discriminant: \(raw)) -> Bool {")
        printer.indent()
        printer.line("switch discriminant {")
        let others = union.arms.flatMap(\.labels)
        for arm in union.arms where !arm.labels.isEmpty {
            let labels = arm.labels.map(String.init).joined(separator: ", ")
            printer.line("case \(labels): if case \(union.pattern(arm)) = self { true } else { false }")
        }
        if let arm = union.arms.first(where: \.isDefault) {
            printer.line("default: if case \(union.pattern(arm)) = self { true } else { false }")
        } else if !union.discriminant.isExhausted(by: others.count) {
            printer.line("default: false")
        }
        printer.line("}")
        printer.outdent()
        printer.line("}")
    }

    private func emitEncoding(_ union: UnionType, _ raw: String, _ printer: inout Printer) {
        let naming = Naming(level: { _ in .hresult }, spelling: { _ in "" })
        var writer = EncodeWriter(printer: printer, naming: naming)
        writer.printer.line("/// Writes the arm; the discriminant in front of it is the caller's to write.")
        writer.printer.line(
            "public func encodeArm(into encoder: inout NDREncoder, discriminant: \(raw)) throws(NDRError) {")
        writer.printer.indent()
        writer.printer.line(
            "guard belongs(to: discriminant) else { throw encoder.discriminantMismatch(discriminant, \"\(union.name)\") }"
        )
        writer.printer.line("switch self {")
        for case .some(let field) in union.arms.map(\.field) {
            writer.printer.line("case .\(SwiftNames.escaped(field.name))(let value):")
            writer.printer.indent()
            writer.body(field.level, "value", "\(union.name).\(field.name)")
            writer.printer.outdent()
        }
        if union.hasEmptyArm { writer.printer.line("case .\(union.emptyCase): break") }
        writer.printer.line("}")
        writer.printer.outdent()
        writer.printer.line("}")
        writer.printer.line("/// Writes the referents of the arm.")
        writer.printer.line("public func encodePointees(into encoder: inout NDREncoder) throws(NDRError) {")
        writer.printer.indent()
        if union.hasPointees {
            writer.printer.line("switch self {")
            var hasOthers = union.hasEmptyArm
            for case .some(let field) in union.arms.map(\.field) {
                guard field.level.hasPointees else {
                    hasOthers = true
                    continue
                }
                writer.printer.line("case .\(SwiftNames.escaped(field.name))(let value):")
                writer.printer.indent()
                writer.pointees(field.level, "value", "\(union.name).\(field.name)")
                writer.printer.outdent()
            }
            if hasOthers { writer.printer.line("default: break") }
            writer.printer.line("}")
        }
        writer.printer.outdent()
        writer.printer.line("}")
        printer = writer.printer
    }

    private func emitDecoding(_ union: UnionType, _ raw: String, _ printer: inout Printer) {
        let naming = Naming(level: { _ in .hresult }, spelling: { _ in "" })
        var writer = DecodeWriter(printer: printer, naming: naming)
        writer.printer.line("/// Reads the arm that the discriminant selects.")
        writer.printer.line("public init(armFrom decoder: inout NDRDecoder, discriminant: \(raw)) throws(NDRError) {")
        writer.printer.indent()
        writer.printer.line("switch discriminant {")
        func arm(_ arm: Arm) {
            writer.printer.indent()
            if let field = arm.field {
                let text = writer.body(field.level, "\(union.name).\(field.name)")
                writer.printer.line("self = .\(SwiftNames.escaped(field.name))(\(text))")
            } else {
                writer.printer.line("self = .\(union.emptyCase)")
            }
            writer.printer.outdent()
        }
        for next in union.arms where !next.labels.isEmpty && !next.isDefault {
            writer.printer.line("case \(next.labels.map(String.init).joined(separator: ", ")):")
            arm(next)
        }
        if let fallback = union.arms.first(where: \.isDefault) {
            writer.printer.line("default:")
            arm(fallback)
        } else if !union.discriminant.isExhausted(by: union.arms.flatMap(\.labels).count) {
            writer.printer.line("default:")
            writer.printer.indent()
            writer.printer.line("throw decoder.badDiscriminant(discriminant, \"\(union.name)\")")
            writer.printer.outdent()
        }
        writer.printer.line("}")
        writer.printer.outdent()
        writer.printer.line("}")
        writer.printer.line("/// Reads the referents of the arm.")
        writer.printer.line("public mutating func decodePointees(from decoder: inout NDRDecoder) throws(NDRError) {")
        writer.printer.indent()
        if union.hasPointees {
            writer.printer.line("switch self {")
            var hasOthers = union.hasEmptyArm
            for case .some(let field) in union.arms.map(\.field) {
                guard field.level.hasPointees else {
                    hasOthers = true
                    continue
                }
                let name = SwiftNames.escaped(field.name)
                writer.printer.line("case .\(name)(var value):")
                writer.printer.indent()
                writer.pointees(field.level, "value", "\(union.name).\(field.name)")
                writer.printer.line("self = .\(name)(value)")
                writer.printer.outdent()
            }
            if hasOthers { writer.printer.line("default: break") }
            writer.printer.line("}")
        }
        writer.printer.outdent()
        writer.printer.line("}")
        printer = writer.printer
    }
}

extension UnionType {
    var hasEmptyArm: Bool { arms.contains { $0.field == nil } }

    /// The case of the empty arms; an arm that is called so itself keeps the name.
    var emptyCase: String {
        arms.contains { $0.field?.name == "empty" } ? "empty_" : "empty"
    }

    func pattern(_ arm: Arm) -> String {
        arm.field.map { ".\(SwiftNames.escaped($0.name))" } ?? ".\(emptyCase)"
    }

    /// The arm that an all-zero discriminant selects, or else the first one.
    var zero: String {
        let selected = arms.first { $0.labels.contains(0) } ?? arms.first(where: \.isDefault) ?? arms[0]
        guard let field = selected.field else { return ".\(emptyCase)" }
        return ".\(SwiftNames.escaped(field.name))(\(field.level.zero))"
    }
}

extension Scalar {
    /// Whether so many different labels leave no value over.
    func isExhausted(by count: Int) -> Bool {
        size == 1 && count == 256
    }
}
