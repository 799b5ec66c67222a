/// The checks that generated code makes before it writes: a peer would refuse what does not pass them.
extension NDREncoder {
    /// A count must be what its correlated fields say.
    @inlinable
    public func require(count: Int, equals expected: Int, _ subject: StaticString) throws(NDRError) {
        guard count == expected else {
            throw NDRError(.countMismatch(count: count, expected: expected), at: storage.count, subject)
        }
    }

    /// A pointer may only be NULL where its correlated count is zero.
    @inlinable
    public func require(nullCount expected: Int, _ subject: StaticString) throws(NDRError) {
        guard expected == 0 else { throw NDRError(.nullWithNonzeroCount(expected), at: storage.count, subject) }
    }

    /// The offset and the actual count must lie inside the maximum count.
    @inlinable
    public func require(length: Int, within size: Int, _ subject: StaticString) throws(NDRError) {
        guard length >= 0, length <= size else {
            throw NDRError(.lengthExceedsSize(length: length, size: size), at: storage.count, subject)
        }
    }

    /// A value or a count must lie in its `[range]`.
    @inlinable
    public func require<Value: BinaryInteger>(
        _ value: Value, atLeast minimum: Value, atMost maximum: Value, _ subject: StaticString
    ) throws(NDRError) {
        guard value >= minimum, value <= maximum else {
            throw NDRError(
                .outOfRange(
                    value: Int64(truncatingIfNeeded: value), minimum: Int64(truncatingIfNeeded: minimum),
                    maximum: Int64(truncatingIfNeeded: maximum)), at: storage.count, subject)
        }
    }

    /// The union's arm and its discriminant do not belong together.
    @inline(never)
    public func discriminantMismatch<Value: BinaryInteger>(_ discriminant: Value, _ subject: StaticString) -> NDRError {
        NDRError(
            .discriminantMismatch(discriminant: Int64(truncatingIfNeeded: discriminant)), at: storage.count, subject)
    }
}
