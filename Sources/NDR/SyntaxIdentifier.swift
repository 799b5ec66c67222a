/// A UUID with a version: what names an interface and what names a transfer syntax
/// (p_syntax_id_t, C706 section 12.6.3.1; its version's lower half is the major number).
public struct SyntaxIdentifier: Hashable, Sendable, CustomStringConvertible {
    /// The interface's or the transfer syntax's UUID.
    public var uuid: GUID
    /// The major version.
    public var major: UInt16
    /// The minor version.
    public var minor: UInt16

    /// From its parts.
    public init(uuid: GUID, major: UInt16, minor: UInt16 = 0) {
        self.uuid = uuid
        self.major = major
        self.minor = minor
    }

    /// NDR, version 2.0 ([MS-RPCE] 2.2.4.12).
    public static let ndr20 = SyntaxIdentifier(uuid: "8a885d04-1ceb-11c9-9fe8-08002b104860", major: 2)
    /// NDR64, version 1.0 ([MS-RPCE] 2.2.5.1).
    public static let ndr64 = SyntaxIdentifier(uuid: "71710533-beba-4937-8319-b5dbef9ccc36", major: 1)

    /// The UUID and the version, such as `8a885d04-1ceb-11c9-9fe8-08002b104860 v2.0`.
    public var description: String {
        "\(uuid) v\(major).\(minor)"
    }
}
