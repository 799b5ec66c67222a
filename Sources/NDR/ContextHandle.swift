/// A context handle on the wire: attributes and a UUID, 20 octets (ndr_context_handle, C706 appendix N and 14.3.11).
public struct ContextHandle: Hashable, Sendable {
    /// The attributes; zero in every handle that is in use.
    public var attributes: UInt32
    /// What names the context; all zero is the NULL handle.
    public var uuid: GUID

    /// From its parts; without any, the NULL handle.
    @inlinable
    public init(attributes: UInt32 = 0, uuid: GUID = .zero) {
        self.attributes = attributes
        self.uuid = uuid
    }

    /// The NULL handle.
    public static let null = ContextHandle()

    /// Whether this is the NULL handle.
    @inlinable
    public var isNull: Bool {
        uuid == .zero && attributes == 0
    }
}

extension ContextHandle: NDRCodable {
    /// The alignment of its attributes.
    @inlinable public static var ndrAlignment: Int { 4 }
    /// Its twenty octets.
    @inlinable public static var ndrMinimumSize: Int { 20 }

    /// Writes the twenty octets.
    @inlinable
    public func encodeBody(into encoder: inout NDREncoder) throws(NDRError) {
        encoder.write(attributes)
        try uuid.encodeBody(into: &encoder)
    }

    /// Reads the twenty octets.
    @inlinable
    public init(bodyFrom decoder: inout NDRDecoder) throws(NDRError) {
        let attributes = try decoder.read(UInt32.self)
        self.init(attributes: attributes, uuid: try GUID(bodyFrom: &decoder))
    }
}
