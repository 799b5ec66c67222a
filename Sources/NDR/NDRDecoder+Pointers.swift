/// What a full pointer's referent identifier stands for so far.
enum FullPointer: Sendable {
    /// The referent is being read.
    case reading
    /// The referent, and its type.
    case read(any Sendable, ObjectIdentifier)
}

/// Pointers: a body holds a referent identifier for each, their referents follow the body in the same order
/// (C706 section 14.3.12.3).
extension NDRDecoder {
    /// Where the pointers of one item begin; see ``NDRDecoder/openFrame()``.
    public struct Frame: Sendable {
        @usableFromInline let start: Int
        @usableFromInline let next: Int

        @usableFromInline
        init(start: Int, next: Int) {
            self.start = start
            self.next = next
        }
    }

    /// Begins an item whose body may leave referent identifiers behind, one level deeper than what holds it.
    @inlinable
    public mutating func openFrame() throws(NDRError) -> Frame {
        guard depth < maximumDepth else { throw NDRError(.tooDeep(limit: maximumDepth), at: position, "pointer") }
        depth += 1
        let frame = Frame(start: referents.count, next: nextReferent)
        nextReferent = referents.count
        return frame
    }

    /// Ends the item: all of its referents have been read.
    @inlinable
    public mutating func closeFrame(_ frame: Frame) {
        referents.removeLast(referents.count - frame.start)
        nextReferent = frame.next
        depth -= 1
    }

    /// Reads the referent identifier of an embedded pointer, and keeps it for ``takeReferent()``.
    @inlinable
    public mutating func readReferent() throws(NDRError) {
        // One allocation serves most stubs, and those without pointers have none.
        if referents.capacity == 0 { referents.reserveCapacity(16) }
        referents.append(try readWord())
    }

    /// Reads the referent identifier of an embedded reference pointer, which is never zero; nothing is kept of it.
    @inlinable
    public mutating func readReference(_ subject: StaticString) throws(NDRError) {
        guard try readWord() != 0 else { throw NDRError(.nullReference, at: position, subject) }
    }

    /// Reads the referent identifier of a pointer whose referent follows at once.
    @inlinable
    public mutating func readImmediateReferent() throws(NDRError) -> UInt64 {
        try readWord()
    }

    /// The referent identifier of the pointer whose referent comes next; zero for NULL.
    @inlinable
    public mutating func takeReferent() -> UInt64 {
        guard nextReferent < referents.count else { return 0 }
        defer { nextReferent += 1 }
        return referents[nextReferent]
    }

    /// What a full pointer's identifier already stands for: the second pointer to one referent has none of its own.
    ///
    /// - Returns: nil if this is the first; the referent must then be read and handed to ``remember(_:as:)``.
    /// - Throws: ``NDRError/Reason/referentTypeMismatch(_:)`` if the first pointer was of another type, and
    ///   ``NDRError/Reason/cyclicReferent(_:)`` if its referent is still being read.
    public mutating func alias<Value: Sendable>(of identifier: UInt64, as type: Value.Type) throws(NDRError) -> Value? {
        switch fullPointers[identifier] {
        case nil:
            fullPointers[identifier] = .reading
            return nil
        case .reading:
            throw NDRError(.cyclicReferent(identifier), at: position, type: type)
        case .read(let referent, let known):
            guard known == ObjectIdentifier(type), let referent = referent as? Value else {
                throw NDRError(.referentTypeMismatch(identifier), at: position, type: type)
            }
            return referent
        }
    }

    /// Keeps the referent of a full pointer for the pointers that share it.
    public mutating func remember<Value: Sendable>(_ referent: Value, as identifier: UInt64) {
        fullPointers[identifier] = .read(referent, ObjectIdentifier(Value.self))
    }
}
