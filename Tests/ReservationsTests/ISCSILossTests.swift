import TestSupport
import Testing

@testable import Reservations

/// Sessions that break, against tgtd, which ties registrations to sessions.
@Suite(.offThePool, .enabled(if: TargetDaemon.isInstalled, "install tgt"), .serialized) struct ISCSILossTests {
    private static let block = [UInt8](repeating: 0x5A, count: 512)

    /// A disk of node 1 through a cable that can be cut, with a registration and a reservation.
    private func owned(
        _ cable: FakeCable, log: LogLines = LogLines(), type: ReservationType = .writeExclusiveRegistrantsOnly
    ) throws -> Disk {
        let disk = try Disk(transport: ISCSITransport(port: cable.port, log: log))
        try disk.registerIgnoringExistingKey(key(0xA))
        try disk.reserve(key: key(0xA), type: type)
        return disk
    }

    private func other(_ target: TargetDaemon) throws -> Disk {
        try Disk(transport: ISCSITransport(node: 2, port: target.port))
    }

    @Test(arguments: [ReservationType.writeExclusiveRegistrantsOnly, .exclusiveAccess, .writeExclusive])
    func registrationAndReservationComeBack(_ type: ReservationType) throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let lines = LogLines()
        let disk = try owned(cable, log: lines, type: type)
        try target.dropConnections()
        // As ever, but for what the target says of the new session.
        try disk.write(block: 1, Self.block)
        #expect(try disk.readKeys().keys == [key(0xA)])
        #expect(try disk.readReservation().holder == .init(key: key(0xA), type: type))
        #expect(
            lines.lines.last?.hasSuffix("connected again; the registration 0x000000000000000a was made again") == true)
        // The reservation is this session's: it can be given back.
        try disk.release(key: key(0xA), type: type)
        #expect(try disk.readReservation().holder == nil)
        try disk.registerIgnoringExistingKey(.none)
        #expect(try disk.readKeys().keys.isEmpty)
    }

    @Test func aRegistrationWithoutReservationComesBackAlone() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let disk = try Disk(transport: ISCSITransport(port: cable.port))
        try disk.registerIgnoringExistingKey(key(0xA))
        cable.cutNow()
        #expect(try disk.readKeys().keys == [key(0xA)])
        try disk.registerIgnoringExistingKey(.none)
        #expect(try disk.readKeys().keys.isEmpty)
    }

    @Test func aPreemptedNodeDoesNotComeBack() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let lines = LogLines()
        let disk = try owned(cable, log: lines)
        cable.cutNow()
        let other = try other(target)
        try other.registerIgnoringExistingKey(key(0xB))
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        #expect(iscsiFailure { try disk.write(block: 1, Self.block) } == .registrationLost)
        do {
            try disk.write(block: 1, Self.block)
            Issue.record("a pre-empted node could write")
        } catch SCSIError.reservationConflict {}
        #expect(try other.readKeys().keys == [key(0xB)])
        #expect(lines.lines.last?.hasSuffix("the registration 0x000000000000000a is gone") == true)
    }

    @Test(arguments: [true, false]) func aWriteIsRepeatedAfterACut(_ delivers: Bool) throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let disk = try owned(cable)
        cable.cut(at: 0x2A, delivering: delivers)
        try disk.write(block: 3, Self.block)
        #expect(try disk.read(block: 3, count: 1) == Self.block)
        #expect(try disk.readKeys().keys == [key(0xA)])
        #expect(cable.connections == 2)
    }

    @Test func aReadIsRepeatedAfterACut() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let disk = try Disk(transport: ISCSITransport(port: cable.port))
        try disk.write(block: 3, Self.block)
        cable.cut(at: 0x28, delivering: true)
        #expect(try disk.read(block: 3, count: 1) == Self.block)
    }

    @Test func aReservationCommandIsNotRepeated() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let disk = try owned(cable)
        cable.cut(at: 0x5F, delivering: false)
        let failure = iscsiFailure { try disk.release(key: key(0xA), type: .writeExclusiveRegistrantsOnly) }
        guard case .connectionLost = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        // What the caller was told is what is: the reservation still stands, and can be given back.
        try disk.release(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        #expect(try disk.readReservation().holder == nil)
    }

    @Test func aWriteIsNotRepeatedOnceTheRegistrationIsGone() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let disk = try owned(cable)
        let other = try other(target)
        try other.registerIgnoringExistingKey(key(0xB))
        // Pre-empted, then everything is cleared: the write would pass, but it is from before.
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try other.clearReservations(key: key(0xB))
        cable.cut(at: 0x2A, delivering: false)
        #expect(iscsiFailure { try disk.write(block: 3, Self.block) } == .registrationLost)
        #expect(try other.read(block: 3, count: 1) == [UInt8](repeating: 0, count: 512))
    }

    /// The same where the session broke before the write.
    @Test func aWriteIsNotBegunOnceTheRegistrationIsGone() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let disk = try owned(cable)
        let other = try other(target)
        try other.registerIgnoringExistingKey(key(0xB))
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try other.clearReservations(key: key(0xB))
        cable.cutNow()
        #expect(iscsiFailure { try disk.write(block: 3, Self.block) } == .registrationLost)
        #expect(try other.read(block: 3, count: 1) == [UInt8](repeating: 0, count: 512))
        // It has been told now.
        try disk.write(block: 3, Self.block)
    }

    /// A disk whose registration another node has removed, and that was then freed, as its cable is cut: a write would pass.
    private func freed(_ cable: FakeCable, _ target: TargetDaemon) throws -> (disk: Disk, other: Disk) {
        let disk = try owned(cable)
        let other = try other(target)
        try other.registerIgnoringExistingKey(key(0xB))
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try other.clearReservations(key: key(0xB))
        return (disk, other)
    }

    /// Reading neither tells of the loss nor makes up for it, whoever of the readers connected again.
    @Test func aLossThatReadersMetIsToldToTheFirstWrite() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let (disk, other) = try freed(cable, target)
        cable.cutNow()
        _ = try disk.serialNumber()
        #expect(try disk.readReservation().holder == nil)
        #expect(try disk.read(block: 3, count: 1) == [UInt8](repeating: 0, count: 512))
        #expect(iscsiFailure { try disk.write(block: 3, Self.block) } == .registrationLost)
        #expect(try other.read(block: 3, count: 1) == [UInt8](repeating: 0, count: 512))
        try disk.write(block: 3, Self.block)
    }

    /// One that was cut off while it read learns of it, and so does who writes.
    @Test func aLossThatARepeatedReadMetIsToldToTheFirstWrite() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let (disk, _) = try freed(cable, target)
        cable.cut(at: 0x28, delivering: false)
        #expect(iscsiFailure { try disk.read(block: 3, count: 1) } == .registrationLost)
        #expect(iscsiFailure { try disk.write(block: 3, Self.block) } == .registrationLost)
        try disk.write(block: 3, Self.block)
    }

    @Test func whoReservesAnewNeedsNotBeToldOfTheLoss() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let (disk, other) = try freed(cable, target)
        cable.cutNow()
        _ = try disk.serialNumber()
        // A conflict makes up for nothing.
        #expect(throws: SCSIError.self) { try disk.release(key: key(0xC), type: .writeExclusive) }
        #expect(iscsiFailure { try disk.write(block: 3, Self.block) } == .registrationLost)
        try other.registerIgnoringExistingKey(key(0xB))
        try disk.registerIgnoringExistingKey(key(0xA))
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try other.clearReservations(key: key(0xB))
        cable.cutNow()
        _ = try disk.serialNumber()
        try disk.registerIgnoringExistingKey(key(0xA))
        try disk.write(block: 3, Self.block)
    }

    @Test func aRestartedTargetIsFoundAgainWithoutTheRegistration() throws {
        let target = try TargetDaemon()
        let lines = LogLines()
        let transport = try ISCSITransport(port: target.port, log: lines)
        let disk = try Disk(transport: transport)
        try disk.registerIgnoringExistingKey(key(0xA))
        try disk.write(block: 1, Self.block)
        try target.restart()
        #expect(try disk.read(block: 1, count: 1) == Self.block)
        #expect(try disk.readKeys().keys.isEmpty)
        #expect(lines.lines.last?.hasSuffix("is gone") == true)
        // It is not tried again later either.
        try target.restart()
        #expect(try disk.readKeys().keys.isEmpty)
        #expect(lines.lines.last?.hasSuffix("connected again") == true)
    }

    @Test func aTargetThatIsDownIsAnErrorUntilItIsUp() throws {
        let target = try TargetDaemon()
        let disk = try Disk(transport: ISCSITransport(port: target.port))
        target.kill()
        for _ in 0..<3 {
            guard case .connectionFailed = iscsiFailure({ try disk.read(block: 0, count: 1) }) else {
                Issue.record("a dead target was not noticed")
                return
            }
        }
        try target.start()
        #expect(try disk.read(block: 0, count: 1).count == 512)
    }

    @Test func unitAttentionsMetOnTheWayAreTold() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let transport = try ISCSITransport(port: cable.port)
        let disk = try Disk(transport: transport)
        try disk.registerIgnoringExistingKey(key(0xA))
        cable.cutNow()
        // INQUIRY is executed regardless (SAM-3 5.9.7); the next command is told.
        #expect(try transport.send(.inquiry(page: nil, allocationLength: 36), dataIn: 36).status == .good)
        #expect(try transport.send(.testUnitReady).sense?.code == .powerOnOrReset)
        #expect(try transport.send(.testUnitReady).status == .good)
    }

    @Test func aMovedKeyIsRemembered() throws {
        let target = try TargetDaemon()
        let cable = try FakeCable(to: target.port)
        let disk = try Disk(transport: ISCSITransport(port: cable.port))
        try disk.registerIgnoringExistingKey(key(0xA))
        try disk.registerIgnoringExistingKey(key(0xC))
        cable.cutNow()
        #expect(try disk.readKeys().keys == [key(0xC)])
        try disk.registerIgnoringExistingKey(.none)
        cable.cutNow()
        #expect(try disk.readKeys().keys.isEmpty)
    }
}
