/// A module of this host that joins several paths to a disk into one device: what Windows calls a device-specific module (DSM) of
/// its multipath I/O ([MS-CSVP] 2.2.7).
public struct DeviceSpecificModule: Sendable, Hashable {
    /// The most UTF-16 code units of a name on the wire: 128 octets with the null that ends them.
    public static let maximumNameLength = 63

    /// What the module is called, such as `dm-multipath`; a REGISTERED_DSM has room for ``maximumNameLength`` UTF-16 code units.
    public var name: String
    /// The major version of the module.
    public var majorVersion: UInt32
    /// The minor version of the module.
    public var minorVersion: UInt32
    /// The module's build; for a Linux module its patch level.
    public var build: UInt32
    /// The number of the latest fix (Windows' QFE number); zero where there is no such count.
    public var fixNumber: UInt32

    /// A module of this name and version.
    public init(
        name: String, majorVersion: UInt32, minorVersion: UInt32 = 0, build: UInt32 = 0, fixNumber: UInt32 = 0
    ) {
        self.name = name
        self.majorVersion = majorVersion
        self.minorVersion = minorVersion
        self.build = build
        self.fixNumber = fixNumber
    }
}
