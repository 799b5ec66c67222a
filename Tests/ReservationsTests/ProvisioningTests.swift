import Glibc
import Testing

@testable import Reservations

/// WRITE SAME, UNMAP and the pages of SBC-3, on sparse images and on others.
///
/// The pages' octets were laid out by hand and read back with sg_vpd and sg_logs of sg3-utils, which name the same values.
@Suite struct ProvisioningTests {
    static let blocks = 4096

    /// A unit over a sparse image of two mebibytes.
    func thin() throws -> (TemporaryImage, EmulatedLogicalUnit) {
        let image = try TemporaryImage(blocks: Self.blocks)
        return (image, try image.settledUnit())
    }

    /// A unit over an image that has all of its space.
    func thick() throws -> (TemporaryImage, EmulatedLogicalUnit) {
        let image = try TemporaryImage(blocks: 64)
        let file = try OpenFile(image.path, flags: O_RDWR)
        try file.write([UInt8](repeating: 7, count: 64 * 512), at: 0)
        try file.synchronize()
        return (image, try image.settledUnit())
    }

    func sense(_ result: SCSIResult) -> AdditionalSenseCode? {
        result.status == .checkCondition ? result.sense?.code : nil
    }

    func unmapList(_ ranges: [(UInt64, UInt32)]) -> [UInt8] {
        var list: [UInt8] = []
        list.append(bigEndian: UInt16(6 + ranges.count * 16))
        list.append(bigEndian: UInt16(ranges.count * 16))
        list += [0, 0, 0, 0]
        for (first, count) in ranges {
            list.append(bigEndian: first)
            list.append(bigEndian: count)
            list += [0, 0, 0, 0]
        }
        return list
    }

    func unmap(_ unit: EmulatedLogicalUnit, _ ranges: [(UInt64, UInt32)]) -> SCSIResult {
        let list = unmapList(ranges)
        return unit.send(.unmap(isAnchored: false, parameterListLength: UInt16(list.count)), list)
    }

    func write(_ unit: EmulatedLogicalUnit, at first: UInt64, blocks: Int, _ value: UInt8 = 9) -> SCSIResult {
        unit.send(
            .write(.init(first: first, count: UInt32(blocks)), form: .sixteen, forceUnitAccess: false),
            [UInt8](repeating: value, count: blocks * 512))
    }

    // MARK: Pages

