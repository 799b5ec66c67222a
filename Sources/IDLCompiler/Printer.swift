/// Prints Swift text with its indentation.
struct Printer {
    private(set) var text = ""
    private var depth = 0

    /// One line, or several with the same indentation; an empty one has none.
    mutating func line(_ content: String = "") {
        if content.isEmpty {
            text += "\n"
            return
        }
        for part in content.split(separator: "\n", omittingEmptySubsequences: false) {
            text += String(repeating: "    ", count: depth) + part + "\n"
        }
    }

    mutating func indent() { depth += 1 }
    mutating func outdent() { depth -= 1 }
}

/// Swift's own words, which an IDL name cannot be without quotation.
enum SwiftNames {
    private static let reserved: Set<String> = [
        "Any", "Protocol", "Self", "Type", "as", "associatedtype", "break", "case", "catch", "class", "continue",
        "default",
        "defer", "deinit", "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func",
        "guard",
        "if", "import", "in", "init", "inout", "internal", "is", "let", "nil", "operator", "precedencegroup", "private",
        "protocol", "public", "repeat", "rethrows", "return", "self", "static", "struct", "subscript", "super",
        "switch",
        "throw", "throws", "true", "try", "typealias", "var", "where", "while",
    ]

    static func escaped(_ name: String) -> String {
        reserved.contains(name) ? "`\(name)`" : name
    }

    /// A method's name: the first letter lowered, as Swift has it.
    static func method(_ name: String) -> String {
        escaped(name.prefix(1).lowercased() + name.dropFirst())
    }
}
