import ClusterProtocols
import ErrorCodes
import Foundation
import Reservations
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import ClusPrepServer

/// CprepDiskVerifyUnique, CprepDiskSetOnline, CprepDiskIsReadable, CprepDiskIsReadOnly3 and CprepIsNodeClustered3; disks that the
/// host lives on, and disks that do not answer.
struct StorageMethodTests {
    @Test
    func uniqueness() async throws {
        try await withImages([.mbr, .gpt]) { images async throws in
            let copy = images[0].path + ".copy"
            try FileManager.default.copyItem(atPath: images[0].path, toPath: copy)
            let node = TestNode(name: "a")
            let disks = [images[0].path, images[1].path, copy].enumerated().map { node.disk($1, number: UInt32($0)) }
            var activation = try await Activation.attached(disks)
            let number = activation.disk
            activation.disk = try await activation.storage2.cprepDiskGetProps(.init(DiskId: number)).DiskProps.DiskId
            #expect(activation.disk.DiskIdType == .CprepIdSignature)
            // "… and have the AttachedState value set equal to Attached" (3.2.4.8).
            #expect(try await activation.verifyUnique() == Code.ok)
            let twin = CPREP_DISKID.number(2)
            #expect(try await activation.storage2.cprepDiskAttach(.init(DiskId: twin)).returnValue == .ok)
            #expect(try await activation.verifyUnique() == Code.duplicateTag)
            activation.disk = number
            #expect(try await activation.verifyUnique() == Code.ok, "a number is one disk's")
            activation.disk = .number(1)
            #expect(try await activation.verifyUnique() == Code.invalidState)
        }
    }

    @Test
    func settingOnline() async throws {
        try await withImages([.gpt]) { images async throws in
            let activation = try await Activation.attached([TestNode(name: "a").disk(images[0].path)])
            #expect(try await activation.setOnline() == Code.invalidState)
            #expect(try await activation.arbitrate() == Code.ok)
            for _ in 0..<2 {
                // Where it is online already "the online process is repeated" (3.2.4.26).
                #expect(try await activation.setOnline() == Code.ok)
                while try await activation.isOnline() == Code.notReady { await Task.yield() }
                #expect(try await activation.writeFile() == Code.ok)
            }
            #expect(try await activation.setOnline() == Code.ok)
            #expect(try await activation.online() == Code.ok)
            #expect(try await activation.offline() == Code.ok)
            #expect(try await activation.stopDefense() == Code.ok)
        }
    }

    /// A disk that was partitioned anew while it was online.
    @Test
    func settingOnlineOnceMore() async throws {
        try await withImages([.mbr]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            let activation = try await Activation.attached([disk])
            #expect(try await activation.arbitrate() == Code.ok)
            #expect(try await activation.online() == Code.ok)
            let table = try await disk.read(sector: 0).octets
            for (sector, code) in [([UInt8](repeating: 0, count: 512), Code.fileNotFound), (table, Code.ok)] {
                try await disk.write(sector: 0, sector, by: activation.object.holder)
                #expect(try await activation.setOnline() == Code.ok)
                while try await activation.isOnline() == Code.notReady { await Task.yield() }
                #expect(try await activation.writeFile() == code)
            }
            await activation.release()
        }
    }

    /// It does not wait, so the disk may be given up before it is online.
    @Test
    func givingUpWhileComingOnline() async throws {
        try await withImages([.gpt]) { images async throws in
            let disk = TestNode(name: "a").disk(images[0].path)
            let activation = try await Activation.attached([disk])
            #expect(try await activation.arbitrate() == Code.ok)
            #expect(try await activation.setOnline() == Code.ok)
            await activation.release()
            #expect(try Onlooker(images[0].path).keys() == [])
            while await disk.isBusy { await Task.yield() }
            #expect(await !disk.isOnline(activation.object.holder))
        }
    }

