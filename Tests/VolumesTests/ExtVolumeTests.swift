import ErrorCodes
import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Files that we write are read by debugfs and found in order by e2fsck, and the reverse.
@Suite(.offThePool, .needs("mke2fs", "e2fsck", "debugfs"))
struct ExtVolumeTests {
    /// Block sizes, block maps and extents, checksums of all kinds, group layouts, clusters, inodes without room, data in inodes.
    static let variants: [[String]] = [
        ["-t", "ext2", "-b", "1024"], ["-t", "ext2", "-b", "4096"], ["-t", "ext3", "-b", "1024"], ["-t", "ext3"],
        ["-t", "ext4"], ["-t", "ext4", "-b", "1024"], ["-t", "ext4", "-b", "2048", "-O", "^64bit,^metadata_csum"],
        ["-t", "ext4", "-O", "^metadata_csum,uninit_bg"], ["-t", "ext4", "-O", "meta_bg,^resize_inode"],
        ["-t", "ext4", "-O", "bigalloc", "-C", "16384"], ["-t", "ext4", "-O", "inline_data"],
        ["-t", "ext4", "-I", "128", "-O", "^metadata_csum"], ["-t", "ext4", "-g", "1024", "-b", "1024"],
        ["-t", "ext4", "-O", "metadata_csum_seed,large_dir,^has_journal"], ["-t", "ext4", "-O", "orphan_file"],
    ]

    @Test(arguments: variants, [512, 4096]) func writesReadsOverwritesDeletes(options: [String], blockSize: Int) throws
    {
        let bench = try ExtWorkbench(options, blockSize: blockSize)
        let volume = try bench.open()
        #expect(volume.mountFailure == nil)
        #expect(volume.fileSystemName == options[1])
        #expect(volume.label == "Läb")
        #expect(volume.isDirty == false)
        // None, in the inode, less and more than a block, more than the direct blocks, more than the singly indirect ones.
        let sizes = [0, 1, 60, 600, 4096, 13 * 1024 + 1, 100_000, 3 << 20]
        for size in sizes {
            try volume.writeFile(path: "file-\(size).dat", data: noise(size))
            #expect(try bench.complaint() == nil, "\(size)")
        }
        try volume.createFolder(path: "Ordner")
        try volume.createFolder(path: "Ordner\\innen")
        try volume.writeFile(path: "\\Ordner\\innen\\Größe 😀.dat", data: noise(5000, seed: 2))
        for size in sizes {
            try volume.verifyFile(path: "\\file-\(size).dat", data: noise(size))
            #expect(try volume.readFile(path: "file-\(size).dat") == noise(size))
        }
        for (index, size) in [100, 50_000, 300, 0, 1_000_000, 999_999, 4097].enumerated() {
            let data = noise(size, seed: UInt64(index + 7))
            try volume.writeFile(path: "same", data: data)
            try volume.verifyFile(path: "same", data: data)
            #expect(try bench.complaint() == nil, "overwritten with \(size)")
        }
        for size in sizes where size % 2 == 0 { try volume.deleteFile(path: "file-\(size).dat") }
        try volume.close()

        #expect(try bench.complaint() == nil)
        for size in sizes where size % 2 == 1 { #expect(try bench.contents("file-\(size).dat") == noise(size)) }
        #expect(try bench.contents("same") == noise(4097, seed: 13))
        #expect(try bench.contents("Ordner/innen/Größe 😀.dat") == noise(5000, seed: 2))
        #expect(
            try Set(bench.listing()) == [
                ".", "..", "lost+found", "Ordner", "same", "file-1.dat", "file-\(13 * 1024 + 1).dat",
            ])
    }

    @Test func errors() throws {
        let bench = try ExtWorkbench()
        let volume = try bench.open()
        try volume.createFolder(path: "folder")
        try volume.writeFile(path: "folder\\file", data: noise(100))
        let long = String(repeating: "ほ", count: 86)
        let expectations: [(HRESULT, () throws -> Void)] = [
            (HRESULT(win32: .pathNotFound), { try volume.writeFile(path: "nowhere\\a", data: []) }),
            (HRESULT(win32: .pathNotFound), { try volume.deleteFile(path: "nowhere\\a") }),
            (HRESULT(win32: .fileNotFound), { try volume.verifyFile(path: "nowhere\\a", data: []) }),
            (HRESULT(win32: .pathNotFound), { try volume.writeFile(path: "folder\\file\\a", data: []) }),
            (HRESULT(win32: .accessDenied), { try volume.writeFile(path: "folder", data: [1]) }),
            (HRESULT(win32: .accessDenied), { try volume.deleteFile(path: "folder") }),
            (HRESULT(win32: .accessDenied), { _ = try volume.readFile(path: "lost+found") }),
            (HRESULT(win32: .fileNotFound), { try volume.deleteFile(path: "nothing") }),
            // Names differ where their cases do, as for Linux.
            (HRESULT(win32: .pathNotFound), { _ = try volume.readFile(path: "FOLDER\\file") }),
            (HRESULT(win32: .fileNotFound), { _ = try volume.readFile(path: "folder\\File") }),
            (HRESULT(win32: .fileExists), { try volume.createFolder(path: "folder") }),
            (HRESULT(win32: .fileExists), { try volume.createFolder(path: "folder\\file") }),
            (HRESULT(win32: .fileNameTooLong), { try volume.writeFile(path: long, data: []) }),
            (HRESULT(win32: .invalidData), { try volume.verifyFile(path: "folder\\file", data: noise(99)) }),
        ]
        for (index, expectation) in expectations.enumerated() {
            let error = #expect(throws: VolumeError.self, "\(index)") { try expectation.1() }
            #expect(error?.hresult == expectation.0, "\(index): \(String(describing: error))")
        }
        // 85 times three octets are the 255 that a name may have.
        try volume.writeFile(path: String(long.dropLast()), data: noise(10))
        try volume.writeFile(path: "FOLDER", data: [1])
        try volume.close()
        #expect(try bench.complaint() == nil)
        #expect(try bench.contents(String(long.dropLast())) == noise(10))
    }

