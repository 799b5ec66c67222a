import ErrorCodes
import Foundation
import Reservations
import Synchronization
import TestSupport
import Testing

@testable import Volumes

/// A disk that fails, is taken away or stops being written to in the middle.
@Suite(.offThePool, .needs("mkntfs", "ntfscat", "ntfsls", "ntfsfix", "dd"))
struct VolumeFaultTests {
    /// What a reservation conflict becomes above SCSI.
    private let conflict = Win32Error.busy

    @Test func aFailedWriteKeepsTheDisksErrorAndEndsTheVolume() throws {
        let bench = try Workbench()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.image.partition)
        device.plan.withLock {
            $0.writes = 1
            $0.failure = conflict
        }
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "f", data: noise(100_000)) }
        guard case .device(let cause) = error, cause as? Win32Error == conflict else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.hresult.rawValue == 0x8007_00AA)
        // The disk would answer again, but what the library holds in memory is not what is on it.
        device.plan.withLock { $0.writes = nil }
        let written = device.plan.withLock { $0.counted }
        let later = #expect(throws: VolumeError.self) { try volume.readFile(path: "f") }
        #expect(later?.description == "the volume is offline")
        try volume.close()
        #expect(device.plan.withLock { $0.counted } == written)
    }

    @Test func aFailedReadIsTold() throws {
        let bench = try Workbench()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.image.partition)
        try volume.writeFile(path: "f", data: noise(100_000))
        device.plan.withLock {
            $0.reads = 0
            $0.failure = conflict
        }
        let error = #expect(throws: VolumeError.self) { try volume.verifyFile(path: "f", data: noise(100_000)) }
        #expect(error?.hresult.rawValue == 0x8007_00AA)
        // Reading changes nothing, so the volume stays.
        device.plan.withLock { $0.reads = nil }
        try volume.verifyFile(path: "f", data: noise(100_000))
        try volume.close()
    }

    @Test func aFailedFlushIsTold() throws {
        let bench = try Workbench()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.image.partition)
        device.plan.withLock { $0.flushes = 0 }
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "f", data: [1]) }
        guard case .device(let cause) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(cause as? DeviceFailure == DeviceFailure(name: "planned"))
    }

    @Test func mountingFailsWithTheDisksErrorWhereverItHappens() throws {
        let bench = try Workbench()
        let device = FaultyDevice(bench.device)
        // Each read of a mount fails once; the first that is not reached ends it.
        for reads in 0..<1000 {
            device.plan.withLock {
                $0.reads = reads
                $0.failure = conflict
            }
            do {
                let volume = try Volume.open(device, partition: bench.image.partition)
                device.plan.withLock { $0.reads = nil }
                try volume.close()
                #expect(reads > 5)
                return
            } catch {
                #expect(error.hresult.rawValue == 0x8007_00AA, "read \(reads): \(error)")
            }
        }
        Issue.record("a mount takes fewer reads")
    }

    /// What dismounting still has to do can fail at every step, and each failure is told: first of the flushes, then of the
    /// writes. The first budget that nothing exceeds ends the search, and is the only one that closes in silence.
    @Test(arguments: [true, false]) func aFailureWhileDismountingIsTold(ofFlushes: Bool) throws {
        for budget in 0..<100 {
            let bench = try Workbench()
            let device = FaultyDevice(bench.device)
            let volume = try Volume.open(device, partition: bench.image.partition)
            try volume.writeFile(path: "f", data: noise(100_000))
            device.plan.withLock {
                if ofFlushes { $0.flushes = budget } else { $0.writes = budget }
                $0.failure = conflict
            }
            do throws(VolumeError) {
                try volume.close()
                let hasFailed = device.plan.withLock { $0.hasFailed }
                #expect(!hasFailed, "after \(budget)")
                // Where the files are safe already, dismounting flushes all the same.
                #expect(budget >= (ofFlushes ? 1 : 0))
                return
            } catch {
                #expect(error.hresult.rawValue == 0x8007_00AA, "after \(budget): \(error)")
                // Nothing is left to close, and nothing reaches the disk any more.
                let counted = device.plan.withLock { $0.counted }
                try volume.close()
                #expect(device.plan.withLock { $0.counted } == counted)
            }
        }
        Issue.record("dismounting takes fewer steps")
    }

    @Test func aLostDiskCanBeClosed() throws {
        let bench = try Workbench()
        for _ in 0..<20 {
            let device = FaultyDevice(bench.device)
            let volume = try Volume.open(device, partition: bench.image.partition)
            device.plan.withLock {
                $0.reads = 0
                $0.writes = 0
                $0.flushes = 0
            }
            #expect(throws: VolumeError.self) { try volume.writeFile(path: "new", data: noise(10_000)) }
            try? volume.close()
            #expect(throws: VolumeError.self) { try volume.flush() }
        }
        #expect(try bench.complaint() == nil)
    }

    /// A process that dies leaves on the disk what it had written: the state after any number of writes. Each must be
    /// accepted by ntfs-3g's tools and by us, keep the other files, and hold the file's old or new contents or a mix.
    @Test(arguments: ["create", "create deep", "grow", "shrink", "delete"])
    func deathInTheMiddle(of operation: String) throws {
        let bench = try Workbench(size: 16 << 20)
        let volume = try bench.open()
        try volume.writeFile(path: "bystander", data: noise(50_000, seed: 3))
        if operation == "create deep" {
            // So many that the root's index has blocks of its own.
            for index in 0..<60 { try volume.writeFile(path: "some other file with a long name \(index)", data: []) }
        } else if operation != "create" {
            try volume.writeFile(path: "f", data: noise(60_000, seed: 4))
        }
        try volume.close()
        let pristine = bench.folder.file("pristine.img")
        try FileManager.default.copyItem(atPath: bench.image.path, toPath: pristine)

        for writes in 0..<200 {
            let path = bench.folder.file("trial.img")
            try? FileManager.default.removeItem(atPath: path)
            try Tool.run("cp", ["--sparse=always", pristine, path])
            let image = DiskImage(
                path: path, size: bench.image.size, blockSize: 512, style: bench.image.style,
                partition: bench.image.partition)
            let device = FaultyDevice(try FileDevice(path))
            let victim = try Volume.open(device, partition: image.partition)
            device.plan.withLock { $0.writes = writes }
            let completed: Bool
            do {
                switch operation {
                case "create", "create deep": try victim.writeFile(path: "f", data: noise(100_000, seed: 5))
                case "grow": try victim.writeFile(path: "f", data: noise(300_000, seed: 5))
                case "shrink": try victim.writeFile(path: "f", data: noise(100, seed: 5))
                default: try victim.deleteFile(path: "f")
                }
                completed = true
            } catch {
                completed = false
            }
            victim.abandon()

            let heir = try Volume.open(FileDevice(path), partition: image.partition)
            #expect(heir.mountFailure == nil, "after \(writes) writes")
            try heir.verifyFile(path: "bystander", data: noise(50_000, seed: 3))
            try heir.writeFile(path: "another", data: noise(20_000, seed: 6))
            try heir.verifyFile(path: "another", data: noise(20_000, seed: 6))
            // What the dead one was at can be done again: written and deleted, whatever there is of it.
            if writes % 2 == 0 { try? heir.deleteFile(path: "f") }
            try heir.writeFile(path: "f", data: noise(20_000, seed: 7))
            try heir.verifyFile(path: "f", data: noise(20_000, seed: 7))
            try heir.deleteFile(path: "f")
            #expect(throws: VolumeError.self) { try heir.readFile(path: "f") }
            try heir.close()
            let verdict = try Tool.run("ntfsfix", ["-n", Workbench.cutOut(image, into: bench.folder)])
            #expect(verdict.status == 0, "after \(writes) writes: \(verdict.text)")
            if completed { return }
        }
        Issue.record("an operation takes fewer writes")
    }

    /// The library writes a record of the MFT and then its copy in the mirror.
    @Test(arguments: [false, true]) func aMirrorThatIsBehindIsMadeAgain(readOnly: Bool) throws {
        let bench = try Workbench()
        let boot = try bench.device.read(block: bench.image.partition.firstBlock, count: 1)
        let mirror = bench.image.partition.firstBlock + boot.littleEndian(UInt64.self, at: 56) * UInt64(boot[13])
        let sound = try bench.device.read(block: mirror, count: 8)
        // The log sequence number of $Volume's copy.
        var behind = sound
        behind[3 * 1024 + 8] ^= 0xFF
        try bench.device.write(block: mirror, behind)
        let notes = Mutex<[VolumeLogEntry]>([])
        let volume = try Volume.open(
            FileDevice(bench.image.path, isReadOnly: readOnly), partition: bench.image.partition
        ) { entry in notes.withLock { $0.append(entry) } }
        #expect(volume.mountFailure == nil)
        #expect(volume.label == "Lab")
        try volume.close()
        #expect(try bench.device.read(block: mirror, count: 8) == (readOnly ? behind : sound))
        if !readOnly { #expect(notes.withLock { $0.contains { !$0.isFailure && $0.message.contains("$MFTMirr") } }) }
    }

    /// A table record that is not sound is no source for a repair.
    @Test func aTornTableIsNotCopied() throws {
        let bench = try Workbench()
        let boot = try bench.device.read(block: bench.image.partition.firstBlock, count: 1)
        let table = bench.image.partition.firstBlock + boot.littleEndian(UInt64.self, at: 48) * UInt64(boot[13])
        var octets = try bench.device.read(block: table, count: 8)
        octets[3 * 1024 + 510] ^= 0xFF
        try bench.device.write(block: table, octets)
        let before = try Data(contentsOf: URL(fileURLWithPath: bench.image.path))
        let volume = try bench.open()
        guard case .corrupt = volume.mountFailure else {
            Issue.record("\(String(describing: volume.mountFailure))")
            return
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: bench.image.path)) == before)
    }

    /// Another node owns the disk now: the write that is under way must be the last one.
    @Test func abandoningStopsAnOperationUnderWay() throws {
        let bench = try Workbench()
        let device = FaultyDevice(bench.device)
        let volume = try Volume.open(device, partition: bench.image.partition)
        let abandoning = Mutex<Thread?>(nil)
        device.plan.withLock {
            $0.beforeWrite = {
                abandoning.withLock { thread in
                    guard thread == nil else { return }
                    let other = Thread { volume.abandon() }
                    other.start()
                    thread = other
                }
                // The other thread waits for this operation only after it has cut the disk off.
                while !volume.isCutOff { sched_yield() }
            }
        }
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "f", data: noise(3 << 20)) }
        guard case .offline = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(device.plan.withLock { $0.counted } == 1)
        volume.abandon()
        try volume.close()
    }

    @Test func theLogGoesToTheCallback() throws {
        let bench = try Workbench()
        // A first MFT record that is none.
        let boot = try bench.device.read(block: bench.image.partition.firstBlock, count: 1)
        let cluster = Int(boot.littleEndian(UInt16.self, at: 11)) * Int(boot[13])
        let table = boot.littleEndian(UInt64.self, at: 48) * UInt64(cluster / 512)
        try bench.device.write(
            block: bench.image.partition.firstBlock + table, [UInt8](repeating: 0x41, count: 512))
        let lines = Mutex<[VolumeLogEntry]>([])
        let volume = try bench.open { entry in lines.withLock { $0.append(entry) } }
        #expect(volume.fileSystemName == "NTFS")
        guard case .corrupt(let detail) = volume.mountFailure else {
            Issue.record("\(String(describing: volume.mountFailure))")
            return
        }
        #expect(detail.contains("$MFT"))
        #expect(lines.withLock { $0.contains { $0.isFailure && $0.message.contains("$MFT") } })
        #expect(volume.mountFailure?.hresult == HRESULT(win32: .diskCorrupt))
    }
}
