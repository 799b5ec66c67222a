/// The adapter that packets come in through, as rules see it.
struct Face: Sendable, Hashable {
    var name: String
    var index: UInt32
    /// ARPHRD_*; nil where the inventory does not keep it.
    var linkType: UInt128?

    init(name: String, index: UInt32, linkType: UInt128?) {
        self.name = name
        self.index = index
        self.linkType = linkType
    }

    init(_ adapter: HostAdapter) {
        name = adapter.name
        index = adapter.index
        linkType =
            switch adapter.type {
            case .ethernet: 1  // ARPHRD_ETHER
            case .loopback: 772  // ARPHRD_LOOPBACK
            case .infiniBand: 32  // ARPHRD_INFINIBAND
            default: nil
            }
    }
}
