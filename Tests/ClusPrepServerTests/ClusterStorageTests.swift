import ClusterProtocols
import ErrorCodes
import Foundation
import NDR
import Reservations
import Testing
import Volumes

@testable import ClusPrepServer

/// The object as a client meets it: requests and responses in NDR, over real images.
struct ClusterStorageTests {
    static func storage2<T>(
        _ object: ClusterStorage, _ body: (IClusterStorage2Client) async throws -> T
    ) async throws -> T {
        try await body(
            IClusterStorage2Client(LocalCaller(object.handlers(for: IClusterStorage2.interface.syntax.uuid))))
    }

    /// Prepared, with the first disk attached, owned and online; and that disk's identifier.
    static func online(_ object: ClusterStorage) async throws -> CPREP_DISKID {
        try await storage2(object) { client async throws in
            #expect(try await client.cprepPrepareNode(.init()).returnValue == .ok)
            let phase = try await client.cprepPrepareNodePhase2(.init(Flags: 2))
            #expect(phase.returnValue == .ok)
            let properties = try await client.cprepDiskGetProps(.init(DiskId: .number(0)))
            #expect(properties.returnValue == .ok)
            let disk = properties.DiskProps.DiskId
            #expect(try await client.cprepDiskAttach(.init(DiskId: disk)).returnValue == .ok)
            #expect(try await client.cprepDiskPRArbitrate(.init(DiskId: disk)).returnValue == .ok)
            let online = try await client.cprepDiskOnline(.init(DiskId: disk))
            #expect(online.returnValue == .ok)
            #expect(online.MaxPartitionNumber == 1)
            return disk
        }
    }

    @Test(arguments: DiskImage.TableStyle.allCases)
    func exampleOfASharedDisk(_ style: DiskImage.TableStyle) async throws {
        try await withImages([style]) { images async throws in
            let object = TestNode(name: "a").storage([images[0].path])
            let disk = try await Self.online(object)
            #expect(disk.DiskIdType == (style == .gpt ? .CprepIdGuid : .CprepIdSignature))
            try await Self.storage2(object) { client async throws in
                let name = try await client.cprepDiskGetFSName(.init(DiskId: disk, Partition: 1))
                #expect(name.FsName.wideString == "NTFS")
                #expect(name.FsName.count == 100)
                let isNTFS = try await client.cprepDiskDiskPartitionIsNtfs(.init(DiskId: disk, ulPartition: 1))
                #expect(isNTFS.returnValue == .ok)
                let data = Array("hello".utf8)
                let written = try await client.cprepDiskWriteFileData(
                    .init(DiskId: disk, ulPartition: 1, FileName: "test.txt", cbDataIn: 5, DataIn: data))
                #expect(written.returnValue == .ok)
                let same = try await client.cprepDiskVerifyFileData(
                    .init(DiskId: disk, ulPartition: 1, FileName: "test.txt", cbDataIn: 5, DataIn: data))
                #expect(same.returnValue == .ok)
                let other = try await client.cprepDiskVerifyFileData(
                    .init(DiskId: disk, ulPartition: 1, FileName: "test.txt", cbDataIn: 4, DataIn: Array("hell".utf8)))
                #expect(other.returnValue.isFailure)
                let nowhere = try await client.cprepDiskWriteFileData(
                    .init(DiskId: disk, ulPartition: 2, FileName: "test.txt", cbDataIn: 5, DataIn: data))
                #expect(nowhere.returnValue.rawValue == 0x8007_0002)
                #expect(try await client.cprepDiskIsOnline(.init(DiskId: disk)).returnValue == .ok)
                #expect(try await client.cprepDiskStopDefense(.init(DiskId: disk)).returnValue.rawValue == 0x8007_139F)
                #expect(try await client.cprepDiskOffline(.init(DiskId: disk)).returnValue == .ok)
                #expect(try await client.cprepDiskIsOnline(.init(DiskId: disk)).returnValue.rawValue == 0x8007_0015)
                #expect(try await client.cprepDiskStopDefense(.init(DiskId: disk)).returnValue == .ok)
            }
        }
    }

