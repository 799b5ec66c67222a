/// A type with an NDR representation: what the IDL compiler generates for every structure.
///
/// A constructed type has three parts on the wire (C706 section 14.3): the maximum counts of a conformant array at its
/// end are hoisted to its front, then its body follows, and last the referents of the pointers in its body, in their
/// order. A type embedded in another one contributes each part in its turn, which is why there is a method for each.
/// Callers use ``NDREncoder/encode(_:)`` and ``NDRDecoder/decode(_:)``, which do all three.
public protocol NDRCodable: Sendable {
    /// The alignment of the body in octets: 1, 2, 4 or 8.
    static var ndrAlignment: Int { get }

    /// A lower bound of the octets that a body takes; at least 1.
    ///
    /// No count is believed before the octets at hand suffice for so many bodies.
    static var ndrMinimumSize: Int { get }

    /// Writes the hoisted maximum counts, if the type ends in a conformant array.
    func encodeConformance(into encoder: inout NDREncoder) throws(NDRError)

    /// Writes the body, beginning with its alignment.
    func encodeBody(into encoder: inout NDREncoder) throws(NDRError)

    /// Writes the referents of the body's pointers.
    func encodePointees(into encoder: inout NDREncoder) throws(NDRError)

    /// Reads the hoisted maximum counts and leaves them with the decoder until the array comes.
    static func hoistConformance(from decoder: inout NDRDecoder) throws(NDRError)

    /// Reads the body. Pointers are still nil or empty afterwards; the decoder remembers their referent identifiers.
    init(bodyFrom decoder: inout NDRDecoder) throws(NDRError)

    /// Reads the referents of the body's pointers, and completes the checks that need them.
    mutating func decodePointees(from decoder: inout NDRDecoder) throws(NDRError)
}

extension NDRCodable {
    /// Nothing: the type is not conformant.
    @inlinable
    public func encodeConformance(into encoder: inout NDREncoder) throws(NDRError) {}

    /// Nothing: the type has no pointers.
    @inlinable
    public func encodePointees(into encoder: inout NDREncoder) throws(NDRError) {}

    /// Nothing: the type is not conformant.
    @inlinable
    public static func hoistConformance(from decoder: inout NDRDecoder) throws(NDRError) {}

    /// Nothing: the type has no pointers.
    @inlinable
    public mutating func decodePointees(from decoder: inout NDRDecoder) throws(NDRError) {}
}

/// A value on the heap, so that a structure can hold, through a pointer, another one of its own kind.
public indirect enum NDRBox<Value: Sendable>: Sendable {
    /// The value.
    case boxed(Value)

    /// Boxes a value.
    @inlinable
    public init(_ value: Value) {
        self = .boxed(value)
    }

    /// The value inside.
    @inlinable
    public var value: Value {
        switch self {
        case .boxed(let value): value
        }
    }
}

extension NDRBox: Equatable where Value: Equatable {}

extension Array {
    /// `count` copies of a zero value, for a response that only tells an error but must be as long as the request demands.
    ///
    /// The count is the peer's: beyond 64 MiB the array stays empty, and encoding it then fails with a count mismatch.
    public init(placeholder: Element, count: Int) {
        let limit = 64 << 20
        guard count > 0, count <= limit / Swift.max(1, MemoryLayout<Element>.stride) else {
            self = []
            return
        }
        self.init(repeating: placeholder, count: count)
    }
}
