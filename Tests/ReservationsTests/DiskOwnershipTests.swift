import ErrorCodes
import Synchronization
import TestSupport
import Testing

@testable import Reservations

/// Nodes with real commands to one emulated disk, and a clock in the test's hand.
@Suite struct DiskOwnershipTests {
    let image: TemporaryImage
    let clock = ManualClock()
    let executor = BlockingExecutor(threads: 2)

    init() throws {
        image = try TemporaryImage()
    }

    func node(_ number: Int, over transport: (any SCSITransport)? = nil) throws -> DiskOwnership {
        DiskOwnership(
            disk: try transport.map { try Disk(transport: $0) } ?? image.disk(number), key: key(UInt64(number)),
            executor: executor, clock: clock, commandClock: ManualClock())
    }

    let block = [UInt8](repeating: 0x5A, count: 512)

    @Test func freeDiskIsTakenAtOnce() async throws {
        let owner = try node(1)
        try await owner.arbitrate()
        #expect(await owner.isOwned)
        #expect(try owner.disk.readReservation().holder == .init(key: key(1), type: .writeExclusiveRegistrantsOnly))
        // Again is no news.
        try await owner.arbitrate()
        try owner.disk.write(block: 1, block)
        #expect(throws: SCSIError.self) { try image.disk(2).write(block: 1, block) }
    }

    /// To a device of this host the initiator is the host, whose other software may have registered it meanwhile.
    @Test(arguments: [true, false])
    func anotherKeyOfThisHostStays(_ isShared: Bool) async throws {
        let owner = try node(1, over: HostPath(unit: try image.unit(1), device: isShared ? "/dev/sdx" : nil))
        try await owner.arbitrate()
        try image.disk(1).registerIgnoringExistingKey(key(9))
        try await owner.stopDefense()
        #expect(try image.disk(2).readKeys().keys == (isShared ? [key(9)] : []))
        try await owner.arbitrate()
        try await owner.stopDefense()
        #expect(try image.disk(2).readKeys().keys == [])
    }

    /// A unit as a device of this host.
    private struct HostPath: SCSITransport {
        let unit: EmulatedLogicalUnit
        let device: String?
        var name: String { unit.name }
        var attachment: DiskAttachment { DiskAttachment(device: device) }

