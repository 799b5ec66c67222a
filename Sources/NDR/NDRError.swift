/// Why an octet stream is not a representation of the type that it should hold, or a value cannot be represented.
public struct NDRError: Error, Hashable, Sendable {
    /// What is wrong.
    public enum Reason: Hashable, Sendable {
        /// The stream ends before the item does ([MS-RPCE] 3.1.1.5.3.2.2.3).
        case truncated(needed: Int, available: Int)
        /// Octets follow the last item.
        case trailingOctets(Int)
        /// A maximum or actual count differs from what its correlated field or parameter says
        /// ([MS-RPCE] 3.1.1.5.3.2.1.1 to .10).
        case countMismatch(count: Int, expected: Int)
        /// A count is beyond 2³¹−1 elements ([MS-RPCE] 3.1.1.5.3.2.2.1).
        case countTooLarge(UInt64)
        /// The offset and the actual count lie outside the maximum count ([MS-RPCE] 3.1.1.5.3.2.1.12).
        case lengthExceedsSize(length: Int, size: Int)
        /// The offset of a varying array or string is not the one demanded, in general 0 ([MS-RPCE] 3.1.1.5.3.2.1.7).
        case badOffset(UInt64)
        /// A value or a count outside its `[range]` ([MS-RPCE] 3.1.1.5.3.2.2.4 and 3.1.1.5.3.3.1.3).
        case outOfRange(value: Int64, minimum: Int64, maximum: Int64)
        /// The discriminant selects no arm.
        case badDiscriminant(Int64)
        /// The discriminant in the union differs from the field or parameter that it repeats, or from the arm that is
        /// present ([MS-RPCE] 3.1.1.5.3.2.1.11).
        case discriminantMismatch(discriminant: Int64)
        /// A reference pointer without a referent.
        case nullReference
        /// A NULL unique or full pointer where the correlated count is not zero ([MS-RPCE] 3.1.1.5.3.3.1.2).
        case nullWithNonzeroCount(Int)
        /// A string that does not end in a terminator.
        case unterminatedString
        /// Pointees are nested deeper than the decoder's limit.
        case tooDeep(limit: Int)
        /// Two full pointers of different types share a referent identifier.
        case referentTypeMismatch(UInt64)
        /// A full pointer whose referent contains itself: no value can hold it.
        case cyclicReferent(UInt64)
        /// A header of a type serialization stream is not as [MS-RPCE] 2.2.6 demands.
        case badSerializationHeader
        /// The sender's character set or floating-point format is not supported.
        case unsupportedRepresentation
    }

    /// What is wrong.
    public var reason: Reason
    /// The octet in the stream at which it was noticed, counted from the start of the buffer.
    public var offset: Int
    /// What was being read or written, such as `DISK_PROPS.DiskNumber` or `UInt32`.
    public var subject: String

    /// From its parts.
    public init(_ reason: Reason, offset: Int, subject: String) {
        self.reason = reason
        self.offset = offset
        self.subject = subject
    }

    // Errors are the cold path: kept out of line, so that the code around the checks stays small.
    @inline(never) @usableFromInline
    init(_ reason: Reason, at offset: Int, _ subject: StaticString) {
        self.init(reason, offset: offset, subject: subject.description)
    }

    @inline(never) @usableFromInline
    init(_ reason: Reason, at offset: Int, type: Any.Type) {
        self.init(reason, offset: offset, subject: String(describing: type))
    }
}

extension NDRError: CustomStringConvertible {
    /// One line: the subject, the offset, the reason.
    public var description: String {
        "\(subject) at octet \(offset): \(reason)"
    }
}
