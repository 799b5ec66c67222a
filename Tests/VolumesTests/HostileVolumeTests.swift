import Foundation
import Reservations
import Synchronization
import TestSupport
import Testing

@testable import Volumes

/// A disk in memory that begins as a copy of given blocks and remembers writes outside a range.
final class ScratchDevice: BlockDevice {
    let blockSize = 512
    let blockCount: UInt64
    let isReadOnly = false
    private let allowed: Range<UInt64>
    private let octets: Mutex<[UInt8]>
    private let strayWrites = Atomic(0)

    init(_ octets: [UInt8], allowed: Range<UInt64>) {
        blockCount = UInt64(octets.count / 512)
        self.allowed = allowed
        self.octets = Mutex(octets)
    }

    var hasStrayWrites: Bool { strayWrites.load(ordering: .relaxed) > 0 }

    func read(block: UInt64, count: Int) throws -> [UInt8] {
        octets.withLock { Array($0[Int(block) * 512..<(Int(block) + count) * 512]) }
    }

    func write(block: UInt64, _ data: [UInt8]) throws {
        if block < allowed.lowerBound || block + UInt64(data.count / 512) > allowed.upperBound {
            strayWrites.add(1, ordering: .relaxed)
        }
        octets.withLock { $0.setOctets(data, at: Int(block) * 512) }
    }

    func flush() {}
}

/// Volumes whose structures were written by an enemy: nothing crashes, hangs or is written outside the partition.
@Suite(.offThePool, .needs("mkntfs"))
struct HostileVolumeTests {
    @Test(arguments: 1...4) func alteredStructures(seed: UInt64) throws {
        let bench = try Workbench(size: 16 << 20)
        let volume = try bench.open()
        try volume.createFolder(path: "folder")
        for index in 0..<40 { try volume.writeFile(path: "folder\\file \(index)", data: noise(index * 700)) }
        try volume.close()
        let partition = bench.image.partition
        let pristine = try bench.device.read(block: 0, count: Int(bench.device.blockCount))
        let boot = Int(partition.firstBlock) * 512
        let table = boot + pristine.littleEndian(Int.self, at: boot + 48) * Int(pristine[boot + 13]) * 512

        for round in 0..<40 {
            var octets = pristine
            // A few octets of the boot sector's parameters or of the records of system files and ours.
            let random = noise(64, seed: seed << 32 | UInt64(round + 1))
            for change in 0...Int(random[0] % 4) {
                let bits = random.littleEndian(UInt64.self, at: 8 + change * 8)
                let place =
                    bits % 10 == 0 ? boot + Int(bits >> 8 & 0x5F) : table + Int(bits >> 8 & 0xFFFF_FFFF) % (90 * 1024)
                octets[place] = UInt8(truncatingIfNeeded: bits >> 56)
            }
            let device = ScratchDevice(octets, allowed: partition.blocks)
            let hostile = try Volume.open(device, partition: partition)
            _ = try? hostile.readFile(path: "folder\\file 5", maximumLength: 1 << 20)
            try? hostile.verifyFile(path: "folder\\file 33", data: noise(33 * 700))
            try? hostile.writeFile(path: "folder\\new", data: noise(30_000))
            try? hostile.writeFile(path: "folder\\file 7", data: noise(30_000))
            try? hostile.deleteFile(path: "folder\\file 9")
            try? hostile.close()
            #expect(!device.hasStrayWrites, "seed \(seed), round \(round)")
        }
    }

