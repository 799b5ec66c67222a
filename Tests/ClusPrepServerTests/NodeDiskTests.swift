import ErrorCodes
import Reservations
import Synchronization
import Testing
import Volumes

@testable import ClusPrepServer

/// One disk, several activations, and two nodes on one image.
struct NodeDiskTests {
    /// Counts what happens elsewhere, and waits for it.
    actor Counter {
        private(set) var count = 0
        private var waiting: [CheckedContinuation<Void, Never>] = []

        func increment() {
            count += 1
            waiting.forEach { $0.resume() }
            waiting = []
        }

        func first() async {
            if count > 0 { return }
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    static func code(_ body: () async throws -> Void) async -> UInt32 {
        do {
            try await body()
            return 0
        } catch let error as any HRESULTConvertible {
            return error.hresult.rawValue
        } catch {
            return 0xFFFF_FFFF
        }
    }

    /// "the online process is repeated" (3.2.4.26).
    @Test
    func comingOnlineAgainLooksForTheVolumesAgain() async throws {
        try await withImages([.gpt]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            let (holder, other) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            for owner in [holder, other] { try await disk.arbitrate(owner) { _ in } }
            #expect(try await disk.online(holder) == 1)
            try await disk.write(sector: 0, [UInt8](repeating: 0, count: 512), by: holder)
            #expect(try await disk.online(holder) == 1)
            #expect(try await disk.online(other) == 1)
            #expect(try await disk.online(holder, again: true) == 1, "another one has it online")
            try await disk.offline(other)
            #expect(try await disk.online(holder, again: true) == 0)
            for owner in [holder, other] { try await disk.stopDefense(owner) }
        }
    }

    static let busy: UInt32 = 0x8007_00AA
    static let invalidState: UInt32 = 0x8007_139F
    static let notFound: UInt32 = 0x8007_0490

    @Test(arguments: DiskImage.TableStyle.allCases)
    func description(_ style: DiskImage.TableStyle) async throws {
        try await withImages([style]) { images async throws in
            let description = await TestNode(name: "a").disk(images[0].path, number: 3).describe()
            #expect(description.number == 3)
            #expect(description.problem == nil)
            #expect(description.isClusterable)
            switch images[0].style {
            case .gpt(let id):
                #expect(description.identity.guid?.littleEndianBytes == id.octets)
                #expect(description.flags == [.styleGPT, .basic])
            case .mbr(let signature):
                #expect(description.identity.signature == signature)
                #expect(description.flags == [.styleMBR, .basic])
            case .raw: Issue.record("an image without a table")
            }
        }
    }

    @Test
    func aMissingImageIsDescribedAndFoundLater() async throws {
        try await withImages([.gpt]) { images async throws in
            let path = images[0].path + ".later"
            let disk = TestNode(name: "a").disk(path)
            let missing = await disk.describe()
            #expect(missing.flags == [.missing, .unreadable])
            #expect(!missing.isClusterable)
            #expect(missing.problem?.contains(path) == true)
            #expect(await Self.code { try await disk.attach() } == Self.notFound)
            _ = try DiskImage.create(at: path, size: DiskImage.minimumSize, style: .mbr)
            #expect(await disk.describe().flags == [.styleMBR, .basic])
            #expect(await Self.code { try await disk.attach() } == 0)
        }
    }

    @Test
    func sectors() async throws {
        try await withImages([.mbr]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            let sectors = try await disk.arbitrationSectors()
            let content = (0..<512).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try await disk.write(sector: sectors.second, content, by: .new())
            #expect(try await disk.read(sector: sectors.second).octets == content)
            #expect(try await disk.read(sector: sectors.first).octets == [UInt8](repeating: 0, count: 512))
            let end = UInt32(images[0].size / 512)
            #expect(await Self.code { _ = try await disk.read(sector: end - 1) } == 0)
            // ERROR_SECTOR_NOT_FOUND.
            #expect(await Self.code { _ = try await disk.read(sector: end) } == 0x8007_001B)
            #expect(await Self.code { try await disk.write(sector: .max, content, by: .new()) } == 0x8007_001B)
        }
    }

    @Test
    func sectorsOfLargerBlocks() {
        // Block 1 of 4096 octets holds the sectors 8 to 15.
        #expect(SectorPlace(sector: 9, blockSize: 4096).block == 1)
        #expect(SectorPlace(sector: 9, blockSize: 4096).octets == 512..<1024)
        #expect(SectorPlace(sector: 7, blockSize: 4096).block == 0)
        #expect(SectorPlace(sector: 7, blockSize: 4096).octets == 3584..<4096)
        #expect(SectorPlace(sector: .max, blockSize: 512).block == UInt64(UInt32.max))
        #expect(SectorPlace(sector: .max, blockSize: 512).octets == 0..<512)
    }

    @Test
    func activationsOnOneNodeShare() async throws {
        try await withImages([.gpt]) { images async throws in
            let (node, other) = (TestNode(name: "a"), TestNode(name: "b"))
            let (disk, elsewhere) = (node.disk(images[0].path), other.disk(images[0].path))
            let (first, second) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            #expect(await Self.code { _ = try await disk.online(first) } == Self.invalidState)
            try await disk.arbitrate(first) { _ in }
            try await disk.arbitrate(second) { _ in }
            #expect(try await disk.online(first) == 1)
            #expect(try await disk.online(second) == 1)
            try await disk.withVolume(0, first) { try $0.writeFile(path: "shared.txt", data: [1, 2, 3]) }
            try await disk.offline(first)
            #expect(
                await Self.code { try await disk.withVolume(0, first) { _ in } } == Self.invalidState,
                "offline for the one")
            try await disk.withVolume(0, second) { try $0.verifyFile(path: "shared.txt", data: [1, 2, 3]) }
            try await disk.stopDefense(first)
            #expect(
                await Self.code { try await elsewhere.write(sector: 1, [UInt8](repeating: 0, count: 512), by: .new()) }
                    == Self.busy, "still reserved for the other")
            // The last one's end is the disk's: dismounted and free.
            try await disk.stopDefense(second)
            let stranger = NodeDisk.Holder.new()
            try await elsewhere.arbitrate(stranger) { _ in }
            #expect(try await elsewhere.online(stranger) == 1)
            try await elsewhere.withVolume(0, stranger) { try $0.verifyFile(path: "shared.txt", data: [1, 2, 3]) }
            try await elsewhere.stopDefense(stranger)
        }
    }

