import TestSupport
import Testing

@testable import Reservations

/// What mpathpersist does, over paths of an emulated unit; `node2` is another host with a single path.
@Suite struct MultipathReservationTests {
    let image: TemporaryImage
    let host: MultipathHost
    let other: Disk

    init() throws {
        image = try TemporaryImage()
        host = try MultipathHost(image)
        other = try image.disk(2)
    }

    private func keys() throws -> [UInt64] {
        try other.readKeys().keys.map(\.rawValue).sorted()
    }

    private func block(_ value: UInt8) -> [UInt8] {
        [UInt8](repeating: value, count: 512)
    }

    @Test func registersEveryPathAndTakesThemAllBack() throws {
        try host.disk.register(existing: .none, new: key(0xA))
        #expect(try keys() == [0xA, 0xA, 0xA])
        try host.disk.register(existing: key(0xA), new: key(0xB))
        #expect(try keys() == [0xB, 0xB, 0xB])
        #expect(Ending { try host.disk.register(existing: key(0xA), new: key(0xC)) } == .conflict)
        #expect(try keys() == [0xB, 0xB, 0xB])
        try host.disk.registerIgnoringExistingKey(key(0xD))
        #expect(try keys() == [0xD, 0xD, 0xD])
        try host.disk.register(existing: key(0xD), new: .none)
        #expect(try keys() == [])
    }

    @Test func aPathThatIsRegisteredDifferentlyIsBroughtInLine() throws {
        let second = host.paths[1].unit
        let list = ReserveOutParameters(key: .none, serviceActionKey: key(0x99)).octets
        let command = SCSICommand.persistentReserveOut(.register, scope: 0, type: 0, parameterListLength: 24)
        while try second.execute(cdb: command.cdb, dataOut: list, dataInLength: 0).status != .good {}
        try host.disk.register(existing: .none, new: key(0xA))
        #expect(try keys() == [0xA, 0xA, 0xA])
    }

    @Test func allTargetPortsRegistersWhatItReachesOnlyOnce() throws {
        try host.disk.register(existing: .none, new: key(0xA), allTargetPorts: true)
        // Two initiator ports with two target ports each.
        #expect(try keys() == [0xA, 0xA, 0xA, 0xA])
    }

    @Test func aRegistrationThatAPathRefusesIsTakenBackFromTheOthers() throws {
        let refusal = SCSIResult(
            sense: SenseData(key: .illegalRequest, code: .insufficientRegistrationResources))
        host.paths[2].answer(refusal)
        #expect(throws: SCSIError.self) { try host.disk.register(existing: .none, new: key(0xA)) }
        #expect(try keys() == [])
    }

    @Test(arguments: ReservationType.allCases) func readsAndWritesGoOnWhenPathsFail(_ type: ReservationType) throws {
        try host.disk.register(existing: .none, new: key(0xA))
        try host.disk.reserve(key: key(0xA), type: type)
        for (index, path) in host.paths.enumerated() {
            try host.disk.write(block: 1, block(UInt8(index)))
            path.isDown = true
            if index < 2 {
                try host.disk.write(block: 1, block(0xEE))
                #expect(try host.disk.read(block: 1, count: 1) == block(0xEE))
                #expect(host.transport.failedPaths.contains(path.name))
            }
        }
        #expect(Ending { try host.disk.write(block: 1, block(9)) } == .lost)
        // The first that comes back serves again, though nobody looked after it.
        host.paths[1].isDown = false
        try host.disk.write(block: 1, block(0x77))
        for path in host.paths { path.isDown = false }
        host.transport.probeFailedPaths()
        #expect(host.transport.failedPaths == [])
        #expect(try keys() == [0xA, 0xA, 0xA])
        #expect(Ending { try other.write(block: 1, block(9)) } == .conflict)
        try host.disk.release(key: key(0xA), type: type)
        #expect(try other.readReservation().holder == nil)
        try host.disk.write(block: 2, block(1))
    }

    @Test(arguments: ReservationType.allCases) func reservingAgainAndReleasing(_ type: ReservationType) throws {
        try host.disk.register(existing: .none, new: key(0xA))
        try other.register(existing: .none, new: key(0xB))
        try host.disk.reserve(key: key(0xA), type: type)
        try host.disk.reserve(key: key(0xA), type: type)
        let wrong: ReservationType = type == .writeExclusive ? .exclusiveAccess : .writeExclusive
        #expect(Ending { try host.disk.reserve(key: key(0xA), type: wrong) } == .conflict)
        #expect(Ending { try other.reserve(key: key(0xB), type: wrong) } == .conflict)
        if !type.isAllRegistrants { try other.release(key: key(0xB), type: type) }
        #expect(try other.readReservation().holder?.type == type)
        // A process that remembers nothing releases what the host holds, whichever path holds it.
        host.paths[0].isDown = true
        let restarted = try host.restarted()
        try restarted.reserve(key: key(0xA), type: type)
        try restarted.release(key: key(0xA), type: type)
        #expect(try other.readReservation().holder == nil)
        host.paths[0].isDown = false
        (restarted.transport as? MultipathTransport)?.probeFailedPaths()
        #expect(try keys() == [0xA, 0xA, 0xA, 0xB])
    }

