import ErrorCodes
import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Files that we write are read by ntfs-3g's own tools from the partition cut out of the image, and the reverse.
@Suite(.offThePool, .needs("mkntfs", "ntfscat", "ntfsls", "ntfsfix", "ntfsinfo", "ntfscp", "dd"))
struct VolumeTests {
    private func contents(_ bench: Workbench, _ path: String) throws -> [UInt8] {
        let result = try Tool.run("ntfscat", [bench.cutOut(), path], mixed: false)
        try #require(result.status == 0)
        return result.output
    }

    @Test(arguments: DiskImage.TableStyle.allCases, [512, 4096])
    func writesReadsVerifiesDeletes(style: DiskImage.TableStyle, blockSize: Int) throws {
        let bench = try Workbench(style: style, blockSize: blockSize)
        let table = try PartitionTable.read(from: bench.device)
        let partition = try #require(table.partitions.first)
        let volume = try Volume.open(bench.device, partition: partition)
        #expect(volume.fileSystemName == "NTFS")
        #expect(volume.label == "Lab")
        #expect(volume.isDirty == false)
        // Resident, one cluster, many clusters, and none at all.
        let sizes = [0, 1, 600, 4096, 100_000, 3 << 20]
        for size in sizes {
            try volume.writeFile(path: "file-\(size).dat", data: noise(size))
        }
        for size in sizes {
            try volume.verifyFile(path: "\\FILE-\(size).DAT", data: noise(size))
            #expect(try volume.readFile(path: "file-\(size).dat") == noise(size))
        }
        try volume.deleteFile(path: "file-600.dat")
        #expect(throws: VolumeError.self) { try volume.verifyFile(path: "file-600.dat", data: noise(600)) }
        try volume.close()

        #expect(try bench.complaint() == nil)
        for size in sizes where size != 600 {
            #expect(try contents(bench, "file-\(size).dat") == noise(size))
        }
        let listing = try Tool.run("ntfsls", [bench.cutOut()]).text.split(separator: "\n").map(String.init)
        #expect(Set(listing).isSuperset(of: sizes.filter { $0 != 600 }.map { "file-\($0).dat" }))
        #expect(!listing.contains("file-600.dat"))
    }

    @Test func theFileSystemKnowsWhereItLies() throws {
        let bench = try Workbench(blockSize: 4096, label: "Dåta ディスク")
        let info = try Tool.run("ntfsinfo", ["-m", bench.cutOut()]).text
        #expect(info.contains("Volume Name: Dåta ディスク"), "\(info)")
        #expect(info.contains("Sector Size: 4096"), "\(info)")
        // [MS] NTFS boot sector: hidden sectors at 28, which the partition begins behind.
        let sector = try bench.device.read(block: bench.image.partition.firstBlock, count: 1)
        #expect(sector.littleEndian(UInt32.self, at: 28) == 256)
        #expect(try bench.open().label == "Dåta ディスク")
    }

