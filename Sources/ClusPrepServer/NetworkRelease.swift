/// The release of Windows whose IClusterNetwork2 a node presents, by the product-behaviour notes 18, 20 to 22 and 26 of [MS-CSVP].
public enum NetworkRelease: Sendable, Hashable, CaseIterable {
    /// Windows Server 2008 (6.0).
    case server2008
    /// Windows Server 2008 R2 (6.1).
    case server2008R2
    /// Windows Server 2012 (6.2).
    case server2012
    /// Windows Server 2012 R2 (6.3).
    case server2012R2
    /// Windows Server 2016 and later.
    case current

    /// The release that a configuration names by its operating system's version; ``current`` for a version that is none of the older
    /// ones', and where none is named. (A Linux kernel's 6.1, which is what a node presents by itself, names no Windows.)
    public init(configured version: (major: UInt32, minor: UInt32)?) {
        self =
            switch (version?.major, version?.minor) {
            case (6, 0): .server2008
            case (6, 1): .server2008R2
            case (6, 2): .server2012
            case (6, 3): .server2012R2
            default: .current
            }
    }

    /// ClusprepVersion (3.6.4.1).
    public var clusprepVersion: UInt32 {
        switch self {
        case .server2008: 2
        case .server2008R2, .server2012: 3
        case .server2012R2: 4
        case .current: 5
        }
    }

    /// NodeMajorVersion and NodeMinorVersion where they are not the operating system's.
    public var fixedVersion: (major: UInt32, minor: UInt32)? {
        self == .server2008 ? (100, 200) : nil
    }

    /// Whether GetIpConfigSerialized returns an ADAPTERLIST (2.2.11) instead of an ADAPTERLIST2 (2.2.16).
    public var returnsOlderAdapterList: Bool {
        self == .server2008 || self == .server2008R2
    }
}
