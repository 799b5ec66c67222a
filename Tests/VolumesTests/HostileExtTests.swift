import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Ext volumes whose structures were written by an enemy: nothing crashes, hangs or is written outside the partition.
@Suite(.offThePool, .needs("mke2fs", "e2fsck", "debugfs"))
struct HostileExtTests {
    private static let before = 64
    private static let behind = 64

    /// The volume with blocks of somebody else before and behind it.
    private func attack(_ volume: [UInt8], _ note: String) throws {
        let blocks = UInt64(volume.count / 512)
        let surrounded =
            [UInt8](repeating: 0xEE, count: Self.before * 512) + volume
            + [UInt8](repeating: 0xEE, count: Self.behind * 512)
        let partition = Partition(
            number: 1, firstBlock: UInt64(Self.before), blockCount: blocks, type: .mbr(0x83))
        let device = ScratchDevice(surrounded, allowed: partition.blocks)
        let hostile = try Volume.open(device, partition: partition)
        _ = try? hostile.readFile(path: "folder\\file 5", maximumLength: 1 << 20)
        _ = try? hostile.readFile(path: "long", maximumLength: 1 << 20)
        try? hostile.verifyFile(path: "holes", data: noise(30_000))
        try? hostile.writeFile(path: "folder\\new", data: noise(30_000))
        try? hostile.writeFile(path: "holes", data: noise(30_000))
        try? hostile.deleteFile(path: "folder\\file 9")
        try? hostile.deleteFile(path: "long")
        try? hostile.createFolder(path: "folder\\sub")
        try? hostile.close()
        #expect(!device.hasStrayWrites, "\(note)")
    }

