import ErrorCodes
import Foundation
import Reservations
import Testing

@testable import Volumes

@Suite struct FileSystemTests {
    private func probe(_ tool: String, _ arguments: [String], size: Int = 40 << 20) throws -> FileSystem? {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("volume", size: size)
        let made = try Tool.run(tool, arguments + [path])
        try #require(made.status == 0, "\(made.text)")
        let device = try FileDevice(path)
        return try FileSystem.probe(
            device, partition: Partition(number: 1, firstBlock: 0, blockCount: device.blockCount, type: .mbrNTFS))
    }

    @Test(
        .needs("mkfs.ext4", "mkfs.fat", "mkntfs"),
        arguments: [
            ("mkfs.ext2", ["-q", "-F"], FileSystem.ext2), ("mkfs.ext3", ["-q", "-F"], .ext3),
            ("mkfs.ext4", ["-q", "-F"], .ext4), ("mkfs.fat", ["-F", "12", "-s", "32"], .fat12),
            ("mkfs.fat", ["-F", "16"], .fat16), ("mkfs.fat", ["-F", "32", "-s", "1"], .fat32),
            ("mkntfs", ["-F", "-Q", "-q"], .ntfs), ("mkntfs", ["-F", "-Q", "-q", "-s", "4096"], .ntfs),
        ] as [(String, [String], FileSystem)])
    func recognizesWhatForeignToolsMade(tool: String, arguments: [String], expected: FileSystem) throws {
        #expect(try probe(tool, arguments) == expected)
    }

    /// exFAT specification 3.1 and what Windows' ReFS puts into its boot sector.
    @Test func recognizesBootSectorsByHand() {
        var sector = [UInt8](repeating: 0, count: 4096)
        sector.setOctets([0xEB, 0x76, 0x90] + Array("EXFAT   ".utf8), at: 0)
        #expect(FileSystem.recognize(sector) == nil)
        sector.setLittleEndian(UInt16(0xAA55), at: 510)
        #expect(FileSystem.recognize(sector) == .exFAT)
        sector = [UInt8](repeating: 0, count: 4096)
        sector.setOctets(Array("ReFS\0\0\0\0".utf8), at: 3)
        #expect(FileSystem.recognize(sector) == nil)
        sector.setOctets(Array("FSRS".utf8), at: 16)
        #expect(FileSystem.recognize(sector) == .reFS)
        sector.setOctets(Array("-FVE-FS-".utf8), at: 3)
        #expect(FileSystem.recognize(sector) == nil)
    }

    /// The signatures of util-linux's libblkid, and what only holds other volumes.
    @Test func recognizesSignaturesByHand() {
        let signatures: [(FileSystem?, Int, [UInt8])] = [
            (.xfs, 0, Array("XFSB".utf8)), (.btrfs, 0x10040, Array("_BHRfS_M".utf8)),
            (.f2fs, 1024, [0x10, 0x20, 0xF5, 0xF2]), (.jfs, 0x8000, Array("JFS1".utf8)),
            (.reiserFS, 0x10034, Array("ReIsEr2Fs".utf8)), (.ocfs2, 4096, Array("OCFSV2".utf8)),
            (.gfs2, 0x10000, [1, 0x16, 0x19, 0x70, 0, 0, 0, 1]), (.hfsPlus, 1024, Array("H+".utf8) + [0, 4]),
            (.apfs, 32, Array("NXSB".utf8)), (nil, 1024, Array("H+".utf8)),
        ]
        for (expected, offset, signature) in signatures {
            var volume = [UInt8](repeating: 0, count: FileSystem.probedLength)
            volume.setOctets(signature, at: offset)
            #expect(FileSystem.recognize(volume) == expected)
            #expect(expected?.isServed != true)
            // A volume that ends before the signature does.
            let cut = offset + signature.count - 1
            if cut >= 512 { #expect(FileSystem.recognize(Array(volume[..<cut])) == nil) }
            // LVM's label in the second sector, LUKS, an array's superblock: what stood there before counts no more.
            for (place, container) in [
                (512 + 24, Array("LVM2 001".utf8)), (0, Array("LUKS".utf8) + [0xBA, 0xBE]),
                (4096, [0xFC, 0x4E, 0x2B, 0xA9, 1, 0, 0, 0]),
            ] {
                var contained = volume
                contained.setOctets(container, at: place)
                #expect(FileSystem.recognize(contained) == nil)
            }
        }
    }

    @Test(.needs("mkswap")) func swapSpaceIsNoFileSystem() throws {
        #expect(try probe("mkswap", []) == nil)
    }

    @Test func noiseAndShortReadsAreNothing() {
        #expect(FileSystem.recognize([]) == nil)
        #expect(FileSystem.recognize([UInt8](repeating: 0xFF, count: 4096)) == nil)
        for seed in 1...200 {
            #expect(FileSystem.recognize(noise(4096, seed: UInt64(seed))) == nil)
        }
    }

    /// [MS-CSVP] 3.2.4.27 names two of them.
    @Test func names() {
        #expect(FileSystem.ntfs.name == "NTFS")
        #expect(FileSystem.fat16.name == "FAT" && FileSystem.fat12.name == "FAT")
        #expect(FileSystem.allCases.allSatisfy { $0.name.count < 100 && $0.name != "RAW" })
    }

    @Test(.needs("mkfs.fat")) func aVolumeOfAnotherKindOpensWithoutFiles() throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("volume", size: 8 << 20)
        let made = try Tool.run("mkfs.fat", ["-F", "12", path])
        try #require(made.status == 0)
        let device = try FileDevice(path)
        let partition = Partition(number: 1, firstBlock: 0, blockCount: device.blockCount, type: .mbr(1))
        let volume = try Volume.open(device, partition: partition)
        #expect(volume.fileSystemName == "FAT")
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: "a", data: [1]) }
        #expect(error?.hresult == HRESULT(win32: .notSupported))
        try volume.close()
    }

    @Test func anEmptyVolumeIsUnrecognized() throws {
        let partition = Partition(number: 1, firstBlock: 0, blockCount: 1000, type: .mbrNTFS)
        let volume = try Volume.open(MemoryDevice(blockCount: 1000), partition: partition)
        #expect(volume.fileSystemName == nil)
        for operation in [volume.writeFile, volume.verifyFile] as [(String, [UInt8]) throws -> Void] {
            let error = #expect(throws: VolumeError.self) { try operation("a", [1]) }
            // [MS-CSVP] 3.2.4.9: ERROR_UNRECOGNIZED_VOLUME.
            #expect(error?.hresult.rawValue == 0x8007_03ED)
        }
    }

    @Test func anUnreadableVolumeThrowsTheDisksError() throws {
        let device = FaultyDevice(MemoryDevice(blockCount: 1000))
        device.plan.withLock {
            $0.reads = 0
            $0.failure = Win32Error.busy
        }
        let partition = Partition(number: 1, firstBlock: 0, blockCount: 1000, type: .mbrNTFS)
        let error = #expect(throws: VolumeError.self) { try Volume.open(device, partition: partition) }
        #expect(error?.hresult.rawValue == 0x8007_00AA)
    }
}
