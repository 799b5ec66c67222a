/// Prints one method: the values that go in, the values that come out, its handler and its dissection.
struct MethodEmitter {
    let interface: InterfaceType
    let method: Method

    private var path: String { "\(interface.name).\(method.name)" }

    private func subject(_ field: Field) -> String { "\(method.name).\(field.name)" }

    func emit(_ printer: inout Printer) {
        printer.line()
        printer.line("/// Opnum \(method.opnum).")
        printer.line("public enum \(SwiftNames.escaped(method.name)): RPCMethod {")
        printer.indent()
        printer.line("public static let opnum: UInt16 = \(method.opnum)")
        printer.line("public static let name = \"\(method.name)\"")
        emitRequest(&printer)
        emitResponse(&printer)
        emitOperation(&printer)
        emitHandler(&printer)
        printer.outdent()
        printer.line("}")
    }

    // MARK: Request

    private func emitRequest(_ printer: inout Printer) {
        let parameters = method.parameters.filter(\.isIn)
        printer.line()
        printer.line("/// What goes in.")
        printer.line("public struct Request: RPCRequest {")
        printer.indent()
        emitProperties(
            parameters.map { (SwiftNames.escaped($0.field.name), $0.field.level.swiftType, $0.field.level.zero) },
            &printer)
        let naming = Naming(
            level: { method.parameters[$0].field.level },
            spelling: { "self.\(SwiftNames.escaped(method.parameters[$0].field.name))" })

        printer.line()
        printer.line("/// Reads the stub.")
        printer.line("public init(from decoder: inout NDRDecoder) throws(NDRError) {")
        printer.indent()
        var reader = DecodeWriter(printer: printer, naming: naming)
        decode(method.parameters.indices.filter { method.parameters[$0].isIn }, nil, &reader) { _ in false }
        printer = reader.printer
        printer.outdent()
        printer.line("}")

        printer.line()
        printer.line("/// Writes the stub.")
        printer.line("public func encode(into encoder: inout NDREncoder) throws(NDRError) {")
        printer.indent()
        var writer = EncodeWriter(printer: printer, naming: naming)
        for parameter in parameters {
            writer.whole(
                parameter.field.level, "self.\(SwiftNames.escaped(parameter.field.name))", subject(parameter.field))
        }
        printer = writer.printer
        printer.outdent()
        printer.line("}")
        printer.outdent()
        printer.line("}")
    }

    /// Reads parameters in their order.
    ///
    /// - Parameter isGiven: Whether a parameter's value comes from elsewhere: the request's, when the response is read.
    private func decode(
        _ indices: [Int], _ result: Level?, _ writer: inout DecodeWriter, isGiven: @escaping (Int) -> Bool
    ) {
        func isKnown(at index: Int) -> (Variable) -> Bool {
            { isGiven($0.index) || $0.index < index }
        }
        for index in indices {
            let field = method.parameters[index].field
            writer.isKnown = isKnown(at: index)
            let text = writer.whole(field.level, subject(field))
            writer.printer.line("self.\(SwiftNames.escaped(field.name)) = \(text)")
        }
        if let result {
            let text = writer.whole(result, "\(method.name).returnValue")
            writer.printer.line("self.returnValue = \(text)")
        }
        for index in indices {
            let field = method.parameters[index].field
            writer.isKnown = isKnown(at: index)
            writer.lateChecks(field.level, "self.\(SwiftNames.escaped(field.name))", subject(field))
        }
    }

    private func emitProperties(_ properties: [(name: String, type: String, zero: String)], _ printer: inout Printer) {
        for property in properties { printer.line("public var \(property.name): \(property.type)") }
        if !properties.isEmpty { printer.line() }
        let list = properties.map { "\($0.name): \($0.type) = \($0.zero)" }.joined(separator: ", ")
        printer.line("public init(\(list)) {")
        printer.indent()
        for property in properties { printer.line("self.\(property.name) = \(property.name)") }
        printer.outdent()
        printer.line("}")
    }

    // MARK: Response