    @Test
    func settingOnlineWhereNothingCanBeRead() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let disk = node.disk(images[0].path)
            let activation = try await Activation.attached([disk])
            #expect(try await activation.arbitrate() == Code.ok)
            node.faults.fail(NodeDiskFaultTests.read)
            #expect(try await activation.setOnline() == Code.ok)
            while await disk.isBusy { await Task.yield() }
            #expect(try await activation.isOnline() == Code.notReady)
            node.faults.fail()
            await activation.release()
        }
    }

    @Test
    func readability() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let activation = try await Activation.attached([node.disk(images[0].path)])
            #expect(try await activation.isReadable() == Code.ok)
            node.faults.fail(NodeDiskFaultTests.read)
            #expect(try await activation.isReadable() == Code.ioDevice)
            node.faults.fail()
            let stranger = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("x")))
            try stranger.registerIgnoringExistingKey(.init(rawValue: 1))
            try stranger.reserve(key: .init(rawValue: 1), type: .exclusiveAccess)
            #expect(try await activation.isReadable() == Code.busy)
            try stranger.clearReservations(key: .init(rawValue: 1))
        }
    }

    @Test
    func writeProtection() async throws {
        try await withImages([.gpt]) { images async throws in
            let activation = try await Activation.attached([TestNode(name: "a").disk(images[0].path)])
            #expect(try await activation.isReadOnly() == false)
        }
    }

    @Test(arguments: [false, true])
    func clustered(_ isClustered: Bool) async throws {
        var environment = Activation.environment([])
        environment.isClustered = { isClustered }
        let activation = Activation(ClusterStorage(environment: environment))
        let early = try await activation.storage3.cprepIsNodeClustered3(.init())
        #expect(early.returnValue.rawValue == Code.invalidServerState)
        _ = try await activation.storage2.cprepPrepareNode(.init())
        _ = try await activation.storage2.cprepPrepareNodePhase2(.init())
        let response = try await activation.storage3.cprepIsNodeClustered3(.init())
        #expect(response.returnValue == .ok)
        #expect(response.pbIsClusterNode == (isClustered ? 1 : 0))
    }

    // MARK: Disks that the host lives on

    @Test(arguments: [DiskAttachment.Roles.boot, .system, .pagefile, .hibernation, .crashDump, .inUse])
    func aDiskTheHostLivesOn(_ role: DiskAttachment.Roles) async throws {
        try await withImages([.gpt]) { images async throws in
            let onlooker = try Onlooker(images[0].path)
            let node = TestNode(name: "a", roles: role)
            // Nothing that could change anything reaches the disk, not even what tidies up.
            node.faults.fail(
                NodeDiskFaultTests.reserveOut, NodeDiskFaultTests.write, NodeDiskFaultTests.synchronizeCache)
            let activation = try await Activation.attached([node.disk(images[0].path)])
            let refused = try await [
                activation.write(), activation.arbitrate(), activation.register(), activation.unregister(),
                activation.reserve(), activation.giveBack(), activation.preempt(), activation.clear(),
                activation.register(0, 1), activation.register(1, 0), activation.reserve(1), activation.giveBack(1),
                activation.preempt(owner: 1, 2), activation.clear(1),
            ]
            #expect(refused.allSatisfy { $0 == Code.accessDenied })
            for code in try await [activation.online(), activation.setOnline(), activation.writeFile()] {
                #expect(code == Code.invalidState, "what is never owned is never online")
            }
            #expect(try await activation.read() == Code.ok)
            #expect(try await activation.isReadable() == Code.ok)
            #expect(try await activation.presence() == 0)
            #expect(try await activation.finds(0) == false)
            #expect(try await activation.verifyUnique() == Code.ok)
            let properties = try await activation.storage2.cprepDiskGetProps(.init(DiskId: activation.disk))
            #expect(properties.returnValue == .ok)
            #expect(properties.DiskProps.DiskIsClusterable == 0)
            await activation.release()
            #expect(try onlooker.keys() == [])
        }
    }

    /// Somebody mounts a disk that was free when the node opened it.
    @Test
    func aDiskTheHostBeginsToLiveOn() async throws {
        try await withImages([.gpt]) { images async throws in
            let use = HostUse()
            let disk = NodeDisk(number: 0, path: images[0].path, environment: use.environment(of: TestNode(name: "a")))
            let activation = try await Activation.attached([disk])
            #expect(try await activation.write() == Code.ok)
            #expect(try await activation.isClusterable())
            use.isUsed = true
            for code in try await [
                activation.write(), activation.arbitrate(), activation.register(), activation.clear(),
            ] {
                #expect(code == Code.accessDenied)
            }
            #expect(try await activation.read() == Code.ok)
            #expect(try await !activation.isClusterable())
            #expect(await disk.describe().attachment.roles == .inUse)
            #expect(try await activation.write() == Code.accessDenied)
            // A look tells also that it has been given back.
            use.isUsed = false
            #expect(await disk.describe().attachment.roles == [])
            #expect(try await activation.write() == Code.ok)
            await activation.release()
        }
    }

    /// What was online under the feet of the host goes offline without another write.
    @Test
    func anOnlineDiskThatTheHostBeginsToLiveOn() async throws {
        try await withImages([.gpt]) { images async throws in
            let (node, use) = (TestNode(name: "a"), HostUse())
            let disk = NodeDisk(number: 0, path: images[0].path, environment: use.environment(of: node))
            for call: @Sendable (Activation) async throws -> UInt32 in [
                { try await $0.writeFile() }, { try await $0.write() }, { try await $0.offline() },
            ] {
                let activation = try await Activation.attached([disk])
                #expect(try await activation.arbitrate() == Code.ok)
                #expect(try await activation.online() == Code.ok)
                #expect(try await activation.writeFile() == Code.ok)
                use.isUsed = true
                node.faults.fail(NodeDiskFaultTests.write, NodeDiskFaultTests.synchronizeCache)
                #expect(try await call(activation) == Code.accessDenied)
                #expect(try await activation.isOnline() == Code.notReady)
                // The reservation is the node's, and is given back.
                #expect(try await activation.stopDefense() == Code.ok)
                await activation.release()
                #expect(try Onlooker(images[0].path).keys() == [])
                use.isUsed = false
                node.faults.fail()
            }
        }
    }

    @Test(arguments: [DiskAttachment.Roles.systemBus, .pooled, []])
    func aDiskTheHostDoesNotLiveOn(_ role: DiskAttachment.Roles) async throws {
        try await withImages([.gpt]) { images async throws in
            let activation = try await Activation.attached([TestNode(name: "a", roles: role).disk(images[0].path)])
            #expect(try await activation.register() == Code.ok)
            #expect(try await activation.write() == Code.ok)
            await activation.release()
        }
    }

    /// "The disk was not found" (3.2.4.14) has one code, whatever the disk is.
    @Test
    func attachingADeviceThatIsGone() async throws {
        var environment = TestNode(name: "a").environment
        environment.open = { path in try Disk(transport: LocalTransport.open(device: path, roles: [])) }
        let disk = NodeDisk(number: 0, path: "/dev/clusprep-no-such-disk", environment: environment)
        await #expect(throws: HRESULT(rawValue: Code.notFound)) { try await Activation.attached([disk]) }
    }

    // MARK: Disks that do not answer

    @Test
    func aSilentDiskHoldsUpACallForAMinute() async throws {
        try await withImages([.gpt, .mbr]) { images async throws in
            let (silent, sound) = (TestNode(name: "a"), TestNode(name: "a"))
            let disks = [silent.disk(images[0].path), sound.disk(images[1].path, number: 1)]
            let activation = try await Activation.attached(disks)
            let other = CPREP_DISKID.number(1)
            silent.faults.fallSilent()
            let calls: [@Sendable () async throws -> UInt32] = [
                { try await activation.read() }, { try await activation.write() },
                { try await activation.register() }, { try await activation.isReadable() },
            ]
            for call in calls {
                let stuck = Task { try await call() }
                await silent.callClock.sleepers(1)
                // The calls that come behind it have to wait, but not for ever.
                let next = Task { try await activation.storage2.cprepDiskAttach(.init(DiskId: other)).returnValue }
                silent.callClock.advance(by: .seconds(60))
                #expect(try await stuck.value == Code.ioDevice)
                #expect(try await next.value == .ok)
            }
            silent.faults.speak()
            #expect(try await activation.read() == Code.ok)
            await activation.release()
            #expect(try Onlooker(images[0].path).keys() == [])
        }
    }

    @Test
    func aSilentDiskHoldsUpAnArbitrationForThreeMinutes() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let activation = try await Activation.attached([node.disk(images[0].path)])
            node.faults.fallSilent()
            let stuck = Task { try await activation.arbitrate() }
            await node.callClock.sleepers(1)
            node.callClock.advance(by: .seconds(180))
            #expect(try await stuck.value == Code.ioDevice)
            node.faults.speak()
            // What the disk granted to nobody goes with the object at the latest.
            await activation.release()
            #expect(try Onlooker(images[0].path).keys() == [])
        }
    }

    @Test
    func sectorsOfSmallerAndOddBlocks() {
        // A sector of 512 octets in blocks of 256: two of them.
        let small = SectorPlace(sector: 3, blockSize: 256)
        #expect((small.block, small.count, small.octets) == (6, 2, 0..<512))
        // Of 384: octet 512 is in block 1, at 128; the sector ends at 1024, in block 2.
        let odd = SectorPlace(sector: 1, blockSize: 384)
        #expect((odd.block, odd.count, odd.octets) == (1, 2, 128..<640))
        // Of 520, one sector each.
        let long = SectorPlace(sector: 9, blockSize: 520)
        #expect((long.block, long.count, long.octets) == (9, 1, 0..<512))
        // Of one octet.
        let tiny = SectorPlace(sector: .max, blockSize: 1)
        #expect((tiny.block, tiny.count) == (UInt64(UInt32.max) * 512, 512))
    }
}

/// Whether the host uses a disk, as a test says.
private final class HostUse: Sendable {
    private let value = Atomic(false)

    var isUsed: Bool {
        get { value.load(ordering: .sequentiallyConsistent) }
        set { value.store(newValue, ordering: .sequentiallyConsistent) }
    }

    /// The node's environment on such a host.
    func environment(of node: TestNode) -> NodeDisk.Environment {
        var environment = node.environment
        let (name, faults) = (node.name, node.faults)
        environment.open = { path in
            let unit = try EmulatedLogicalUnit(image: path, initiator: .node(name))
            return try Disk(transport: FaultyTransport(unit: unit, faults: faults, roles: self.isUsed ? .inUse : []))
        }
        environment.isInUse = { _ in self.isUsed }
        return environment
    }
}
