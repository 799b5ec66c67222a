/// The copy of the first records of an NTFS volume's master file table.
///
/// libntfs-3g writes a record and then its copy. Whoever dies, or loses the disk, in between leaves two that differ, and the
/// library refuses such a volume. As ntfsfix and Windows do, the table's own records then count and the copy is made again.
struct MasterFileTableMirror {
    /// In octets from the volume's beginning.
    let offset: UInt64
    /// What the copy should hold.
    let octets: [UInt8]

    private static let recordCount = 4

    /// What to repair; nil if the two agree, or if the table's own records are not sound.
    static func repair(of window: DeviceWindow) throws -> MasterFileTableMirror? {
        let boot = try window.read(at: 0, count: 512)
        guard FileSystem.recognize(boot + [UInt8](repeating: 0, count: 3584)) == .ntfs else { return nil }
        let cluster = UInt64(boot.littleEndian(UInt16.self, at: 11)) * clusterFactor(boot[13])
        let recordSize = recordSize(Int8(bitPattern: boot[64]), cluster: cluster)
        guard (512...4096).contains(recordSize), recordSize.nonzeroBitCount == 1, cluster > 0 else { return nil }
        let length = recordSize * recordCount
        guard let table = place(boot.littleEndian(at: 48), cluster: cluster, length: length, in: window),
            let mirror = place(boot.littleEndian(at: 56), cluster: cluster, length: length, in: window)
        else { return nil }
        let original = try window.read(at: table, count: length)
        let copy = try window.read(at: mirror, count: length)
        let records = (0..<recordCount).map { original[$0 * recordSize..<($0 + 1) * recordSize] }
        guard original != copy, records.allSatisfy(isSound) else { return nil }
        return MasterFileTableMirror(offset: mirror, octets: original)
    }

    /// Sectors a cluster; from 244 on, a negative power of two.
    private static func clusterFactor(_ field: UInt8) -> UInt64 {
        field <= 128 ? UInt64(field) : field >= 244 ? 1 << UInt64(256 - Int(field)) : 0
    }

    /// Clusters a record, or a negative power of two in octets.
    private static func recordSize(_ field: Int8, cluster: UInt64) -> Int {
        if field > 0 { return Int(min(cluster, 1 << 20)) * Int(field) }
        return field > -31 ? 1 << -Int(field) : 0
    }

    private static func place(_ number: UInt64, cluster: UInt64, length: Int, in window: DeviceWindow) -> UInt64? {
        let (offset, overflow) = number.multipliedReportingOverflow(by: cluster)
        guard !overflow, offset > 0, offset < window.size, UInt64(length) <= window.size - offset else { return nil }
        return offset
    }

    /// A record with its magic, whose sectors were written together: each ends in the update sequence number.
    private static func isSound(_ record: ArraySlice<UInt8>) -> Bool {
        guard record.prefix(4).elementsEqual("FILE".utf8) else { return false }
        let sequence = Int(record.littleEndian(UInt16.self, at: 4))
        let sectors = record.count / 512
        guard record.littleEndian(UInt16.self, at: 6) == sectors + 1, sequence + 2 * (sectors + 1) <= 510 else {
            return false
        }
        let number = record.littleEndian(UInt16.self, at: sequence)
        return (1...sectors).allSatisfy { record.littleEndian(UInt16.self, at: $0 * 512 - 2) == number }
    }
}
