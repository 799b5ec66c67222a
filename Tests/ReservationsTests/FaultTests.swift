import ErrorCodes
import Synchronization
import TestSupport
import Testing

@testable import Reservations

/// What a disk makes of units and paths that fail.
@Suite struct FaultTests {
    let image: TemporaryImage
    let path: FaultyTransport
    let disk: Disk
    let block = [UInt8](repeating: 7, count: 512)

    init() throws {
        image = try TemporaryImage()
        path = FaultyTransport(try image.unit(1))
        disk = try Disk(transport: path, retries: CommandRetries(limit: 3) { _ in })
        _ = path.takeCodes()
    }

    /// Expects reading and writing to fail with this Win32 code.
    func expect(_ code: UInt32, sourceLocation: SourceLocation = #_sourceLocation) {
        let read = #expect(throws: SCSIError.self, sourceLocation: sourceLocation) { try disk.read(block: 0, count: 1) }
        #expect(read?.hresult == HRESULT(rawValue: 0x8007_0000 | code), sourceLocation: sourceLocation)
        let write = #expect(throws: SCSIError.self, sourceLocation: sourceLocation) { try disk.write(block: 0, block) }
        #expect(write?.hresult == HRESULT(rawValue: 0x8007_0000 | code), sourceLocation: sourceLocation)
    }

    // MARK: Conditions that pass

    static let passing: [(SCSIResult, UInt32)] = [
        (SCSIResult(status: .busy), 170), (SCSIResult(status: .taskSetFull), 170),
        (SCSIResult(status: .taskAborted), 1117),
        (FaultyTransport.refusal(.abortedCommand, .none), 1117),
        (FaultyTransport.refusal(.notReady, .init(rawValue: 0x0401)), 21),
    ]

    /// Three times more and no more: the limit is tested from both sides.
    @Test(arguments: passing.indices)
    func passingConditionsAreWaitedOut(index: Int) throws {
        let (result, code) = Self.passing[index]
        path.inject(.answer(result), times: 3)
        try disk.write(block: 0, block)
        #expect(path.takeCodes() == [0x2A, 0x2A, 0x2A, 0x2A])
        path.inject(.answer(result), times: 4)
        let error = #expect(throws: SCSIError.self) { try disk.write(block: 0, block) }
        #expect(error?.win32.rawValue == code)
        #expect(path.takeCodes().count == 4)
        #expect(try disk.read(block: 0, count: 1) == block)
    }

    @Test func waitingGrows() {
        let waits = Mutex<[Int]>([])
        path.inject(.answer(SCSIResult(status: .busy)))
        let retries = CommandRetries(limit: 4) { count in waits.withLock { $0.append(count) } }
        #expect(throws: SCSIError.self) { try Disk(transport: path, retries: retries) }
        #expect(waits.withLock { $0 } == [0, 1, 2, 3])
    }

    // MARK: Conditions that stay

    static let lasting: [(SCSIResult, UInt32)] = [
        (FaultyTransport.refusal(.mediumError, .unrecoveredReadError), 23),
        (FaultyTransport.refusal(.mediumError, .writeError), 29),
        (FaultyTransport.refusal(.hardwareError, .internalTargetFailure), 1117),
        (FaultyTransport.refusal(.notReady, .mediumNotPresent), 21),
        (FaultyTransport.refusal(.dataProtect, .spaceAllocationFailed), 112),
        (FaultyTransport.refusal(.illegalRequest, .logicalUnitNotSupported), 55),
        (SCSIResult(status: .reservationConflict), 170), (SCSIResult(status: .acaActive), 1117),
        (SCSIResult(status: .checkCondition), 1117),
    ]

    @Test(arguments: lasting.indices)
    func lastingConditionsAreToldAtOnce(index: Int) throws {
        let (result, code) = Self.lasting[index]
        path.inject(.answer(result))
        expect(code)
        #expect(path.takeCodes() == [0x28, 0x2A])
        path.heal()
        try disk.write(block: 0, block)
    }

    @Test func connectionThatDropsMidCommand() throws {
        path.inject(.lostAnswer(FaultyTransport.Broken()), times: 1)
        let error = #expect(throws: SCSIError.self) { try disk.write(block: 3, block) }
        #expect(error?.hresult == Win32Error.ioDevice.hresult)
        _ = path.takeCodes()
        // Who answers now is asked for first: INQUIRY, pages 80h and 83h.
        #expect(try disk.read(block: 3, count: 1) == block)
        #expect(path.takeCodes() == [0x12, 0x12, 0x12, 0x28])
        #expect(try disk.read(block: 3, count: 1) == block)
        #expect(path.takeCodes() == [0x28])
    }

