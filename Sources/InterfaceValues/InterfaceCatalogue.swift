import IDLCompiler
import NDR

/// The interfaces that are known by name, and the types of what their operations carry.
public struct InterfaceCatalogue: Sendable {
    /// Every interface of the project's IDL files: [MS-CSVP], [MS-CMRP], [MS-DCOM], the endpoint mapper and remote management.
    public static let standard: InterfaceCatalogue = {
        do {
            return try InterfaceCatalogue(files: IDLTexts.files)
        } catch {
            // The build has compiled the same texts.
            preconditionFailure("the IDL files that the build embedded do not compile: \(error)")
        }
    }()

    /// The interfaces, in the order of the files.
    public let interfaces: [InterfaceSchema]
    let library: TypeLibrary
    private let byUUID: [GUID: Int]
    private let names: [GUID: String]

    /// From IDL files, which may import each other by the names that are given here.
    ///
    /// - Throws: What is wrong with the files, with file, line and column.
    public init(files: [(name: String, text: String)]) throws(CompilationError) {
        let sources = files.map { SourceFile(name: $0.name, text: $0.text) }
        let library = try TypeLibrary(sources) { name in sources.first { $0.name == name } }
        self.library = library
        var interfaces: [InterfaceSchema] = []
        for interface in library.interfaces.compactMap({ InterfaceSchema($0, library) }) {
            // Another declaration of the same interface is how others marshal it: samba.idl is one.
            if let first = interfaces.firstIndex(where: { $0.identifier.uuid == interface.identifier.uuid }) {
                interfaces[first].add(alternatives: interface)
            } else {
                interfaces.append(interface)
            }
        }
        self.interfaces = interfaces
        byUUID = Dictionary(
            interfaces.enumerated().map { ($1.identifier.uuid, $0) }, uniquingKeysWith: { first, _ in first })
        var names = Dictionary(
            interfaces.map { ($0.identifier.uuid, $0.name) }, uniquingKeysWith: { first, _ in first })
        for coclass in library.classes {
            if let uuid = GUID(coclass.uuid) { names[uuid] = "CLSID_\(coclass.name)" }
        }
        names.merge(WellKnownNames.identifiers) { own, _ in own }
        self.names = names
    }

    /// The interface of this UUID and version.
    ///
    /// A minor version of the caller's that is less than the interface's is the same interface (C706 section 6.1.2.1).
    public func interface(_ identifier: SyntaxIdentifier) -> InterfaceSchema? {
        guard let interface = interface(uuid: identifier.uuid), interface.identifier.major == identifier.major,
            interface.identifier.minor >= identifier.minor
        else { return nil }
        return interface
    }

    /// The interface of this UUID, whichever its version.
    public func interface(uuid: GUID) -> InterfaceSchema? {
        byUUID[uuid].map { interfaces[$0] }
    }

    /// The interface of this name.
    public func interface(named name: String) -> InterfaceSchema? {
        interfaces.first { $0.name == name }
    }

    /// What an interface's or a class's identifier is called, such as `IClusterStorage2` or `CLSID_ClusterStorage2`.
    public func name(of identifier: GUID) -> String? {
        names[identifier]
    }
}

/// An interface.
public struct InterfaceSchema: Sendable {
    /// Its name.
    public let name: String
    /// Its UUID and version.
    public let identifier: SyntaxIdentifier
    /// Whether its calls begin with ORPCTHIS and ORPCTHAT ([MS-DCOM] 2.2.13).
    public let isObject: Bool
    /// The name of what it derives from.
    public let base: String?
    /// Its operations, those of its bases first: each at the place of its opnum.
    public private(set) var operations: [OperationSchema]

    init?(_ interface: TypeLibrary.Interface, _ library: TypeLibrary) {
        guard let uuid = GUID(interface.uuid) else { return nil }
        name = interface.name
        identifier = SyntaxIdentifier(
            uuid: uuid, major: UInt16(clamping: interface.major), minor: UInt16(clamping: interface.minor))
        isObject = interface.isObject
        base = interface.base
        operations = interface.operations.map {
            OperationSchema(description: $0, isObject: interface.isObject, library: library)
        }
    }

    fileprivate mutating func add(alternatives interface: InterfaceSchema) {
        for (index, operation) in interface.operations.enumerated()
        where index < operations.count && operation.isOnWire && operations[index].isOnWire {
            operations[index].alternative = operation.description
        }
    }

    /// The operation of this number; nil if there are not so many.
    public func operation(_ opnum: UInt16) -> OperationSchema? {
        Int(opnum) < operations.count ? operations[Int(opnum)] : nil
    }
}