    @Test func overwritingCutsAndGrows() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        for (index, size) in [100, 50_000, 300, 0, 1_000_000, 999_999, 4097].enumerated() {
            let data = noise(size, seed: UInt64(index + 1))
            try volume.writeFile(path: "same", data: data)
            try volume.verifyFile(path: "same", data: data)
        }
        try volume.close()
        #expect(try contents(bench, "same") == noise(4097, seed: 7))
        #expect(try bench.complaint() == nil)
    }

    @Test func namesOfAllKinds() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        let long = String(repeating: "ほ", count: 255)
        let names = ["ディスク検証.dat", "Größe & Maß.txt", "😀😀.bin", long, "two words", "UPPER", "$dollar"]
        for name in names { try volume.writeFile(path: name, data: Array(name.utf8)) }
        try volume.close()
        for name in names {
            #expect(try contents(bench, name) == Array(name.utf8))
        }
        #expect(try bench.complaint() == nil)
    }

    @Test func folders() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        try volume.createFolder(path: "Ordner")
        try volume.createFolder(path: "Ordner\\innen")
        try volume.writeFile(path: "\\ordner\\INNEN\\datei.dat", data: noise(5000))
        try volume.verifyFile(path: "Ordner\\innen\\Datei.dat", data: noise(5000))
        #expect(throws: VolumeError.self) { try volume.createFolder(path: "ordner") }

        // No folder is made on the way; a file is no folder; a folder is no file.
        let expectations: [(HRESULT, () throws -> Void)] = [
            (HRESULT(win32: .pathNotFound), { try volume.writeFile(path: "nowhere\\a", data: []) }),
            (HRESULT(win32: .pathNotFound), { try volume.deleteFile(path: "nowhere\\a") }),
            (HRESULT(win32: .fileNotFound), { try volume.verifyFile(path: "nowhere\\a", data: []) }),
            (HRESULT(win32: .pathNotFound), { try volume.writeFile(path: "Ordner\\innen\\datei.dat\\a", data: []) }),
            (HRESULT(win32: .accessDenied), { try volume.writeFile(path: "Ordner", data: [1]) }),
            (HRESULT(win32: .accessDenied), { try volume.deleteFile(path: "Ordner\\innen") }),
            (HRESULT(win32: .accessDenied), { _ = try volume.readFile(path: "Ordner") }),
            (HRESULT(win32: .fileNotFound), { try volume.deleteFile(path: "nothing") }),
            (HRESULT(win32: .fileNotFound), { _ = try volume.readFile(path: "nothing") }),
        ]
        for (index, expectation) in expectations.enumerated() {
            let error = #expect(throws: VolumeError.self, "\(index)") { try expectation.1() }
            #expect(error?.hresult == expectation.0, "\(index): \(String(describing: error))")
        }
        try volume.close()
        #expect(try contents(bench, "Ordner/innen/datei.dat") == noise(5000))
        #expect(try bench.complaint() == nil)
    }

    /// NTFS's own files are nobody's, in the root and under $Extend.
    @Test(arguments: [
        "$MFT", "$Boot", "$LogFile", "$Volume", "$Bitmap", "$Secure", "$Extend\\$Reparse", "$extend\\new",
    ])
    func systemFilesStay(path: String) throws {
        let bench = try Workbench()
        let volume = try bench.open()
        let operations: [() throws -> Void] = [
            { try volume.writeFile(path: path, data: [1]) }, { try volume.deleteFile(path: path) },
            { _ = try volume.readFile(path: path) },
        ]
        for operation in operations {
            let error = #expect(throws: VolumeError.self) { try operation() }
            #expect(error?.hresult == HRESULT(win32: .accessDenied))
        }
        try volume.close()
        #expect(try bench.complaint() == nil)
    }

    @Test func verifyingTellsWhereContentsDiffer() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        let data = noise(2_000_000)
        try volume.writeFile(path: "f", data: data)
        var other = data
        other[1_500_000] ^= 1
        for (expected, offset) in [(other, 1_500_000), (Array(data.dropLast()), 1_999_999), (data + [0], 2_000_000)] {
            let error = #expect(throws: VolumeError.self) { try volume.verifyFile(path: "f", data: expected) }
            #expect(error?.description == "\"f\" differs at octet \(offset)")
            #expect(error?.hresult == HRESULT(win32: .invalidData))
        }
        #expect(throws: VolumeError.self) { try volume.readFile(path: "f", maximumLength: 1_999_999) }
        #expect(try volume.readFile(path: "f", maximumLength: 2_000_000) == data)
    }

    @Test func readsWhatNTFS3GWrote() throws {
        let bench = try Workbench()
        try bench.copyIn(noise(200_000, seed: 9), as: "/foreign.dat")
        let volume = try bench.open()
        try volume.verifyFile(path: "FOREIGN.dat", data: noise(200_000, seed: 9))
        try volume.writeFile(path: "foreign.dat", data: noise(10))
        try volume.close()
        #expect(try contents(bench, "foreign.dat") == noise(10))
    }

    /// Three times the number of files that fit into the first extent of the MFT and the root's first index block.
    @Test func manyFiles() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        for index in 0..<300 { try volume.writeFile(path: "file \(index)", data: Array("\(index)".utf8)) }
        for index in stride(from: 0, to: 300, by: 3) { try volume.deleteFile(path: "file \(index)") }
        try volume.close()
        let listing = Set(try Tool.run("ntfsls", [bench.cutOut()]).text.split(separator: "\n").map(String.init))
        let expected = Set((0..<300).filter { $0 % 3 != 0 }.map { "file \($0)" })
        #expect(listing.filter { $0.hasPrefix("file ") } == expected)
        #expect(try bench.complaint() == nil)
    }

    @Test func aFullVolumeLosesNothing() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        let free = Int(try #require(volume.freeOctets))
        try volume.writeFile(path: "old", data: noise(10_000))
        for path in ["old", "new"] {
            let error = #expect(throws: VolumeError.self) {
                try volume.writeFile(path: path, data: [UInt8](repeating: 1, count: free + 4096))
            }
            #expect(error?.hresult == HRESULT(win32: .diskFull))
        }
        // The old one is as it was, the new one is not there, and the space is free again.
        try volume.verifyFile(path: "old", data: noise(10_000))
        #expect(throws: VolumeError.self) { try volume.readFile(path: "new") }
        try volume.writeFile(path: "fits", data: noise(free - 200_000))
        try volume.close()
        #expect(try bench.complaint() == nil)
    }

    @Test func aReadOnlyDiskIsRead() throws {
        let bench = try Workbench()
        let writable = try bench.open()
        try writable.writeFile(path: "f", data: noise(5000))
        try writable.close()
        let volume = try Volume.open(
            FileDevice(bench.image.path, isReadOnly: true), partition: bench.image.partition)
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

    @Test func closingEndsEverything() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        try volume.writeFile(path: "f", data: [1, 2, 3])
        try volume.close()
        try volume.close()
        let error = #expect(throws: VolumeError.self) { try volume.readFile(path: "f") }
        #expect(error?.hresult == HRESULT(win32: .notReady))
        #expect(volume.mountFailure?.description == "the volume is offline")
        #expect(volume.label == nil && volume.freeOctets == nil && volume.isDirty == nil)
    }

    /// Volumes are independent, and one volume's operations queue up.
    @Test func concurrentUse() async throws {
        let benches = try (0..<3).map { _ in try Workbench(size: 24 << 20) }
        let volumes = try benches.map { try $0.open() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<12 {
                let volume = volumes[index % 3]
                group.addTask {
                    for round in 0..<10 {
                        let data = noise(index * 1000 + round * 100, seed: UInt64(index * 100 + round + 1))
                        try volume.writeFile(path: "file \(index)", data: data)
                        try volume.verifyFile(path: "file \(index)", data: data)
                    }
                }
            }
            try await group.waitForAll()
        }
        for volume in volumes { try volume.close() }
        for bench in benches { #expect(try bench.complaint() == nil) }
    }
}