    /// SBC-3, laid out by hand: WSNZ; granularity 8; 131072 blocks at most, 2048 at best; UNMAP of any length, 256 ranges,
    /// in eights; WRITE SAME of 131072 blocks.
    @Test func pagesOfAThinUnit() throws {
        let (image, unit) = try thin()
        defer { withExtendedLifetime(image) {} }
        #expect(
            unit.send(.inquiry(page: 0xB0, allocationLength: 255)).data
                == octets(
                    "00B0003C 01 00 0008 00020000 00000800 00000000 FFFFFFFF 00000100 00000008 00000000 0000000000020000"
                )
                + [UInt8](repeating: 0, count: 20))
        #expect(
            unit.send(.inquiry(page: 0xB1, allocationLength: 255)).data
                == octets("00B1003C") + [UInt8](repeating: 0, count: 60))
        // A set of 2^3 blocks is a page of the host.
        #expect(unit.send(.inquiry(page: 0xB2, allocationLength: 255)).data == octets("00B20004 03 E4 02 00"))
        #expect(unit.send(.readCapacity16(allocationLength: 32)).data[14] == 0xC0)
        let codes = unit.send(.reportSupportedOperationCodes(.one(0x42), allocationLength: 64)).data
        #expect(codes.prefix(2) == [0, 3])
    }

    @Test func pagesOfAFullUnit() throws {
        let (image, unit) = try thick()
        defer { withExtendedLifetime(image) {} }
        let limits = unit.send(.inquiry(page: 0xB0, allocationLength: 255)).data
        #expect(limits.count == 64)
        #expect(limits[20..<32].allSatisfy { $0 == 0 })
        #expect(unit.send(.inquiry(page: 0xB2, allocationLength: 255)).data == octets("00B20004 00 00 00 00"))
        #expect(unit.send(.readCapacity16(allocationLength: 32)).data[14] == 0)
        #expect(sense(unmap(unit, [(0, 8)])) == .invalidOperationCode)
        #expect(unit.send(.reportSupportedOperationCodes(.one(0x42), allocationLength: 64)).data == [0, 1, 0, 0])
        let same = SCSICommand.writeSame(.init(first: 0, count: 8), isSixteenOctets: true, options: .unmap)
        #expect(sense(unit.send(same, [UInt8](repeating: 0, count: 512))) == .invalidFieldInCDB)
        #expect(unit.send(.logSense(.init(page: 0), allocationLength: 64)).data == octets("00 00 0002 00 2F"))
        #expect(sense(unit.send(.logSense(.init(page: 0x0C), allocationLength: 64))) == .invalidFieldInCDB)
        #expect(throws: EmulatedUnitError.notThinProvisioned(path: image.path)) { try unit.limitSpace(to: 1) }
    }

    @Test func logPages() throws {
        let (image, unit) = try thin()
        defer { withExtendedLifetime(image) {} }
        try unit.limitSpace(to: 3 << 20)
        #expect(write(unit, at: 0, blocks: 2048).status == .good)
        #expect(unit.send(.logSense(.init(page: 0), allocationLength: 64)).data == octets("00 00 0003 00 0C 2F"))
        // 512 sets of eight blocks are left of 768, 256 are used; both are the unit's own.
        #expect(
            unit.send(.logSense(.init(page: 0x0C), allocationLength: 64)).data
                == octets("0C 00 0018 0001 03 08 00000200 01000000 0002 03 08 00000100 01000000"))
        #expect(
            unit.send(.logSense(.init(page: 0x0C, parameterPointer: 2), allocationLength: 64)).data
                == octets("0C 00 000C 0002 03 08 00000100 01000000"))
        #expect(
            unit.send(.logSense(.init(page: 0x2F), allocationLength: 64)).data
                == octets("2F 00 0008 0000 03 04 00 00 FF 00"))
        for request in [
            SCSICommand.LogPageRequest(page: 0x0D), .init(page: 0, subpage: 0xFF),
            .init(page: 0x0C, parameterPointer: 3),
            .init(page: 0x2F, parameterPointer: 1),
        ] {
            #expect(sense(unit.send(.logSense(request, allocationLength: 64))) == .invalidFieldInCDB)
        }
        for cdb in ["4D 01 00 00 00 00 00 00 40 00", "4D 02 00 00 00 00 00 00 40 00"] {
            #expect(sense(unit.execute(cdb: octets(cdb), dataOut: [], dataInLength: 64)) == .invalidFieldInCDB)
        }
    }

    // MARK: WRITE SAME

    @Test(arguments: [false, true])
    func writeSameFillsARange(isSixteenOctets: Bool) throws {
        let (image, unit) = try thin()
        defer { withExtendedLifetime(image) {} }
        let block = (0..<512).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let same = SCSICommand.writeSame(
            .init(first: 3, count: 3000), isSixteenOctets: isSixteenOctets, options: [])
        #expect(unit.send(same, block).status == .good)
        let disk = try Disk(transport: unit)
        #expect(try disk.read(block: 2, count: 2) == [UInt8](repeating: 0, count: 512) + block)
        #expect(try disk.read(block: 3001, count: 3) == block + block + [UInt8](repeating: 0, count: 512))
    }

    @Test func writeSameWithUnmapGivesSpaceBack() throws {
        let (image, unit) = try thin()
        defer { withExtendedLifetime(image) {} }
        #expect(write(unit, at: 0, blocks: 2048).status == .good)
        let before = try unit.image.allocatedOctets()
        let same = SCSICommand.writeSame(
            .init(first: 0, count: 1024), isSixteenOctets: true, options: [.unmap, .noData])
        #expect(unit.send(same).status == .good)
        #expect(try unit.image.allocatedOctets() <= before - 1024 * 512)
        #expect(unit.send(.read(.init(first: 1023, count: 1), form: .ten)).data == [UInt8](repeating: 0, count: 512))
        // Data that is not zero is written, UNMAP or not.
        let other = SCSICommand.writeSame(.init(first: 0, count: 2), isSixteenOctets: false, options: .unmap)
        #expect(unit.send(other, [UInt8](repeating: 5, count: 512)).status == .good)
        #expect(unit.send(.read(.init(first: 1, count: 1), form: .ten)).data == [UInt8](repeating: 5, count: 512))
    }

    @Test func writeSameRefusals() throws {
        let image = try TemporaryImage(blocks: (EmulatedLogicalUnit.transferLimit / 512) + 2)
        let unit = try image.settledUnit()
        let block = [UInt8](repeating: 1, count: 512)
        let most = UInt32(EmulatedLogicalUnit.transferLimit / 512)
        func same(_ first: UInt64, _ count: UInt32, _ options: SCSICommand.WriteSameOptions = []) -> SCSICommand {
            .writeSame(.init(first: first, count: count), isSixteenOctets: true, options: options)
        }
        #expect(sense(unit.send(same(0, 0), block)) == .invalidFieldInCDB)
        #expect(unit.send(same(0, most, [.unmap, .noData])).status == .good)
        #expect(sense(unit.send(same(0, most + 1, [.unmap, .noData]))) == .invalidFieldInCDB)
        #expect(unit.send(same(UInt64(most) + 1, 1), block).status == .good)
        #expect(sense(unit.send(same(UInt64(most) + 1, 2), block)) == .blockAddressOutOfRange)
        #expect(sense(unit.send(same(0, 1), [])) == .invalidFieldInCDB)
        #expect(sense(unit.send(same(0, 1, [.unmap, .anchor]), block)) == .invalidFieldInCDB)
        for octet in [0x20, 0x02, 0x04, 0x01] as [UInt8] {
            var cdb = SCSICommand.writeSame(.init(first: 0, count: 1), isSixteenOctets: false, options: []).cdb
            cdb[1] = octet
            #expect(sense(unit.execute(cdb: cdb, dataOut: block, dataInLength: 0)) == .invalidFieldInCDB)
        }
    }

    // MARK: UNMAP

    @Test func unmapGivesSpaceBack() throws {
        let (image, unit) = try thin()
        defer { withExtendedLifetime(image) {} }
        #expect(write(unit, at: 0, blocks: 2048).status == .good)
        let before = try unit.image.allocatedOctets()
        #expect(unmap(unit, [(0, 512), (1024, 512), (7, 0)]).status == .good)
        #expect(try unit.image.allocatedOctets() <= before - 1024 * 512)
        let disk = try Disk(transport: unit)
        #expect(
            try disk.read(block: 511, count: 2) == [UInt8](repeating: 0, count: 512) + [UInt8](repeating: 9, count: 512)
        )
        #expect(image.path == unit.name && unit.image.length == UInt64(Self.blocks * 512))
    }

    @Test func unmapRefusals() throws {
        let (image, unit) = try thin()
        defer { withExtendedLifetime(image) {} }
        #expect(write(unit, at: 0, blocks: 8).status == .good)
        // The second range is wrong, so the first stays.
        #expect(sense(unmap(unit, [(0, 8), (UInt64(Self.blocks), 1)])) == .blockAddressOutOfRange)
        #expect(unit.send(.read(.init(first: 0, count: 1), form: .ten)).data.first == 9)
        #expect(unmap(unit, [(UInt64(Self.blocks) - 1, 1)]).status == .good)
        let list = unmapList([(0, 8)])
        #expect(sense(unit.send(.unmap(isAnchored: true, parameterListLength: 24), list)) == .invalidFieldInCDB)
        #expect(unit.send(.unmap(isAnchored: false, parameterListLength: 0)).status == .good)
        for length: UInt16 in [1, 7, 23] {
            #expect(
                sense(unit.send(.unmap(isAnchored: false, parameterListLength: length), list))
                    == .parameterListLengthError)
        }
        #expect(
            sense(unit.send(.unmap(isAnchored: false, parameterListLength: 24), Array(list.dropLast())))
                == .parameterListLengthError)
        #expect(unit.send(.read(.init(first: 0, count: 1), form: .ten)).data.first == 9)
        let most = EmulatedLogicalUnit.unmapDescriptorLimit
        #expect(unmap(unit, [(UInt64, UInt32)](repeating: (0, 0), count: most)).status == .good)
        #expect(
            sense(unmap(unit, [(UInt64, UInt32)](repeating: (0, 0), count: most + 1))) == .invalidFieldInParameterList)
    }

    // MARK: Space

    @Test func fullUnitIsWriteProtected() throws {
        let (image, unit) = try thin()
        let other = try image.settledUnit(2)
        try unit.limitSpace(to: 1 << 20)
        #expect(write(unit, at: 0, blocks: 2048).status == .good)
        let refused = write(other, at: 2048, blocks: 1)
        #expect(refused.sense == SenseData(key: .dataProtect, code: .spaceAllocationFailed))
        let same = SCSICommand.writeSame(.init(first: 2048, count: 1), isSixteenOctets: true, options: [])
        #expect(sense(other.send(same, [UInt8](repeating: 1, count: 512))) == .spaceAllocationFailed)
        let error = #expect(throws: SCSIError.self) {
            try Disk(transport: other).write(block: 2048, [UInt8](repeating: 1, count: 512))
        }
        #expect(error?.win32 == .diskFull)
        // What has its space can be written, and space that is given back can be used.
        #expect(write(other, at: 0, blocks: 2048, 3).status == .good)
        #expect(unmap(other, [(0, 64)]).status == .good)
        #expect(write(unit, at: 2048, blocks: 64).status == .good)
        #expect(sense(write(unit, at: 4000, blocks: 1)) == .spaceAllocationFailed)
        try other.limitSpace(to: nil)
        #expect(write(unit, at: 4000, blocks: 1).status == .good)
    }

    /// A full file system, and a quota that is used up, look like a pool without room.
    @Test func fullFileSystemLooksLikeAFullPool() {
        for number in [ENOSPC, EDQUOT] {
            let result = SCSIResult(writeFailure: FileError("write", "image", number), at: 1)
            #expect(result.sense == SenseData(key: .dataProtect, code: .spaceAllocationFailed))
        }
        #expect(SCSIResult(writeFailure: FileError("write", "image", EIO), at: 1).sense?.key == .mediumError)
    }
}