        func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
            unit.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        }
    }

    @Test func liveOwnerKeepsTheDisk() async throws {
        let owner = try node(1)
        let other = try node(2)
        try await owner.arbitrate()
        await clock.sleepers(1)
        let challenge = Task { try await other.arbitrate() }
        // The owner waits for its next look, the challenger for the owner's defence.
        await clock.sleepers(2)
        #expect(try other.disk.readKeys().keys == [key(1), key(2)])
        clock.advance(by: .seconds(3))
        await clock.sleepers(2)
        #expect(try other.disk.readKeys().keys == [key(1)])
        clock.advance(by: .seconds(4))
        let error = await #expect(throws: DiskOwnershipError.self) { try await challenge.value }
        #expect(error?.hresult == HRESULT(rawValue: 0x8007_00AA))
        #expect(await owner.isOwned)
        #expect(await !other.isOwned)
        #expect(throws: SCSIError.self) { try other.disk.write(block: 1, block) }
        try owner.disk.write(block: 1, block)
    }

    /// The last APTPL a unit gets is everybody's (SPC-3 6.12.3): a challenge that fails leaves it as it was.
    @Test func aChallengeLeavesTheOwnerItsPersistence() async throws {
        let owner = try image.disk(2)
        try owner.registerIgnoringExistingKey(key(2), persistsThroughPowerLoss: true)
        try owner.reserve(key: key(2), type: .writeExclusiveRegistrantsOnly)
        let challenger = try node(1)
        let challenge = Task { try await challenger.arbitrate() }
        await clock.sleepers(1)
        #expect(try owner.reservationCapabilities().persistThroughPowerLossActivated)
        try owner.preempt(key: key(2), victim: key(1), type: .writeExclusiveRegistrantsOnly)
        clock.advance(by: .seconds(7))
        await #expect(throws: DiskOwnershipError.self) { try await challenge.value }
        #expect(try owner.reservationCapabilities().persistThroughPowerLossActivated)
    }

    /// What this node owns outlasts the unit's loss of power where the unit can do that, and is owned where it cannot.
    @Test(arguments: [
        nil, SenseData(key: .illegalRequest, code: .invalidFieldInParameterList),
        SenseData(key: .notReady, code: .logicalUnitCommunicationFailure),
    ])
    func anOwnerPersistsWhereTheUnitCan(_ refusal: SenseData?) async throws {
        let owner = try node(1, over: UnitWithoutPlace(unit: try image.unit(1), refusal: refusal))
        try await owner.arbitrate()
        #expect(try image.disk(2).reservationCapabilities().persistThroughPowerLossActivated == (refusal == nil))
        try await owner.stopDefense()
        #expect(try image.disk(2).readKeys().keys == [])
    }

    /// A unit that refuses APTPL where there is a sense for it, although it says that it can.
    private struct UnitWithoutPlace: SCSITransport {
        let unit: EmulatedLogicalUnit
        let refusal: SenseData?
        var name: String { unit.name }

        func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
            // Octet 20 of PERSISTENT RESERVE OUT's parameters, bit 0.
            if cdb.first == 0x5F, dataOut.count > 20, dataOut[20] & 1 != 0, let refusal {
                return SCSIResult(status: .checkCondition, sense: refusal)
            }
            return unit.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        }
    }

    @Test func deadOwnerLosesTheDisk() async throws {
        let old = try image.disk(1)
        do {
            let owner = try node(1)
            try await owner.arbitrate()
            await clock.sleepers(1)
        }
        // Dropped without a word, as by SIGKILL: nothing defends.
        await clock.sleepers(0)
        let other = try node(2)
        let challenge = Task { try await other.arbitrate() }
        await clock.sleepers(1)
        clock.advance(by: .seconds(7))
        try await challenge.value
        #expect(await other.isOwned)
        #expect(try other.disk.readKeys().keys == [key(2)])
        #expect(throws: SCSIError.self) { try old.write(block: 1, block) }
        try other.disk.write(block: 1, block)
    }

    @Test func givenUpDiskIsFree() async throws {
        let owner = try node(1)
        let other = try node(2)
        try await owner.arbitrate()
        try await owner.stopDefense()
        #expect(await !owner.isOwned)
        #expect(try owner.disk.readKeys().keys == [])
        #expect(try owner.disk.readReservation().holder == nil)
        try await other.arbitrate()
        #expect(await other.isOwned)
        // Once more, and of a disk that was never ours: nothing to do.
        try await owner.stopDefense()
        #expect(try owner.disk.readKeys().keys == [key(2)])
    }

    @Test func lossIsReported() async throws {
        let reported = Mutex<[OwnershipLoss]>([])
        let owner = DiskOwnership(
            disk: try image.disk(1), key: key(1), executor: executor, clock: clock, commandClock: ManualClock()
        ) { loss in
            reported.withLock { $0.append(loss) }
        }
        try await owner.arbitrate()
        await clock.sleepers(1)
        let other = try image.disk(3)
        try other.registerIgnoringExistingKey(key(3))
        try other.preempt(key: key(3), victim: key(1), type: .writeExclusive)
        clock.advance(by: .seconds(3))
        var losses = owner.losses.makeAsyncIterator()
        #expect(await losses.next() == .takenOver(by: key(3)))
        // Behind the look that noticed it, and told both.
        #expect(await !owner.isOwned)
        #expect(reported.withLock { $0 } == [.takenOver(by: key(3))])
        // Nothing of ours is left behind, and stopping is no error.
        #expect(try other.readKeys().keys == [key(3)])
        try await owner.stopDefense()
        #expect(try other.readReservation().holder?.key == key(3))
    }

    @Test func clearedOwnerHasLost() async throws {
        let owner = try node(1)
        try await owner.arbitrate()
        await clock.sleepers(1)
        let other = try image.disk(3)
        try other.registerIgnoringExistingKey(key(3))
        try other.clearReservations(key: key(3))
        #expect(try other.readKeys().keys == [])
        clock.advance(by: .seconds(3))
        var losses = owner.losses.makeAsyncIterator()
        #expect(await losses.next() == .takenOver(by: nil))
        #expect(try other.readKeys().keys == [])
        // It is free.
        try await owner.arbitrate()
        #expect(try other.readReservation().holder?.key == key(1))
    }

    @Test func cancelledChallengeLeavesNothing() async throws {
        let owner = try node(1)
        let other = try node(2)
        try await owner.arbitrate()
        await clock.sleepers(1)
        let challenge = Task { try await other.arbitrate() }
        await clock.sleepers(2)
        challenge.cancel()
        await #expect(throws: CancellationError.self) { try await challenge.value }
        #expect(try owner.disk.readKeys().keys == [key(1)])
    }

    @Test func stoppingWithdrawsAChallenge() async throws {
        let owner = try node(1)
        let other = try node(2)
        try await owner.arbitrate()
        await clock.sleepers(1)
        let challenge = Task { try await other.arbitrate() }
        await clock.sleepers(2)
        try await other.stopDefense()
        await #expect(throws: CancellationError.self) { try await challenge.value }
        #expect(try owner.disk.readKeys().keys == [key(1)])
    }

    @Test func callersShareAnArbitration() async throws {
        let owner = try node(1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await owner.arbitrate() } }
            try await group.waitForAll()
        }
        #expect(await owner.isOwned)
        #expect(try owner.disk.readKeys().keys == [key(1)])
        #expect(try owner.disk.readKeys().generation == 1)
    }

    @Test func restartedNodeTakesItsOwnDiskBackAtOnce() async throws {
        do {
            let owner = try node(1)
            try await owner.arbitrate()
            await clock.sleepers(1)
        }
        await clock.sleepers(0)
        // The same nexus with another key: the registration's key changes, and the reservation with it.
        let again = DiskOwnership(
            disk: try image.disk(1), key: key(11), executor: executor, clock: clock, commandClock: ManualClock())
        try await again.arbitrate()
        #expect(await again.isOwned)
        #expect(try again.disk.readReservation().holder?.key == key(11))
    }

    @Test func reservationOfAnotherTypeIsTakenOver() async throws {
        let disk = try image.disk(1)
        try disk.registerIgnoringExistingKey(key(9))
        try disk.reserve(key: key(9), type: .exclusiveAccess)
        let owner = try node(1)
        try await owner.arbitrate()
        #expect(try disk.readReservation().holder == .init(key: key(1), type: .writeExclusiveRegistrantsOnly))
    }

    /// A transport whose line can be cut.
    final class Line: SCSITransport {
        struct Cut: Error {}
        let unit: EmulatedLogicalUnit
        let isCut = Mutex(false)
        var name: String { unit.name }

        init(_ unit: EmulatedLogicalUnit) { self.unit = unit }

        func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
            if isCut.withLock({ $0 }) { throw Cut() }
            return unit.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        }
    }

    @Test func unreachableDiskIsLostAfterTheChallengeTime() async throws {
        let line = Line(try image.unit(1))
        let owner = try node(1, over: line)
        try await owner.arbitrate()
        await clock.sleepers(1)
        line.isCut.withLock { $0 = true }
        for _ in 0..<2 {
            clock.advance(by: .seconds(3))
            await clock.sleepers(1)
            #expect(await owner.isOwned)
        }
        clock.advance(by: .seconds(3))
        var losses = owner.losses.makeAsyncIterator()
        #expect(await losses.next() == .unreachable)
        #expect(await !owner.isOwned)
    }

    @Test func failingDiskFailsTheArbitration() async throws {
        let line = Line(try image.unit(1))
        let owner = try node(1, over: line)
        line.isCut.withLock { $0 = true }
        let error = await #expect(throws: DiskOwnershipError.self) { try await owner.arbitrate() }
        #expect(error?.hresult == Win32Error.ioDevice.hresult)
        line.isCut.withLock { $0 = false }
        try await owner.arbitrate()
        line.isCut.withLock { $0 = true }
        await #expect(throws: DiskOwnershipError.self) { try await owner.stopDefense() }
        #expect(await !owner.isOwned)
    }

    // MARK: Disks that do not answer

    @Test func silentDiskIsLostInBoundedTime() async throws {
        let limits = ManualClock()
        let path = FaultyTransport(try image.unit(1))
        defer { path.heal() }
        let owner = DiskOwnership(
            disk: try Disk(transport: path), key: key(1), executor: executor, clock: clock, commandClock: limits)
        try await owner.arbitrate()
        await clock.sleepers(1)
        _ = path.takeCodes()
        path.inject(.silence)
        var reads = 0
        for look in 1...3 {
            clock.advance(by: .seconds(3))
            await limits.sleepers(1)
            // The command is sent by another thread, which may be slow to start.
            while reads == 0 {
                reads += path.takeCodes().count { $0 == 0x5E }
                await Task.yield()
            }
            #expect(await owner.isOwned)
            // The second and the third look wait for the first one's command, and send nothing.
            limits.advance(by: .seconds(3))
            if look < 3 { await clock.sleepers(1) }
        }
        // The withdrawal waits no longer than a challenge would.
        await limits.sleepers(1)
        limits.advance(by: .seconds(7))
        var losses = owner.losses.makeAsyncIterator()
        #expect(await losses.next() == .unreachable)
        #expect(await !owner.isOwned)
        #expect(reads + path.takeCodes().count { $0 == 0x5E } == 1)
    }

    @Test func silentDiskFailsTheArbitration() async throws {
        let limits = ManualClock()
        let path = FaultyTransport(try image.unit(1))
        defer { path.heal() }
        let owner = DiskOwnership(
            disk: try Disk(transport: path), key: key(1), executor: executor, clock: clock, commandClock: limits)
        path.inject(.silence)
        let arbitration = Task { try await owner.arbitrate() }
        for _ in 0..<2 {
            await limits.sleepers(1)
            limits.advance(by: .seconds(7))
        }
        let error = await #expect(throws: DiskOwnershipError.self) { try await arbitration.value }
        #expect(error?.hresult == HRESULT(rawValue: 0x8007_0079))
        // What comes back is ours to take.
        path.heal()
        try await owner.arbitrate()
        #expect(await owner.isOwned)
    }

    @Test func slowDiskIsKept() async throws {
        let limits = ManualClock()
        let path = FaultyTransport(try image.unit(1))
        defer { path.heal() }
        let owner = DiskOwnership(
            disk: try Disk(transport: path), key: key(1), executor: executor, clock: clock, commandClock: limits)
        try await owner.arbitrate()
        await clock.sleepers(1)
        for _ in 0..<6 {
            path.inject(.silence, times: 1)
            clock.advance(by: .seconds(3))
            await limits.sleepers(1)
            path.release()
            await clock.sleepers(1)
            #expect(await owner.isOwned)
        }
    }

    @Test(arguments: [SCSIStatus.busy, .taskSetFull, .taskAborted])
    func passingConditionsCostNoDisk(status: SCSIStatus) async throws {
        let path = FaultyTransport(try image.unit(1))
        let owner = DiskOwnership(
            disk: try Disk(transport: path, retries: CommandRetries(limit: 2) { _ in }), key: key(1),
            executor: executor,
            clock: clock, commandClock: ManualClock())
        path.inject(.answer(SCSIResult(status: status)), times: 2)
        try await owner.arbitrate()
        await clock.sleepers(1)
        for _ in 0..<4 {
            path.inject(.answer(SCSIResult(status: status)), times: 2)
            clock.advance(by: .seconds(3))
            await clock.sleepers(1)
            #expect(await owner.isOwned)
        }
    }

    @Test func anotherUnitInTheDisksPlaceIsNotOurs() async throws {
        let path = FaultyTransport(try image.unit(1))
        let owner = try node(1, over: path)
        try await owner.arbitrate()
        await clock.sleepers(1)
        path.changeSerialNumber(to: "ANOTHER")
        path.inject(
            .answer(FaultyTransport.refusal(.unitAttention, .init(rawValue: 0x3F03))), times: 1)
        for _ in 0..<2 {
            clock.advance(by: .seconds(3))
            await clock.sleepers(1)
        }
        clock.advance(by: .seconds(3))
        var losses = owner.losses.makeAsyncIterator()
        #expect(await losses.next() == .unreachable)
        let error = await #expect(throws: DiskOwnershipError.self) { try await owner.arbitrate() }
        #expect(error?.hresult == HRESULT(rawValue: 0x8007_0022))
        // Nothing was reserved or preempted on the other unit.
        #expect(!path.takeCodes().dropLast(0).suffix(3).contains(0x5F))
    }
}
