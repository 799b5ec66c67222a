import ErrorCodes
import Foundation
import Reservations
import Testing
import Volumes

@testable import ClusPrepServer

/// What a disk's holders may do to each other, and what is left of a disk that fails, changes or falls silent.
struct NodeDiskFaultTests {
    static let sector = [UInt8](repeating: 0x5A, count: 512)
    /// READ (10), WRITE (10), SYNCHRONIZE CACHE (10) and PERSISTENT RESERVE OUT.
    static let read: UInt8 = 0x28, write: UInt8 = 0x2A, synchronizeCache: UInt8 = 0x35, reserveOut: UInt8 = 0x5F

    /// The keys on the disk, as a node sees them that has none.
    static func keys(_ image: DiskImage) throws -> [ReservationKey] {
        try Disk(transport: EmulatedLogicalUnit(image: image.path, initiator: .node("observer"))).readKeys().keys
    }

    @Test
    func aChallengerWritesNothing() async throws {
        try await withImages([.gpt]) { images async throws in
            let (owner, challenger) = (TestNode(name: "a"), TestNode(name: "b"))
            let (disk, elsewhere) = (owner.disk(images[0].path), challenger.disk(images[0].path))
            let spare = try await disk.arbitrationSectors().first
            try await disk.arbitrate(.new()) { _ in }
            await owner.clock.sleepers(1)
            let intruder = NodeDisk.Holder.new()
            let write = { try await elsewhere.write(sector: spare, Self.sector, by: intruder) }
            #expect(await NodeDiskTests.code { _ = try await write() } == NodeDiskTests.busy)

            let arbitration = Task { try await elsewhere.arbitrate(.new()) { _ in } }
            await challenger.clock.sleepers(1)
            #expect(try Self.keys(images[0]).count == 2, "the challenger is registered")
            #expect(await NodeDiskTests.code { _ = try await write() } == NodeDiskTests.busy)
            #expect(try await elsewhere.read(sector: spare).octets == [UInt8](repeating: 0, count: 512))

            owner.clock.advance(by: .seconds(3))
            await owner.clock.sleepers(1)
            challenger.clock.advance(by: .seconds(7))
            await #expect(throws: DiskOwnershipError.self) { try await arbitration.value }
            #expect(await NodeDiskTests.code { _ = try await write() } == NodeDiskTests.busy)
            #expect(try Self.keys(images[0]).count == 1)
        }
    }

