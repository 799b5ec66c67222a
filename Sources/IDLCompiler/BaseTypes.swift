/// The names of the types that need no declaration.
enum BaseTypes {
    /// The words of which a base type's name consists.
    static let words: Set<String> = [
        "unsigned", "signed", "char", "short", "long", "int", "hyper", "small", "__int8", "__int16", "__int32",
        "__int64",
        "__int3264", "byte", "boolean", "float", "double", "void", "wchar_t",
    ]

    /// Types that NDR's Swift module has already; a `typedef` of one of these names is skipped.
    static let builtins: [String: BaseType] = [
        "GUID": .guid, "UUID": .guid, "uuid_t": .guid, "IID": .guid, "CLSID": .guid, "FMTID": .guid,
        "HRESULT": .hresult, "error_status_t": .uint32, "handle_t": .handle,
    ]

    /// The type that the words name.
    static func type(_ words: [String]) -> BaseType? {
        var words = words
        let isUnsigned = words.contains("unsigned")
        let isSigned = words.contains("signed")
        if isUnsigned && isSigned { return nil }
        words.removeAll { $0 == "unsigned" || $0 == "signed" }
        let hasSign = isUnsigned || isSigned
        switch words {
        case [], ["int"], ["long"], ["long", "int"], ["__int32"]: return isUnsigned ? .uint32 : .int32
        case ["short"], ["short", "int"], ["__int16"]: return isUnsigned ? .uint16 : .int16
        case ["hyper"], ["hyper", "int"], ["__int64"], ["long", "long"], ["long", "long", "int"]:
            return isUnsigned ? .uint64 : .int64
        case ["char"]: return isSigned ? .int8 : .character
        case ["small"], ["__int8"]: return isUnsigned ? .uint8 : .int8
        case ["__int3264"]: return isUnsigned ? .unsignedPointerSized : .signedPointerSized
        case ["byte"] where !hasSign, ["boolean"] where !hasSign: return .uint8
        case ["wchar_t"] where !hasSign: return .wideCharacter
        case ["float"] where !hasSign: return .float
        case ["double"] where !hasSign: return .double
        case ["void"] where !hasSign: return .void
        default: return nil
        }
    }
}
