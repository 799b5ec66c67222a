import NDR

extension COMVERSION {
    /// The version that this implementation speaks (2.2.11).
    public static let current = COMVERSION(MajorVersion: 5, MinorVersion: 7)
    /// What a peer speaks that has no method to say so (1.7).
    public static let oldest = COMVERSION(MajorVersion: 5, MinorVersion: 1)

    /// Whether a server of version 5.7 serves a client of this version: the same major version and no higher minor one
    /// ([MS-DCOM] 1.7). There is no version 5.0.
    var isAcceptable: Bool {
        MajorVersion == Self.current.MajorVersion && (1...Self.current.MinorVersion).contains(MinorVersion)
    }

    /// The version for calls to a server of this version: the lower of the two minor versions (1.7).
    ///
    /// - Throws: ``DCOMError/incompatibleVersion(major:minor:)`` if the major versions differ; such a server must not be called.
    func negotiated() throws(DCOMError) -> COMVERSION {
        guard MajorVersion == Self.current.MajorVersion else {
            throw .incompatibleVersion(major: MajorVersion, minor: MinorVersion)
        }
        return COMVERSION(MajorVersion: MajorVersion, MinorVersion: min(MinorVersion, Self.current.MinorVersion))
    }
}
