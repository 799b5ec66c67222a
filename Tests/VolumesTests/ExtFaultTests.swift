import ErrorCodes
import Foundation
import Reservations
import Synchronization
import TestSupport
import Testing

@testable import Volumes

/// A disk under an ext volume that fails, is taken away or stops being written to in the middle.
@Suite(.offThePool, .needs("mke2fs", "e2fsck", "debugfs"))
struct ExtFaultTests {
    private let conflict = Win32Error.busy

    @Test func aFailedWriteKeepsTheDisksErrorAndEndsTheVolume() throws {
        let bench = try ExtWorkbench()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.partition)
        device.plan.withLock {
            $0.writes = 1
            $0.failure = conflict
        }
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "f", data: noise(100_000)) }
        #expect(error?.hresult.rawValue == 0x8007_00AA)
        device.plan.withLock { $0.writes = nil }
        let written = device.plan.withLock { $0.counted }
        let later = #expect(throws: VolumeError.self) { try volume.readFile(path: "f") }
        #expect(later?.description == "the volume is offline")
        #expect(volume.mountFailure?.description == "the volume is offline")
        try volume.close()
        #expect(device.plan.withLock { $0.counted } == written)
    }

    @Test func aFailedReadIsToldAndUndone() throws {
        let bench = try ExtWorkbench()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.partition)
        try volume.writeFile(path: "f", data: noise(100_000))
        var operations = 0
        // Each read of an operation fails once; the first that is not reached ends it.
        for reads in 0..<200 {
            device.plan.withLock {
                $0.reads = reads
                $0.failure = conflict
            }
            do throws(VolumeError) {
                try volume.writeFile(path: "g", data: noise(3000))
                operations = reads
            } catch {
                #expect(error.hresult.rawValue == 0x8007_00AA, "read \(reads): \(error)")
            }
            device.plan.withLock { $0.reads = nil }
            // Undoing reads the volume afresh; where that failed as well, nobody writes to it any more.
            if case .offline = volume.mountFailure { break }
            if operations > 0 { break }
            try volume.verifyFile(path: "f", data: noise(100_000))
        }
        try? volume.close()
        #expect(try bench.complaint() == nil)
    }

    /// What the library has in memory and what the disk has never part company: the volume is as it was, or offline.
    @Test func aReadThatFailsOnceLeavesNothingHalf() throws {
        for reads in 0..<200 {
            let bench = try ExtWorkbench()
            let device = FaultyDevice(bench.device)
            let volume = try Volume.open(device, partition: bench.partition)
            try volume.writeFile(path: "f", data: noise(10_000))
            device.plan.withLock {
                $0.reads = reads
                $0.failsOnce = true
            }
            try? volume.writeFile(path: "g", data: noise(30_000))
            let hasFailed = device.plan.withLock { plan in
                plan.reads = nil
                return plan.hasFailed
            }
            do throws(VolumeError) {
                try volume.writeFile(path: "h", data: noise(30_000))
            } catch {
                guard case .offline = error else { throw error }
            }
            try volume.close()
            #expect(try bench.complaint() == nil, "read \(reads)")
            if !hasFailed { return }
        }
        Issue.record("an operation takes fewer reads")
    }

    @Test func aFailedFlushIsTold() throws {
        for flushes in 0..<3 {
            let bench = try ExtWorkbench()
            let device = FaultyDevice(bench.device)
            let volume = try Volume.open(device, partition: bench.partition)
            device.plan.withLock { $0.flushes = flushes }
            let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "f", data: [1]) }
            guard case .device(let cause) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(cause as? DeviceFailure == DeviceFailure(name: "planned"))
        }
    }

    /// A process that dies leaves on the disk what it had written: the state after any number of writes. Either all is well,
    /// or the volume says that it must be checked; then e2fsck repairs it without losing another file.
    @Test(
        arguments: ["create", "grow", "shrink", "delete", "folder"],
        [["-t", "ext4"], ["-t", "ext2", "-b", "1024"]])
    func deathInTheMiddle(of operation: String, options: [String]) throws {
        let bench = try ExtWorkbench(options, size: 8 << 20)
        let volume = try bench.open()
        try volume.writeFile(path: "bystander", data: noise(50_000, seed: 3))
        try volume.writeFile(path: "f", data: noise(60_000, seed: 4))
        try volume.close()
        var refused = 0
        for writes in 0..<200 {
            let path = bench.folder.file("trial")
            try Tool.run("cp", ["--sparse=always", bench.path, path])
            let device = FaultyDevice(try FileDevice(path))
            let victim = try Volume.open(device, partition: bench.partition)
            device.plan.withLock { $0.writes = writes }
            var completed = true
            do {
                switch operation {
                case "create": try victim.writeFile(path: "new", data: noise(100_000, seed: 5))
                case "grow": try victim.writeFile(path: "f", data: noise(300_000, seed: 5))
                case "shrink": try victim.writeFile(path: "f", data: noise(100, seed: 5))
                case "folder": try victim.createFolder(path: "new")
                default: try victim.deleteFile(path: "f")
                }
            } catch {
                completed = false
            }
            victim.abandon()
            #expect(completed == device.plan.withLock { !$0.hasFailed })

            var heir = try Volume.open(FileDevice(path), partition: bench.partition)
            if case .uncleanVolume = heir.mountFailure {
                refused += 1
                let repaired = try Tool.run("e2fsck", ["-f", "-y", path])
                #expect(repaired.status <= 1, "after \(writes) writes: \(repaired.text)")
                heir = try Volume.open(FileDevice(path), partition: bench.partition)
            } else {
                let verdict = try Tool.run("e2fsck", ["-f", "-n", path])
                #expect(verdict.status == 0, "after \(writes) writes: \(verdict.text)")
            }
            #expect(heir.mountFailure == nil, "after \(writes) writes")
            try heir.verifyFile(path: "bystander", data: noise(50_000, seed: 3))
            try heir.writeFile(path: "another", data: noise(20_000, seed: 6))
            try heir.verifyFile(path: "another", data: noise(20_000, seed: 6))
            try heir.close()
            if completed {
                #expect(refused > 0)
                return
            }
        }
        Issue.record("an operation takes fewer writes")
    }

    /// Another node owns the disk now: the write that is under way must be the last one.
    @Test func abandoningStopsAnOperationUnderWay() throws {
        let bench = try ExtWorkbench()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.partition)
        let abandoning = Mutex<Thread?>(nil)
        device.plan.withLock {
            $0.beforeWrite = {
                abandoning.withLock { thread in
                    guard thread == nil else { return }
                    let other = Thread { volume.abandon() }
                    other.start()
                    thread = other
                }
                while !volume.isCutOff { sched_yield() }
            }
        }
        let error = #expect(throws: VolumeError.self) {
            try volume.writeFile(path: "f", data: [UInt8](repeating: 7, count: 3 << 20))
        }
        guard case .offline = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(device.plan.withLock { $0.counted } == 1)
        volume.abandon()
        try volume.close()
        #expect(try bench.complaint() == nil)
    }

    /// A disk that is only read while it is looked at stays as it is.
    @Test func readingWritesNothing() throws {
        let bench = try ExtWorkbench()
        let before = try bench.open()
        try before.writeFile(path: "f", data: noise(5000))
        try before.close()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.partition)
        try volume.verifyFile(path: "f", data: noise(5000))
        #expect(throws: VolumeError.self) { try volume.readFile(path: "g") }
        #expect(throws: VolumeError.self) { try volume.deleteFile(path: "g") }
        try volume.close()
        #expect(device.plan.withLock { $0.counted } == 0)
    }
}
