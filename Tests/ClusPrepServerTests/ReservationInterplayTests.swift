import ErrorCodes
import Reservations
import TestSupport
import Testing
import Volumes

@testable import ClusPrepServer

/// Clients' own reservation commands beside each other and beside the node's ownership of a disk.
struct ReservationInterplayTests {
    /// A node with one disk, and what the disk itself says.
    static func oneNode(_ body: (NodeDisk, TestNode, String, Onlooker) async throws -> Void) async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            try await body(node.disk(images[0].path), node, images[0].path, try Onlooker(images[0].path))
        }
    }

    // MARK: Registrations and the activations that made them

    @Test
    func aRegistrationEndsWithTheActivation() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let (first, second) = try await (Activation.attached([disk]), Activation.attached([disk]))
            _ = try await [first.register(), first.reserve()]
            // Looks and writes of others take nothing away.
            #expect(try await second.write() == Code.ok, "to the disk it is the same node")
            _ = await disk.describe()
            #expect(try await first.presence() == 2)
            #expect(try await second.presence() == 2)
            await first.release()
            #expect(try onlooker.keys() == [])
            #expect(try onlooker.holder() == nil)
            await second.release()
        }
    }

    @Test
    func aRegistrationOfTwoEndsWithTheSecond() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let (first, second) = try await (Activation.attached([disk]), Activation.attached([disk]))
            #expect(try await first.register() == Code.ok)
            let keys = try onlooker.keys()
            #expect(try await second.register() == Code.ok)
            #expect(try onlooker.keys() == keys, "one node, one registration, one key")
            #expect(try await first.reserve() == Code.ok)
            await first.release()
            #expect(try onlooker.keys() == keys)
            #expect(try onlooker.holder() == nil, "the reservation was the other's")
            #expect(try await second.reserve() == Code.ok)
            await second.release()
            #expect(try onlooker.keys() == [])
        }
    }

    @Test
    func oneActivationUnregistersTheNode() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let (first, second) = try await (Activation.attached([disk]), Activation.attached([disk]))
            _ = try await [first.register(), second.register(), first.reserve()]
            #expect(try await second.unregister() == Code.ok)
            #expect(try onlooker.keys() == [])
            #expect(try await first.presence() == 0)
            #expect(try await first.reserve() == Code.busy)
            await first.release()
            await second.release()
        }
    }

    @Test
    func aReleasedObjectLeavesNothingEvenWhereTheRegistrationCameLate() async throws {
        try await Self.oneNode { disk, node, path, onlooker async throws in
            let activation = try await Activation.attached([disk])
            node.faults.fallSilent()
            let registering = Task { try await activation.register() }
            await node.callClock.sleepers(1)
            node.callClock.advance(by: .seconds(60))
            #expect(try await registering.value == Code.ioDevice)
            let releasing = Task { await activation.release() }
            node.faults.speak()
            await releasing.value
            #expect(try onlooker.keys() == [])
        }
    }

    @Test
    func whatACrashLeftOfARegistrationIsTakenOff() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let crashed = try await Activation.attached([disk])
            _ = try await [crashed.register(0, 0x5A), crashed.reserve(0x5A)]
            let afresh = TestNode(name: "a").disk(path)
            _ = await afresh.describe()
            #expect(try onlooker.keys() == [])
        }
    }

    @Test
    func theNodesEndTakesRegistrationsOff() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let activation = try await Activation.attached([disk])
            _ = try await activation.register()
            await disk.giveUp()
            #expect(try onlooker.keys() == [])
        }
    }

    @Test
    func aRegistrationThatCannotBeTakenOffIsTriedAgain() async throws {
        try await Self.oneNode { disk, node, path, onlooker async throws in
            let activation = try await Activation.attached([disk])
            _ = try await activation.register()
            node.faults.fail(NodeDiskFaultTests.reserveOut)
            await activation.release()
            #expect(try onlooker.keys().count == 1)
            await node.clock.sleepers(1)
            node.faults.fail()
            node.clock.advance(by: .seconds(3))
            await disk.withdrawal?.value
            #expect(try onlooker.keys() == [])
        }
    }

    // MARK: Beside an ownership

    @Test
    func registeringADiskThatTheNodeOwnsDisturbsNobody() async throws {
        try await Self.oneNode { disk, node, path, onlooker async throws in
            let (owner, other) = try await (Activation.attached([disk]), Activation.attached([disk]))
            _ = try await [owner.arbitrate(), owner.online()]
            #expect(try await other.register() == Code.ok)
            #expect(try await other.reserve() == Code.ok)
            #expect(try await other.presence() == 2)
            #expect(try await owner.writeFile() == Code.ok)
            #expect(try await other.write() == Code.busy, "another activation on the node owns the disk")
            await node.clock.sleepers(1)
            node.clock.advance(by: .seconds(3))
            await node.clock.sleepers(1)
            #expect(try await owner.isOnline() == Code.ok)
            // What one gave up, the other still has.
            _ = try await [owner.offline(), owner.stopDefense()]
            #expect(try await other.presence() == 2)
            #expect(try onlooker.keys().count == 1)
            #expect(try await other.write() == Code.ok)
            await owner.release()
            #expect(try await other.presence() == 2)
            await other.release()
            #expect(try onlooker.keys() == [])
        }
    }

    /// One that has only registered keeps the registration; the reservation was the owner's.
    @Test
    func theOwnersReservationGoesWithIt() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let (owner, other) = try await (Activation.attached([disk]), Activation.attached([disk]))
            _ = try await [owner.arbitrate(), other.register()]
            #expect(try await owner.stopDefense() == Code.ok)
            #expect(try onlooker.keys().count == 1)
            #expect(try onlooker.holder() == nil)
            #expect(try await other.reserve() == Code.ok)
            await owner.release()
            await other.release()
            #expect(try onlooker.keys() == [])
        }
    }

    @Test
    func anOwnersOwnRegistrationOutlastsItsDefence() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let activation = try await Activation.attached([disk])
            _ = try await [activation.register(), activation.reserve(), activation.arbitrate()]
            #expect(try onlooker.keys().count == 1)
            #expect(try await activation.stopDefense() == Code.ok)
            #expect(try onlooker.holder() == nil, "such that the disk has no owner (3.2.6.2)")
            #expect(try onlooker.keys().count == 1)
            #expect(try await activation.reserve() == Code.ok)
            await activation.release()
            #expect(try onlooker.keys() == [])
        }
    }

    enum Attack: CaseIterable {
        case clear, unregister, release, otherKey
    }

    /// Commands of the node itself that end its ownership, by the owner and by somebody else.
    @Test(arguments: Attack.allCases, [true, false])
    func endingTheOwnership(_ attack: Attack, byTheOwner: Bool) async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let (owner, other) = try await (Activation.attached([disk]), Activation.attached([disk]))
            _ = try await [owner.arbitrate(), owner.online()]
            #expect(try await owner.isOnline() == Code.ok)
            let attacker = byTheOwner ? owner : other
            let code =
                switch attack {
                case .clear: try await attacker.clear()
                case .unregister: try await attacker.unregister()
                case .release: try await attacker.giveBack()
                case .otherKey: try await attacker.register(0, 0xABC)
                }
            #expect(code == Code.ok)
            // The news reaches another object between its calls; its volumes are closed already.
            #expect(try await owner.writeFile() == Code.invalidState)
            if byTheOwner {
                #expect(try await owner.isOnline() == Code.notReady)
                #expect(try await owner.online() == Code.invalidState)
                #expect(try await owner.stopDefense() == Code.invalidState)
            }
            if attack == .otherKey {
                #expect(try onlooker.keys() == [0xABC])
                #expect(try onlooker.holder() == 0xABC, "the client has it now")
                #expect(try await attacker.presence() == 2)
            } else {
                #expect(try onlooker.keys() == [])
            }
            #expect(try await owner.arbitrate() == Code.ok)
            #expect(try await owner.online() == Code.ok)
            #expect(try await owner.writeFile() == Code.ok)
            await owner.release()
            await other.release()
            #expect(try onlooker.keys() == [])
        }
    }

    @Test
    func failedCommandsLeaveAnOwnerAlone() async throws {
        try await Self.oneNode { disk, node, path, _ async throws in
            let owner = try await Activation.attached([disk])
            _ = try await [owner.arbitrate(), owner.online()]
            #expect(try await owner.clear(1) == Code.busy)
            #expect(try await owner.register(1, 2) == Code.busy)
            #expect(try await owner.preempt() == Code.ok, "of itself")
            #expect(try await owner.writeFile() == Code.ok)
            // The defence goes on, and was not put off.
            await node.clock.sleepers(1)
            await owner.release()
        }
    }

    /// A challenger may not come in between because a client kept the owner's defence busy.
    @Test
    func commandsDoNotKeepTheDefenceFromLooking() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let owner = try await Activation.attached([disk])
            _ = try await owner.arbitrate()
            let elsewhere = try await Activation.attached([TestNode(name: "b").disk(path)])
            #expect(try await elsewhere.register() == Code.ok)
            #expect(try onlooker.keys().count == 2)
            _ = try await owner.reserve()
            #expect(try onlooker.keys().count == 1)
            await owner.release()
            await elsewhere.release()
        }
    }

    /// The owner on another node removes a client's registration at its next look.
    @Test
    func aRegistrationOnADefendedDiskDoesNotLast() async throws {
        try await Self.oneNode { disk, node, path, onlooker async throws in
            let owner = try await Activation.attached([disk])
            _ = try await owner.arbitrate()
            let elsewhere = try await Activation.attached([TestNode(name: "b").disk(path)])
            #expect(try await elsewhere.register() == Code.ok)
            #expect(try await elsewhere.write() == Code.ok, "the disk's reservation lets registrants write")
            await node.clock.sleepers(1)
            node.clock.advance(by: .seconds(3))
            await node.clock.sleepers(1)
            #expect(try onlooker.keys().count == 1)
            #expect(try await elsewhere.write() == Code.busy)
            #expect(try await elsewhere.preempt() == Code.busy)
            await owner.release()
            await elsewhere.release()
        }
    }

    /// A client on another node that is fast enough takes the disk by force; the owner notices at its next look.
    @Test
    func preemptingAnOwnerOnAnotherNode() async throws {
        try await Self.oneNode { disk, node, path, _ async throws in
            let owner = try await Activation.attached([disk])
            _ = try await [owner.arbitrate(), owner.online()]
            let elsewhere = try await Activation.attached([TestNode(name: "b").disk(path)])
            _ = try await [elsewhere.register(), elsewhere.preempt()]
            #expect(try await elsewhere.presence() == 2)
            #expect(try await owner.write() == Code.busy, "before the owner has noticed")
            await node.clock.sleepers(1)
            node.clock.advance(by: .seconds(3))
            while try await owner.isOnline() == Code.ok { await Task.yield() }
            #expect(try await owner.online() == Code.invalidState)
            #expect(try await elsewhere.presence() == 2)
            await owner.release()
            #expect(try await elsewhere.presence() == 2)
            await elsewhere.release()
        }
    }

    @Test
    func arbitratingForADiskThatTheNodeHasReserved() async throws {
        try await Self.oneNode { disk, _, path, onlooker async throws in
            let (client, owner) = try await (Activation.attached([disk]), Activation.attached([disk]))
            _ = try await [client.register(), client.reserve()]
            let keys = try onlooker.keys()
            #expect(try await owner.arbitrate() == Code.ok, "the node holds it already")
            #expect(try onlooker.keys() == keys)
            #expect(try await client.write() == Code.busy)
            #expect(try await client.presence() == 2)
            #expect(try await owner.stopDefense() == Code.ok)
            #expect(try await client.presence() == 2, "the reservation was the client's before")
            #expect(try await client.write() == Code.ok)
            await owner.release()
            #expect(try onlooker.keys() == keys)
            await client.release()
            #expect(try onlooker.keys() == [])
        }
    }
}
