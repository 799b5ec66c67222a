import NDR
import Volumes

extension DiskDescription {
    /// The identity by which a client can name the disk besides its number.
    var identity: StorageState.DiskIdentity {
        get { .init(signature: signature, guid: diskID.flatMap { GUID(littleEndianBytes: $0.octets) }) }
        set {
            signature = newValue.signature
            diskID = newValue.guid.flatMap { DiskGUID(octets: $0.littleEndianBytes) }
        }
    }

    /// Looks at all disks at once, and marks how they relate to each other.
    static func of(_ disks: [NodeDisk]) async -> [DiskDescription] {
        var descriptions = await withTaskGroup(of: DiskDescription.self) { group in
            for disk in disks {
                group.addTask { await disk.describe() }
            }
            var descriptions: [DiskDescription] = []
            for await description in group { descriptions.append(description) }
            return descriptions
        }
        descriptions.sort { $0.number < $1.number }
        markRelations(&descriptions)
        return descriptions
    }
}
