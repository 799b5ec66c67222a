import Foundation
import Reservations
import TestSupport
import Testing
import Volumes

@testable import ClusPrepServer

/// What goes on at a disk while calls wait for each other. Each of these would wait for ever where it fails.
@Suite(.timeLimit(.minutes(15))) struct NodeDiskTurnTests {
    /// Holds up the calls to a disk until it is told to go on.
    actor Obstacle {
        private var isGone = false
        private var waiting: [CheckedContinuation<Void, Never>] = []

        func pass() async {
            if isGone { return }
            await withCheckedContinuation { waiting.append($0) }
        }

        func remove() {
            isGone = true
            waiting.forEach { $0.resume() }
            waiting = []
        }
    }

    /// Returns once somebody waits in the queue.
    private static func isAwaited(_ queue: CallQueue) async {
        while await queue.places == 0 { await Task.yield() }
    }

    /// A client's command that waits behind a long call of another one does not keep the owner from defending its disk meanwhile.
    @Test
    func aCommandThatWaitsItsTurnLeavesTheDefenceOn() async throws {
        try await ReservationInterplayTests.oneNode { disk, node, path, onlooker async throws in
            let owner = try await Activation.attached([disk])
            #expect(try await owner.arbitrate() == Code.ok)
            await node.clock.sleepers(1)
            let obstacle = Obstacle()
            let queue = await disk.queue
            let long = Task { await queue.run { await obstacle.pass() } }
            while await !queue.isOccupied { await Task.yield() }
            let command = Task { try await owner.reserve() }
            await Self.isAwaited(queue)

            let elsewhere = try await Activation.attached([TestNode(name: "b").disk(path)])
            #expect(try await elsewhere.register() == Code.ok)
            #expect(try onlooker.keys().count == 2)
            await node.clock.sleepers(1)
            node.clock.advance(by: .seconds(3))
            await node.clock.sleepers(1)
            #expect(try onlooker.keys().count == 1, "the owner has looked")

            await obstacle.remove()
            await long.value
            #expect(try await command.value == Code.ok)
            await node.clock.sleepers(1)
            await owner.release()
            await elsewhere.release()
        }
    }

    /// While its volumes go offline, a holder that gives the disk up brings nothing online any more, though another one owns it.
    @Test
    func whoGivesADiskUpBringsNothingOnline() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let disk = node.disk(images[0].path)
            let (leaving, staying) = (NodeDisk.Holder.new(), NodeDisk.Holder.new())
            for holder in [leaving, staying] { try await disk.arbitrate(holder) { _ in } }
            #expect(try await disk.online(leaving) == 1)
            node.faults.fallSilent()
            let ending = Task { try await disk.stopDefense(leaving) }
            while await disk.mounted != nil { await Task.yield() }
            #expect(await disk.owners[leaving] == nil)
            let mounting = Task {
                await NodeDiskTests.code { _ = try await disk.online(leaving) }
            }
            await Self.isAwaited(await disk.queue)
            node.faults.speak()
            try await ending.value
            #expect(await mounting.value == NodeDiskTests.invalidState)
            #expect(await !disk.isOnline(leaving))
            #expect(try await disk.online(staying) == 1)
            try await disk.stopDefense(staying)
        }
    }

    /// The node's end waits for what is being given back.
    @Test
    func theNodesEndWaitsForTheLastOwners() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let disk = node.disk(images[0].path)
            let holder = NodeDisk.Holder.new()
            try await disk.arbitrate(holder) { _ in }
            #expect(try await disk.online(holder) == 1)
            node.faults.fallSilent()
            let ending = Task { try await disk.stopDefense(holder) }
            while await disk.mounted != nil { await Task.yield() }
            let nodesEnd = Task { await disk.giveUp() }
            await Self.isAwaited(await disk.ownershipQueue)
            node.faults.speak()
            await nodesEnd.value
            #expect(try Onlooker(images[0].path).keys() == [])
            try await ending.value
        }
    }
}
