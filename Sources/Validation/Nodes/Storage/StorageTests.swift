/// The tests of the disks that nodes share, in the order in which they are run.
enum StorageTests {
    static let all: [any NodeTest] = [
        ListDisks(), ListPotentialDisks(), VitalProductDataTest(), MultipathTest(), PersistentReservationTest(),
        DiskArbitrationTest(), MultipleArbitrationTest(), DiskFailoverTest(), SimultaneousFailoverTest(),
        AccessLatencyTest(), FileSystemTest(), SharedVolumeBindingsTest(), SharedVolumeSettingsTest(),
    ]

    /// What a storage test that fails advises.
    static let askTheMaker =
        "Ask the maker of the storage about this command (SPC-3 5.6 and 6.12): a cluster's nodes rely on it to keep each other from "
        + "writing. clusprep validate storage tries the unit's commands one by one."
}

extension NodeTestContext {
    /// Takes a fault of a disk down.
    func blame(_ disk: SharedDisk, _ node: String?, _ method: NodeMethod, _ text: String, advice: String? = nil) {
        recorder.add(
            Finding(
                .error, [disk.name, node].compactMap(\.self).joined(separator: " on "), text,
                advice: advice ?? StorageTests.askTheMaker, command: method.name))
    }

    /// The disk's seats on at least so many nodes; nil, and taken down, where there are fewer.
    func seats(_ disk: SharedDisk, atLeast count: Int) async throws -> [DiskSeat]? {
        let seats = try await seats(disk)
        if seats.count >= count { return seats }
        miss("\(disk.name) could be attached on \(seats.count) of the \(count) nodes that it takes.")
        return nil
    }
}