    @Test
    func properties() async throws {
        try await withImages([.gpt, .mbr]) { images async throws in
            let object = TestNode(name: "a").storage(images.map(\.path) + ["/nonexistent.img"])
            try await Self.storage2(object) { client async throws in
                _ = try await client.cprepPrepareNode(.init())
                #expect(try await client.cprepPrepareNodePhase2(.init(Flags: 0)).pulNumDisks == 3)
                let props = try await client.cprepDiskGetProps(.init(DiskId: .number(1))).DiskProps
                #expect(props.DiskNumber == 1)
                #expect(props.DiskId.DiskIdType == .CprepIdSignature)
                #expect(props.DiskBusType == 0xF)
                #expect(props.StackType == .DiskStackStorPort)
                #expect(props.ScsiAddress.Length == 8)
                #expect(props.DiskIsClusterable == 1)
                #expect(props.AdapterDesc.count == 260)
                #expect(props.AdapterDesc.wideString.hasPrefix("ClusPrep emulated SCSI target"))
                #expect(props.NumPaths == 1)
                // DISK_SYTLE_MBR and DISK_PART_BASIC.
                #expect(props.Flags == 0x9000)
                let missing = try await client.cprepDiskGetProps(.init(DiskId: .number(2)))
                #expect(missing.returnValue == .ok)
                #expect(missing.DiskProps.DiskIsClusterable == 0)
                #expect(missing.DiskProps.DiskId.DiskIdType == .CprepIdNumber)
                // DISK_MISSING and DISK_UNREADABLE.
                #expect(missing.DiskProps.Flags == 0x0024_0000)
                #expect(
                    try await client.cprepDiskAttach(.init(DiskId: .number(2))).returnValue.rawValue == 0x8007_0490)
                #expect(try await client.cprepDiskAttach(.init(DiskId: .number(0))).returnValue == .ok)
            }
        }
    }

    @Test
    func twoDisksWithOneIdentity() async throws {
        try await withImages([.gpt]) { images async throws in
            let copy = images[0].path + ".copy"
            try FileManager.default.copyItem(atPath: images[0].path, toPath: copy)
            let object = TestNode(name: "a").storage([images[0].path, copy])
            try await Self.storage2(object) { client async throws in
                _ = try await client.cprepPrepareNode(.init())
                _ = try await client.cprepPrepareNodePhase2(.init(Flags: 0))
                for number: UInt32 in [0, 1] {
                    let props = try await client.cprepDiskGetProps(.init(DiskId: .number(number))).DiskProps
                    // DISK_COLLISION, DISK_STYLE_GPT, DISK_PART_BASIC.
                    #expect(props.Flags == 0x0800_A000)
                    #expect(props.DiskIsClusterable == 0)
                }
            }
        }
    }

    @Test
    func rawSectors() async throws {
        try await withImages([.gpt]) { images async throws in
            let object = TestNode(name: "a").storage([images[0].path])
            let disk = try await Self.online(object)
            try await Self.storage2(object) { client async throws in
                let sectors = try await client.cprepDiskGetArbSectors(.init(DiskId: disk))
                #expect(sectors.returnValue == .ok)
                #expect(sectors.SectorX != sectors.SectorY)
                let written = try await client.cprepDiskRawWrite(
                    .init(DiskId: disk, ulSector: sectors.SectorX, cbData: 3, pbData: [1, 2, 3]))
                #expect(written.returnValue == .ok)
                #expect(written.pcbDataWritten == 512)
                let read = try await client.cprepDiskRawRead(
                    .init(DiskId: disk, ulSector: sectors.SectorX, cbData: 4))
                #expect(read.returnValue == .ok)
                #expect(read.pbData == [1, 2, 3, 0])
                #expect(read.pcbDataRead == 4)
                let nothing = try await client.cprepDiskRawRead(
                    .init(DiskId: disk, ulSector: sectors.SectorX, cbData: 0))
                #expect(nothing.returnValue == .ok)
                #expect(nothing.pbData.isEmpty)
                let whole = try await client.cprepDiskRawRead(.init(DiskId: disk, ulSector: 0, cbData: 512))
                #expect(whole.pbData.suffix(2) == [0x55, 0xAA])
                // ERROR_READ_FAULT and ERROR_WRITE_FAULT.
                let long = try await client.cprepDiskRawRead(.init(DiskId: disk, ulSector: 0, cbData: 513))
                #expect(long.returnValue.rawValue == 0x8007_001E)
                let far = try await client.cprepDiskRawRead(.init(DiskId: disk, ulSector: 0, cbData: 0x7FFF_FFFF))
                #expect(far.returnValue.rawValue == 0x8007_001E)
                let fat = try await client.cprepDiskRawWrite(
                    .init(DiskId: disk, ulSector: 0, cbData: 513, pbData: [UInt8](repeating: 0, count: 513)))
                #expect(fat.returnValue.rawValue == 0x8007_001D)
                #expect(fat.pcbDataWritten == 0)
            }
        }
    }

    @Test
    func whatIsReleasedIsGivenBack() async throws {
        try await withImages([.gpt]) { images async throws in
            let (first, second) = (
                TestNode(name: "a").storage([images[0].path]), TestNode(name: "b").storage([images[0].path])
            )
            _ = try await Self.online(first)
            await first.released()
            _ = try await Self.online(second)
            await second.released()
        }
    }

    @Test
    func newsOfAnEarlierLossChangeNothing() async throws {
        try await withImages([.gpt]) { images async throws in
            let object = TestNode(name: "a").storage([images[0].path])
            let disk = try await Self.online(object)
            await object.didLose(0, .new())
            try await Self.storage2(object) { client async throws in
                #expect(try await client.cprepDiskIsOnline(.init(DiskId: disk)).returnValue == .ok)
                #expect(try await client.cprepDiskOffline(.init(DiskId: disk)).returnValue == .ok)
                #expect(try await client.cprepDiskStopDefense(.init(DiskId: disk)).returnValue == .ok)
            }
        }
    }

    /// Released, an object gives back also what it no longer believes to own, and wins nothing more.
    @Test
    func aReleasedObjectOwnsNothing() async throws {
        try await withImages([.gpt]) { images async throws in
            let object = TestNode(name: "a").storage([images[0].path])
            let disk = try await Self.online(object)
            await object.forget(0)
            await object.released()
            #expect(try NodeDiskFaultTests.keys(images[0]) == [])
            try await Self.storage2(object) { client async throws in
                let late = try await client.cprepDiskPRArbitrate(.init(DiskId: disk))
                #expect(late.returnValue.rawValue == 0x8007_139F)
            }
            #expect(try NodeDiskFaultTests.keys(images[0]) == [])
        }
    }

    @Test
    func aLostWriteTakesTheDiskOffline() async throws {
        try await withImages([.gpt]) { images async throws in
            let node = TestNode(name: "a")
            let object = node.storage([images[0].path])
            let disk = try await Self.online(object)
            try await Self.storage2(object) { client async throws in
                let write = {
                    try await client.cprepDiskWriteFileData(
                        .init(DiskId: disk, ulPartition: 1, FileName: "a", cbDataIn: 1, DataIn: [1])
                    ).returnValue
                }
                node.faults.fail(NodeDiskFaultTests.write)
                #expect(try await write().isFailure)
                node.faults.fail()
                #expect(try await client.cprepDiskIsOnline(.init(DiskId: disk)).returnValue.rawValue == 0x8007_0015)
                #expect(try await write().rawValue == 0x8007_139F)
                #expect(try await client.cprepDiskOnline(.init(DiskId: disk)).returnValue == .ok)
                #expect(try await write() == .ok)
            }
        }
    }

    /// The volume is looked at before the name (3.2.4.9 to 3.2.4.11).
    @Test
    func filesOnARawVolume() async throws {
        try await withImages([.mbr]) { images async throws in
            let node = TestNode(name: "a")
            let start = try PartitionTable.read(
                from: Disk(transport: EmulatedLogicalUnit(image: images[0].path, initiator: .node("observer")))
            ).partitions[0].firstBlock
            try await node.disk(images[0].path).write(
                sector: UInt32(start), [UInt8](repeating: 0, count: 512), by: .new())
            let object = node.storage([images[0].path])
            let disk = try await Self.online(object)
            try await Self.storage2(object) { client async throws in
                for name: WideString in ["a:b", "", WideString(String(repeating: "x", count: 256))] {
                    // ERROR_UNRECOGNIZED_VOLUME.
                    let answers = try await [
                        client.cprepDiskWriteFileData(.init(DiskId: disk, ulPartition: 1, FileName: name)).returnValue,
                        client.cprepDiskVerifyFileData(.init(DiskId: disk, ulPartition: 1, FileName: name)).returnValue,
                        client.cprepDiskDeleteFile(.init(DiskId: disk, ulPartition: 1, FileName: name)).returnValue,
                    ]
                    #expect(answers.allSatisfy { $0.rawValue == 0x8007_03ED })
                }
                let name = try await client.cprepDiskGetFSName(.init(DiskId: disk, Partition: 1))
                #expect(name.FsName.wideString == "RAW")
            }
        }
    }

    /// Space that is reserved is a partition, but none that can be mapped to a volume (3.2.4).
    @Test
    func aPartitionWithoutAVolume() async throws {
        try await withImages([.gpt]) { images async throws in
            try Self.reserveFirstPartition(of: images[0])
            let object = TestNode(name: "a").storage([images[0].path])
            let disk = try await Self.online(object)
            try await Self.storage2(object) { client async throws in
                let answers = try await [
                    client.cprepDiskGetFSName(.init(DiskId: disk, Partition: 1)).returnValue,
                    client.cprepDiskDiskPartitionIsNtfs(.init(DiskId: disk, ulPartition: 1)).returnValue,
                    client.cprepDiskDeleteFile(.init(DiskId: disk, ulPartition: 1, FileName: "a")).returnValue,
                ]
                #expect(answers.allSatisfy { $0.rawValue == 0x8007_0002 })
            }
        }
    }

    /// Gives the first entry of the primary GPT the type of Microsoft's reserved partition, and the table its checksums.
    private static func reserveFirstPartition(of image: DiskImage) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: image.path))
        defer { try? file.close() }
        func octets(at offset: UInt64, _ count: Int) throws -> [UInt8] {
            try file.seek(toOffset: offset)
            return Array(try #require(try file.read(upToCount: count)))
        }
        func littleEndian(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        // UEFI 2.10, 5.3.2 and 5.3.3: header in block 1, 92 octets; its own CRC at 16, that of the entries at 88.
        var header = try octets(at: 512, 92)
        let place = header[72..<80].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } * 512
        let length = Int(header[80]) * Int(header[84])
        var entries = try octets(at: place, length)
        let reserved: GUID = "e3c9e316-0b5c-4db8-817d-f92df00215ae"
        entries.replaceSubrange(0..<16, with: reserved.littleEndianBytes)
        header.replaceSubrange(88..<92, with: littleEndian(crc32(entries)))
        header.replaceSubrange(16..<20, with: [0, 0, 0, 0])
        header.replaceSubrange(16..<20, with: littleEndian(crc32(header)))
        try file.seek(toOffset: place)
        try file.write(contentsOf: Data(entries))
        try file.seek(toOffset: 512)
        try file.write(contentsOf: Data(header))
    }

    /// The CRC-32 of IEEE 802.3, bit by bit.
    private static func crc32(_ octets: [UInt8]) -> UInt32 {
        ~octets.reduce(~0) { crc, octet in
            (0..<8).reduce(crc ^ UInt32(octet)) { crc, _ in crc >> 1 ^ (crc & 1 == 0 ? 0 : 0xEDB8_8320) }
        }
    }

    /// "This method is not called" (3.2.4), so it has no state to be in.
    @Test
    func methodsThatAreNotUsedOnTheWire() async throws {
        let object = TestNode(name: "a").storage([])
        try await Self.storage2(object) { client async throws in
            for _ in 0..<3 {
                let answers = try await [
                    client.opnum8NotUsedOnWire(.init()).returnValue, client.opnum9NotUsedOnWire(.init()).returnValue,
                    client.opnum10NotUsedOnWire(.init()).returnValue, client.opnum11NotUsedOnWire(.init()).returnValue,
                    client.opnum15NotUsedOnWire(.init()).returnValue, client.opnum16NotUsedOnWire(.init()).returnValue,
                    client.opnum21NotUsedOnWire(.init()).returnValue,
                ]
                #expect(answers.allSatisfy { $0 == .notImplemented })
                _ = try await client.cprepPrepareNode(.init())
                _ = try await client.cprepPrepareNodePhase2(.init())
            }
        }
    }
}

extension ClusterStorage {
    /// As if the object had heard of a loss.
    fileprivate func forget(_ number: Int) {
        state.didLoseOwnership(number)
    }
}