    @Test func timeOutsHaveTheirCode() {
        path.inject(.failure(SCSIError.timedOut(name: "path", limit: .seconds(5))))
        expect(121)
    }

    @Test func protectedDisksHaveTheirCode() {
        path.inject(.failure(SCSIError.protected(name: "/dev/sda")), codes: [0x28, 0x2A])
        expect(5)
        // A refusal that this host made itself says nothing about the unit.
        #expect(path.takeCodes() == [0x28, 0x2A])
    }

    @Test func unitThatShrinks() throws {
        path.shrink(to: 32)
        #expect(try disk.readCapacity() == .init(blockCount: 32, blockSize: 512))
        _ = try disk.read(block: 31, count: 1)
        for call in [{ try disk.write(block: 32, block) }, { _ = try disk.read(block: 31, count: 2) }] {
            let error = #expect(throws: SCSIError.self) { try call() }
            #expect(error?.win32 == .sectorNotFound)
        }
    }

    @Test func unitThatTurnsReadOnly() throws {
        path.turnReadOnly()
        let error = #expect(throws: SCSIError.self) { try disk.write(block: 0, block) }
        #expect(error?.win32 == .writeProtect)
        #expect(try disk.readWriteProtection())
        _ = try disk.read(block: 0, count: 1)
    }

    // MARK: Identity

    /// POWER ON OR RESET, INQUIRY DATA HAS CHANGED, REPORTED LUNS DATA HAS CHANGED, NOT READY TO READY CHANGE.
    @Test(arguments: [0x2900, 0x3F03, 0x3F0E, 0x2800] as [UInt16])
    func anotherUnitIsNotWrittenTo(code: UInt16) throws {
        path.inject(.answer(FaultyTransport.refusal(.unitAttention, .init(rawValue: code))), times: 1)
        try disk.write(block: 1, block)
        path.changeSerialNumber(to: "ANOTHER")
        path.inject(.answer(FaultyTransport.refusal(.unitAttention, .init(rawValue: code))), times: 1)
        _ = path.takeCodes()
        expect(34)
        #expect(!path.takeCodes().dropFirst().contains { $0 == 0x28 || $0 == 0x2A })
        #expect(throws: SCSIError.self) { try disk.readKeys() }
        #expect(throws: SCSIError.self) { try disk.readCapacity() }
        #expect(throws: SCSIError.self) { try disk.serialNumber() }
        #expect(throws: SCSIError.self) { try disk.flush() }
        #expect(path.takeCodes().isEmpty)
    }

    @Test func anotherUnitBehindANewConnection() throws {
        path.inject(.failure(FaultyTransport.Broken()), times: 1)
        #expect(throws: SCSIError.self) { try disk.write(block: 0, block) }
        path.changeSerialNumber(to: "ANOTHER")
        expect(34)
        let error = #expect(throws: SCSIError.self) { try disk.read(block: 0, count: 1) }
        guard case .identityChanged(_, let expected, let found)? = error else { return }
        #expect(expected.hasPrefix("CLUSPREP EMULATED DISK, serial number 3"))
        #expect(found == "CLUSPREP EMULATED DISK, serial number ANOTHER")
    }

    @Test func doubtLastsUntilItIsSettled() throws {
        path.inject(.failure(FaultyTransport.Broken()), times: 3)
        for _ in 0..<3 { #expect(throws: SCSIError.self) { try disk.write(block: 0, block) } }
        try disk.write(block: 0, block)
    }

    // MARK: Queries

    @Test func reservationQueries() throws {
        let other = try image.disk(2)
        #expect(try disk.reservationPresence(for: key(1)) == .none)
        #expect(try !disk.isRegistered(.none) && !disk.isReserved(with: .none))
        try disk.registerIgnoringExistingKey(key(1))
        try other.registerIgnoringExistingKey(key(2))
        #expect(try disk.isRegistered(.none) && disk.isRegistered(key(2)) && !disk.isRegistered(key(3)))
        #expect(try !disk.isReserved(with: .none))
        try disk.reserve(key: key(1), type: .writeExclusive)
        #expect(try disk.reservationPresence(for: key(1)) == .heldByUs)
        #expect(try other.reservationPresence(for: key(2)) == .heldByAnother)
        #expect(try other.reservationPresence(for: nil) == .heldByAnother)
        #expect(try other.isReserved(with: key(1)) && other.isReserved(with: .none) && !other.isReserved(with: key(2)))
        try disk.release(key: key(1), type: .writeExclusive)
        try disk.reserve(key: key(1), type: .writeExclusiveAllRegistrants)
        #expect(try other.reservationPresence(for: key(2)) == .heldByUs)
        #expect(try other.reservationPresence(for: key(3)) == .heldByAnother)
        #expect(try other.isReserved(with: key(2)) && !other.isReserved(with: key(3)))
    }
}
