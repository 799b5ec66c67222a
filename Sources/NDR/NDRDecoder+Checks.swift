/// The strict consistency checks of target level 6.0 ([MS-RPCE] 3.1.1.5.3.3), as generated code calls them.
extension NDRDecoder {
    /// The octets at hand must suffice for `count` items of at least `size` octets.
    @inlinable
    public func require(count: Int, ofSize size: Int, _ subject: StaticString) throws(NDRError) {
        let (needed, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, count >= 0, needed <= remaining else {
            throw NDRError(.truncated(needed: overflow ? .max : needed, available: remaining), at: position, subject)
        }
    }

    /// A count must be what its correlated fields say.
    @inlinable
    public func require(count: Int, equals expected: Int, _ subject: StaticString) throws(NDRError) {
        guard count == expected else {
            throw NDRError(.countMismatch(count: count, expected: expected), at: position, subject)
        }
    }

    /// A pointer may only be NULL where its correlated count is zero ([MS-RPCE] 3.1.1.5.3.3.1.2).
    @inlinable
    public func require(nullCount expected: Int, _ subject: StaticString) throws(NDRError) {
        guard expected == 0 else { throw NDRError(.nullWithNonzeroCount(expected), at: position, subject) }
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
                    maximum: Int64(truncatingIfNeeded: maximum)), at: position, subject)
        }
    }

    /// The discriminant in a union must be the field or parameter that it repeats ([MS-RPCE] 3.1.1.5.3.2.1.11).
    @inlinable
    public func require<Value: BinaryInteger>(
        discriminant: Value, equals expected: Value, _ subject: StaticString
    ) throws(NDRError) {
        guard discriminant == expected else {
            throw NDRError(
                .discriminantMismatch(discriminant: Int64(truncatingIfNeeded: discriminant)), at: position, subject)
        }
    }

    /// The union's arm and a discriminant that came after it do not belong together.
    @inline(never)
    public func discriminantMismatch<Value: BinaryInteger>(_ discriminant: Value, _ subject: StaticString) -> NDRError {
        NDRError(.discriminantMismatch(discriminant: Int64(truncatingIfNeeded: discriminant)), at: position, subject)
    }

    /// A discriminant that selects no arm.
    @inline(never)
    public func badDiscriminant<Value: BinaryInteger>(_ discriminant: Value, _ subject: StaticString) -> NDRError {
        NDRError(.badDiscriminant(Int64(truncatingIfNeeded: discriminant)), at: position, subject)
    }
}
