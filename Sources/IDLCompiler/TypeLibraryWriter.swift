/// Turns the compiler's model into the values of a ``TypeLibrary``.
struct TypeLibraryWriter {
    private var places: [ObjectIdentifier: Int] = [:]

    init(_ models: [FileModel]) {
        for (place, type) in models.flatMap(\.enums).enumerated() { places[ObjectIdentifier(type)] = place }
        for (place, type) in models.flatMap(\.structures).enumerated() { places[ObjectIdentifier(type)] = place }
        for (place, type) in models.flatMap(\.unions).enumerated() { places[ObjectIdentifier(type)] = place }
    }

    /// Every type that a level names was declared in one of the models.
    private func place(_ type: AnyObject) -> Int {
        guard let place = places[ObjectIdentifier(type)] else {
            preconditionFailure("a type that no file declares: \(type)")
        }
        return place
    }

    func describe(_ enumeration: EnumType) -> TypeLibrary.Enumeration {
        TypeLibrary.Enumeration(
            name: enumeration.name, octets: enumeration.scalar.size,
            enumerators: enumeration.enumerators.map {
                TypeLibrary.Enumerator(name: $0.name, value: enumeration.scalar.truncating($0.value))
            })
    }

    func describe(_ structure: StructureType) -> TypeLibrary.Structure {
        TypeLibrary.Structure(
            name: structure.name, fields: structure.fields.map(describe),
            isEncapsulatedUnion: structure.isEncapsulatedUnion,
            alignment: TypeLibrary.Measure(ndr20: structure.alignment(.ndr20), ndr64: structure.alignment(.ndr64)),
            paddingInNDR64: structure.paddingInNDR64, minimumSize: structure.minimumSize,
            isConformant: structure.isConformant)
    }

    func describe(_ union: UnionType) -> TypeLibrary.Union {
        TypeLibrary.Union(
            name: union.name, discriminantOctets: union.discriminant.size,
            isDiscriminantSigned: union.discriminant.isSigned, isEnum16: union.isEnum16,
            paddingInNDR64: union.paddingInNDR64,
            arms: union.arms.map {
                TypeLibrary.Arm(labels: $0.labels, isDefault: $0.isDefault, field: $0.field.map(describe))
            })
    }

    func describe(_ interface: InterfaceType) -> TypeLibrary.Interface {
        TypeLibrary.Interface(
            name: interface.name, uuid: interface.uuid, major: interface.version.major,
            minor: interface.version.minor, isObject: interface.isObject, base: interface.base?.name,
            operations: operations(of: interface))
    }

    private func operations(of interface: InterfaceType) -> [TypeLibrary.Operation] {
        (interface.base.map(operations) ?? [])
            + interface.methods.map { method in
                let result = method.result.map {
                    TypeLibrary.Field(
                        name: "returnValue", typeName: method.resultTypeName, representation: representation($0))
                }
                return TypeLibrary.Operation(
                    name: method.name, opnum: method.opnum, interface: interface.name,
                    request: method.parameters.filter(\.isIn).map { describe($0.field) },
                    response: method.parameters.filter(\.isOut).map { describe($0.field) }
                        + (result.map { [$0] } ?? []),
                    hasResult: result != nil, isOnWire: method.isOnWire)
            }
    }

    private func describe(_ field: Field) -> TypeLibrary.Field {
        TypeLibrary.Field(name: field.name, typeName: field.typeName, representation: representation(field.level))
    }

    private func representation(_ level: Level) -> TypeLibrary.Representation {
        switch level {
        case .scalar(let scalar, _):
            scalar.isInteger ? .integer(octets: scalar.size, isSigned: scalar.isSigned) : .float(octets: scalar.size)
        case .pointerSized(let isSigned, _): .pointerSized(isSigned: isSigned)
        case .hresult: .hresult
        case .guid: .guid
        case .contextHandle: .contextHandle
        case .enumeration(let enumeration, _): .enumeration(place(enumeration))
        case .structure(let structure): .structure(place(structure))
        case .union(let union, _): .union(place(union))
        case .pointer(let pointer): .pointer(pointer.described, representation(pointer.target))
        case .array(let array):
            if case .fixed(let count) = array.size {
                .array(count: count, isVarying: array.length != nil, element: representation(array.element))
            } else {
                .array(count: nil, isVarying: array.length != nil, element: representation(array.element))
            }
        case .string(let string):
            if case .fixed(let count) = string.size {
                .string(isWide: string.isWide, count: count)
            } else {
                .string(isWide: string.isWide, count: nil)
            }
        }
    }
}

extension PointerLevel {
    fileprivate var described: TypeLibrary.Pointer {
        if isTopLevelReference { return .topLevelReference }
        return switch kind {
        case .reference: .reference
        case .unique: .unique
        case .full: .full
        }
    }
}

extension Scalar {
    /// Whether it has a sign.
    var isSigned: Bool {
        switch self {
        case .int8, .int16, .int32, .int64, .float, .double: true
        case .uint8, .uint16, .uint32, .uint64: false
        }
    }
}

extension TypeSyntax {
    /// The type's name as it is written; base types by the shortest of their names.
    var spelling: String {
        switch kind {
        case .named(let name): name
        case .base(let base): base.spelling ?? location.word
        case .structure(let tag, _), .union(let tag, _), .encapsulated(let tag, _), .enumeration(let tag, _, _):
            tag ?? ""
        }
    }
}

extension BaseType {
    /// The base types that are written in one way only, or in many that say the same; nil where each name says more.
    fileprivate var spelling: String? {
        switch self {
        case .uint8: "byte"
        case .int8: "small"
        case .uint16: "unsigned short"
        case .int16: "short"
        case .int32: "long"
        case .uint64: "unsigned hyper"
        case .int64: "hyper"
        case .float: "float"
        case .double: "double"
        case .character: "char"
        case .wideCharacter: "wchar_t"
        case .void: "void"
        case .handle: "handle_t"
        case .hresult: "HRESULT"
        case .signedPointerSized: "__int3264"
        case .unsignedPointerSized: "unsigned __int3264"
        // `error_status_t` or `unsigned long`; `GUID`, `IID`, `CLSID`, …
        case .uint32, .guid: nil
        }
    }
}

extension SourceLocation {
    /// The first word at the place; a `unsigned` stands for all that follows it.
    fileprivate var word: String {
        let octets = text.utf8.dropFirst(column - 1).prefix(length)
        let word = String(decoding: octets, as: UTF8.self)
        return ["unsigned", "long", "int", "__int32"].contains(word) ? "unsigned long" : word
    }
}
