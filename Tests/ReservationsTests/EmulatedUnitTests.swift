import Glibc
import Testing

@testable import Reservations

/// The emulated unit's commands, octet by octet where the standard lays them out.
@Suite struct EmulatedUnitTests {
    let image: TemporaryImage
    let unit: EmulatedLogicalUnit

    init() throws {
        image = try TemporaryImage()
        unit = try image.settledUnit()
    }

    func sense(_ result: SCSIResult) -> AdditionalSenseCode? {
        result.status == .checkCondition ? result.sense?.code : nil
    }

    // MARK: Identity

    /// SPC-3 6.4.2: direct access, SPC-3, response data format 2 with HISUP, 91 octets follow, MULTIP, CMDQUE.
    @Test func standardInquiry() {
        let data = unit.send(.inquiry(page: nil, allocationLength: 96)).data
        #expect(data.count == 96)
        #expect(data.prefix(8) == octets("00 00 05 12 5B 00 10 02")[...])
        #expect(data[8..<36] == Array("CLUSPREPEMULATED DISK   0001".utf8)[...])
        #expect(data[58..<66] == octets("0060 0300 0320 0960")[...])
        #expect(unit.send(.inquiry(page: nil, allocationLength: 5)).data == octets("00 00 05 12 5B"))
        let inquiry = InquiryData(data)
        #expect(inquiry?.vendor == "CLUSPREP")
        #expect(inquiry?.product == "EMULATED DISK")
        #expect(inquiry?.isMultiPort == true)
    }

