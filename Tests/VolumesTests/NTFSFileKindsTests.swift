import ErrorCodes
import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

/// Files that are more than a row of clusters, and names that Windows takes for each other.
@Suite(.offThePool, .needs("mkntfs", "ntfscat", "ntfsls", "ntfsfix", "ntfsinfo", "ntfscp", "ntfscmp", "dd"))
struct NTFSFileKindsTests {
    private func contents(_ bench: Workbench, _ path: String) throws -> [UInt8] {
        let result = try Tool.run("ntfscat", [bench.cutOut(), path], mixed: false)
        try #require(result.status == 0)
        return result.output
    }

    /// Sets flags of the unnamed $DATA attribute and of the file; the empty stream is in the record.
    private func mark(_ bench: Workbench, _ name: String, stream: UInt16, file: UInt32) throws {
        try bench.changeRecord(of: name) { octets in
            var attribute = Int(octets.littleEndian(UInt16.self, at: 20))
            while octets.littleEndian(UInt32.self, at: attribute) != 0xFFFF_FFFF {
                if octets.littleEndian(UInt32.self, at: attribute) == 0x10 {
                    let value = attribute + Int(octets.littleEndian(UInt16.self, at: attribute + 20))
                    octets.setLittleEndian(file, at: value + 32)
                }
                if octets.littleEndian(UInt32.self, at: attribute) == 0x80 {
                    octets.setLittleEndian(stream, at: attribute + 12)
                }
                attribute += Int(octets.littleEndian(UInt32.self, at: attribute + 4))
            }
        }
    }

