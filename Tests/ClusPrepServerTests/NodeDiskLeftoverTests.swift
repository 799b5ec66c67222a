import Foundation
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import ClusPrepServer
@testable import Reservations

/// What is left on a disk that fails, or goes away, and comes back.
struct NodeDiskLeftoverTests {
    /// A registration that could not be taken off is, also where the disk was closed meanwhile because it was not ready. On a device
    /// of this host the key counts, which may be one that a client has chosen.
    @Test(arguments: [nil, "/dev/sdx"], [nil, 0x77] as [UInt64?])
    func aRegistrationOutlivesNoClosedDisk(_ device: String?, _ key: UInt64?) async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a", device: device)
            let disk = node.disk(images[0].path)
            let onlooker = try Onlooker(images[0].path)
            let activation = try await Activation.attached([disk])
            let code = if let key { try await activation.register(0, key) } else { try await activation.register() }
            #expect(code == Code.ok)
            node.faults.fail(NodeDiskFaultTests.reserveOut)
            await activation.release()
            #expect(try onlooker.keys().count == 1)
            await node.clock.sleepers(1)

            let state = URL(fileURLWithPath: images[0].path + ".reservations")
            let sound = try Data(contentsOf: state)
            try Data([0xFF]).write(to: state)
            #expect(await disk.describe().flags.contains(.missing))
            #expect(await disk.disk == nil)
            try sound.write(to: state)
            node.faults.fail()
            node.clock.advance(by: .seconds(3))
            await disk.withdrawal?.value
            #expect(try onlooker.keys() == [])
            #expect(await disk.withdrawal == nil)
        }
    }

    /// A reservation that is gone took the clients' registrations with it, so nobody stands by the owner's next one.
    @Test
    func nobodyStandsByAClearedRegistration() async throws {
        try await ReservationInterplayTests.oneNode { disk, _, path, onlooker async throws in
            let (owner, other) = try await (Activation.attached([disk]), Activation.attached([disk]))
            _ = try await [owner.arbitrate(), other.register()]
            let elsewhere = try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node("b")))
            let key = ReservationKey(rawValue: 0xB)
            try elsewhere.registerIgnoringExistingKey(key)
            try elsewhere.clearReservations(key: key)
            #expect(try await owner.arbitrate() == Code.ok)
            #expect(try await owner.stopDefense() == Code.ok)
            #expect(try onlooker.keys() == [])
            await owner.release()
            await other.release()
        }
    }

    /// What is left of a registration whose reservation is gone goes, also where the disk cannot be arbitrated for again.
    @Test
    func anEndedOwnershipLeavesNoRegistration() async throws {
        try await ReservationInterplayTests.oneNode { disk, node, path, onlooker async throws in
            let owner = try await Activation.attached([disk])
            #expect(try await owner.arbitrate() == Code.ok)
            let same = try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node("a")))
            try same.release(key: node.key, type: .writeExclusiveRegistrantsOnly)
            // TEST UNIT READY, without which there is no challenge.
            node.faults.fail(0x00)
            #expect(try await owner.arbitrate() == Code.ioDevice)
            #expect(try onlooker.keys() == [])
            await owner.release()
        }
    }

    /// Where a device was taken away and put back.
    private final class Slot: Sendable {
        private let devices = Mutex(0)

        var device: Int { devices.withLock { $0 } }

        func replug() { devices.withLock { $0 += 1 } }
    }

    /// A device that is there only for those who opened it after it was put in last.
    private struct PluggedUnit: SCSITransport {
        let unit: EmulatedLogicalUnit
        let slot: Slot
        let device: Int
        /// What the others are told.
        let error: Int32

        var name: String { unit.name }
        var attachment: DiskAttachment { unit.attachment }

        func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
            guard slot.device == device else {
                throw SCSIError.transport(name: name, cause: FileError("ioctl", name, error))
            }
            return unit.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        }
    }

    /// Other errors may be the disk's for good, and say nothing of another one.
    @Test(arguments: [(ENODEV, true), (ENXIO, true), (EBADF, true), (EIO, false)])
    func aDeviceThatWasTakenAwayIsOpenedAnew(_ error: Int32, isOpenedAnew: Bool) async throws {
        try await withImages([.gpt]) { images async throws in
            let slot = Slot()
            var environment = TestNode(name: "a").environment
            environment.open = { path in
                let unit = try EmulatedLogicalUnit(image: path, initiator: .node("a"))
                return try Disk(transport: PluggedUnit(unit: unit, slot: slot, device: slot.device, error: error))
            }
            let disk = NodeDisk(number: 0, path: images[0].path, environment: environment)
            #expect(await disk.describe().flags == [.styleGPT, .basic])
            slot.replug()
            #expect(await (disk.describe().flags == [.styleGPT, .basic]) == isOpenedAnew)
            slot.replug()
            #expect(await (NodeDiskTests.code { _ = try await disk.read(sector: 1) } == 0) == isOpenedAnew)
        }
    }
}
