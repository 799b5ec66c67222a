/// Interfaces and the numbers of their operations.
extension Analyzer {
    func interface(_ syntax: InterfaceSyntax, _ file: String) throws(Diagnostic) {
        self.file = file
        var base: InterfaceType?
        if let name = syntax.base {
            guard let known = interfaces[name.name] else {
                throw Diagnostic(name.location, "base interface '\(name.name)' is not declared")
            }
            base = known
        }
        guard
            let uuid = syntax.attributes.first(where: { $0.name == "uuid" })?.text
                ?? (syntax.attributes.contains { $0.name == "local" } ? "00000000-0000-0000-0000-000000000000" : nil)
        else { throw Diagnostic(syntax.location, "interface '\(syntax.name)' needs a uuid") }
        let isObject = syntax.attributes.contains { $0.name == "object" }
        if let base, base.isObject != isObject {
            throw Diagnostic(
                syntax.location,
                "interface '\(syntax.name)' \(isObject ? "has" : "lacks") [object], its base '\(base.name)' does not match"
            )
        }
        let version = try version(syntax.attributes)
        let result = InterfaceType(
            name: syntax.name, file: file, uuid: uuid, version: version, isObject: isObject, base: base)
        interfaces[syntax.name] = result
        models[file]?.interfaces.append(result)
        let isLocal = syntax.attributes.contains { $0.name == "local" }
        let pointerDefault =
            syntax.attributes.first { $0.name == "pointer_default" }?.text
            .flatMap(PointerKind.init(rawValue:)) ?? .unique
        // IUnknown's three methods are never called by opnum ([MS-DCOM] 3.1.1.5.8 has IRemUnknown for them).
        let isUnknown = isObject && uuid == "00000000-0000-0000-c000-000000000046"
        let operations: [OperationSyntax] = syntax.items.compactMap { item in
            if case .operation(let operation) = item { return operation }
            return nil
        }
        var opnum = base?.allMethods.count ?? 0
        // A [call_as] method takes the place of the local one that it stands for.
        let replaced = Set(
            operations.compactMap { operation in operation.attributes.first { $0.name == "call_as" }?.text })
        var names: Set<String> = []
        for operation in operations {
            attempt { () throws(Diagnostic) in
                let name = operation.declarator
                guard names.insert(name.name).inserted else {
                    throw Diagnostic(name.location, "operation '\(name.name)' is already declared in this interface")
                }
                try checkPlaces(operation.attributes, .operation)
                let isLocalMethod = isLocal || isUnknown || operation.attributes.contains { $0.name == "local" }
                if isLocalMethod, replaced.contains(name.name) { return }
                result.methods.append(
                    try method(operation, opnum: opnum, pointerDefault, isOnWire: !isLocalMethod))
                opnum += 1
            }
        }
    }

    private func version(_ attributes: [AttributeSyntax]) throws(Diagnostic) -> (major: Int, minor: Int) {
        guard let attribute = attributes.first(where: { $0.name == "version" }), let text = attribute.text else {
            return (0, 0)
        }
        let parts = text.split(separator: ".").map { UInt16($0).map(Int.init) }
        guard parts.count == 1 || parts.count == 2, let major = parts[0], let minor = parts.count == 2 ? parts[1] : 0
        else {
            throw Diagnostic(attribute.location, "a version is two numbers of 16 bits, major.minor")
        }
        return (major, minor)
    }
}
