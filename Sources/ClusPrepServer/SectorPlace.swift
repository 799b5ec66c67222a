/// Where a sector of 512 octets is on a disk whose blocks may be larger or smaller.
struct SectorPlace {
    static let sectorSize = 512

    /// The first block.
    let block: UInt64
    /// How many blocks.
    let count: Int
    /// The sector's octets within those blocks.
    let octets: Range<Int>

    init(sector: UInt32, blockSize: Int) {
        if blockSize >= Self.sectorSize {
            // A block that is no multiple of a sector, such as one of 520 octets, ends with what is no sector's.
            let perBlock = blockSize / Self.sectorSize
            block = UInt64(sector) / UInt64(perBlock)
            count = 1
            let offset = Int(sector) % perBlock * Self.sectorSize
            octets = offset..<offset + Self.sectorSize
        } else {
            let first = UInt64(sector) * UInt64(Self.sectorSize)
            block = first / UInt64(blockSize)
            let offset = Int(first % UInt64(blockSize))
            count = (offset + Self.sectorSize + blockSize - 1) / blockSize
            octets = offset..<offset + Self.sectorSize
        }
    }
}
