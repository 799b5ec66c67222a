/// REGISTERED_DSM ([MS-CSVP] 2.2.7): one device-specific module of a host's multipath I/O; 144 octets.
public struct REGISTERED_DSM: Sendable, Hashable {
    /// DsmName: at most 63 UTF-16 code units; what is longer is cut at the boundary of a character when it is written.
    public var name: String
    /// MajorVersion.
    public var majorVersion: UInt32
    /// MinorVersion.
    public var minorVersion: UInt32
    /// ProductBuild.
    public var productBuild: UInt32
    /// QfeNumber.
    public var qfeNumber: UInt32

    /// The octets of one.
    public static let size = 144
    /// The UTF-16 code units of DsmName, which has 128 octets.
    static let nameUnits = 64

    /// A module of this name and version.
    public init(name: String, majorVersion: UInt32, minorVersion: UInt32, productBuild: UInt32, qfeNumber: UInt32) {
        self.name = name
        self.majorVersion = majorVersion
        self.minorVersion = minorVersion
        self.productBuild = productBuild
        self.qfeNumber = qfeNumber
    }
}

/// REGISTERED_DSMS ([MS-CSVP] 2.2.8): the modules of a host, behind their number.
public struct REGISTERED_DSMS: Sendable, Hashable {
    /// The modules.
    public var modules: [REGISTERED_DSM]

    private static let name = "REGISTERED_DSMS"
    private static let headerSize = 4

    /// A list of these modules.
    public init(modules: [REGISTERED_DSM]) {
        self.modules = modules
    }

    /// The octets.
    public var encoded: [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(Self.headerSize + modules.count * REGISTERED_DSM.size)
        octets.append(littleEndian: UInt32(modules.count))
        for module in modules {
            for unit in [UInt16](wide: module.name, count: REGISTERED_DSM.nameUnits) {
                octets.append(littleEndian: unit)
            }
            for number in [module.majorVersion, module.minorVersion, module.productBuild, module.qfeNumber] {
                octets.append(littleEndian: number)
            }
        }
        return octets
    }

    /// Reads a list. What follows behind the last module is not looked at: a client's buffer may be larger than the list.
    ///
    /// - Throws: ``LayoutError/truncated(structure:expected:actual:)`` where more modules are promised than there are.
    public init(_ octets: [UInt8]) throws(LayoutError) {
        guard octets.count >= Self.headerSize else {
            throw .truncated(structure: Self.name, expected: Self.headerSize, actual: octets.count)
        }
        let count = Int(octets.littleEndian(UInt32.self, at: 0))
        guard count <= (octets.count - Self.headerSize) / REGISTERED_DSM.size else {
            throw .truncated(
                structure: Self.name, expected: Self.headerSize + count * REGISTERED_DSM.size, actual: octets.count)
        }
        modules = (0..<count).map { index in
            let start = Self.headerSize + index * REGISTERED_DSM.size
            let units = (0..<REGISTERED_DSM.nameUnits).map { octets.littleEndian(UInt16.self, at: start + 2 * $0) }
            let numbers = start + 2 * REGISTERED_DSM.nameUnits
            return REGISTERED_DSM(
                name: units.wideString, majorVersion: octets.littleEndian(at: numbers),
                minorVersion: octets.littleEndian(at: numbers + 4), productBuild: octets.littleEndian(at: numbers + 8),
                qfeNumber: octets.littleEndian(at: numbers + 12))
        }
    }
}
