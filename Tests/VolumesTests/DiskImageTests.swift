import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

@Suite(.offThePool, .needs("mkntfs"))
struct DiskImageTests {
    @Test func imagesAreSparseAndPrivate() throws {
        let folder = try TemporaryFolder()
        let image = try DiskImage.create(at: folder.file("disk.img"), size: 1 << 30, style: .gpt)
        var status = stat()
        try #require(stat(image.path, &status) == 0)
        #expect(status.st_size == 1 << 30)
        #expect(status.st_blocks * 512 < 64 << 20)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["disk.img"])
    }

    @Test func identitiesDiffer() throws {
        let folder = try TemporaryFolder()
        for style in DiskImage.TableStyle.allCases {
            let images = try (0..<2).map { index in
                try DiskImage.create(
                    at: folder.file("\(style)-\(index)"), size: 16 << 20, style: style, fileSystem: nil)
            }
            #expect(images[0].style != images[1].style)
        }
    }

    @Test func nothingIsReplacedAndNothingIsLeftBehind() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("disk.img")
        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: DiskImageError.self) { try DiskImage.create(at: path, size: 16 << 20, style: .gpt) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
        // mkntfs refuses the label.
        let failed = #expect(throws: DiskImageError.self) {
            try DiskImage.create(
                at: folder.file("other"), size: 16 << 20, style: .mbr, label: String(repeating: "x", count: 129))
        }
        if case .toolFailed("mkntfs", _, let output)? = failed {
            #expect(!output.isEmpty)
        } else {
            Issue.record("\(String(describing: failed))")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["disk.img"])
        #expect(throws: DiskImageError.self) {
            try DiskImage.create(at: folder.file("no/such/folder"), size: 16 << 20, style: .gpt)
        }
    }

    @Test func limits() throws {
        let folder = try TemporaryFolder()
        let minimum = DiskImage.minimumSize
        for style in DiskImage.TableStyle.allCases {
            for blockSize in [512, 4096] {
                let image = try DiskImage.create(
                    at: folder.file("\(style)-\(blockSize)"), size: minimum, style: style, blockSize: blockSize)
                let device = try FileDevice(image.path, blockSize: blockSize)
                #expect(try Volume.open(device, partition: image.partition).mountFailure == nil)
            }
            #expect(throws: DiskImageError.self) {
                try DiskImage.create(at: folder.file("small"), size: minimum - 1, style: style)
            }
        }
        // An MBR counts blocks in 32 bits.
        #expect(PartitionTableLayout(size: 512 * UInt64(UInt32.max), blockSize: 512, style: .mbr(signature: 1)) != nil)
        #expect(PartitionTableLayout(size: 512 << 32, blockSize: 512, style: .mbr(signature: 1)) == nil)
        #expect(PartitionTableLayout(size: 512 << 32, blockSize: 512, style: .gpt(diskID: .random())) != nil)
        for blockSize in [0, 520, 2048, 8192] {
            #expect(throws: DiskImageError.self) {
                try DiskImage.create(at: folder.file("odd"), size: minimum, style: .gpt, blockSize: blockSize)
            }
        }
        #expect(throws: DiskImageError.self) {
            try DiskImage.create(at: folder.file("fat"), size: minimum, style: .gpt, fileSystem: .fat32)
        }
    }
}