    /// A folder with a hash tree, as the kernel makes it and e2fsck -D rebuilds it, grows by many blocks.
    @Test(arguments: [["-t", "ext4", "-b", "1024"], ["-t", "ext3", "-b", "1024"]]) func manyFiles(options: [String])
        throws
    {
        let bench = try ExtWorkbench(options + ["-N", "2000"], size: 16 << 20)
        let first = try bench.open()
        for index in 0..<200 {
            try first.writeFile(path: "a file with a long name \(index)", data: Array("\(index)".utf8))
        }
        try first.close()
        let optimized = try Tool.run("e2fsck", ["-f", "-y", "-D", bench.path])
        #expect(optimized.status <= 1, "\(optimized.text)")
        let indexed = try Tool.run("debugfs", ["-R", "htree_dump /", bench.path]).text
        #expect(indexed.contains("Number of entries"), "\(indexed)")
        let volume = try bench.open()
        for index in 200..<600 {
            try volume.writeFile(path: "a file with a long name \(index)", data: Array("\(index)".utf8))
        }
        for index in stride(from: 0, to: 600, by: 3) { try volume.deleteFile(path: "a file with a long name \(index)") }
        try volume.verifyFile(path: "a file with a long name 400", data: Array("400".utf8))
        try volume.close()
        #expect(try bench.complaint() == nil)
        let expected = Set((0..<600).filter { $0 % 3 != 0 }.map { "a file with a long name \($0)" })
        #expect(try Set(bench.listing().filter { $0.hasPrefix("a file") }) == expected)
    }

