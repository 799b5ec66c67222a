/// What a node says about a disk: DISK_PROPS.Flags ([MS-CSVP] 2.2.5).
public struct DiskFlagNames: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt32

    /// From the bits.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The flags that keep a disk from being clustered, with what they mean to whoever wants to cluster it.
    static let obstacles: [(flag: DiskFlagNames, words: String)] = [
        (.init(rawValue: 0x0020_0000), "it could not be found"),
        (.init(rawValue: 0x0200_0000), "it answers no questions about itself"),
        (.init(rawValue: 0x0004_0000), "it cannot be read"),
        (.init(rawValue: 0x0000_0001), "the node boots from it"),
        (.init(rawValue: 0x0000_0002), "the node's operating system is on it"),
        (.init(rawValue: 0x0000_0004), "the node pages to it"),
        (.init(rawValue: 0x0000_0008), "the node hibernates to it"),
        (.init(rawValue: 0x0000_0010), "the node's crash dumps go to it"),
        (.init(rawValue: 0x0000_0020), "it is on removable media"),
        (.init(rawValue: 0x0000_0400), "a cluster has it already"),
        (.init(rawValue: 0x0002_0000), "a cluster has it online"),
        (.init(rawValue: 0x0010_0000), "other cluster software has it"),
        (.init(rawValue: 0x0000_0100), "clusters cannot use disks on its bus"),
        (.init(rawValue: 0x0001_0000), "it has dynamic volumes"),
        (.init(rawValue: 0x0400_0000), "it has no identifier on VPD page 83h"),
        (.init(rawValue: 0x0040_0000), "the node sees it more than once, over paths that nothing combines"),
        (.init(rawValue: 0x0800_0000), "its signature is another disk's, too"),
        (.init(rawValue: 0x0080_0000), "it is a snapshot"),
        (.init(rawValue: 0x1000_0000), "it is thin-provisioned and has no space left"),
        (.init(rawValue: 0x4000_0000), "it is in a storage pool that is in use"),
        (.init(rawValue: 0x8000_0000), "it is in a storage pool that a cluster has"),
        (.init(rawValue: 0x2000_0000), "it is in a storage pool"),
        (.init(rawValue: 0x0000_0040), "clusters do not support it"),
    ]

    /// DISK_SYTLE_MBR, DISK_STYLE_GPT and DISK_STYLE_RAW in one word; nil where the node says none.
    var style: String? {
        if rawValue & 0x2000 != 0 { return "GPT" }
        if rawValue & 0x1000 != 0 { return "MBR" }
        return rawValue & 0x4000 != 0 ? "RAW" : nil
    }

    /// DISK_MPIO: one module combines the paths.
    static let multipath = DiskFlagNames(rawValue: 0x0008_0000)
    /// DISK_REDUNDANT: nothing does.
    static let redundant = DiskFlagNames(rawValue: 0x0040_0000)

    /// What keeps the disk from being clustered, in words.
    var reasons: [String] { Self.obstacles.filter { contains($0.flag) }.map(\.words) }
}
