/// Prints an interface: its methods' parameters, its table, the server's protocol and the client.
struct InterfaceEmitter {
    let interface: InterfaceType

    /// A method, and the interface that declares it.
    private struct Owned {
        let method: Method
        let owner: String
    }

    private var name: String { SwiftNames.escaped(interface.name) }

    private func owned(_ interface: InterfaceType) -> [Owned] {
        (interface.base.map(owned) ?? [])
            + interface.methods.filter(\.isOnWire).map { Owned(method: $0, owner: SwiftNames.escaped(interface.name)) }
    }

    /// Prints it all.
    func emit(_ printer: inout Printer) {
        let wire = interface.methods.filter(\.isOnWire)
        let base = interface.base.flatMap { $0.hasWireMethods ? SwiftNames.escaped($0.name) : nil }
        printer.line()
        printer.line(
            "/// The interface `\(interface.name)`, \(interface.uuid) version \(interface.version.major).\(interface.version.minor)."
        )
        printer.line("public enum \(name) {")
        printer.indent()
        printer.line("/// Its identity and its operations.")
        printer.line("public static let interface = RPCInterface(")
        printer.indent()
        printer.line(
            "syntax: SyntaxIdentifier(uuid: \"\(interface.uuid)\", major: \(interface.version.major), minor: \(interface.version.minor)),"
        )
        printer.line("name: \"\(interface.name)\", isObject: \(interface.isObject),")
        let operations = wire.map { SwiftNames.escaped($0.name) + ".operation" }
        let inherited = base.map { "\($0).interface.operations + " } ?? ""
        printer.line("operations: \(inherited)[\(operations.joined(separator: ", "))])")
        printer.outdent()
        for method in wire { MethodEmitter(interface: interface, method: method).emit(&printer) }
        if interface.hasWireMethods { emitHandlers(base, &printer) }
        printer.outdent()
        printer.line("}")
        guard interface.hasWireMethods else { return }
        emitServer(wire, base, &printer)
        emitClient(&printer)
    }

    private func emitHandlers(_ base: String?, _ printer: inout Printer) {
        printer.line()
        printer.line("/// What answers each opnum; nil where there is no method on the wire.")
        printer.line("public static func handlers(_ implementation: any \(interface.name)Server) -> [RPCHandler?] {")
        printer.indent()
        if let base {
            printer.line("var handlers = \(base).handlers(implementation)")
        } else {
            let absent = interface.base?.allMethods.count ?? 0
            printer.line("var handlers = [RPCHandler?](repeating: nil, count: \(absent))")
        }
        for method in interface.methods {
            printer.line(
                "handlers.append(\(method.isOnWire ? "\(SwiftNames.escaped(method.name)).handler(implementation)" : "nil"))"
            )
        }
        printer.line("return handlers")
        printer.outdent()
        printer.line("}")
    }

    private func emitServer(_ wire: [Method], _ base: String?, _ printer: inout Printer) {
        printer.line()
        printer.line(
            "/// What implements `\(interface.name)`; a thrown error becomes the method's return value where it has one."
        )
        printer.line(
            "public protocol \(interface.name)Server: \(interface.base.flatMap { $0.hasWireMethods ? $0.name + "Server" : nil } ?? "Sendable") {"
        )
        printer.indent()
        for method in wire {
            let path = "\(name).\(SwiftNames.escaped(method.name))"
            printer.line("/// Opnum \(method.opnum).")
            printer.line(
                "func \(SwiftNames.method(method.name))(_ request: \(path).Request, context: CallContext) async throws -> \(path).Response"
            )
        }
        printer.outdent()
        printer.line("}")
        let reserved = wire.filter(\.isReserved)
        guard !reserved.isEmpty else { return }
        printer.line()
        printer.line("extension \(interface.name)Server {")
        printer.indent()
        for method in reserved {
            let path = "\(name).\(SwiftNames.escaped(method.name))"
            printer.line("/// Reserved: a client that calls it all the same is told that there is nothing.")
            printer.line(
                "public func \(SwiftNames.method(method.name))(_ request: \(path).Request, context: CallContext) async throws -> \(path).Response {"
            )
            printer.indent()
            if case .hresult = method.result {
                printer.line("\(path).Response(returnValue: .notImplemented, for: request)")
            } else {
                printer.line("throw RPCFault.operationRange")
            }
            printer.outdent()
            printer.line("}")
        }
        printer.outdent()
        printer.line("}")
    }

    private func emitClient(_ printer: inout Printer) {
        printer.line()
        printer.line("/// Calls `\(interface.name)`.")
        printer.line("public struct \(interface.name)Client: Sendable {")
        printer.indent()
        printer.line("/// What carries the calls.")
        printer.line("public let caller: any RPCCaller")
        printer.line()
        printer.line("/// Over a caller that is bound to the interface.")
        printer.line("public init(_ caller: any RPCCaller) { self.caller = caller }")
        for item in owned(interface) {
            let path = "\(item.owner).\(SwiftNames.escaped(item.method.name))"
            printer.line()
            printer.line("/// Opnum \(item.method.opnum).")
            printer.line(
                "public func \(SwiftNames.method(item.method.name))(_ request: \(path).Request = \(path).Request()) async throws -> \(path).Response {"
            )
            printer.indent()
            printer.line("try await caller.call(")
            printer.indent()
            printer.line("opnum: \(item.method.opnum),")
            printer.line("encode: { encoder in try request.encode(into: &encoder) },")
            printer.line("decode: { decoder in")
            printer.indent()
            printer.line("let response = try \(path).Response(from: &decoder, for: request)")
            printer.line("try decoder.finish()")
            printer.line("return response")
            printer.outdent()
            printer.line("})")
            printer.outdent()
            printer.outdent()
            printer.line("}")
        }
        printer.outdent()
        printer.line("}")
    }
}

extension Method {
    /// Whether the specification only keeps the opnum.
    var isReserved: Bool {
        name.hasPrefix("Opnum") && (name.hasSuffix("NotUsedOnWire") || name.hasSuffix("Reserved"))
    }
}
