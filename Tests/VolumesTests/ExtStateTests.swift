import ErrorCodes
import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Volumes that somebody has to look at first, and features that are not served.
@Suite(.offThePool, .needs("mke2fs", "e2fsck", "debugfs", "tune2fs"))
struct ExtStateTests {
    /// A journal to be replayed, no clean dismount, errors found, a removed file that was still open, one in the orphan file.
    @Test(arguments: [
        "feature needs_recovery", "ssv state 0", "ssv state 3", "ssv last_orphan 12", "feature orphan_present",
    ])
    func anUncleanVolumeIsRefused(command: String) throws {
        let bench = try ExtWorkbench()
        let before = try bench.open()
        try before.writeFile(path: "f", data: noise(5000))
        try before.close()
        try bench.debug(command)
        let volume = try bench.open()
        #expect(volume.fileSystemName == "ext4")
        guard case .uncleanVolume = volume.mountFailure else {
            Issue.record("\(String(describing: volume.mountFailure))")
            return
        }
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "a", data: [1]) }
        // ERROR_VOLUME_DIRTY (6851) of winerror.h.
        #expect(error?.hresult.rawValue == 0x8007_1AC3)
        #expect(error?.description.hasSuffix("run e2fsck first") == true)
        // What is there can be read where it cannot be repaired.
        let reading = try bench.openReadOnly()
        #expect(reading.isDirty == true)
        try reading.verifyFile(path: "f", data: noise(5000))
    }

    @Test(arguments: [
        (["-t", "ext4", "-O", "quota"], "quota"), (["-t", "ext4", "-O", "mmp"], "mmp"),
        (["-t", "ext4", "-O", "ea_inode"], "ea_inode"),
    ])
    func whatCannotBeWrittenIsRead(options: [String], feature: String) throws {
        let source = try TemporaryFolder()
        try Data(noise(5000)).write(to: URL(fileURLWithPath: source.file("f")))
        let bench = try ExtWorkbench(options, contents: source.path)
        let volume = try bench.open()
        #expect(volume.mountFailure == nil)
        try volume.verifyFile(path: "f", data: noise(5000))
        for operation in [
            { try volume.writeFile(path: "f", data: [1]) }, { try volume.deleteFile(path: "f") },
            { try volume.createFolder(path: "g") },
        ] {
            let error = #expect(throws: VolumeError.self) { try operation() }
            #expect(error?.hresult == HRESULT(win32: .notSupported))
            #expect(error?.description == "the ext4 volume uses \(feature), which is not served")
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: bench.path))
        try volume.close()
        #expect(try Data(contentsOf: URL(fileURLWithPath: bench.path)) == before)
    }

    @Test func theReadOnlyFeatureIsHonoured() throws {
        let bench = try ExtWorkbench()
        let made = try Tool.run("tune2fs", ["-O", "read-only", bench.path])
        try #require(made.status == 0, "\(made.text)")
        let volume = try bench.open()
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "f", data: [1]) }
        #expect(error?.hresult == HRESULT(win32: .writeProtect))
    }

    /// Of an incompatible feature that nobody knows nothing can be said but its number.
    @Test func unknownFeaturesAreRefused() throws {
        let bench = try ExtWorkbench(["-t", "ext4", "-O", "^metadata_csum"])
        var superblock = try bench.device.read(block: 2, count: 2)
        superblock.setLittleEndian(superblock.littleEndian(UInt32.self, at: 96) | 0x4000_0000, at: 96)
        try bench.device.write(block: 2, superblock)
        let volume = try bench.open()
        #expect(volume.fileSystemName == "ext4")
        #expect(volume.mountFailure?.description == "the ext4 volume uses feature 0x40000000, which is not served")
    }

    @Test func aFolderWithoutCasesIsRefused() throws {
        let bench = try ExtWorkbench(["-t", "ext4", "-O", "casefold"])
        let before = try bench.open()
        try before.createFolder(path: "folder")
        try before.writeFile(path: "f", data: noise(100))
        try before.close()
        #expect(try bench.complaint() == nil)
        // EXT4_CASEFOLD_FL beside EXT4_EXTENTS_FL.
        try bench.debug("sif folder flags 0x40080000")
        let volume = try bench.open()
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "folder\\a", data: [1]) }
        #expect(error?.hresult == HRESULT(win32: .notSupported))
        try volume.verifyFile(path: "f", data: noise(100))
    }

    /// The volume says that it is larger than the disk; and other superblocks that make no sense.
    @Test(
        arguments: [
            (4, 0x7FFF_FFFF), (24, 60), (32, 8), (32, 0), (40, 0), (0, 7), (20, 0xFFFF_FFFF), (4, 0), (254, 0),
        ] as [(Int, UInt32)])
    func superblocksThatMakeNoSense(offset: Int, value: UInt32) throws {
        let bench = try ExtWorkbench(["-t", "ext4", "-O", "^metadata_csum"])
        var superblock = try bench.device.read(block: 2, count: 2)
        superblock.setLittleEndian(value, at: offset)
        try bench.device.write(block: 2, superblock)
        let volume = try bench.open()
        let failure = volume.mountFailure
        #expect(failure?.hresult == HRESULT(win32: .diskCorrupt), "\(String(describing: failure))")
    }
}