    private func emitResponse(_ printer: inout Printer) {
        let indices = method.parameters.indices.filter { method.parameters[$0].isOut }
        var properties = indices.map { index in
            let field = method.parameters[index].field
            return (name: SwiftNames.escaped(field.name), type: field.level.swiftType, zero: field.level.zero)
        }
        if let result = method.result { properties.append(("returnValue", result.swiftType, result.zero)) }
        printer.line()
        printer.line("/// What comes out.")
        printer.line("public struct Response: RPCResponse {")
        printer.indent()
        emitProperties(properties, &printer)
        emitPlaceholder(indices, &printer)
        let naming = Naming(
            level: { method.parameters[$0].field.level },
            spelling: { index in
                let parameter = method.parameters[index]
                return "\(parameter.isOut ? "self" : "request").\(SwiftNames.escaped(parameter.field.name))"
            })

        printer.line()
        printer.line("/// Reads the stub of the answer to a request.")
        printer.line("public init(from decoder: inout NDRDecoder, for request: Request) throws(NDRError) {")
        printer.indent()
        var reader = DecodeWriter(printer: printer, naming: naming)
        decode(indices, method.result, &reader) { !method.parameters[$0].isOut }
        printer = reader.printer
        printer.outdent()
        printer.line("}")

        printer.line()
        printer.line("/// Writes the stub of the answer to a request.")
        printer.line("public func encode(into encoder: inout NDREncoder, for request: Request) throws(NDRError) {")
        printer.indent()
        var writer = EncodeWriter(printer: printer, naming: naming)
        for index in indices {
            let field = method.parameters[index].field
            writer.whole(field.level, "self.\(SwiftNames.escaped(field.name))", subject(field))
        }
        if let result = method.result { writer.whole(result, "self.returnValue", "\(method.name).returnValue") }
        printer = writer.printer
        printer.outdent()
        printer.line("}")
        printer.outdent()
        printer.line("}")
    }

    /// The response that says nothing but its return value.
    private func emitPlaceholder(_ indices: [Int], _ printer: inout Printer) {
        let naming = Naming(
            level: { method.parameters[$0].field.level },
            spelling: { "request.\(SwiftNames.escaped(method.parameters[$0].field.name))" })
        printer.line()
        printer.line(
            "/// A response whose [out] parameters are zero, NULL or as long as the request demands; [in, out] ones stay as they came."
        )
        printer.line(
            "public init(\(method.result.map { "returnValue: \($0.swiftType), " } ?? "")for request: Request) {")
        printer.indent()
        for index in indices {
            let parameter = method.parameters[index]
            let name = SwiftNames.escaped(parameter.field.name)
            printer.line(
                "self.\(name) = \(isKept(index) ? "request.\(name)" : placeholder(parameter.field.level, naming))")
        }
        if method.result != nil { printer.line("self.returnValue = returnValue") }
        printer.outdent()
        printer.line("}")
    }

    /// Whether an [in, out] parameter keeps the request's value: it does, unless it counts what a NULL now stands for.
    private func isKept(_ index: Int) -> Bool {
        guard method.parameters[index].isIn else { return false }
        return !method.parameters.contains { parameter in
            guard parameter.isOut, !parameter.isIn, case .pointer(let pointer) = parameter.field.level.withoutReferences
            else { return false }
            return pointer.nullCount?.variables.contains { $0.index == index } ?? false
        }
    }

    private func placeholder(_ level: Level, _ naming: Naming) -> String {
        let level = level.withoutReferences
        guard case .array(let array) = level, case .conformant(let size) = array.size else { return level.zero }
        let count = array.length ?? size
        guard count.variables.allSatisfy({ !method.parameters[$0.index].isOut || isKept($0.index) }) else {
            return "[]"
        }
        return "[\(array.element.swiftType)](placeholder: \(array.element.zero), count: \(naming.int(count)))"
    }

    // MARK: Table

    private func emitOperation(_ printer: inout Printer) {
        printer.line()
        printer.line("static let operation = RPCOperation(\(SwiftNames.escaped(method.name)).self)")
    }

    private func emitHandler(_ printer: inout Printer) {
        let call = "try await implementation.\(SwiftNames.method(method.name))(request, context: context)"
        printer.line()
        printer.line("static func handler(_ implementation: any \(interface.name)Server) -> RPCHandler {")
        printer.indent()
        printer.line("{ decoder, encoder, context in")
        printer.indent()
        printer.line("let request = try Request(from: &decoder)")
        printer.line("try decoder.finish()")
        if let recovery {
            printer.line("let response: Response")
            printer.line("do {")
            printer.indent()
            printer.line("response = \(call)")
            printer.outdent()
            printer.line("} catch let fault as RPCFault {")
            printer.indent()
            printer.line("throw fault")
            printer.outdent()
            printer.line("} catch let error as \(recovery.type) {")
            printer.indent()
            printer.line("response = Response(returnValue: \(recovery.value), for: request)")
            printer.outdent()
            printer.line("}")
        } else {
            printer.line("let response = \(call)")
        }
        printer.line("try response.encode(into: &encoder, for: request)")
        printer.outdent()
        printer.line("}")
        printer.outdent()
        printer.line("}")
    }

    /// The errors that the return value can tell, and how.
    private var recovery: (type: String, value: String)? {
        switch method.result {
        case .hresult: ("any HRESULTConvertible", "error.hresult")
        case .scalar(.uint32, _): ("Win32Error", "error.rawValue")
        case .scalar(.int32, _): ("Win32Error", "Int32(bitPattern: error.rawValue)")
        default: nil
        }
    }
}
