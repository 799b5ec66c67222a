import ClusterEngine
import ClusterProtocols
import Foundation
import Logging
import Reservations
import Security
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import ClusPrepServer

struct ClusterCleanupTests {
    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    static let waitTimeout: UInt32 = 0x8007_0102

    /// A node that is a member, with a clock of its own for both timers.
    struct Node {
        static let maximumRequests = 8

        let engine: ClusterEngine
        let clock = ManualClock()
        let client: IClusterCleanupClient

        init(state: NodeState, disks: [NodeDisk] = []) async throws {
            engine = ClusterEngine(state: state, node: NodeIdentity(fqdn: "alpha.example.org"))
            try await engine.join(ClusterMembership(clusterName: "blue", clusterID: UUID(), since: 1))
            try await engine.configureServiceSecret(SecretBytes([1, 2, 3]))
            var cleanup = EvictionCleanup.Environment.node(disks: disks, shares: nil, logger: silent)
            cleanup.clock = clock
            cleanup.maximumRequests = Self.maximumRequests
            var environment = ClusterCleanup.Environment(
                cleanup: EvictionCleanup(engine: engine, environment: cleanup), disks: disks, logger: silent)
            environment.clock = clock
            client = IClusterCleanupClient(
                LocalCaller(
                    ClusterCleanup(environment: environment).handlers(for: IClusterCleanup.interface.syntax.uuid)))
        }

        func cleanUp(delay: UInt32, timeout: UInt32, flags: UInt32 = 0) async throws -> UInt32 {
            try await client.cleanUpEvictedNode(
                .init(DelayBeforeCleanup: delay, TimeOut: timeout, Flags: flags)
            ).returnValue.rawValue
        }

        func clear(_ number: UInt32) async throws -> UInt32 {
            try await client.clearPR(.init(DeviceNumber: number)).returnValue.rawValue
        }

        var isMember: Bool {
            get async throws {
                let membership = try await engine.membership()
                let secret = try await engine.serviceSecret()
                #expect((membership == nil) == (secret == nil))
                return membership != nil
            }
        }

        /// Returns when nothing is on record any more.
        func isCleanedUp() async throws {
            while try await engine.membership() != nil { await Task.yield() }
            #expect(try await !isMember)
        }
    }

