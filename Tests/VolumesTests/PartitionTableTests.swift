import ErrorCodes
import Foundation
import Reservations
import TestSupport
import Testing

@testable import Volumes

@Suite(.offThePool) struct PartitionTableTests {
    /// Table made by sfdisk, read by us.
    private func disk(_ script: String) throws -> (TemporaryFolder, FileDevice) {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 64 << 20)
        let result = try Tool.run("sfdisk", ["--quiet", path], input: script)
        try #require(result.status == 0, "\(result.text)")
        return (folder, try FileDevice(path))
    }

    @Test(.needs("sfdisk")) func readsWhatSfdiskWroteAsGPT() throws {
        let (folder, device) = try disk(
            """
            label: gpt
            label-id: 1B4F5A60-0C3D-4E8F-9A6B-7C8D9E0F1A2B
            first-lba: 34
            start=2048, size=4096, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE, name="Microsoft reserved partition"
            start=8192, size=65536, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="Dåta ディスク", \
            uuid=01234567-89AB-CDEF-0123-456789ABCDEF, attrs="RequiredPartition"
            """)
        let table = try PartitionTable.read(from: device)
        #expect(table.style == .gpt(diskID: try #require(DiskGUID("1b4f5a60-0c3d-4e8f-9a6b-7c8d9e0f1a2b"))))
        #expect(table.problems.isEmpty)
        #expect(table.usableBlocks == 34..<131039)
        #expect(
            table.partitions == [
                Partition(
                    number: 1, firstBlock: 2048, blockCount: 4096, type: .gptMicrosoftReserved,
                    name: "Microsoft reserved partition", uniqueID: table.partitions.first?.uniqueID),
                Partition(
                    number: 2, firstBlock: 8192, blockCount: 65536, type: .gptBasicData, name: "Dåta ディスク",
                    uniqueID: DiskGUID("01234567-89ab-cdef-0123-456789abcdef"), attributes: 1),
            ])
        #expect(table.partitions.map(\.type.holdsVolume) == [false, true])
        withExtendedLifetime(folder) {}
    }

    @Test(.needs("sfdisk")) func readsWhatSfdiskWroteAsMBRWithLogicalPartitions() throws {
        let (folder, device) = try disk(
            """
            label: dos
            label-id: 0xcafe1234
            start=2048, size=8192, type=7, bootable
            start=20480, size=61440, type=f
            start=90112, size=8192, type=83
            start=22528, size=4096, type=7
            start=28672, size=8192, type=b
            """)
        let table = try PartitionTable.read(from: device)
        #expect(table.style == .mbr(signature: 0xCAFE_1234))
        #expect(table.problems.isEmpty)
        // sfdisk puts the lines without a number into the next free entry: three primaries' places, one container.
        #expect(
            table.partitions.map { [$0.firstBlock, $0.blockCount] }
                == [[2048, 8192], [90112, 8192], [22528, 4096], [28672, 8192]])
        #expect(table.partitions.map(\.number) == [1, 2, 3, 4])
        #expect(table.partitions.map(\.isLogical) == [false, false, true, true])
        #expect(table.partitions.map(\.type) == [.mbrNTFS, .mbr(0x83), .mbrNTFS, .mbr(0x0B)])
        #expect(table.partitions.first?.attributes == 4)
        #expect(table.reservedBlocks == [20480..<81920])
        withExtendedLifetime(folder) {}
    }

    @Test(.needs("fdisk")) func readsLargeBlocks() throws {
        let folder = try TemporaryFolder()
        let path = try folder.sparseFile("disk.img", size: 64 << 20)
        try Tool.run("fdisk", ["--sector-size", "4096", path], input: "g\nn\n1\n256\n1279\nw\n")
        let table = try PartitionTable.read(from: FileDevice(path, blockSize: 4096))
        #expect(table.problems.isEmpty)
        #expect(table.usableBlocks.lowerBound == 6 || table.usableBlocks.lowerBound == 256)
        #expect(table.partitions.map(\.blocks) == [256..<1280])
        // The same octets are no table to who takes the blocks for smaller ones.
        #expect(throws: PartitionTableError.self) { try PartitionTable.read(from: FileDevice(path)) }
    }

    @Test(.needs("sfdisk", "sgdisk", "mkntfs"), arguments: DiskImage.TableStyle.allCases)
    func foreignToolsReadOurTables(style: DiskImage.TableStyle) throws {
        let folder = try TemporaryFolder()
        let image = try DiskImage.create(
            at: folder.file("disk.img"), size: 64 << 20, style: style, fileSystem: nil)
        let dump = try Tool.run("sfdisk", ["--json", image.path])
        let json = try JSONSerialization.jsonObject(with: Data(dump.output)) as? [String: Any]
        let table = try #require(json?["partitiontable"] as? [String: Any])
        let partition = try #require((table["partitions"] as? [[String: Any]])?.first)
        #expect(partition["start"] as? Int == 2048)
        #expect((partition["size"] as? Int).map(UInt64.init) == image.partition.blockCount)
        switch image.style {
        case .gpt(let diskID):
            #expect(table["label"] as? String == "gpt")
            #expect((table["id"] as? String)?.lowercased() == diskID.description)
            #expect(partition["type"] as? String == "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
            #expect(table["firstlba"] as? Int == 34)
            #expect(table["lastlba"] as? Int == 131_038)
            let verdict = try Tool.run("sgdisk", ["--verify", image.path])
            #expect(verdict.text.contains("No problems found"), "\(verdict.text)")
        case .mbr(let signature):
            #expect(table["label"] as? String == "dos")
            #expect((table["id"] as? String) == "0x" + String(format: "%08x", signature))
            #expect(partition["type"] as? String == "7")
        case .raw: Issue.record("an image has a table")
        }
        let read = try PartitionTable.read(from: FileDevice(image.path))
        #expect(read.style == image.style)
        #expect(read.partitions == [image.partition])
        #expect(read.problems.isEmpty)
    }

    @Test(.needs("sgdisk")) func readsHybridTables() throws {
        let folder = try TemporaryFolder()
        let image = try DiskImage.create(at: folder.file("disk.img"), size: 64 << 20, style: .gpt, fileSystem: nil)
        let made = try Tool.run("sgdisk", ["--hybrid", "1", image.path])
        try #require(made.status == 0, "\(made.text)")
        let device = try FileDevice(image.path)
        let table = try PartitionTable.read(from: device)
        #expect(table.style == image.style)
        #expect(table.problems == [.hybrid])
        #expect(table.partitions.map(\.blocks) == [image.partition.blocks])
    }

    @Test func anEmptyDiskIsRaw() throws {
        let table = try PartitionTable.read(from: MemoryDevice(blockCount: 1000))
        #expect(table.style == .raw)
        #expect(table.partitions.isEmpty)
    }

    @Test(.needs("mkntfs", "mkfs.fat")) func aFileSystemWithoutATableIsRaw() throws {
        for maker in [("mkntfs", ["-F", "-Q", "-q"]), ("mkfs.fat", [])] {
            let folder = try TemporaryFolder()
            let path = try folder.sparseFile("volume", size: 16 << 20)
            let made = try Tool.run(maker.0, maker.1 + [path])
            try #require(made.status == 0, "\(made.text)")
            #expect(try PartitionTable.read(from: FileDevice(path)).style == .raw)
        }
    }

    /// The check value of CRC-32 for "123456789" (ITU-T V.42, as catalogued everywhere).
    @Test func checksum() {
        #expect(CRC32.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
    }

    /// UEFI 2.10, table 5.7: the EFI system partition's GUID and its octets on the disk.
    @Test func guids() throws {
        let guid = try #require(DiskGUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"))
        #expect(
            guid.octets == [
                0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
            ])
        #expect(guid.description == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
        #expect(DiskGUID(octets: guid.octets) == guid)
        for text in ["", "c12a7328", "c12a7328-f81f-11d2-ba4b-00a0c93ec93", "+12a7328-f81f-11d2-ba4b-00a0c93ec93b"] {
            #expect(DiskGUID(text) == nil)
        }
        #expect(DiskGUID(octets: [1, 2, 3]) == nil)
        let random = DiskGUID.random().octets
        #expect(random[7] >> 4 == 4 && random[8] >> 6 == 2)
    }
}
