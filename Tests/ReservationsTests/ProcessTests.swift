import Foundation
import Testing

@testable import Reservations

/// Several real processes on one image.
@Suite(.serialized) struct ProcessTests {
    /// A process registers one key after the other, noting each that was acknowledged, until it is killed in the middle.
    ///
    /// Whatever the moment: the state is whole, and holds the key acknowledged last or the one that was under way.
    @Test(arguments: 0..<24)
    func killedAtAnyMoment(round: Int) async throws {
        let image = try TemporaryImage()
        var random = SplitMix64(state: UInt64(round))
        // Half of them die within the first commands, the making of the state file included.
        let spins = Int.random(in: 0..<(round.isMultiple(of: 2) ? 2_000 : 60_000), using: &random)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = image.path as String, spins = spins as Int] in
            try Self.registerUntilKilled(path, spins: spins)
        }
        let acknowledged = (try? OpenFile(image.path + ".log", flags: O_RDONLY).read(at: 0, count: 1 << 20)) ?? []
        #expect(acknowledged.count.isMultiple(of: 8))
        let last = UInt64(acknowledged.count / 8)
        let disk = try image.disk(2)
        let keys = try disk.readKeys()
        #expect(keys.generation == last || keys.generation == last + 1, "after \(last)")
        #expect(keys.keys == (keys.generation == 0 ? [] : [key(UInt64(keys.generation))]))
        // The disk serves on.
        try disk.registerIgnoringExistingKey(key(1 << 40))
        #expect(try image.disk(3).readKeys().generation == keys.generation + 1)
    }

    static func registerUntilKilled(_ path: String, spins: Int) throws {
        let thread = Thread {
            for _ in 0..<spins { sched_yield() }
            kill(getpid(), SIGKILL)
        }
        thread.start()
        let disk = try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node("node1")))
        let log = try OpenFile(path + ".log", flags: O_WRONLY | O_CREAT)
        for number in 1...UInt64.max {
            try disk.registerIgnoringExistingKey(key(number), persistsThroughPowerLoss: true)
            var octets: [UInt8] = []
            octets.append(bigEndian: number)
            try log.write(octets, at: (number - 1) * 8)
        }
    }

    /// Two processes take the reservation from each other and write whenever they hold it.
    ///
    /// No change gets lost: PRgeneration counts every one of both. And as long as nothing has changed the reservations since a
    /// process got hold of them, what it wrote is what it reads: no write of the preempted process came after the PREEMPT.
    @Test func twoProcessesPreemptEachOther() async throws {
        let image = try TemporaryImage()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in 1...2 {
                group.addTask {
                    await #expect(processExitsWith: .success) { [path = image.path as String, node = node as Int] in
                        try Self.contend(path, node: node)
                    }
                }
            }
            try await group.waitForAll()
        }
        let counts = try (1...2).map { node in
            try OpenFile("\(image.path).count\(node)", flags: O_RDONLY).read(at: 0, count: 16)
        }
        #expect(UInt64(try image.disk(3).readKeys().generation) == counts.reduce(0) { $0 + $1.field64(0) })
    }

    struct Overwritten: Error {}

    static func contend(_ path: String, node: Int) throws {
        let disk = try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node("node\(node)")))
        let ours = key(UInt64(node))
        var changes: UInt64 = 0
        func attempt(_ body: () throws -> Void) throws -> Bool {
            do {
                try body()
                return true
            } catch SCSIError.reservationConflict {
                return false
            }
        }
        for round in 0..<150 {
            try disk.registerIgnoringExistingKey(ours)
            changes += 1
            if let holder = try disk.readReservation().holder {
                if try attempt({ try disk.preempt(key: ours, victim: holder.key, type: .writeExclusive) }) {
                    changes += 1
                }
            } else {
                _ = try attempt { try disk.reserve(key: ours, type: .writeExclusive) }
            }
            let held = try disk.readReservation()
            guard held.holder?.key == ours else { continue }
            let data = [UInt8](repeating: UInt8(truncatingIfNeeded: round << 1 | node & 1), count: 8 * 512)
            guard try attempt({ try disk.write(block: 0, data) }) else { continue }
            let found = try disk.read(block: 0, count: 8)
            if try disk.readReservation() == held, found != data { throw Overwritten() }
        }
        var octets: [UInt8] = []
        octets.append(bigEndian: changes)
        try OpenFile("\(path).count\(node)", flags: O_WRONLY | O_CREAT).write(octets, at: 0)
    }

    /// Many threads of two nodes on their own openings and on shared ones.
    @Test func manyThreadsAtOnce() async throws {
        let image = try TemporaryImage()
        let disks = try (1...2).map { try image.disk($0) }
        let executor = BlockingExecutor(threads: 8)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<16 {
                group.addTask {
                    for round in 0..<20 {
                        try await executor.run {
                            let disk = disks[task % 2]
                            let data = [UInt8](repeating: UInt8(task), count: 512)
                            try disk.write(block: UInt64(task), data)
                            if round.isMultiple(of: 5) {
                                try disk.registerIgnoringExistingKey(key(UInt64(task % 2 + 1)))
                            }
                            #expect(try disk.read(block: UInt64(task), count: 1) == data)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try disks[0].readKeys().generation == 16 * 4)
    }
}