    static func withNode<T>(disks: [NodeDisk] = [], _ body: (Node) async throws -> T) async throws -> T {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("state-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(Node(state: NodeState.open(folder: folder.path, as: .daemon), disks: disks))
    }

    // MARK: CleanUpEvictedNode

    @Test
    func withoutDelay() async throws {
        try await Self.withNode { node async throws in
            #expect(try await node.cleanUp(delay: 0, timeout: 1000) == Code.ok)
            #expect(try await !node.isMember)
            #expect(try await node.cleanUp(delay: 0, timeout: 1000) == Code.ok, "idempotent")
        }
    }

    /// 3.8.4.1: the node is a member until the last moment of the delay.
    @Test
    func afterTheDelay() async throws {
        try await Self.withNode { node async throws in
            async let answer = node.cleanUp(delay: 5000, timeout: 6000)
            await node.clock.sleepers(2)
            node.clock.advance(by: .milliseconds(4999))
            #expect(try await node.isMember)
            node.clock.advance(by: .milliseconds(1))
            #expect(try await answer == Code.ok)
            #expect(try await !node.isMember)
        }
    }

    /// "If DelayBeforeCleanup is greater than TimeOut, this method will time out", and the clean-up runs all the same.
    @Test
    func timeoutBeforeTheDelay() async throws {
        try await Self.withNode { node async throws in
            async let answer = node.cleanUp(delay: 5000, timeout: 4999)
            await node.clock.sleepers(2)
            node.clock.advance(by: .milliseconds(4999))
            #expect(try await answer == Self.waitTimeout)
            #expect(try await node.isMember)
            await node.clock.sleepers(1)
            node.clock.advance(by: .milliseconds(1))
            try await node.isCleanedUp()
        }
    }

    @Test
    func noTimeAtAll() async throws {
        try await Self.withNode { node async throws in
            async let answer = node.cleanUp(delay: 1, timeout: 0)
            #expect(try await answer == Self.waitTimeout)
            await node.clock.sleepers(1)
            node.clock.advance(by: .milliseconds(1))
            try await node.isCleanedUp()
        }
    }

    @Test
    func aClientThatVanishesDoesNotStopIt() async throws {
        try await Self.withNode { node async throws in
            let call = Task { try await node.cleanUp(delay: 1000, timeout: 2000) }
            await node.clock.sleepers(2)
            call.cancel()
            node.clock.advance(by: .seconds(1))
            try await node.isCleanedUp()
            _ = try? await call.value
        }
    }

    /// One clean-up answers all requests made before it began; what is configured after it is not theirs.
    @Test
    func anEarlierOneAnswersALaterOne() async throws {
        try await Self.withNode { node async throws in
            async let late = node.cleanUp(delay: 5000, timeout: 10_000)
            await node.clock.sleepers(2)
            #expect(try await node.cleanUp(delay: 0, timeout: 1000) == Code.ok)
            #expect(try await !node.isMember)
            try await node.engine.join(ClusterMembership(clusterName: "red", clusterID: UUID(), since: 2))
            node.clock.advance(by: .seconds(5))
            #expect(try await late == Code.ok)
            #expect(try await node.engine.membership()?.clusterName == "red")
        }
    }

    @Test
    func requestsAreLimited() async throws {
        try await Self.withNode { node async throws in
            let limit = Node.maximumRequests
            try await withThrowingTaskGroup(of: UInt32.self) { group in
                for _ in 0..<limit { group.addTask { try await node.cleanUp(delay: .max, timeout: 1000) } }
                await node.clock.sleepers(2 * limit)
                #expect(try await node.cleanUp(delay: 0, timeout: 1000) == Code.busy)
                node.clock.advance(by: .seconds(1))
                for try await code in group { #expect(code == Self.waitTimeout) }
            }
            // They still wait, and their places are free when they have ended.
            #expect(try await node.cleanUp(delay: 0, timeout: 1000) == Code.busy)
            await node.clock.sleepers(limit)
            node.clock.advance(by: .milliseconds(UInt32.max))
            while try await node.engine.membership() != nil { await Task.yield() }
            while try await node.cleanUp(delay: 0, timeout: 1000) == Code.busy { await Task.yield() }
        }
    }

    @Test
    func flagsThatAreNone() async throws {
        try await Self.withNode { node async throws in
            for flags: UInt32 in [4, 0x8000_0000, .max] {
                #expect(try await node.cleanUp(delay: 0, timeout: 1000, flags: flags) == Code.invalidParameter)
            }
            #expect(try await node.isMember)
            #expect(try await node.cleanUp(delay: 0, timeout: 1000, flags: 3) == Code.ok)
        }
    }

    /// The service is the ownership of disks: flag 0 ends it, DONT_STOP leaves it.
    @Test(arguments: [(0, true), (1, false), (2, true), (3, false)] as [(UInt32, Bool)])
    func theServiceAndItsDisks(flags: UInt32, stops: Bool) async throws {
        try await withImages([.gpt]) { images in
            let host = TestNode(name: "alpha")
            let disk = host.disk(images[0].path)
            let activation = try await Activation.attached([disk])
            #expect(try await activation.arbitrate() == Code.ok)
            let onlooker = try Onlooker(images[0].path)
            #expect(try onlooker.keys() == [host.key.rawValue])
            try await Self.withNode(disks: [disk]) { node async throws in
                #expect(try await node.cleanUp(delay: 0, timeout: 60_000, flags: flags) == Code.ok)
            }
            if stops {
                // Not awaited with flag 2.
                while try onlooker.holder() != nil || !onlooker.keys().isEmpty { await Task.yield() }
            } else {
                #expect(try onlooker.keys() == [host.key.rawValue])
                #expect(try await activation.write() == Code.ok)
            }
            await activation.release()
            #expect(try onlooker.keys() == [])
        }
    }

    /// A disk that cannot be given back does not keep the node a member; the next call tries again.
    @Test
    func aServiceThatDoesNotStop() async throws {
        try await withImages([.gpt]) { images in
            let host = TestNode(name: "alpha")
            let disk = host.disk(images[0].path)
            let activation = try await Activation.attached([disk])
            #expect(try await activation.arbitrate() == Code.ok)
            try await Self.withNode(disks: [disk]) { node async throws in
                host.faults.fail(0x5F)  // PERSISTENT RESERVE OUT
                #expect(try await node.cleanUp(delay: 0, timeout: 60_000) == Code.ioDevice)
                #expect(try await !node.isMember)
                host.faults.fail()
                #expect(try await node.cleanUp(delay: 0, timeout: 60_000) == Code.ok)
            }
            #expect(try Onlooker(images[0].path).keys() == [])
            await activation.release()
        }
    }

    /// What a process that crashed has left on a disk goes, too; what another node has there stays.
    @Test
    func registrationsThatWereLeft() async throws {
        try await withImages([.mbr]) { images in
            let host = TestNode(name: "alpha")
            let crashed = try Disk(
                transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("alpha")))
            try crashed.registerIgnoringExistingKey(host.key)
            let other = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("beta")))
            try other.registerIgnoringExistingKey(ReservationKey(rawValue: 77))
            let missing = host.disk(images[0].path + ".gone", number: 1)
            try await Self.withNode(disks: [host.disk(images[0].path), missing]) { node async throws in
                #expect(try await node.cleanUp(delay: 0, timeout: 60_000, flags: 1) == Code.ok)
            }
            #expect(try Onlooker(images[0].path).keys() == [77])
        }
    }

    // MARK: ClearPR

    @Test
    func clearsEverybodysReservations() async throws {
        try await withImages([.gpt, .mbr]) { images in
            let host = TestNode(name: "alpha")
            let disks = images.enumerated().map { host.disk($1.path, number: UInt32($0)) }
            let other = try Disk(transport: EmulatedLogicalUnit(image: images[1].path, initiator: .node("beta")))
            try other.registerIgnoringExistingKey(ReservationKey(rawValue: 77))
            try other.reserve(key: ReservationKey(rawValue: 77), type: .writeExclusiveRegistrantsOnly)
            let onlooker = try Onlooker(images[1].path)
            #expect(try onlooker.holder() == 77)
            try await Self.withNode(disks: disks) { node async throws in
                #expect(try await node.clear(2) == Code.fileNotFound)
                #expect(try await node.clear(.max) == Code.fileNotFound)
                #expect(try onlooker.holder() == 77)
                #expect(try await node.clear(1) == Code.ok)
                #expect(try onlooker.holder() == nil)
                #expect(try onlooker.keys() == [])
                #expect(try await node.clear(1) == Code.ok, "also of a disk without any")
                #expect(try await node.isMember)
            }
        }
    }

    /// An owner on this node loses the disk like everybody else.
    @Test
    func clearsThisNodesOwn() async throws {
        try await withImages([.gpt]) { images in
            let disk = TestNode(name: "alpha").disk(images[0].path)
            let activation = try await Activation.attached([disk])
            #expect(try await activation.arbitrate() == Code.ok)
            try await Self.withNode(disks: [disk]) { node async throws in
                #expect(try await node.clear(0) == Code.ok)
            }
            #expect(try Onlooker(images[0].path).keys() == [])
            await activation.release()
        }
    }

    @Test
    func refusesTheHostsOwnDisk() async throws {
        try await withImages([.gpt]) { images in
            let host = TestNode(name: "alpha", roles: .system)
            let other = try Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("beta")))
            try other.registerIgnoringExistingKey(ReservationKey(rawValue: 77))
            let missing = host.disk(images[0].path + ".gone", number: 1)
            try await Self.withNode(disks: [host.disk(images[0].path), missing]) { node async throws in
                #expect(try await node.clear(0) == Code.accessDenied)
                #expect(try await node.clear(1) == Code.fileNotFound)
            }
            #expect(try Onlooker(images[0].path).keys() == [77])
        }
    }
}
