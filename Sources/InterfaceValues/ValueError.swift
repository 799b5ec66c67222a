/// Why octets are not a stub of an operation, or a tree is not one of its values.
public struct ValueError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: Sendable, Hashable {
        /// The stub ends before the value does.
        case truncated(needed: Int, available: Int)
        /// A count that the octets at hand cannot hold.
        case countTooLarge(UInt64)
        /// The offset and the actual count lie outside the maximum count.
        case lengthExceedsSize(length: UInt64, size: UInt64)
        /// A discriminant that selects no arm.
        case badDiscriminant(Int64)
        /// A reference pointer that is NULL.
        case nullReference
        /// Referents are nested deeper than this.
        case tooDeep(limit: Int)
        /// There are more values than this.
        case tooManyValues(limit: Int)
        /// The operation is only a number: nothing of it is ever on the wire.
        case notOnWire
        /// A tree that has something else where this should be.
        case unexpectedValue(expected: String)
    }

    /// What is wrong.
    public var reason: Reason
    /// The field, by the names on the way to it: `DiskProps.DiskId.DiskIdType`.
    public var path: String
    /// The octet of the stub at which it was noticed.
    public var offset: Int

    /// From its parts.
    public init(_ reason: Reason, path: String, offset: Int) {
        self.reason = reason
        self.path = path
        self.offset = offset
    }

    /// One line: the field, the octet, the reason in words.
    public var description: String {
        "\(path.isEmpty ? "the stub" : path) at octet \(offset): \(reason.words)"
    }
}

extension ValueError.Reason {
    fileprivate var words: String {
        switch self {
        case .truncated(let needed, let available): "\(needed) octets are needed, \(available) are left"
        case .countTooLarge(let count): "\(count) elements cannot be in the octets that are left"
        case .lengthExceedsSize(let length, let size): "elements up to \(length) of an array of \(size)"
        case .badDiscriminant(let value): "discriminant \(value) selects no arm"
        case .nullReference: "a reference pointer is NULL"
        case .tooDeep(let limit): "referents are nested deeper than \(limit)"
        case .tooManyValues(let limit): "more than \(limit) values"
        case .notOnWire: "the operation is never called remotely"
        case .unexpectedValue(let expected): "the tree should have \(expected) here"
        }
    }
}