    @Test
    func aSilentOwnerLosesTheDisk() async throws {
        try await withImages([.gpt]) { images async throws in
            let (silent, challenger) = (TestNode(name: "a"), TestNode(name: "b"))
            let (disk, elsewhere) = (silent.disk(images[0].path), challenger.disk(images[0].path))
            let (old, new) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            let losses = Counter()
            try await disk.arbitrate(old) { _ in await losses.increment() }
            #expect(try await disk.online(old) == 1)

            // The challenger's clock goes on, the owner's stands still.
            async let arbitration = elsewhere.arbitrate(new) { _ in }
            await challenger.clock.sleepers(1)
            challenger.clock.advance(by: .seconds(7))
            _ = try await arbitration
            #expect(await losses.count == 0, "the owner has not looked yet")

            await silent.clock.sleepers(1)
            silent.clock.advance(by: .seconds(3))
            await losses.first()
            #expect(await Self.code { try await disk.withVolume(0, old) { _ in } } == Self.invalidState)
            #expect(await Self.code { _ = try await disk.online(old) } == Self.invalidState)
            // Giving up what is lost already takes nothing from the new owner.
            try await disk.stopDefense(old)
            #expect(try await elsewhere.online(new) == 1)
            try await elsewhere.withVolume(0, new) { try $0.writeFile(path: "mine.txt", data: [9]) }
            try await elsewhere.stopDefense(new)
        }
    }
    /// An owner whose reservation is gone arbitrates as if it had never owned the disk: before its next look at it, another may have
    /// come, written and gone.
    @Test
    func aClearedOwnerArbitratesAnew() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let disk = node.disk(images[0].path)
            let (first, second) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            let losses = Counter()
            let old = try await disk.arbitrate(first) { _ in await losses.increment() }
            #expect(try await disk.online(first) == 1)

            let elsewhere = TestNode(name: "b").environment
            let other = try elsewhere.open(images[0].path)
            try other.registerIgnoringExistingKey(elsewhere.key)
            try other.clearReservations(key: elsewhere.key)

            let new = try await disk.arbitrate(second) { _ in }
            #expect(new != old)
            #expect(try other.readReservation().holder?.key == node.key)
            await losses.first()
            #expect(await Self.code { try await disk.withVolume(0, first) { _ in } } == Self.invalidState)
            #expect(try await disk.online(second) == 1)
            try await disk.stopDefense(second)
        }
    }
}
