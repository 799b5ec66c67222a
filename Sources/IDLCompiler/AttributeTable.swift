/// Where an attribute may stand.
struct AttributePlace: OptionSet, Sendable {
    let rawValue: Int
    static let interface = AttributePlace(rawValue: 1)
    static let operation = AttributePlace(rawValue: 2)
    static let parameter = AttributePlace(rawValue: 4)
    static let field = AttributePlace(rawValue: 8)
    static let typedef = AttributePlace(rawValue: 16)
    static let arm = AttributePlace(rawValue: 32)
    static let coclass = AttributePlace(rawValue: 64)
    static let enumeration = AttributePlace(rawValue: 128)

    /// As a diagnostic names it.
    var description: String {
        switch self {
        case .interface: "an interface"
        case .operation: "an operation"
        case .parameter: "a parameter"
        case .field: "a field"
        case .typedef: "a typedef"
        case .arm: "a union's arm"
        case .coclass: "a coclass"
        default: "an enumeration"
        }
    }
}

/// The attributes that the compiler knows, with the places where each is legal (C706 section 4.2, [MS-RPCE] 2.2.4).
enum AttributeTable {
    private static let member: AttributePlace = [.parameter, .field, .typedef, .arm]
    private static let data: AttributePlace = [.parameter, .field, .arm]
    private static let declaration: AttributePlace = [.interface, .operation, .typedef, .coclass]

    static let places: [String: AttributePlace] = [
        "uuid": [.interface, .coclass], "version": [.interface, .coclass], "object": .interface,
        "local": [.interface, .operation], "pointer_default": .interface, "endpoint": .interface, "dual": .interface,
        "oleautomation": .interface, "nonextensible": .interface, "ms_union": .interface, "async_uuid": .interface,
        "hidden": declaration, "restricted": declaration, "helpstring": declaration,
        "idempotent": .operation, "broadcast": .operation, "maybe": .operation, "call_as": .operation,
        "message": .operation, "id": .operation, "propget": .operation, "propput": .operation,
        "in": .parameter, "out": .parameter, "retval": .parameter,
        "size_is": member, "length_is": member, "max_is": member, "min_is": member, "first_is": member,
        "last_is": member, "iid_is": data, "string": member.union(.operation), "range": member,
        "unique": member.union(.operation), "ptr": member.union(.operation), "ref": member,
        "disable_consistency_check": member, "switch_is": data, "switch_type": member,
        "context_handle": [.typedef, .parameter, .operation], "v1_enum": [.typedef, .enumeration, .field],
        "public": .typedef, "case": .arm, "default": [.arm, .coclass], "annotation": data, "defaultvalue": .parameter,
        "strict_context_handle": [.interface, .typedef], "type_strict_context_handle": [.interface, .typedef],
    ]

    /// Attributes of MIDL that change the wire and that this compiler does not implement.
    static let unsupported: Set<String> = [
        "callback", "pipe", "transmit_as", "represent_as", "wire_marshal", "user_marshal", "handle", "async", "notify",
        "byte_count", "ignore", "explicit_handle", "implicit_handle", "auto_handle", "comm_status", "fault_status",
    ]
}
