import Testing

@testable import Reservations

/// NVM Express behind SCSI commands. Octets and doublewords are worked out by hand from the figures of the NVM Express Base
/// Specification ("Reservation Register – Command Dword 10" and its neighbours) and the NVM Command Set Specification.
@Suite struct LocalNVMeTests {
    let namespace = FakeNamespace()

    private func expect(
        _ opcode: UInt8, _ doublewords: [UInt32], _ data: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let last = namespace.takeLog().last
        #expect(last?.opcode == opcode, sourceLocation: sourceLocation)
        #expect(last?.doublewords == doublewords, sourceLocation: sourceLocation)
        #expect(last?.dataOut == octets(data), sourceLocation: sourceLocation)
    }

    @Test func reservationCommands() throws {
        let disk = try namespace.disk(host: 0x11)
        // RREGA 000b; CPTPL 10b in bits 31:30, as APTPL is zero. CRKEY, then NRKEY, little endian.
        try disk.register(existing: .none, new: key(0x1122_3344_5566_7788))
        expect(0x0D, [0x8000_0000], "0000000000000000 8877665544332211")
        // RREGA 010b replaces; CPTPL 11b.
        try disk.register(existing: key(0x1122_3344_5566_7788), new: key(0xA), persistsThroughPowerLoss: true)
        expect(0x0D, [0xC000_0002], "8877665544332211 0A00000000000000")
        #expect(try disk.reservationCapabilities().persistThroughPowerLossActivated)
        // IEKEY is bit 3.
        try disk.registerIgnoringExistingKey(key(0xB))
        expect(0x0D, [0x8000_000A], "0000000000000000 0B00000000000000")
        // RACQA 000b, RTYPE in bits 15:8: Write Exclusive – Registrants Only is 3.
        try disk.reserve(key: key(0xB), type: .writeExclusiveRegistrantsOnly)
        expect(0x11, [0x0000_0300], "0B00000000000000 0000000000000000")
        // RRELA 000b.
        try disk.release(key: key(0xB), type: .writeExclusiveRegistrantsOnly)
        expect(0x15, [0x0000_0300], "0B00000000000000")
        let other = try namespace.disk(host: 0x22)
        try other.register(existing: .none, new: key(0xC))
        try other.reserve(key: key(0xC), type: .exclusiveAccess)
        // RACQA 001b and 010b; CRKEY, then PRKEY.
        try disk.preempt(key: key(0xB), victim: key(0xC), type: .exclusiveAccessAllRegistrants)
        expect(0x11, [0x0000_0601], "0B00000000000000 0C00000000000000")
        #expect(
            Ending { try disk.preempt(key: key(0xB), victim: key(0xC), type: .writeExclusive, abort: true) }
                == .conflict)
        expect(0x11, [0x0000_0102], "0B00000000000000 0C00000000000000")
        // RREGA 001b unregisters.
        try disk.register(existing: key(0xB), new: .none)
        expect(0x0D, [0x8000_0001], "0B00000000000000 0000000000000000")
        try disk.register(existing: .none, new: key(0xD))
        // RRELA 001b clears.
        try disk.clearReservations(key: key(0xD))
        expect(0x15, [0x0000_0001], "0D00000000000000")
        _ = try disk.readKeys()
        // Reservation Report: NUMD is zero based; 4096 octets are 1024 doublewords. EDS is bit 0 of doubleword 11.
        expect(0x0E, [1023, 0])
    }

    @Test func typesAreNumberedWithoutGaps() {
        // "Reservation Type Encoding": 1 to 6 in the order of SCSI's 1, 3, 5, 6, 7 and 8.
        #expect(ReservationType.allCases.map(\.nvme) == [1, 2, 3, 4, 5, 6])
        #expect((0...UInt8.max).compactMap { ReservationType(nvme: $0) } == ReservationType.allCases)
    }

    @Test func twoHosts() throws {
        let (one, two) = (try namespace.disk(host: 1), try namespace.disk(host: 2))
        try one.register(existing: .none, new: key(0xA))
        #expect(Ending { try one.register(existing: .none, new: key(0xA)) } == .conflict)
        #expect(Ending { try one.register(existing: .none, new: .none) } == .conflict)
        try two.register(existing: .none, new: .none)
        try two.registerIgnoringExistingKey(.none)
        try two.registerIgnoringExistingKey(key(0xB))
        try one.reserve(key: key(0xA), type: .writeExclusive)
        try one.write(block: 1, [UInt8](repeating: 1, count: 4096))
        #expect(Ending { try two.write(block: 1, [UInt8](repeating: 2, count: 4096)) } == .conflict)
        #expect(try two.read(block: 1, count: 1) == [UInt8](repeating: 1, count: 4096))
        #expect(Ending { try two.reserve(key: key(0xB), type: .writeExclusive) } == .conflict)
        try two.release(key: key(0xB), type: .writeExclusive)
        #expect(try two.readKeys().keys == [key(0xA), key(0xB)])
        #expect(try two.readReservation().holder == .init(key: key(0xA), type: .writeExclusive))
        #expect {
            try one.release(key: key(0xA), type: .exclusiveAccess)
        } throws: { error in
            guard case SCSIError.checkCondition(let sense) = error else { return false }
            return sense.code == .invalidRelease
        }
        let status = try two.readFullReservationStatus()
        #expect(status.registrations.map(\.heldType) == [.writeExclusive, nil])
        #expect(status.registrations.map(\.relativeTargetPort) == [1, 1])
        // The host's identifier behind a TransportID of no specific protocol.
        #expect(status.registrations[1].transportID == octets("0F00000000000000 0200000000000000 0000000000000000"))
        try two.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusive)
        #expect(Ending { try one.write(block: 1, [UInt8](repeating: 3, count: 4096)) } == .conflict)
        try two.preempt(key: key(0xB), victim: key(0xB), type: .writeExclusiveAllRegistrants)
        #expect(try two.readReservation().holder == .init(key: .none, type: .writeExclusiveAllRegistrants))
    }

    @Test func capabilities() throws {
        let capabilities = try namespace.disk(host: 1).reservationCapabilities()
        #expect(capabilities.types == Set(ReservationType.allCases))
        #expect(capabilities.allTargetPorts)
        #expect(capabilities.persistThroughPowerLoss)
        #expect(!capabilities.persistThroughPowerLossActivated)
        var controller = FakeNamespace.identifyController()
        var structure = FakeNamespace.identifyNamespace()
        structure[31] = 0x08  // Write Exclusive – Registrants Only alone, and nothing persists
        let limited = NVMeReservationCapabilities(controller: controller, namespace: structure)
        #expect(limited.types == [.writeExclusiveRegistrantsOnly])
        #expect(!limited.persistsThroughPowerLoss)
        controller[520] = 0x1F
        #expect(!NVMeReservationCapabilities(controller: controller, namespace: structure).isSupported)
    }

    @Test(arguments: [false, true]) func controllersWithShortHostIdentifiers(_ isOld: Bool) throws {
        namespace.state.withLock { $0.isOld = isOld }
        let disk = try namespace.disk(host: 7)
        try disk.register(existing: .none, new: key(7))
        _ = namespace.takeLog()
        #expect(try disk.readKeys().keys == [key(7)])
        // First the extended structure, then the other one.
        #expect(namespace.takeLog().map(\.doublewords) == [[1023, 1], [1023, 0]])
    }

    @Test func manyRegistrants() throws {
        // 4096 octets hold a head of 24 and 169 registrants of 24.
        for count in [169, 170, 1000] {
            namespace.state.withLock { state in
                state.registrants = (1...UInt64(count)).map { ($0, $0) }
            }
            #expect(try namespace.disk(host: 1).readKeys().keys.count == count)
        }
    }

    /// The extended Reservation Status data structure, by hand: a head of 64 octets and 64 for each controller.
    @Test func extendedReport() {
        var report = octets("05000000 03 0200 0000 01") + [UInt8](repeating: 0, count: 54)
        report += octets("0100 01 0000000000 0A00000000000000 000102030405060708090A0B0C0D0E0F")
        report += [UInt8](repeating: 0, count: 32)
        report += octets("FFFF 00 0000000000 0B00000000000000 101112131415161718191A1B1C1D1E1F")
        report += [UInt8](repeating: 0, count: 32)
        let status = NVMeReservationStatus(report, isExtended: true)
        #expect(status.generation == 5)
        #expect(status.type == .writeExclusiveRegistrantsOnly)
        #expect(status.persistsThroughPowerLoss)
        #expect(status.registrants.map(\.key) == [key(0xA), key(0xB)])
        #expect(status.registrants.map(\.isHolder) == [true, false])
        #expect(status.registrants.map(\.controller) == [1, 0xFFFF])
        #expect(status.registrants[1].host == Array(0x10...0x1F))
        // A count that the data does not reach.
        #expect(NVMeReservationStatus(Array(report.dropLast()), isExtended: true).registrants.count == 1)
    }

    @Test func identity() throws {
        let disk = try namespace.disk(host: 1)
        #expect(disk.inquiry.vendor == "NVMe")
        #expect(disk.inquiry.product == "Example NVMe Dis")
        #expect(disk.inquiry.revision == "EXM7")
        #expect(disk.blockSize == 4096)
        #expect(disk.blockCount == 64)
        #expect(try disk.serialNumber() == "0025_385B_91B0_0A5C.")
        let preferred = try #require(DeviceIdentifier.preferred(try disk.identifiers()))
        #expect(preferred.text == "eui.0025385B91B00A5C")
        #expect(try disk.supportedPages() == [0x00, 0x80, 0x83])
        var structure = FakeNamespace.identifyNamespace()
        structure.replaceSubrange(120..<128, with: [UInt8](repeating: 0, count: 8))
        let nameless = UnitIdentity(controller: FakeNamespace.identifyController(), namespace: structure, number: 10)
        #expect(nameless.serial == "S4EVNX0M_A")
        #expect(DeviceIdentifier.preferred(nameless.designators) == nil)
        structure.replaceSubrange(104..<120, with: 1...16)
        let guid = UnitIdentity(controller: FakeNamespace.identifyController(), namespace: structure, number: 10)
        #expect(guid.serial == "0102_0304_0506_0708_090A_0B0C_0D0E_0F10.")
    }

    @Test func transfers() throws {
        let disk = try namespace.disk(host: 1, maximumTransfer: 8192)
        _ = namespace.takeLog()
        let data = (0..<3 * 4096).map { UInt8(truncatingIfNeeded: $0 / 4096) }
        try disk.write(block: 5, data)
        // Identify for the capacity, then Write: SLBA in doublewords 10 and 11, NLB zero based in 12.
        let writes = namespace.takeLog().filter { !$0.isAdmin }
        #expect(writes.map(\.opcode) == [0x01, 0x01])
        #expect(writes.map(\.doublewords) == [[5, 0, 1], [7, 0, 0]])
        #expect(try disk.read(block: 5, count: 3) == data)
        #expect(namespace.takeLog().filter { !$0.isAdmin }.map(\.opcode) == [0x02, 0x02])
        try disk.execute(
            .write(.init(first: 1, count: 1), form: .ten, forceUnitAccess: true), dataOut: Array(data.prefix(4096)))
        // FUA is bit 30.
        expect(0x01, [1, 0, 0x4000_0000], data.prefix(4096).map { _ in "00" }.joined())
        try disk.flush()
        expect(0x00, [])
        #expect(throws: SCSIError.self) {
            try disk.execute(.read(.init(first: 64, count: 1), form: .ten), dataIn: 4096)
        }
        namespace.state.withLock { $0.isWriteProtected = true }
        #expect(try namespace.disk(host: 1).isReadOnly)
    }

    @Test func largeAddressesFillBothDoublewords() {
        let command = NVMeCommand.transfer(.init(first: 0x1_2345_6789_ABCD, count: 65536), dataInLength: 1)
        #expect(command.doublewords == [0x6789_ABCD, 0x0001_2345, 0xFFFF])
    }

    /// Status codes of the base specification ("Generic Command Status Values" and its neighbours); bit 14 is Do Not Retry.
    @Test(
        arguments: [
            (0x4001, SenseKey.illegalRequest, 0x2000), (0x4002, .illegalRequest, 0x2400),
            (0x0006, .hardwareError, 0x4400),
            (0x000B, .illegalRequest, 0x2500), (0x0020, .dataProtect, 0x2700), (0x0080, .illegalRequest, 0x2100),
            (0x0081, .dataProtect, 0x2707), (0x0082, .notReady, 0x0400), (0x0280, .mediumError, 0x0C00),
            (0x0281, .mediumError, 0x1100), (0x0285, .miscompare, 0x1D00), (0x0182, .dataProtect, 0x2700),
            (0x07FF, .hardwareError, 0x4400),
        ] as [(UInt16, SenseKey, UInt16)])
    func statuses(_ status: UInt16, _ sense: SenseKey, _ code: UInt16) throws {
        let disk = try namespace.disk(host: 1)
        namespace.state.withLock { $0.failures = [status] }
        #expect {
            try disk.testUnitReady()
        } throws: { error in
            guard case SCSIError.checkCondition(let found) = error else { return false }
            return found.key == sense && found.code.rawValue == code
        }
    }

    @Test(arguments: [0x300, 0x301, 0x302, 0x303, 0x360, 0x370, 0x371] as [UInt16])
    func pathErrorsAreNoStatus(_ status: UInt16) throws {
        let disk = try namespace.disk(host: 1)
        namespace.state.withLock { $0.failures = [status] }
        #expect(Ending { try disk.testUnitReady() } == .lost)
    }

    /// With metadata in its blocks a namespace would transfer more than the command has room for.
    @Test func blocksWithMetadataAreRefused() throws {
        for (metadata, isUsable) in [(0, true), (8, false), (1 << 8, false)] {
            var structure = FakeNamespace.identifyNamespace()
            structure[132] = UInt8(metadata & 0xFF)
            structure[133] = UInt8(metadata >> 8)
            let octets = structure
            let unit = try NVMeUnit(name: "nvme", namespace: 1, maximumTransfer: 4096) { command throws(FileError) in
                .init(
                    status: .success,
                    data: command.doublewords[0] == 1 ? FakeNamespace.identifyController() : octets)
            }
            let transport = TranslatedTransport(name: "nvme", attachment: DiskAttachment(), unit: unit)
            let read = SCSICommand.read(.init(first: 0, count: 1), form: .ten).cdb
            let result = try transport.execute(cdb: read, dataOut: [], dataInLength: 4096)
            #expect(result.status == (isUsable ? .good : .checkCondition))
            #expect(result.sense?.code == (isUsable ? nil : .incompatibleMedium))
        }
    }

    @Test func aNamespaceWithoutReservationsSaysSo() throws {
        var controller = FakeNamespace.identifyController()
        controller[520] = 0
        let octets = controller
        let unit = try NVMeUnit(name: "nvme", namespace: 1, maximumTransfer: 4096) { command throws(FileError) in
            .init(
                status: .success,
                data: command.doublewords[0] == 1 ? octets : FakeNamespace.identifyNamespace())
        }
        let disk = try Disk(transport: TranslatedTransport(name: "nvme", attachment: DiskAttachment(), unit: unit))
        for body in [{ _ = try disk.readKeys() }, { try disk.registerIgnoringExistingKey(key(1)) }] {
            #expect {
                try body()
            } throws: { error in
                guard case SCSIError.checkCondition(let sense) = error else { return false }
                return sense.code == .invalidOperationCode
            }
        }
    }
}
