import ErrorCodes
import Foundation
import Reservations
import Synchronization
import TestSupport
import Testing

@testable import Volumes

/// Two nodes and one disk: a volume above a persistent reservation.
@Suite(.offThePool, .needs("mkntfs", "ntfscat", "ntfsfix", "dd"))
struct SharedDiskTests {
    private let first = ReservationKey(rawValue: 0xA1)
    private let second = ReservationKey(rawValue: 0xB2)

    private func disk(_ path: String, node: String) throws -> Disk {
        try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node(node)))
    }

    /// The second node pre-empts the first between two of its writes; from then on nothing of the first reaches the disk.
    @Test(arguments: [0, 1, 2, 5, 8]) func losingTheReservationInTheMiddleOfAWrite(writes: Int) throws {
        let folder = try TemporaryFolder()
        let image = try DiskImage.create(at: folder.file("disk.img"), size: 24 << 20, style: .gpt)
        let holder = try disk(image.path, node: "one")
        let challenger = try disk(image.path, node: "two")
        try holder.registerIgnoringExistingKey(first)
        try holder.reserve(key: first, type: .writeExclusiveRegistrantsOnly)

        let device = FaultyDevice(holder)
        let volume = try Volume.open(device, partition: image.partition)
        try volume.writeFile(path: "bystander", data: noise(50_000, seed: 2))
        let left = Mutex(writes)
        device.plan.withLock {
            $0.beforeWrite = { [first, second] in
                let isNow = left.withLock { left in
                    left -= 1
                    return left == -1
                }
                guard isNow else { return }
                do {
                    try challenger.registerIgnoringExistingKey(second)
                    try challenger.preempt(key: second, victim: first, type: .writeExclusiveRegistrantsOnly)
                } catch {
                    Issue.record("\(error)")
                }
            }
        }
        let error = #expect(throws: VolumeError.self) {
            try volume.writeFile(path: "late", data: noise(100_000, seed: 3))
        }
        guard case .device(let cause) = error, case .reservationConflict? = cause as? SCSIError else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.hresult.rawValue == 0x8007_00AA)
        volume.abandon()

        let heir = try Volume.open(challenger, partition: image.partition)
        #expect(heir.mountFailure == nil)
        try heir.verifyFile(path: "bystander", data: noise(50_000, seed: 2))
        try heir.writeFile(path: "late", data: noise(70_000, seed: 4))
        try heir.verifyFile(path: "late", data: noise(70_000, seed: 4))
        try heir.close()
        let verdict = try Tool.run("ntfsfix", ["-n", Workbench.cutOut(image, into: folder)])
        #expect(verdict.status == 0, "\(verdict.text)")
    }

    @Test func whatOneNodeWroteTheOtherReads() throws {
        let folder = try TemporaryFolder()
        let image = try DiskImage.create(at: folder.file("disk.img"), size: 24 << 20, style: .mbr)
        let one = try disk(image.path, node: "one")
        let two = try disk(image.path, node: "two")
        for round in 1...3 {
            for device in [one, two] {
                let table = try PartitionTable.read(from: device)
                #expect(table.partitions == [image.partition])
                #expect(try table.arbitrationSectors(on: device) == ArbitrationSectors(first: 2046, second: 2047))
                let volume = try Volume.open(device, partition: image.partition)
                if round > 1 || device === two { try volume.verifyFile(path: "shared", data: noise(9000)) }
                try volume.writeFile(path: "shared", data: noise(9000))
                try volume.close()
            }
        }
    }
}
