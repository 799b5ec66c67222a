import Synchronization
import Testing

@testable import Reservations

/// The typed disk over targets that behave, and over ones that do not.
@Suite struct DiskTests {
    typealias Answer = @Sendable () throws -> SCSIResult

    /// Answers each command from a script, the last answer again and again.
    final class Script: SCSITransport {
        let name = "script"
        private let answers: Mutex<[Answer]>
        let commands = Mutex<[UInt8]>([])

        init(_ answers: [Answer]) {
            self.answers = Mutex(answers)
        }

        func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
            commands.withLock { $0.append(cdb[0]) }
            return try answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }()
        }
    }

    /// A disk of eight blocks whose later answers are these.
    func disk(_ answers: Answer...) throws -> (Disk, Script) {
        let inquiry = InquiryData(vendor: "V", product: "P", revision: "R").octets
        let script = Script(
            [
                { SCSIResult(status: .good, data: inquiry) }, { SCSIResult(status: .good) },
                { SCSIResult(status: .good, data: octets("00000007 00000200")) },
                { SCSIResult(sense: SCSICommandRefusal.invalidOperationCode.sense) },
                // Pages 80h and 83h, which this unit does not have.
                { SCSIResult(sense: SCSICommandRefusal.invalidField(octet: 2).sense) },
                { SCSIResult(sense: SCSICommandRefusal.invalidField(octet: 2).sense) },
            ] + answers)
        let disk = try Disk(transport: script, retries: CommandRetries(limit: 2) { _ in })
        script.commands.withLock { $0 = [] }
        return (disk, script)
    }

    static func attention(_ code: AdditionalSenseCode) -> Answer {
        { SCSIResult(sense: SenseData(key: .unitAttention, code: code)) }
    }

    static func data(_ text: String) -> Answer {
        { SCSIResult(status: .good, data: octets(text)) }
    }

    /// A disk of 2^63 octets or more is a target's error: its sizes could not be computed with.
    @Test(
        arguments: [
            ("FFFFFFFFFFFFFFFF 00000200", false), ("FFFFFFFFFFFFFFFE 00000001", false),
            ("003FFFFFFFFFFFFF 00000200", false), ("003FFFFFFFFFFFFD 00000200", true),
            ("00007FFFFFFFFFFF 00010000", false), ("00007FFFFFFFFFFD 00010000", true),
        ])
    func capacitiesWithoutEnd(_ capacity: String, isPossible: Bool) throws {
        let inquiry = InquiryData(vendor: "V", product: "P", revision: "R").octets
        let script = Script([
            { SCSIResult(status: .good, data: inquiry) }, { SCSIResult(status: .good) },
            { SCSIResult(status: .good, data: octets("FFFFFFFF 00000200")) },
            { SCSIResult(status: .good, data: octets(capacity)) },
            { SCSIResult(sense: SCSICommandRefusal.invalidOperationCode.sense) },
        ])
        guard isPossible else {
            #expect(throws: SCSIError.self) { try Disk(transport: script) }
            return
        }
        let disk = try Disk(transport: script)
        #expect(!disk.blockCount.multipliedReportingOverflow(by: UInt64(disk.blockSize)).overflow)
    }

    @Test func attentionsAreRepeatedOnceEach() throws {
        let (disk, script) = try disk(
            Self.attention(.reservationsPreempted), Self.attention(.reservationsReleased), { SCSIResult(status: .good) }
        )
        try disk.testUnitReady()
        #expect(script.commands.withLock { $0.count } == 3)
    }

    /// What is to be written is from before another node took the disk, which may be nobody's by now: it is not sent again.
    @Test(arguments: [AdditionalSenseCode.reservationsPreempted, .registrationsPreempted])
    func aWriteDoesNotOutliveItsRegistration(_ code: AdditionalSenseCode) throws {
        let (disk, script) = try disk(Self.attention(code), { SCSIResult(status: .good) })
        let block = [UInt8](repeating: 1, count: 512)
        let error = #expect(throws: SCSIError.self) { try disk.write(block: 0, block) }
        #expect(error?.win32.rawValue == 170)
        #expect(script.commands.withLock { $0 } == [0x2A])
        try disk.write(block: 0, block)
        // A reservation of somebody else that is gone is no reason not to write; and reading harms nobody.
        let (other, otherScript) = try self.disk(Self.attention(.reservationsReleased), { SCSIResult(status: .good) })
        try other.write(block: 0, block)
        #expect(otherScript.commands.withLock { $0 } == [0x2A, 0x2A])
        let (third, thirdScript) = try self.disk(Self.attention(code), { SCSIResult(status: .good, data: block) })
        #expect(try third.read(block: 0, count: 1) == block)
        #expect(thirdScript.commands.withLock { $0 } == [0x28, 0x28])
    }

    @Test func endlessAttentionsEnd() throws {
        let (disk, script) = try disk(Self.attention(.reservationsReleased))
        let error = #expect(throws: SCSIError.self) { try disk.testUnitReady() }
        #expect(error?.win32.rawValue == 170)
        #expect(script.commands.withLock { $0.count } == 9)
    }

    @Test func statusesAreErrors() throws {
        for (status, code) in [(SCSIStatus.busy, 170), (.taskSetFull, 170), (.taskAborted, 1117), (.acaActive, 1117)] {
            let (disk, _) = try disk({ SCSIResult(status: status) })
            let error = #expect(throws: SCSIError.self) { try disk.testUnitReady() }
            #expect(error?.win32.rawValue == UInt32(code))
        }
        let (disk, _) = try disk({ SCSIResult(status: .checkCondition) })
        #expect(throws: SCSIError.self) { try disk.testUnitReady() }
    }

    @Test func recoveredErrorIsSuccess() throws {
        let block = [UInt8](repeating: 3, count: 512)
        let (disk, _) = try disk({
            SCSIResult(
                status: .checkCondition, sense: SenseData(key: .recoveredError, code: .none),
                data: [UInt8](repeating: 3, count: 512))
        })
        #expect(try disk.read(block: 0, count: 1) == block)
    }

    @Test func shortReadIsAnError() throws {
        let (disk, _) = try disk(Self.data("00"))
        #expect(throws: SCSIError.self) { try disk.read(block: 0, count: 1) }
    }

    @Test func lostLineIsAnError() throws {
        let (disk, _) = try disk({ throw CancellationError() })
        let error = #expect(throws: SCSIError.self) { try disk.write(block: 0, [UInt8](repeating: 0, count: 512)) }
        #expect(error?.description.hasPrefix("script: ") == true)
    }

    @Test func flushWithoutACache() throws {
        let (disk, _) = try disk({ SCSIResult(sense: SCSICommandRefusal.invalidOperationCode.sense) })
        try disk.flush()
        let (other, _) = try self.disk({ SCSIResult(status: .reservationConflict) })
        #expect(throws: SCSIError.self) { try other.flush() }
    }

    @Test func disksThatCannotBeOpened() {
        let inquiry = InquiryData(vendor: "V", product: "P", revision: "R").octets
        let good: Answer = { SCSIResult(status: .good) }
        let identity: Answer = { SCSIResult(status: .good, data: inquiry) }
        let scripts: [[Answer]] = [
            [good],
            [identity, { SCSIResult(sense: SenseData(key: .notReady, code: .mediumNotPresent)) }],
            [identity, good, Self.data("00")],
            [identity, good, Self.data("00000007 00000000")],
            [identity, good, Self.data("00000007 00010001")],
            [identity, good, Self.data("FFFFFFFF 00000200"), Self.data("00")],
            [identity, good, Self.data("FFFFFFFF 00000200"), Self.data("FFFFFFFFFFFFFFFF 00000200")],
        ]
        for script in scripts {
            #expect(throws: SCSIError.self) { try Disk(transport: Script(script)) }
        }
    }

    @Test func malformedAnswersAreErrors() throws {
        let bad: [(String, @Sendable (Disk) throws -> Void)] = [
            ("", { _ = try $0.readKeys() }),
            ("00000000 00000008", { _ = try $0.readKeys() }),
            ("00000000 FFFFFFFF", { _ = try $0.readKeys() }),
            ("00000000 00000004 00000000", { _ = try $0.readKeys() }),
            ("00000000 00000008 0000000000000000", { _ = try $0.readReservation() }),
            ("00000000 00000010 0000000000000000 00000000 00 02 0000", { _ = try $0.readReservation() }),
            ("00000000 00000010 0000000000000000 00000000 00 15 0000", { _ = try $0.readReservation() }),
            ("0004 0000 0000 0000", { _ = try $0.reservationCapabilities() }),
            ("00000000 00000008 0000000000000000", { _ = try $0.readFullReservationStatus() }),
            (
                "00000000 00000018 0000000000000001 00000000 00 00 00000000 0001 FFFFFFFF",
                { _ = try $0.readFullReservationStatus() }
            ),
            ("00 80", { _ = try $0.serialNumber() }),
            ("00 83 0001 00", { _ = try $0.serialNumber() }),
            ("00 80 0004 41", { _ = try $0.serialNumber() }),
            ("00 83 0003 010300", { _ = try $0.identifiers() }),
            ("00 83 0004 01030001", { _ = try $0.identifiers() }),
        ]
        for (text, call) in bad {
            let (disk, _) = try disk(Self.data(text))
            #expect(throws: SCSIError.self, "\(text)") { try call(disk) }
        }
    }

    @Test func answersOfOtherTargets() throws {
        // TMV zero: the target does not say which types it has. CRH set.
        let (disk, _) = try disk(Self.data("0008 11 00 0000 0000"))
        let capabilities = try disk.reservationCapabilities()
        #expect(capabilities.types == nil)
        #expect(capabilities.compatibleReservationHandling && capabilities.persistThroughPowerLoss)
        #expect(!capabilities.allTargetPorts)
        // A serial number padded on both sides.
        let (other, _) = try self.disk(Self.data("00 80 0006 20 20 41 42 20 00"))
        #expect(try other.serialNumber() == "AB")
    }

    // MARK: Over the emulated unit

    @Test func reservationsFromEndToEnd() throws {
        let image = try TemporaryImage()
        let first = try image.disk(1)
        let second = try image.disk(2)
        #expect(try first.readKeys() == .init(generation: 0, keys: []))
        #expect(try first.readReservation() == .init(generation: 0, holder: nil))
        try first.register(existing: .none, new: key(1), persistsThroughPowerLoss: true)
        try second.registerIgnoringExistingKey(key(2), persistsThroughPowerLoss: true)
        try first.reserve(key: key(1), type: .exclusiveAccess)
        #expect(
            try second.readReservation() == .init(generation: 2, holder: .init(key: key(1), type: .exclusiveAccess)))
        let status = try second.readFullReservationStatus()
        #expect(status.generation == 2)
        #expect(status.registrations.map(\.key) == [key(1), key(2)])
        #expect(status.registrations.map(\.heldType) == [.exclusiveAccess, nil])
        #expect(status.registrations.map(\.relativeTargetPort) == [1, 1])
        #expect(
            status.registrations.map { InitiatorIdentity(transportID: $0.transportID) } == [
                .node("node1"), .node("node2"),
            ])
        let capabilities = try second.reservationCapabilities()
        #expect(capabilities.types == Set(ReservationType.allCases))
        #expect(capabilities.persistThroughPowerLossActivated && capabilities.specifyInitiatorPorts)
        #expect(throws: SCSIError.self) { try second.read(block: 0, count: 1) }
        // A disk can still be opened, though MODE SENSE is forbidden.
        #expect(try !image.disk(3).isReadOnly)
        try second.preempt(key: key(2), victim: key(1), type: .writeExclusive, abort: true)
        #expect(throws: SCSIError.self) { try first.write(block: 0, [UInt8](repeating: 0, count: 512)) }
        #expect(throws: SCSIError.self) { try first.release(key: key(1), type: .writeExclusive) }
        try second.release(key: key(2), type: .writeExclusive)
        try second.clearReservations(key: key(2))
        #expect(try first.readKeys() == .init(generation: 4, keys: []))
    }

    @Test func longListsAreReadWhole() throws {
        let image = try TemporaryImage()
        for node in 0..<PersistentReservations.registrationLimit {
            let identity = InitiatorIdentity.node(String(repeating: "x", count: 100) + "\(node)")
            let unit = try EmulatedLogicalUnit(image: image.path, initiator: identity)
            try Disk(transport: unit).registerIgnoringExistingKey(key(UInt64(node + 1)))
        }
        let disk = try image.disk()
        let keys = (1...128).map { key($0) }
        #expect(try disk.readKeys().keys == keys)
        #expect(try disk.readFullReservationStatus().registrations.map(\.key) == keys)
        let error = #expect(throws: SCSIError.self) { try disk.registerIgnoringExistingKey(key(1)) }
        #expect(error?.win32.rawValue == 1450)
    }
}
