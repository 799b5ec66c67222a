import Synchronization

/// What the tests have made, and have not unmade yet.
///
/// An entry is written before the deed, and struck out after it was undone: whatever happens in between, the end of the validation
/// finds it here.
final class CleanupLedger: Sendable {
    /// One thing that was made.
    struct Entry: Sendable, Hashable {
        /// What was made, in the order in which things are undone.
        enum Deed: Sendable, Hashable {
            /// A file on a partition, which counts from one.
            case file(String, partition: UInt32)
            /// The node's volumes on the disk are accessible.
            case online
            /// The node owns the disk and defends it.
            case owned
            /// The node is registered with the disk, and may hold the reservation.
            case registered
            /// A sector was written; these octets were there before.
            case sector(UInt32, before: [UInt8])

            var order: Int {
                switch self {
                case .file: 0
                case .online: 1
                case .owned: 2
                case .registered: 3
                case .sector: 4
                }
            }

            /// What it is, for a report.
            var words: String {
                switch self {
                case .file(let name, let partition): "the file \(name) on partition \(partition)"
                case .online: "its volumes online"
                case .owned: "its ownership"
                case .registered: "its registration"
                case .sector(let number, _): "what was written to sector \(number)"
                }
            }
        }

        /// What was made.
        var deed: Deed
        /// On which disk.
        var disk: SharedDisk
        /// By which node.
        var node: String
    }

    private let entries = Mutex<[Entry]>([])

    /// Something is about to be made.
    func add(_ deed: Entry.Deed, _ disk: SharedDisk, by node: String) {
        let entry = Entry(deed: deed, disk: disk, node: node)
        entries.withLock { entries in
            let isKnown = entries.contains { known in
                // Of a sector that is written twice, the octets of the first time are the ones to put back.
                if case .sector(let number, _) = deed, case .sector(number, _) = known.deed {
                    return known.disk.index == disk.index
                }
                return known == entry
            }
            if !isKnown { entries.append(entry) }
        }
    }

    /// It was undone, or came to nothing.
    func strike(_ deed: Entry.Deed, _ disk: SharedDisk, by node: String) {
        strike { $0.deed == deed && $0.disk.index == disk.index && $0.node == node }
    }

    /// All entries of this kind are undone.
    func strike(where isUndone: (Entry) -> Bool) {
        entries.withLock { $0.removeAll(where: isUndone) }
    }

    /// What is left, in the order in which it is to be undone.
    var open: [Entry] {
        entries.withLock { $0.enumerated().sorted { ($0.1.deed.order, $1.0) < ($1.1.deed.order, $0.0) }.map(\.1) }
    }

    /// What a node has left on a disk.
    func open(on disk: SharedDisk, by node: String) -> [Entry] {
        open.filter { $0.disk.index == disk.index && $0.node == node }
    }
}
