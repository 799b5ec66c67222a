/// Where a disk is to be had: an image, an iSCSI unit or a device of this host, in one line of text.
///
/// | text | kind |
/// |---|---|
/// | `iscsi://HOST[:PORT][,HOST[:PORT]…]/TARGET-NAME/LUN[?header-digest=crc32c&timeout=SECONDS]` | ``iscsi(_:)`` |
/// | a path below `/dev`, such as `/dev/sdb` or `/dev/disk/by-id/…`; `/dev/shm` holds files, not devices | ``local(_:)`` |
/// | any other path, a relative one from the working folder on | ``image(_:)`` |
///
/// The ``description`` is the same text in its one canonical form: it parses to an equal value, and two texts that mean the
/// same disk by the same way have the same description.
public enum DiskTarget: Sendable, Hashable, CustomStringConvertible {
    /// The absolute path of an emulated unit's image.
    case image(String)
    /// A unit behind one or several iSCSI portals.
    case iscsi(ISCSITarget)
    /// The path of a device of this host.
    case local(String)

    /// Reads a target.
    ///
    /// - Throws: ``DiskTargetError``, which says what to write instead.
    public init(parsing text: String) throws(DiskTargetError) {
        guard !text.isEmpty else { throw DiskTargetError(text: text, .empty) }
        guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw DiskTargetError(text: text, .controlCharacter)
        }
        if let scheme = Self.scheme(of: text) {
            guard scheme == "iscsi" else { throw DiskTargetError(text: text, .unknownScheme(scheme)) }
            self = .iscsi(try ISCSITarget(parsing: text))
            return
        }
        let path = AbsolutePath.normalized(text)
        guard path != "/", !text.hasSuffix("/") else { throw DiskTargetError(text: text, .folder) }
        self = path.hasPrefix("/dev/") && !path.hasPrefix("/dev/shm/") ? .local(path) : .image(path)
    }

    /// The target in its canonical form.
    public var description: String {
        switch self {
        case .image(let path), .local(let path): path
        case .iscsi(let target): target.description
        }
    }

    /// What stands before `://`, in lower case; nil where the text is a path.
    private static func scheme(of text: String) -> String? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        let scheme = text[..<colon]
        guard !scheme.isEmpty,
            scheme.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) })
        else { return nil }
        return scheme.lowercased()
    }
}