    @Test func vitalProductData() throws {
        let serial = String(unit.identifier, radix: 16, uppercase: true)
        #expect(serial.count == 16 && serial.first == "3")
        #expect(unit.send(.inquiry(page: 0, allocationLength: 255)).data == octets("00 00 0006 00 80 83 B0 B1 B2"))
        #expect(
            unit.send(.inquiry(page: 0x80, allocationLength: 255)).data == octets("00 80 0010") + Array(serial.utf8))
        // SPC-3 7.6.3: NAA (binary, 8 octets), name (UTF-8, 24 octets), T10 (ASCII, 24 octets), port (binary, 4 octets, iSCSI).
        #expect(
            unit.send(.inquiry(page: 0x83, allocationLength: 255)).data
                == octets("00 83 004C") + octets("01 03 00 08 \(serial)")
                + octets("03 08 00 18") + Array("naa.\(serial)".utf8) + [0, 0, 0, 0]
                + octets("02 01 00 18") + Array("CLUSPREP\(serial)".utf8) + octets("51 94 00 04 0000 0001"))
        #expect(sense(unit.send(.inquiry(page: 0xB3, allocationLength: 255))) == .invalidFieldInCDB)
        let disk = try Disk(transport: unit)
        #expect(try disk.serialNumber() == serial)
        #expect(try disk.supportedPages() == [0, 0x80, 0x83, 0xB0, 0xB1, 0xB2])
        let identifiers = try disk.identifiers()
        #expect(DeviceIdentifier.preferred(identifiers)?.text == "naa.\(serial)")
        #expect(identifiers.map(\.kind) == [.naa, .scsiName, .t10Vendor, .relativeTargetPort])
        #expect(identifiers.last?.association == .targetPort)
    }

    /// [MS-CSVP] 2.2.6: a SCSI name string before NAA before EUI-64, and only of the logical unit.
    @Test func preferredIdentifier() {
        let eui = DeviceIdentifier(codeSet: 1, association: .logicalUnit, kind: .eui64, value: [1])
        let naa = DeviceIdentifier(codeSet: 1, association: .logicalUnit, kind: .naa, value: [0x60, 0x0A])
        let name = DeviceIdentifier(codeSet: 3, association: .logicalUnit, kind: .scsiName, value: [0x69])
        let port = DeviceIdentifier(codeSet: 3, association: .targetPort, kind: .scsiName, value: [2])
        let vendor = DeviceIdentifier(codeSet: 2, association: .logicalUnit, kind: .t10Vendor, value: [0x41])
        #expect(DeviceIdentifier.preferred([port, vendor]) == nil)
        #expect(DeviceIdentifier.preferred([vendor, eui, port]) == eui)
        #expect(DeviceIdentifier.preferred([eui, naa]) == naa)
        #expect(DeviceIdentifier.preferred([eui, naa, name]) == name)
        #expect(naa.text == "600A")
        #expect(name.text == "i")
        // Whoever made the unit does not get to command a terminal, whichever the code set.
        let hostile = Array("naa.\u{1B}[2Jé\u{202E}".utf8)
        #expect(
            DeviceIdentifier(codeSet: 3, association: .logicalUnit, kind: .scsiName, value: hostile).text
                == "naa.?[2Jé?")
        #expect(
            DeviceIdentifier(codeSet: 2, association: .logicalUnit, kind: .t10Vendor, value: [0x1B, 0x41]).text == "?A")
    }

    @Test func identityBelongsToTheImage() throws {
        #expect(try image.unit(2).identifier == unit.identifier)
        #expect(try image.unit(2, port: 2).identifier == unit.identifier)
        #expect(try TemporaryImage().unit().identifier != unit.identifier)
        // Another name for the same image is the same unit.
        let link = image.folder + "/link"
        try #require(symlink(image.path, link) == 0)
        let other = try EmulatedLogicalUnit(image: link, initiator: .node("node9"))
        #expect(other.identifier == unit.identifier)
        #expect(other.name == unit.name)
    }

    @Test func reportLUNs() {
        #expect(
            unit.send(.reportLUNs(selectReport: 0, allocationLength: 16)).data
                == octets("00000008 00000000 0000000000000000"))
        #expect(unit.send(.reportLUNs(selectReport: 1, allocationLength: 16)).data == octets("00000000 00000000"))
        #expect(sense(unit.send(.reportLUNs(selectReport: 0, allocationLength: 15))) == .invalidFieldInCDB)
        #expect(sense(unit.send(.reportLUNs(selectReport: 3, allocationLength: 16))) == .invalidFieldInCDB)
    }

    // MARK: Blocks

    @Test func capacity() throws {
        #expect(unit.send(.readCapacity10).data == octets("0000003F 00000200"))
        #expect(
            unit.send(.readCapacity16(allocationLength: 12)).data == octets("000000000000003F 00000200"))
        #expect(unit.send(.readCapacity16(allocationLength: 64)).data.count == 32)
    }

    @Test(arguments: SCSICommand.TransferForm.allCases)
    func blocksAreWrittenAndRead(form: SCSICommand.TransferForm) {
        let data = (0..<1024).map { UInt8($0 & 0xFF) }
        let range = SCSICommand.BlockRange(first: 7, count: 2)
        #expect(unit.send(.write(range, form: form, forceUnitAccess: true), data).status == .good)
        #expect(unit.send(.read(range, form: form)).data == data)
        #expect(unit.send(.read(.init(first: 6, count: 1), form: form)).data == [UInt8](repeating: 0, count: 512))
        // No more than the caller is ready for.
        #expect(unit.send(.read(range, form: form), dataIn: 100).data == Array(data.prefix(100)))
    }

    @Test func rangesEndWithTheMedium() {
        let good: [(UInt64, UInt32)] = [(0, 64), (63, 1), (63, 0), (64, 0)]
        let bad: [(UInt64, UInt32)] = [(0, 65), (63, 2), (64, 1), (65, 0), (.max, 0), (.max, 1), (1, .max)]
        for (first, count) in good {
            let range = SCSICommand.BlockRange(first: first, count: count)
            #expect(unit.send(.read(range, form: .sixteen)).status == .good, "\(range)")
            #expect(unit.send(.synchronizeCache(range, isSixteenOctets: true)).status == .good, "\(range)")
        }
        for (first, count) in bad {
            let range = SCSICommand.BlockRange(first: first, count: count)
            #expect(sense(unit.send(.read(range, form: .sixteen))) == .blockAddressOutOfRange, "\(range)")
            let write = SCSICommand.write(range, form: .sixteen, forceUnitAccess: false)
            #expect(sense(unit.send(write, [])) == .blockAddressOutOfRange, "\(range)")
            #expect(
                sense(unit.send(.synchronizeCache(range, isSixteenOctets: true))) == .blockAddressOutOfRange,
                "\(range)")
        }
    }

    @Test func dataThatDoesNotFitIsRefusedWhole() {
        let write = SCSICommand.write(.init(first: 0, count: 2), form: .ten, forceUnitAccess: false)
        for count in [0, 512, 1023, 1025] {
            #expect(sense(unit.send(write, [UInt8](repeating: 1, count: count))) == .invalidFieldInCDB)
        }
        #expect(
            unit.send(.read(.init(first: 0, count: 2), form: .ten)).data == [UInt8](repeating: 0, count: 1024))
    }

    @Test func transfersAreLimited() throws {
        let blocks = EmulatedLogicalUnit.transferLimit / 512
        let image = try TemporaryImage(blocks: blocks + 1)
        let unit = try image.settledUnit()
        let most = SCSICommand.BlockRange(first: 0, count: UInt32(blocks))
        #expect(unit.send(.read(most, form: .sixteen), dataIn: 1).status == .good)
        let more = SCSICommand.BlockRange(first: 0, count: UInt32(blocks + 1))
        #expect(sense(unit.send(.read(more, form: .sixteen), dataIn: 1)) == .invalidFieldInCDB)
    }

    @Test func largeDisk() throws {
        // 3 TiB, sparse: the last block is beyond what READ CAPACITY (10) and READ (10) can name.
        let image = try TemporaryImage(blocks: 6 << 30)
        let disk = try image.disk()
        #expect(disk.blockCount == 6 << 30)
        let block = [UInt8](repeating: 9, count: 512)
        try disk.write(block: (6 << 30) - 1, block)
        #expect(try disk.read(block: (6 << 30) - 2, count: 2) == [UInt8](repeating: 0, count: 512) + block)
        let error = #expect(throws: SCSIError.self) { try disk.read(block: 6 << 30, count: 1) }
        #expect(error?.win32 == .sectorNotFound)
        for (block, count) in [(UInt64.max, 4096), (0, Int.max), (0, -1), (6 << 30, 1)] {
            #expect(throws: SCSIError.self) { try disk.read(block: block, count: count) }
        }
        #expect(try disk.read(block: 6 << 30, count: 0) == [])
    }

    @Test func largeTransfersAreCut() throws {
        let image = try TemporaryImage(blocks: 5000)
        let disk = try image.disk()
        let data = (0..<5000 * 512).map { UInt8(truncatingIfNeeded: $0 / 512) }
        try disk.write(block: 0, data)
        #expect(try disk.read(block: 0, count: 5000) == data)
        #expect(try disk.read(block: 0, count: 0) == [])
        #expect(throws: SCSIError.self) { try disk.write(block: 0, [1, 2, 3]) }
        try disk.flush()
    }

    @Test func blocksOfFourKibibytes() throws {
        let image = try TemporaryImage(blocks: 16, blockSize: 4096)
        let unit = try EmulatedLogicalUnit(image: image.path, initiator: .node("a"), blockSize: 4096)
        let disk = try Disk(transport: unit)
        #expect(disk.blockSize == 4096 && disk.blockCount == 16)
        // It stays what it is.
        #expect(try EmulatedLogicalUnit(image: image.path, initiator: .node("b")).blockSize == 4096)
        #expect(throws: EmulatedUnitError.blockSizeChanged(path: image.path, recorded: 4096, requested: 512)) {
            try EmulatedLogicalUnit(image: image.path, initiator: .node("b"), blockSize: 512)
        }
        for size in [0, 256, 513, 131072] {
            #expect(throws: EmulatedUnitError.invalidBlockSize(size)) {
                let other = try TemporaryImage()
                _ = try EmulatedLogicalUnit(image: other.path, initiator: .node("b"), blockSize: size)
            }
        }
    }

    // MARK: Mode pages and operation codes

    /// SPC-3 7.4.3, SBC-2 6.3: DPOFUA without WP; 64 blocks of 512 octets; caching with WCE; control.
    @Test func modeSense() {
        let caching = "08 12 04 00 0000 0000 0000 0000 00 00 0000 00 000000"
        let control = "0A 0A 00 00 00 00 0000 0000 0000"
        let all = SCSICommand.ModePageRequest(page: 0x3F)
        #expect(
            unit.send(.modeSense(all, allocationLength: 255, isTenOctets: false)).data
                == octets("2B 00 10 08 00000040 00 000200 \(caching) \(control)"))
        #expect(
            unit.send(.modeSense(all, allocationLength: 255, isTenOctets: true)).data
                == octets("002E 00 10 00 00 0008 00000040 00 000200 \(caching) \(control)"))
        let bare = SCSICommand.ModePageRequest(page: 0x08, disablesBlockDescriptors: true)
        #expect(
            unit.send(.modeSense(bare, allocationLength: 255, isTenOctets: false)).data
                == octets("17 00 10 00 \(caching)"))
        let changeable = SCSICommand.ModePageRequest(page: 0x08, control: 1, disablesBlockDescriptors: true)
        #expect(unit.send(.modeSense(changeable, allocationLength: 255, isTenOctets: false)).data[6] == 0)
        let saved = SCSICommand.ModePageRequest(page: 0x08, control: 3)
        #expect(
            sense(unit.send(.modeSense(saved, allocationLength: 255, isTenOctets: false)))
                == .savingParametersNotSupported)
        for request in [SCSICommand.ModePageRequest(page: 0x1C), .init(page: 0x08, subpage: 1)] {
            #expect(
                sense(unit.send(.modeSense(request, allocationLength: 255, isTenOctets: false)))
                    == .invalidFieldInCDB)
        }
    }

    /// Every command that is reported is one that the unit parses, and the other way round.
    @Test func reportedOperationCodes() throws {
        let list = unit.send(.reportSupportedOperationCodes(.all, allocationLength: 4096)).data
        #expect(Int(list.field32(0)) == list.count - 4)
        for offset in stride(from: 4, to: list.count, by: 8) {
            let code = list[offset]
            let action = list.field16(offset + 2)
            let hasAction = list[offset + 5] & 1 == 1
            let query: SCSICommand.OperationCodeQuery = hasAction ? .oneWithServiceAction(code, action) : .one(code)
            let one = unit.send(.reportSupportedOperationCodes(query, allocationLength: 64)).data
            let length = Int(list.field16(offset + 6))
            #expect(one.prefix(4) == [0, 3, 0, UInt8(length)][...])
            var cdb = [UInt8](repeating: 0, count: length)
            cdb[0] = code
            if hasAction { cdb[1] = UInt8(action) }
            #expect(throws: Never.self) { try SCSICommand(cdb: cdb) }
        }
        #expect(
            unit.send(.reportSupportedOperationCodes(.one(0x15), allocationLength: 64)).data == [0, 1, 0, 0])
        #expect(
            unit.send(.reportSupportedOperationCodes(.oneWithServiceAction(0x5F, 8), allocationLength: 64)).data
                == [0, 1, 0, 0])
        #expect(
            sense(unit.send(.reportSupportedOperationCodes(.one(0x5F), allocationLength: 64))) == .invalidFieldInCDB)
        #expect(
            sense(unit.send(.reportSupportedOperationCodes(.oneWithServiceAction(0x28, 0), allocationLength: 64)))
                == .invalidFieldInCDB)
    }

    // MARK: Unit attentions

    @Test func newNexusIsGreetedOnce() throws {
        let unit = try image.unit(2)
        // These neither tell nor clear it (SAM-3 5.9.7).
        #expect(unit.send(.inquiry(page: nil, allocationLength: 36)).status == .good)
        #expect(unit.send(.reportLUNs(selectReport: 0, allocationLength: 16)).status == .good)
        let greeting = unit.send(.readCapacity10)
        #expect(greeting.status == .checkCondition)
        #expect(greeting.sense == SenseData(key: .unitAttention, code: .powerOnOrReset))
        #expect(unit.send(.readCapacity10).status == .good)
        #expect(try image.unit(3).execute(cdb: [0xFF], dataOut: [], dataInLength: 0).sense?.code == .powerOnOrReset)
    }

    @Test func requestSenseTellsAttentions() throws {
        let unit = try image.unit(2)
        let first = unit.send(.requestSense(descriptorFormat: false, allocationLength: 252))
        #expect(first.status == .good)
        #expect(SenseData(first.data)?.code == .powerOnOrReset)
        let second = unit.send(.requestSense(descriptorFormat: true, allocationLength: 252))
        #expect(second.data == octets("72 00 00 00 00 00 00 00"))
        #expect(unit.send(.requestSense(descriptorFormat: false, allocationLength: 4)).data == octets("70 00 00 00"))
    }

    @Test func reservationAttentionsReachTheirNexus() throws {
        let other = try image.settledUnit(2)
        let third = try image.settledUnit(3)
        unit.mustReserveOut(.register, to: 1)
        other.mustReserveOut(.register, to: 2)
        third.mustReserveOut(.register, to: 3)
        unit.mustReserveOut(.reserve, key: 1, type: .writeExclusiveRegistrantsOnly)
        other.mustReserveOut(.preempt, key: 2, to: 1, type: .exclusiveAccessRegistrantsOnly)
        #expect(sense(third.send(.testUnitReady)) == .reservationsReleased)
        #expect(third.send(.testUnitReady).status == .good)
        #expect(other.send(.testUnitReady).status == .good)
        // PERSISTENT RESERVE OUT is told as well, and has no effect then.
        #expect(sense(unit.reserveOut(.register, to: 1)) == .registrationsPreempted)
        unit.mustReserveOut(.register, to: 1)
        other.mustReserveOut(.clear, key: 2)
        let data = unit.send(.requestSense(descriptorFormat: false, allocationLength: 18)).data
        #expect(SenseData(data)?.code == .reservationsPreempted)
        #expect(unit.send(.testUnitReady).status == .good)
        #expect(sense(third.send(.readCapacity10)) == .reservationsPreempted)
    }

    @Test func targetPortsAreNexusesOfTheirOwn() throws {
        let second = try image.settledUnit(1, port: 2)
        #expect(throws: EmulatedUnitError.invalidTargetPort(3)) { try image.unit(1, port: 3) }
        #expect(throws: EmulatedUnitError.invalidTargetPort(0)) { try image.unit(1, port: 0) }
        unit.mustReserveOut(.register, to: 1)
        unit.mustReserveOut(.reserve, key: 1, type: .writeExclusive)
        let write = SCSICommand.write(.init(first: 0, count: 1), form: .ten, forceUnitAccess: false)
        #expect(second.send(write, [UInt8](repeating: 0, count: 512)).status == .reservationConflict)
        unit.mustReserveOut(.register, key: 1)
        // ALL_TG_PT registers both.
        unit.mustReserveOut(.register, to: 1, flags: 0x04)
        #expect(try Disk(transport: second).readKeys().keys == [key(1), key(1)])
    }

    @Test func parameterListLengths() {
        for length: UInt32 in [0, 8, 23, 25, 0xFFFF_FFFF] {
            let command = SCSICommand.persistentReserveOut(
                .register, scope: 0, type: 0, parameterListLength: length)
            #expect(sense(unit.send(command, [UInt8](repeating: 0, count: 25))) == .parameterListLengthError)
        }
    }

    @Test func commandsNobodyKnows() {
        #expect(sense(unit.execute(cdb: [], dataOut: [], dataInLength: 0)) == .invalidOperationCode)
        #expect(
            sense(unit.execute(cdb: octets("15 00 00 00 00 00"), dataOut: [], dataInLength: 0)) == .invalidOperationCode
        )
        for code in UInt8.min...UInt8.max {
            // Whatever comes, an answer goes.
            let result = unit.execute(
                cdb: [code] + [UInt8](repeating: 0xFF, count: 15), dataOut: [], dataInLength: 1 << 16)
            #expect(result.status != .good || result.sense == nil)
        }
    }
}