    private func pristine(_ options: [String]) throws -> [UInt8] {
        let source = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: source.file("folder"), withIntermediateDirectories: false)
        for index in 0..<40 {
            try Data(noise(index * 300)).write(to: URL(fileURLWithPath: source.file("folder/file \(index)")))
        }
        try Data(noise(200_000)).write(to: URL(fileURLWithPath: source.file("long")))
        // So many pieces that their extents do not fit into the inode.
        let holes = try source.sparseFile("holes", size: 100_000)
        let handle = try #require(FileHandle(forWritingAtPath: holes))
        for offset in stride(from: 0, to: 100_000, by: 4096) {
            try handle.seek(toOffset: UInt64(offset))
            try handle.write(contentsOf: Data(noise(100)))
        }
        try handle.close()
        let bench = try ExtWorkbench(options + ["-b", "1024"], size: 2 << 20, contents: source.path)
        try Tool.run("e2fsck", ["-f", "-y", "-D", bench.path])
        return try Array(Data(contentsOf: URL(fileURLWithPath: bench.path)))
    }

    /// Without checksums, which would find most of it.
    @Test(
        arguments: [
            ["-t", "ext4", "-O", "^metadata_csum,^has_journal"], ["-t", "ext2"],
            ["-t", "ext4", "-O", "inline_data,^metadata_csum,^has_journal"],
            ["-t", "ext4", "-O", "bigalloc,^metadata_csum,^has_journal"],
        ])
    func alteredStructures(options: [String]) throws {
        let pristine = try pristine(options)
        // The blocks in which there is anything, contents of files excepted, which are noise: one octet in 256 is zero there.
        let places = stride(from: 1024, to: pristine.count, by: 1024).filter { start in
            let zeros = pristine[start..<start + 1024].count { $0 == 0 }
            return zeros > 100 && zeros < 1024
        }
        for round in 0..<120 {
            var octets = pristine
            let random = noise(64, seed: UInt64(round + 1) << 20 | UInt64(options.count))
            for change in 0...Int(random[0] % 4) {
                let bits = random.littleEndian(UInt64.self, at: 8 + change * 8)
                let place = places[Int(bits & 0xFFFF) % places.count] + Int(bits >> 16 & 0x3FF)
                octets[place] = UInt8(truncatingIfNeeded: bits >> 56)
            }
            try attack(octets, "\(options), round \(round)")
        }
    }

    /// A node of an extent tree of which every entry is the node itself, and folders that contain their parents.
    @Test func circles() throws {
        let folder = try TemporaryFolder()
        try Data(noise(5000)).write(to: URL(fileURLWithPath: folder.file("long")))
        try Data().write(to: URL(fileURLWithPath: folder.file("holes")))
        try FileManager.default.createDirectory(atPath: folder.file("folder"), withIntermediateDirectories: false)
        let options = ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal,^64bit"]
        let bench = try ExtWorkbench(options, size: 2 << 20, contents: folder.path)
        let count: UInt16 = 84
        for depth in 1...5 {
            // Linux's ext4 layout: a header (magic, entries, maximum, depth), then entries of 12 octets: the first logical
            // block, the node's block, its upper half.
            var octets = try Array(Data(contentsOf: URL(fileURLWithPath: bench.path)))
            let node = 1000
            var header = [UInt8](repeating: 0, count: 1024)
            header.setLittleEndian(UInt16(0xF30A), at: 0)
            header.setLittleEndian(count, at: 2)
            header.setLittleEndian(count, at: 4)
            header.setLittleEndian(UInt16(depth - 1), at: 6)
            for entry in 0..<Int(count) {
                header.setLittleEndian(UInt32(entry), at: 12 + entry * 12)
                header.setLittleEndian(UInt32(node), at: 16 + entry * 12)
            }
            octets.setOctets(header, at: node * 1024)
            for name in ["long", "holes", "folder"] {
                let place = try #require(
                    Tool.run("debugfs", ["-R", "imap /\(name)", bench.path], mixed: false).text
                        .firstMatch(of: /block (\d+), offset (0x[0-9a-f]+)/))
                let block = try #require(Int(place.output.1))
                let offset = try #require(Int(place.output.2.dropFirst(2), radix: 16))
                let inode = block * 1024 + offset
                octets.setLittleEndian(UInt32(0x0800_0000), at: inode + 4)
                octets.setOctets(header[..<24], at: inode + 40)
                octets.setLittleEndian(UInt16(1), at: inode + 42)
                octets.setLittleEndian(UInt16(4), at: inode + 44)
                octets.setLittleEndian(UInt16(depth), at: inode + 46)
                octets.setLittleEndian(UInt32(0), at: inode + 52)
            }
            try attack(octets, "depth \(depth)")
        }
        try bench.debug("link / folder/up", "link folder folder/same")
        // The root is nobody's child. A folder in itself only makes paths longer, and those end.
        let volume = try bench.open()
        #expect(throws: VolumeError.self) { try volume.writeFile(path: "folder\\up\\long", data: [1]) }
        let longest = Array(repeating: "folder", count: 1) + Array(repeating: "same", count: 6000) + ["file"]
        try volume.writeFile(path: longest.joined(separator: "\\"), data: [1])
        try volume.verifyFile(path: "folder\\file", data: [1])
    }

    /// Superblocks of noise behind ext's magic, and any cut of the device.
    @Test func noiseForASuperblock() throws {
        for seed in 1...300 {
            var octets = noise(64 << 10, seed: UInt64(seed))
            octets.setLittleEndian(UInt16(0xEF53), at: 1024 + 56)
            octets.setLittleEndian(UInt32(seed % 7), at: 1024 + 24)
            octets.setLittleEndian(UInt32(0x42), at: 1024 + 96)
            octets.setLittleEndian(UInt32(seed % 64 + 1), at: 1024 + 4)
            let device = ScratchDevice(octets, allowed: 0..<0)
            let partition = Partition(number: 1, firstBlock: 0, blockCount: UInt64(1 + seed % 128), type: .mbr(0x83))
            let volume = try Volume.open(device, partition: partition)
            #expect(volume.mountFailure != nil)
            #expect(!device.hasStrayWrites)
        }
    }
}
