import IDLCompiler

extension TypeLibrary {
    /// The least number of octets that a body takes in either transfer syntax.
    func minimumSize(of type: Representation) -> Int {
        switch type {
        case .integer(let octets, _), .float(let octets): octets
        case .pointerSized, .hresult, .pointer: 4
        case .guid: 16
        case .contextHandle: 20
        case .enumeration(let index): enumerations[index].octets
        case .structure(let index): structures[index].minimumSize
        case .union(let index): unions[index].discriminantOctets
        case .array(let count, let isVarying, let element):
            isVarying ? 8 : max(1, (count ?? 0) * minimumSize(of: element))
        case .string: 8
        }
    }

    /// Whether a body may leave referents behind.
    func hasReferents(_ type: Representation) -> Bool {
        switch type {
        case .pointer, .structure, .union: true
        case .array(_, _, let element): hasReferents(element)
        default: false
        }
    }

    /// The structure of this name.
    func structure(named name: String) -> Representation? {
        structures.firstIndex { $0.name == name }.map { .structure($0) }
    }
}

extension TypeLibrary.Enumeration {
    /// The first name of a value.
    func name(of value: UInt64) -> String? {
        enumerators.first { UInt64(truncatingIfNeeded: $0.value) & 0xFFFF_FFFF == value }?.name
    }
}

extension TypeLibrary.Union {
    /// The arm that a discriminant selects.
    func arm(_ discriminant: Int64) -> TypeLibrary.Arm? {
        arms.first { $0.labels.contains(discriminant) } ?? arms.first(where: \.isDefault)
    }
}
