/// The two numbers by which nodes find out whether they can be in one cluster ([MS-CSVP] 3.10.4.4, 3.10.4.8): the highest
/// that this node supports, whatever its present cluster uses.
///
/// The numbers are Windows' own, from the product behaviour notes 31 and 35. Of the releases that share a functional level,
/// the newest gives the upgrade version.
public struct ClusterLevels: Sendable, Hashable {
    /// The highest functional level of a cluster that the node can be in.
    public let functional: UInt16
    /// The highest upgrade version within that level.
    public let upgrade: UInt16

    /// What this release implements: the protocol's current revision, as Windows Server 2025.
    public static let highest = ClusterLevels(functional: 12, upgrade: 4)

    /// The functional level from which on the protocol has GetFunctionalLevel, GetUpgradeVersion and the certificates: Windows
    /// Server 2016 (notes 31 to 35).
    public static let first: UInt16 = 9
    /// The functional level from which on the certificates have types: Windows Server v1803 (notes 36 to 38).
    public static let withCertificateTypes: UInt16 = 10

    private init(functional: UInt16, upgrade: UInt16) {
        self.functional = functional
        self.upgrade = upgrade
    }

    /// The levels of a node that presents this functional level: 9 (Windows Server 2016) to 12 (2025); nil for any other.
    public init?(functionalLevel: UInt16) {
        switch functionalLevel {
        case 9: self.init(functional: 9, upgrade: 8)
        case 10: self.init(functional: 10, upgrade: 3)
        case 11: self.init(functional: 11, upgrade: 4)
        case 12: self = .highest
        default: return nil
        }
    }

    /// What a node presents with these settings.
    ///
    /// The version alone does not tell: every Windows from 2016 to 2025 calls itself 10.0, and a Linux kernel counts by itself.
    ///
    /// - Parameters:
    ///   - functionalLevel: the functional level that the configuration names; nil where it names none.
    ///   - version: the operating system's version that the configuration names; nil where it names none, and the kernel's own is
    ///     presented.
    /// - Returns: nil where the node presents a Windows from before the levels (6.3 and older): it does not have the methods.
    public static func presented(
        functionalLevel: UInt16?, version: NodeIdentity.SystemVersion?
    ) -> ClusterLevels? {
        if let functionalLevel, let levels = ClusterLevels(functionalLevel: functionalLevel) { return levels }
        if let version, version.major < 10 { return nil }
        return .highest
    }
}
