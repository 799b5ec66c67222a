/// Why octets are not the structure they should be: one of those layouts of [MS-CSVP] that are not NDR.
public enum LayoutError: Error, Sendable, Equatable {
    /// The octets end before the structure does.
    case truncated(structure: String, expected: Int, actual: Int)
    /// A number in the structure points beyond its end or contradicts another one.
    case contradiction(structure: String, reason: String)
    /// A value does not fit into its field.
    case tooLong(structure: String, field: String, limit: Int, actual: Int)
}

extension LayoutError: CustomStringConvertible {
    /// What is wrong, with the numbers.
    public var description: String {
        switch self {
        case .truncated(let structure, let expected, let actual):
            "\(structure) of \(actual) octets, at least \(expected) expected"
        case .contradiction(let structure, let reason): "\(structure): \(reason)"
        case .tooLong(let structure, let field, let limit, let actual):
            "\(structure): \(field) of \(actual) octets, at most \(limit) fit"
        }
    }
}