    @Test(arguments: [["-t", "ext4"], ["-t", "ext2", "-b", "1024"], ["-t", "ext4", "-O", "bigalloc"]])
    func aFullVolumeLosesNothing(options: [String]) throws {
        let bench = try ExtWorkbench(options, size: 8 << 20)
        let volume = try bench.open()
        try volume.writeFile(path: "old", data: noise(10_000))
        let free = Int(try #require(volume.freeOctets))
        for path in ["old", "new"] {
            for size in [free + (1 << 20), free + 100_000] {
                let data = [UInt8](repeating: 1, count: size)
                let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: path, data: data) }
                #expect(error?.hresult == HRESULT(win32: .diskFull), "\(String(describing: error))")
                #expect(try bench.complaint() == nil)
            }
        }
        try volume.verifyFile(path: "old", data: noise(10_000))
        #expect(throws: VolumeError.self) { try volume.readFile(path: "new") }
        #expect(Int(try #require(volume.freeOctets)) == free)
        try volume.writeFile(path: "fits", data: noise(free - 300_000))
        // No more inodes, or no more blocks for the folder: whatever comes first is a full volume, too.
        let error = failure {
            for index in 0..<100_000 { try volume.writeFile(path: "\(index)", data: index < 5000 ? [1] : []) }
        }
        #expect(error?.hresult == HRESULT(win32: .diskFull))
        try volume.deleteFile(path: "fits")
        try volume.close()
        #expect(try bench.complaint() == nil)
    }

    private func failure(_ body: () throws -> Void) -> VolumeError? {
        do {
            try body()
            return nil
        } catch {
            return error as? VolumeError
        }
    }

    @Test func aReadOnlyDiskIsRead() throws {
        let bench = try ExtWorkbench()
        let writable = try bench.open()
        try writable.writeFile(path: "f", data: noise(5000))
        try writable.close()
        let volume = try bench.openReadOnly()
        #expect(volume.isReadOnly)
        try volume.verifyFile(path: "f", data: noise(5000))
        for operation in [
            { try volume.writeFile(path: "f", data: [1]) }, { try volume.deleteFile(path: "f") },
            { try volume.createFolder(path: "g") },
        ] {
            let error = #expect(throws: VolumeError.self) { try operation() }
            #expect(error?.hresult == HRESULT(win32: .writeProtect))
        }
        try volume.close()
    }

    /// What mke2fs put there from a folder, sparse files and long ones included, and space that was reserved only.
    @Test(arguments: [["-t", "ext4"], ["-t", "ext2"], ["-t", "ext4", "-O", "inline_data"]])
    func readsAndOverwritesForeignFiles(options: [String]) throws {
        let source = try TemporaryFolder()
        try Data(noise(2 << 20, seed: 5)).write(to: URL(fileURLWithPath: source.file("long")))
        try Data(noise(50, seed: 6)).write(to: URL(fileURLWithPath: source.file("short")))
        let sparse = try source.sparseFile("sparse", size: 3 << 20)
        let handle = try #require(FileHandle(forWritingAtPath: sparse))
        try handle.seek(toOffset: (3 << 20) - 100_000)
        try handle.write(contentsOf: Data(noise(100_000, seed: 7)))
        try handle.close()
        let bench = try ExtWorkbench(options, contents: source.path)
        var expected = [UInt8](repeating: 0, count: 3 << 20)
        expected.replaceSubrange((3 << 20) - 100_000..<3 << 20, with: noise(100_000, seed: 7))
        if options[1] == "ext4" {
            try bench.debug("write \(source.file("short")) reserved", "fallocate reserved 1 300")
        }
        let volume = try bench.open()
        try volume.verifyFile(path: "long", data: noise(2 << 20, seed: 5))
        try volume.verifyFile(path: "short", data: noise(50, seed: 6))
        try volume.verifyFile(path: "sparse", data: expected)
        for name in ["sparse", "short", "long"] {
            for size in [2_500_000, 70] {
                try volume.writeFile(path: name, data: noise(size, seed: 8))
                try volume.verifyFile(path: name, data: noise(size, seed: 8))
                #expect(try bench.complaint() == nil, "\(name) with \(size)")
            }
        }
        if options == ["-t", "ext4"] {
            try volume.writeFile(path: "reserved", data: noise(600_000, seed: 9))
            #expect(try bench.contents("reserved") == noise(600_000, seed: 9))
        }
        for name in ["sparse", "short", "long"] { try volume.deleteFile(path: name) }
        try volume.close()
        #expect(try bench.complaint() == nil)
    }

    /// Links of both kinds, devices, and files that somebody has protected.
    @Test func filesThatAreNone() throws {
        let bench = try ExtWorkbench()
        let before = try bench.open()
        for name in ["one", "fixed", "appended", "secret", "sealed"] {
            try before.writeFile(path: name, data: noise(5000))
        }
        try before.createFolder(path: "hidden")
        try before.close()
        try bench.debug(
            "ln one two", "sif one links_count 2", "symlink soft one", "symlink way hidden", "mknod pipe p",
            "mknod disk b 8 0",
            // EXT4_IMMUTABLE_FL, EXT4_APPEND_FL, EXT4_ENCRYPT_FL, EXT4_VERITY_FL beside EXT4_EXTENTS_FL of ext4's disk layout.
            "sif fixed flags 0x80010", "sif appended flags 0x80020", "sif secret flags 0x80800",
            "sif sealed flags 0x180000",
            "sif hidden flags 0x80800")
        let volume = try bench.open()
        let denied = HRESULT(win32: .accessDenied)
        let unsupported = HRESULT(win32: .notSupported)
        let expectations: [(String, reading: HRESULT?, writing: HRESULT)] = [
            ("soft", unsupported, unsupported), ("way\\file", unsupported, unsupported),
            ("pipe", unsupported, unsupported),
            ("disk", unsupported, unsupported), ("fixed", nil, denied), ("appended", nil, denied),
            ("secret", unsupported, unsupported), ("sealed", nil, unsupported),
            ("hidden\\file", unsupported, unsupported),
        ]
        for (name, reading, writing) in expectations {
            #expect(failure { _ = try volume.readFile(path: name) }?.hresult == reading, "\(name)")
            #expect(failure { try volume.writeFile(path: name, data: [1]) }?.hresult == writing, "\(name)")
            #expect(failure { try volume.deleteFile(path: name) }?.hresult == writing, "\(name)")
        }
        // A hard link is a name like another.
        try volume.writeFile(path: "two", data: noise(9000, seed: 3))
        try volume.verifyFile(path: "one", data: noise(9000, seed: 3))
        try volume.deleteFile(path: "one")
        try volume.verifyFile(path: "two", data: noise(9000, seed: 3))
        try volume.deleteFile(path: "two")
        try volume.close()
    }

    /// 64 MiB in one file, on each kind of map.
    @Test(arguments: [["-t", "ext4"], ["-t", "ext2", "-b", "1024"]]) func aLongFile(options: [String]) throws {
        let bench = try ExtWorkbench(options, size: 160 << 20)
        let data = longNoise(64 << 20)
        let volume = try bench.open()
        try volume.writeFile(path: "long", data: data)
        try volume.verifyFile(path: "long", data: data)
        try volume.close()
        #expect(try bench.complaint() == nil)
        #expect(try bench.contents("long") == data)
        let again = try bench.open()
        try again.deleteFile(path: "long")
        try again.close()
        #expect(try bench.complaint() == nil)
    }
}