    /// A bitmap of clusters that claims to be sparse and endless would be counted for years.
    @Test func anEndlessBitmap() throws {
        let bench = try Workbench(size: 16 << 20)
        let partition = bench.image.partition
        let pristine = try bench.device.read(block: 0, count: Int(bench.device.blockCount))
        let boot = Int(partition.firstBlock) * 512
        let table = boot + pristine.littleEndian(Int.self, at: boot + 48) * Int(pristine[boot + 13]) * 512
        // $Bitmap is record 6; its attributes begin where octet 20 says, and its data's sizes are 40 octets into it.
        let record = table + 6 * 1024
        var attribute = record + Int(pristine.littleEndian(UInt16.self, at: record + 20))
        while pristine.littleEndian(UInt32.self, at: attribute) != 0x80 {
            attribute += Int(pristine.littleEndian(UInt32.self, at: attribute + 4))
        }
        for offset in [40, 48] {
            var octets = pristine
            octets.setLittleEndian(UInt64(1) << 60, at: attribute + offset)
            let device = ScratchDevice(octets, allowed: partition.blocks)
            let volume = try Volume.open(device, partition: partition)
            _ = volume.freeOctets
            if offset == 48 { #expect(volume.mountFailure != nil) }
        }
    }

    /// Blocks of a folder's index whose last entry leads back to its own block (the layout is that of ntfs-3g's layout.h).
    @Test func anIndexInCircles() throws {
        let bench = try Workbench(size: 16 << 20)
        let volume = try bench.open()
        for index in 0..<100 { try volume.writeFile(path: "some file with a long name \(index)", data: []) }
        try volume.close()
        let partition = bench.image.partition
        var octets = try bench.device.read(block: 0, count: Int(bench.device.blockCount))
        var changed = 0
        for block in stride(from: Int(partition.firstBlock) * 512, to: octets.count - 4096, by: 512)
        where octets[block..<block + 4].elementsEqual("INDX".utf8) {
            // The header of the entries, its length field, and the entry that ends them: 16 octets, or 24 with a child.
            let header = block + 24
            let length = octets.littleEndian(Int32.self, at: header + 4)
            let last = header + Int(length) - 16
            // The last two octets of a sector belong to the update sequence.
            guard octets.littleEndian(UInt16.self, at: last + 8) == 16, octets[last + 12] == 2, last % 512 < 480 else {
                continue
            }
            octets.setLittleEndian(length + 8, at: header + 4)
            octets[header + 12] = 1
            octets.setLittleEndian(UInt16(24), at: last + 8)
            octets[last + 12] = 3
            octets.setLittleEndian(octets.littleEndian(UInt64.self, at: block + 16), at: last + 16)
            changed += 1
        }
        #expect(changed > 0)
        let device = ScratchDevice(octets, allowed: partition.blocks)
        let hostile = try Volume.open(device, partition: partition)
        var circles = 0
        for name in ["some file with a long name 10x", "some file with a long name 99x", "zz"] {
            let error = #expect(throws: VolumeError.self) { try hostile.readFile(path: name) }
            circles += error?.description.contains("circles") == true ? 1 : 0
            try? hostile.writeFile(path: name, data: [1])
            try? hostile.deleteFile(path: name)
        }
        #expect(circles > 0)
        try? hostile.close()
        #expect(!device.hasStrayWrites)
    }

    /// Records of 64 KiB are the most that is believed: 2 to the 16th, or 16 clusters of 4 KiB.
    @Test(arguments: [(64, -17), (64, -29), (64, -128), (64, 17), (64, 127), (68, -17), (68, 17)])
    func endlessRecords(offset: Int, size: Int8) throws {
        let bench = try Workbench(size: 16 << 20)
        let partition = bench.image.partition
        var octets = try bench.device.read(block: 0, count: Int(bench.device.blockCount))
        let boot = Int(partition.firstBlock) * 512
        try #require(octets[boot + 13] == 8)
        octets[boot + offset] = UInt8(bitPattern: size)
        let volume = try Volume.open(ScratchDevice(octets, allowed: partition.blocks), partition: partition)
        guard case .corrupt(let detail) = volume.mountFailure else {
            Issue.record("\(String(describing: volume.mountFailure))")
            return
        }
        #expect(detail == "the boot sector tells of impossibly large records")
    }

    /// Boot sectors of noise behind NTFS's name, and any cut of the device.
    @Test func noiseForABootSector() throws {
        for seed in 1...300 {
            var octets = noise(64 << 10, seed: UInt64(seed))
            octets.setOctets(Array("NTFS    ".utf8), at: 3)
            // What the probe asks for, so that the mount gets to see the rest.
            octets.setLittleEndian(UInt16(512), at: 11)
            octets.setLittleEndian(UInt16(0), at: 14)
            octets[16] = 0
            let device = ScratchDevice(octets, allowed: 0..<0)
            let count = UInt64(1 + seed % 128)
            let partition = Partition(number: 1, firstBlock: 0, blockCount: count, type: .mbrNTFS)
            let volume = try Volume.open(device, partition: partition)
            #expect(volume.mountFailure != nil)
            #expect(!device.hasStrayWrites)
        }
    }

    @Test func aPartitionThatTheDiskDoesNotHave() throws {
        let device = MemoryDevice(blockCount: 100)
        for blocks in [0..<101, 100..<200, 50..<UInt64.max] as [Range<UInt64>] {
            let partition = Partition(
                number: 1, firstBlock: blocks.lowerBound, blockCount: blocks.upperBound - blocks.lowerBound,
                type: .mbrNTFS)
            #expect(try Volume.open(device, partition: partition).fileSystem == nil)
        }
    }
}