/// An operation of an interface.
public struct OperationSchema: Sendable {
    let description: TypeLibrary.Operation
    /// Whether its stubs begin with ORPCTHIS and ORPCTHAT.
    public let isObject: Bool
    let library: TypeLibrary
    /// Another declaration of the same operation, for stubs that do not fit the first.
    fileprivate(set) var alternative: TypeLibrary.Operation?

    /// Its name.
    public var name: String { description.name }
    /// Its number.
    public var opnum: UInt16 { UInt16(clamping: description.opnum) }
    /// The interface that declares it: the one that was asked, or one of its bases.
    public var interface: String { description.interface }
    /// Whether it is ever called remotely.
    public var isOnWire: Bool { description.isOnWire }
    /// Whether a response ends in a result.
    public var hasResult: Bool { description.hasResult }

    /// The values of a request.
    ///
    /// Counts are taken from the wire; whether they agree with what the declaration says of them is not checked, and what
    /// follows the last value is kept in ``FieldTree/trailing``.
    ///
    /// - Parameters:
    ///   - stub: The stub, without headers, padding and trailer of its PDUs.
    ///   - syntax: What its presentation context has agreed on.
    ///   - isBigEndian: Whether its PDUs' integers have their most significant octet first.
    public func decodeRequest(
        _ stub: [UInt8], syntax: TransferSyntax = .ndr20, isBigEndian: Bool = false
    ) throws(ValueError) -> FieldTree {
        try decode(\.request, "ORPCTHIS", stub, syntax, isBigEndian)
    }

    /// The values of a response, in the same way.
    public func decodeResponse(
        _ stub: [UInt8], syntax: TransferSyntax = .ndr20, isBigEndian: Bool = false
    ) throws(ValueError) -> FieldTree {
        try decode(\.response, "ORPCTHAT", stub, syntax, isBigEndian)
    }

    /// The stub of a request: of what ``decodeRequest(_:syntax:isBigEndian:)`` returned, the same octets.
    ///
    /// - Throws: ``ValueError`` if the tree is not one of this operation's.
    public func encodeRequest(_ tree: FieldTree) throws(ValueError) -> [UInt8] {
        try encode(\.request, "ORPCTHIS", tree)
    }

    /// The stub of a response: of what ``decodeResponse(_:syntax:isBigEndian:)`` returned, the same octets.
    ///
    /// - Throws: ``ValueError`` if the tree is not one of this operation's.
    public func encodeResponse(_ tree: FieldTree) throws(ValueError) -> [UInt8] {
        try encode(\.response, "ORPCTHAT", tree)
    }

    private typealias Fields = KeyPath<TypeLibrary.Operation, [TypeLibrary.Field]>

    /// What DCOM puts in front of the parameters ([MS-DCOM] 2.2.13).
    private func implicit(_ type: String) -> [TypeLibrary.Field] {
        guard isObject, let structure = library.structure(named: type) else { return [] }
        return [TypeLibrary.Field(name: type, typeName: type, representation: structure)]
    }

    private func decode(
        _ fields: Fields, _ header: String, _ stub: [UInt8], _ syntax: TransferSyntax, _ isBigEndian: Bool
    ) throws(ValueError) -> FieldTree {
        guard isOnWire else { throw ValueError(.notOnWire, path: name, offset: 0) }
        let front = implicit(header)
        func decoded(_ operation: TypeLibrary.Operation) throws(ValueError) -> FieldTree {
            var decoder = ValueDecoder(StubReader(stub, syntax: syntax, isBigEndian: isBigEndian), library)
            return try decoder.tree(front + operation[keyPath: fields])
        }
        guard let alternative else { return try decoded(description) }
        do throws(ValueError) {
            let tree = try decoded(description)
            if tree.trailing.isEmpty { return tree }
            guard let other = try? decoded(alternative), other.trailing.isEmpty else { return tree }
            return other
        } catch {
            guard let other = try? decoded(alternative) else { throw error }
            return other
        }
    }

    private func encode(_ fields: Fields, _ header: String, _ tree: FieldTree) throws(ValueError) -> [UInt8] {
        guard isOnWire else { throw ValueError(.notOnWire, path: name, offset: 0) }
        let front = implicit(header)
        func encoded(_ operation: TypeLibrary.Operation) throws(ValueError) -> [UInt8] {
            var encoder = ValueEncoder(tree, library)
            return try encoder.stub(front + operation[keyPath: fields], tree)
        }
        do throws(ValueError) {
            return try encoded(description)
        } catch {
            guard let alternative, let stub = try? encoded(alternative) else { throw error }
            return stub
        }
    }
}