    @Test func aPathThatComesBackIsRegisteredWhileTheKeyIsListed() throws {
        host.paths[1].isDown = true
        try host.disk.register(existing: .none, new: key(0xA))
        #expect(try keys() == [0xA, 0xA])
        host.paths[1].isDown = false
        #expect(host.transport.probeFailedPaths() == ["path 0:2"])
        #expect(try keys() == [0xA, 0xA, 0xA])
    }

    @Test func aPathThatComesBackAfterAPreemptionStaysOut() throws {
        try host.disk.register(existing: .none, new: key(0xA))
        try host.disk.reserve(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try other.register(existing: .none, new: key(0xB))
        for path in host.paths { path.isDown = true }
        #expect(Ending { try host.disk.write(block: 0, block(1)) } == .lost)
        try other.preempt(key: key(0xB), victim: key(0xA), type: .writeExclusiveRegistrantsOnly)
        for path in host.paths { path.isDown = false }
        host.transport.probeFailedPaths()
        #expect(try keys() == [0xB])
        #expect(Ending { try host.disk.write(block: 0, block(1)) } == .conflict)
        #expect(Ending { try host.disk.reserve(key: key(0xA), type: .writeExclusive) } == .conflict)
        #expect(try keys() == [0xB])
        #expect(try other.readReservation().holder?.key == key(0xB))
    }

    @Test func aPathThatWasAwayWhenTheKeyChangedFollows() throws {
        try host.disk.register(existing: .none, new: key(0xA))
        host.paths[2].isDown = true
        try host.disk.register(existing: key(0xA), new: key(0xC))
        #expect(try keys() == [0xA, 0xC, 0xC])
        host.paths[2].isDown = false
        host.transport.probeFailedPaths()
        #expect(try keys() == [0xC, 0xC, 0xC])
    }

    @Test(arguments: ReservationType.allCases) func unregisteringTakesLostPathsAlong(_ type: ReservationType) throws {
        try host.disk.register(existing: .none, new: key(0xA))
        try host.disk.reserve(key: key(0xA), type: type)
        host.paths[0].isDown = true
        try host.disk.register(existing: key(0xA), new: .none)
        #expect(try keys() == [])
        #expect(try other.readReservation().holder == nil)
        host.paths[0].isDown = false
        host.transport.probeFailedPaths()
        #expect(try keys() == [])
    }

    @Test(arguments: ReservationType.allCases) func preemptsAnotherHost(_ type: ReservationType) throws {
        try other.register(existing: .none, new: key(0xB))
        try other.reserve(key: key(0xB), type: .writeExclusiveRegistrantsOnly)
        try host.disk.register(existing: .none, new: key(0xA))
        try host.disk.preempt(key: key(0xA), victim: key(0xB), type: type)
        #expect(try host.disk.readKeys().keys == [key(0xA), key(0xA), key(0xA)])
        for path in host.paths.dropLast() {
            try host.disk.write(block: 3, block(3))
            path.isDown = true
        }
        try host.disk.write(block: 3, block(4))
        #expect(Ending { try other.write(block: 3, block(5)) } == .conflict)
    }

    @Test func preemptingOurOwnKeyChangesTheTypeAndKeepsThePaths() throws {
        try host.disk.register(existing: .none, new: key(0xA))
        try host.disk.reserve(key: key(0xA), type: .writeExclusiveRegistrantsOnly)
        try host.disk.preempt(key: key(0xA), victim: key(0xA), type: .exclusiveAccess)
        #expect(try host.disk.readReservation().holder == .init(key: key(0xA), type: .exclusiveAccess))
        #expect(try host.disk.readKeys().keys.count == 3)
        // Without the reservation the same command is how a host unregisters itself.
        try host.disk.release(key: key(0xA), type: .exclusiveAccess)
        try host.disk.preempt(key: key(0xA), victim: key(0xA), type: .exclusiveAccess)
        #expect(try keys() == [])
    }

    @Test func clearEndsEverythingForEveryPath() throws {
        try host.disk.register(existing: .none, new: key(0xA))
        try other.register(existing: .none, new: key(0xB))
        try host.disk.clearReservations(key: key(0xA))
        #expect(try keys() == [])
        for path in host.paths.dropLast() {
            path.isDown = true
            // No unit attention of our own doing comes up on the next path.
            let result = try host.transport.execute(
                cdb: SCSICommand.testUnitReady.cdb, dataOut: [], dataInLength: 0)
            #expect(result.status == .good || result.sense?.code == .powerOnOrReset)
        }
    }

    @Test func unknownServiceActionsAreRefused() throws {
        let result = try host.transport.execute(
            cdb: [0x5F, 0x07, 0, 0, 0, 0, 0, 0, 24, 0], dataOut: [UInt8](repeating: 0, count: 24), dataInLength: 0)
        #expect(result.sense?.code == .invalidFieldInCDB)
        let list = ReserveOutParameters(key: key(1), serviceActionKey: .none).octets
        let short = try host.transport.execute(
            cdb: [0x5F, 0x00, 0, 0, 0, 0, 0, 0, 23, 0], dataOut: Array(list.dropLast()), dataInLength: 0)
        #expect(short.sense?.code == .parameterListLengthError)
    }
}
