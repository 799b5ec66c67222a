/// A word of IDL.
struct Token: Sendable {
    enum Kind: Hashable, Sendable {
        case identifier(String)
        case integer(Int64)
        /// A number with a point, such as a version.
        case decimal(String)
        case string(String)
        /// What stands between the parentheses of `uuid(…)`.
        case uuid(String)
        /// An operator or a bracket.
        case symbol(String)
        case end
    }

    let kind: Kind
    let location: SourceLocation

    /// As a diagnostic names it.
    var description: String {
        switch kind {
        case .identifier(let name): "'\(name)'"
        case .integer(let value): "'\(value)'"
        case .decimal(let text), .uuid(let text): "'\(text)'"
        case .string(let text): "\"\(text)\""
        case .symbol(let text): "'\(text)'"
        case .end: "the end of the file"
        }
    }
}