    @Test
    func onlyOwnersWriteToAnOwnedDisk() async throws {
        try await withImages([.gpt]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            let (owner, other) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            let spare = try await disk.arbitrationSectors().first
            try await disk.write(sector: spare, Self.sector, by: other)
            try await disk.arbitrate(owner) { _ in }
            try await disk.write(sector: spare, Self.sector, by: owner)
            #expect(
                await NodeDiskTests.code { try await disk.write(sector: spare, Self.sector, by: other) }
                    == NodeDiskTests.busy)
            try await disk.stopDefense(owner)
            try await disk.write(sector: spare, Self.sector, by: other)
        }
    }

    /// A daemon that was killed leaves its registration and its reservation; the next one takes them off.
    @Test
    func whatWasLeftByACrashIsTakenOff() async throws {
        try await withImages([.gpt]) { images async throws in
            do {
                let crashed = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("a")))
                let key = ReservationKey.unique(nodeName: "a")
                try crashed.registerIgnoringExistingKey(key)
                try crashed.reserve(key: key, type: .writeExclusiveRegistrantsOnly)
            }
            let (disk, elsewhere) = (TestNode(name: "a").disk(images[0].path), TestNode(name: "b").disk(images[0].path))
            let write = {
                _ = try await elsewhere.write(sector: 1, try await elsewhere.read(sector: 1).octets, by: .new())
            }
            #expect(await NodeDiskTests.code(write) == NodeDiskTests.busy)
            _ = await disk.describe()
            #expect(try Self.keys(images[0]) == [])
            #expect(await NodeDiskTests.code(write) == 0)
        }
    }

    /// To some targets a new session is another nexus, so that what the old one left cannot simply be unregistered.
    @Test(arguments: [true, false])
    func whatAnEarlierSessionLeftIsTakenOff(_ isReserved: Bool) async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let earlier = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("earlier")))
            try earlier.registerIgnoringExistingKey(node.key)
            if isReserved { try earlier.reserve(key: node.key, type: .writeExclusiveRegistrantsOnly) }
            let other = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("other")))
            try other.registerIgnoringExistingKey(.init(rawValue: 1))
            _ = await node.disk(images[0].path).describe()
            #expect(try Self.keys(images[0]) == [.init(rawValue: 1)])
            #expect(try other.readReservation().holder == nil)
        }
    }

    /// To a device of this host the initiator is the host: what other software on it has registered is not this node's to remove,
    /// and neither is what that has made of this node's registration.
    @Test
    func whatOthersOnTheHostHaveRegisteredStays() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a", device: "/dev/sdx")
            let other = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("a")))
            let foreign = ReservationKey(rawValue: 0xF)
            try other.registerIgnoringExistingKey(foreign)
            try other.reserve(key: foreign, type: .writeExclusiveRegistrantsOnly)
            let disk = node.disk(images[0].path)
            _ = await disk.describe()
            #expect(try Self.keys(images[0]) == [foreign])
            #expect(try other.readReservation().holder?.key == foreign)

            let activation = try await Activation.attached([disk])
            #expect(try await activation.register(0, 0x77) == Code.ok)
            try other.registerIgnoringExistingKey(foreign)
            await activation.release()
            #expect(try Self.keys(images[0]) == [foreign])
            #expect(await disk.withdrawal == nil)
        }
    }

    @Test(arguments: [0, 0x77] as [UInt64])
    func whatThisNodeHasRegisteredOnADeviceIsTakenOff(_ key: UInt64) async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a", device: "/dev/sdx")
            let earlier = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("a")))
            try earlier.registerIgnoringExistingKey(node.key)
            let disk = node.disk(images[0].path)
            _ = await disk.describe()
            #expect(try Self.keys(images[0]) == [], "what was left by a crash")

            let activation = try await Activation.attached([disk])
            #expect(try await (key == 0 ? activation.register() : activation.register(0, key)) == Code.ok)
            #expect(try Self.keys(images[0]) == [key == 0 ? node.key : .init(rawValue: key)])
            await activation.release()
            #expect(try Self.keys(images[0]) == [])

            // What became of the command is not known, so any of the keys may be there.
            let second = try await Activation.attached([disk])
            #expect(try await second.register(0, 0x78) == Code.ok)
            node.faults.fail(Self.reserveOut)
            #expect(try await second.register(0, 0x79) != Code.ok)
            try earlier.registerIgnoringExistingKey(.init(rawValue: 0x79))
            node.faults.fail()
            await second.release()
            #expect(try Self.keys(images[0]) == [])

            let holder = NodeDisk.Holder.new()
            try await disk.arbitrate(holder) { _ in }
            try await disk.stopDefense(holder)
            #expect(try Self.keys(images[0]) == [])
        }
    }

    /// The last APTPL a unit gets is everybody's (SPC-3 6.12.3).
    @Test
    func aNodeThatGoesLeavesOthersTheirPersistence() async throws {
        try await withImages([.gpt]) { images async throws in
            let staying = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("b")))
            let key = ReservationKey(rawValue: 1)
            try staying.registerIgnoringExistingKey(key, persistsThroughPowerLoss: true)
            let activation = try await Activation.attached([TestNode(name: "a").disk(images[0].path)])
            #expect(try await activation.register() == Code.ok)
            await activation.release()
            #expect(try Self.keys(images[0]) == [key])
            #expect(try staying.reservationCapabilities().persistThroughPowerLossActivated)
        }
    }

    /// A disk that has become another one is read as what it is now, but what was to be written to the one before is not.
    @Test
    func aWriteDoesNotMoveToAnotherUnit() async throws {
        try await withImages([.gpt]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            let holder = NodeDisk.Holder.new()
            let before = try await disk.read(sector: 1).octets
            try FileManager.default.removeItem(atPath: images[0].path + ".reservations")
            // ERROR_WRONG_DISK.
            #expect(
                await NodeDiskTests.code { try await disk.write(sector: 1, Self.sector, by: holder) } == 0x8007_0022)
            #expect(try await disk.read(sector: 1).octets == before)
        }
    }

    /// ERROR_INVALID_FUNCTION for reservations, and no endless tries to take off what cannot be there.
    @Test
    func aUnitThatKnowsNoReservations() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            node.faults.forget(0x5E, Self.reserveOut)
            let disk = node.disk(images[0].path)
            let activation = try await Activation.attached([disk])
            #expect(await disk.withdrawal == nil)
            #expect(try await activation.write() == Code.ok)
            for code in try await [activation.register(), activation.reserve(), activation.register(0, 1)] {
                #expect(code == 0x8007_0001)
            }
            #expect(try await activation.arbitrate() == 0x8007_0001)
            #expect(try await activation.presence() == nil)
            #expect(try await activation.write() == Code.ok)
            await activation.release()
            #expect(await disk.withdrawal == nil)
        }
    }

    @Test
    func aRegistrationThatCouldNotBeRemovedIsTriedAgain() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let disk = node.disk(images[0].path)
            let (holder, other) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            try await disk.arbitrate(holder) { _ in }
            await node.clock.sleepers(1)
            node.faults.fail(Self.reserveOut)
            await #expect(throws: DiskOwnershipError.self) { try await disk.stopDefense(holder) }
            #expect(try Self.keys(images[0]).count == 1)
            #expect(
                await NodeDiskTests.code { try await disk.write(sector: 1, Self.sector, by: other) } != 0,
                "what is left on the disk admits nobody")
            await node.clock.sleepers(1)
            node.faults.fail()
            node.clock.advance(by: .seconds(3))
            await disk.withdrawal?.value
            #expect(try Self.keys(images[0]) == [])
            #expect(await disk.withdrawal == nil)
        }
    }

    @Test
    func volumesThatLostAWriteAreMountedAfresh() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let disk = node.disk(images[0].path)
            let (first, second) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            for holder in [first, second] {
                try await disk.arbitrate(holder) { _ in }
                _ = try await disk.online(holder)
            }
            node.faults.fail(Self.write)
            let write = { try await disk.withVolume(0, first) { try $0.writeFile(path: "a.txt", data: [1]) } }
            #expect(await NodeDiskTests.code(write) != 0)
            #expect(await !disk.isOnline(first))
            #expect(await !disk.isOnline(second), "it was one mount for both")
            node.faults.fail()
            // The other one's hold, which may never end, keeps nobody from a new mount.
            #expect(try await disk.online(first) == 1)
            try await write()
            #expect(await !disk.isOnline(second))
            #expect(try await disk.online(second) == 1)
            try await disk.withVolume(0, second) { try $0.verifyFile(path: "a.txt", data: [1]) }
        }
    }

    @Test
    func aSilentDiskIsDescribedAsSuch() async throws {
        try await withImages([.gpt, .mbr]) { images async throws in
            let (silent, sound) = (TestNode(name: "a"), TestNode(name: "a"))
            let disks = [silent.disk(images[0].path), sound.disk(images[1].path, number: 1)]
            silent.faults.fallSilent()
            let looking = Task { await DiskDescription.of(disks) }
            await silent.clock.sleepers(1)
            silent.clock.advance(by: .seconds(5))
            #expect(await looking.value.map(\.flags) == [[.missing, .unreadable, .failingIO], [.styleMBR, .basic]])
            #expect(await disks[0].isBusy)
            #expect(await !disks[1].isBusy)
            silent.faults.speak()
            #expect(await disks[0].describe().flags == [.styleGPT, .basic])
        }
    }

    @Test
    func aDiskThatWasPutRightIsOpenedAnew() async throws {
        try await withImages([.gpt]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            try await disk.attach()
            // The unit's state is another file's from now on, and with it the unit.
            try FileManager.default.removeItem(atPath: images[0].path + ".reservations")
            #expect(await disk.describe().flags == [.styleGPT, .basic])
            try FileManager.default.removeItem(atPath: images[0].path + ".reservations")
            try await disk.attach()
            try FileManager.default.removeItem(atPath: images[0].path + ".reservations")
            let holder = NodeDisk.Holder.new()
            try await disk.arbitrate(holder) { _ in }
            #expect(try await disk.online(holder) == 1)
            try await disk.stopDefense(holder)
        }
    }

    @Test
    func theNodesEndGivesBackEveryDisk() async throws {
        try await withImages([.gpt]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            for holder in [NodeDisk.Holder.new(), .new()] {
                try await disk.arbitrate(holder) { _ in }
                _ = try await disk.online(holder)
            }
            await disk.giveUp()
            #expect(try Self.keys(images[0]) == [])
            await disk.giveUp()
        }
    }
}