    /// ATTR_IS_COMPRESSED of a stream and FILE_ATTRIBUTE_COMPRESSED of its file, as Windows sets them on an empty file.
    @Test func compressedFilesStayCompressed() throws {
        let bench = try Workbench()
        let before = try bench.open()
        try before.writeFile(path: "packed", data: [])
        try before.close()
        try mark(bench, "packed", stream: 1, file: 0x820)
        let volume = try bench.open()
        // In the record, one unit, many, none at all, and noise that does not get smaller; each over the one before.
        let words = Array(String(repeating: "words and ", count: 40_000).utf8)
        let texts: [[UInt8]] = [
            Array("short".utf8), [UInt8](repeating: 7, count: 5000), words, noise(300_000), [], noise(65_536, seed: 2),
            [UInt8](repeating: 1, count: 1 << 20), noise(3, seed: 4), words + noise(100_001, seed: 5),
        ]
        for (index, text) in texts.enumerated() {
            try volume.writeFile(path: "packed", data: text)
            try volume.verifyFile(path: "packed", data: text)
            #expect(try contents(bench, "packed") == text, "\(index)")
            #expect(try bench.complaint() == nil, "\(index)")
        }
        let last = try #require(texts.last)
        let free = try #require(volume.freeOctets)
        // What might not fit if nothing can be compressed is refused before anything is lost.
        let error = #expect(throws: VolumeError.self) {
            try volume.writeFile(path: "packed", data: [UInt8](repeating: 0, count: Int(free) + (1 << 20)))
        }
        #expect(error?.hresult == HRESULT(win32: .diskFull))
        try volume.verifyFile(path: "packed", data: last)
        try volume.close()
        let info = try Tool.run("ntfsinfo", ["-F", "packed", bench.cutOut()]).text
        #expect(info.contains("COMPRESSED"), "\(info)")
        let again = try bench.open()
        try again.deleteFile(path: "packed")
        try again.close()
        #expect(try bench.complaint() == nil)
    }

    @Test func encryptedFilesAreRefused() throws {
        let bench = try Workbench()
        let before = try bench.open()
        try before.writeFile(path: "secret", data: [])
        try before.close()
        try mark(bench, "secret", stream: 0x4000, file: 0x4020)
        let volume = try bench.open()
        for operation in [
            { try volume.writeFile(path: "secret", data: [1]) }, { _ = try volume.readFile(path: "secret") },
            { try volume.verifyFile(path: "secret", data: []) },
        ] {
            let error = #expect(throws: VolumeError.self) { try operation() }
            #expect(error?.hresult == HRESULT(win32: .notSupported))
            #expect(error?.description == "\"secret\" is encrypted, which is not served")
        }
    }

    /// A file that ntfstruncate lengthens has nothing where it was lengthened.
    @Test(.needs("ntfstruncate")) func sparseFilesAreReadAndFilled() throws {
        let bench = try Workbench()
        let before = try bench.open()
        try before.writeFile(path: "sparse", data: noise(5000))
        let free = Int(try #require(before.freeOctets))
        try before.close()
        // Longer than the volume.
        let length = free + (8 << 20)
        let info = try Tool.run("ntfsinfo", ["-F", "sparse", bench.cutOut()]).text
        let number = try #require(info.firstMatch(of: /Dumping Inode (\d+)/)).output.1
        try bench.change { try Tool.run("ntfstruncate", ["-f", $0, String(number), "\(length)"]) }
        let volume = try bench.open()
        let original = noise(5000) + [UInt8](repeating: 0, count: length - 5000)
        try volume.verifyFile(path: "sparse", data: original)
        let error = #expect(throws: VolumeError.self) {
            try volume.writeFile(path: "sparse", data: [UInt8](repeating: 3, count: length - 100))
        }
        #expect(error?.hresult == HRESULT(win32: .diskFull))
        try volume.verifyFile(path: "sparse", data: original)
        try volume.writeFile(path: "sparse", data: noise(1_500_000, seed: 2))
        try volume.verifyFile(path: "sparse", data: noise(1_500_000, seed: 2))
        try volume.close()
        #expect(try contents(bench, "sparse") == noise(1_500_000, seed: 2))
        #expect(try bench.complaint() == nil)
    }

    /// NTFS takes letters for each other by the volume's own table, beyond ASCII as well, and keeps a name as it was made.
    @Test func casesDoNotCount() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        try volume.writeFile(path: "Äpfel Ω Жук.Txt", data: noise(100))
        try volume.writeFile(path: "äPFEL ω жУК.tXT", data: noise(200))
        try volume.verifyFile(path: "ÄPFEL Ω ЖУК.TXT", data: noise(200))
        // Sharp s has no capital in the table, and a decomposed letter is another one.
        try volume.writeFile(path: "STRASSE", data: [1])
        try volume.writeFile(path: "straße", data: [2])
        try volume.writeFile(path: "a\u{308}pfel", data: [3])
        try volume.verifyFile(path: "strasse", data: [1])
        try volume.close()
        let listing = try Tool.run("ntfsls", [bench.cutOut()]).text.split(separator: "\n").map(String.init)
        #expect(Set(listing).isSuperset(of: ["Äpfel Ω Жук.Txt", "STRASSE", "straße", "a\u{308}pfel"]))
        #expect(listing.count { $0.lowercased().hasSuffix(".txt") } == 1)
        #expect(try bench.complaint() == nil)
    }

    /// The deepest path that fits into Win32's 32,767 units goes as far as there are folders.
    @Test func longPaths() throws {
        let bench = try Workbench()
        let volume = try bench.open()
        var folders = ""
        for level in 0..<30 {
            folders += (folders.isEmpty ? "" : "\\") + String(repeating: "d", count: 250) + "\(level)"
            try volume.createFolder(path: folders)
        }
        try volume.writeFile(path: folders + "\\file", data: noise(1000))
        try volume.verifyFile(path: folders + "\\file", data: noise(1000))
        let longest = Array(repeating: "n", count: 16384).joined(separator: "\\")
        #expect(longest.utf16.count == 32767)
        let error = #expect(throws: VolumeError.self) { try volume.writeFile(path: longest, data: []) }
        #expect(error?.hresult == HRESULT(win32: .pathNotFound))
        try volume.close()
        #expect(try bench.complaint() == nil)
        #expect(try contents(bench, folders.replacing("\\", with: "/") + "/file") == noise(1000))
    }

    /// 200 files from nothing to 64 MiB, written over one connection to the disk and verified over another.
    @Test func twoHundredFiles() throws {
        let bench = try Workbench(size: 960 << 20)
        // Each about a tenth longer than the one before: exp(ln(2^26) * index / 199).
        var sizes = (0..<200).map { (index: Int) -> Int in Int(exp(18.0218 * Double(index) / 199)) }
        sizes[0] = 0
        sizes[199] = 64 << 20
        let writer = try bench.open()
        for (index, size) in sizes.enumerated() {
            try writer.writeFile(path: "file \(index).dat", data: longNoise(size, seed: UInt64(index)))
        }
        try writer.close()
        let written = try bench.cutOut()
        #expect(try Tool.run("ntfsfix", ["-n", written]).status == 0)

        let reader = try Volume.open(
            FileDevice(bench.image.path, blockSize: bench.image.blockSize), partition: bench.image.partition)
        for (index, size) in sizes.enumerated() {
            try reader.verifyFile(path: "file \(index).dat", data: longNoise(size, seed: UInt64(index)))
        }
        try reader.close()
        let read = try bench.cutOut()
        #expect(try Tool.run("ntfsfix", ["-n", read]).status == 0)
        let difference = try Tool.run("ntfscmp", ["-P", written, read])
        #expect(difference.status == 0, "\(difference.text)")
        let listing = Set(try Tool.run("ntfsls", [read]).text.split(separator: "\n").map(String.init))
        #expect(listing.isSuperset(of: sizes.indices.map { "file \($0).dat" }))
        for index in [0, 1, 60, 120, 170] {
            let output = try Tool.run("ntfscat", [read, "file \(index).dat"], mixed: false).output
            #expect(output == longNoise(sizes[index], seed: UInt64(index)), "\(index)")
        }
    }
}
