import Foundation
import Testing

@testable import Reservations

/// RESERVE (6) and RELEASE (6) of SPC-2 beside persistent reservations (SPC-2 5.5.1, SPC-3 5.6.3).
@Suite struct LegacyReservationTests {
    let image: TemporaryImage
    let one: EmulatedLogicalUnit
    let two: EmulatedLogicalUnit

    init() throws {
        image = try TemporaryImage()
        one = try image.settledUnit(1)
        two = try image.settledUnit(2)
    }

    static let write = SCSICommand.write(.init(first: 0, count: 1), form: .ten, forceUnitAccess: false)
    static let read = SCSICommand.read(.init(first: 0, count: 1), form: .ten)
    static let block = [UInt8](repeating: 1, count: 512)

    /// SPC-2 5.5.1 and its annex B: what another initiator may while a RESERVE stands.
    @Test func reserveShutsOthersOut() {
        #expect(one.send(.reserve6).status == .good)
        #expect(one.send(.reserve6).status == .good)
        let allowed: [SCSICommand] = [
            .inquiry(page: nil, allocationLength: 36), .requestSense(descriptorFormat: false, allocationLength: 18),
            .reportLUNs(selectReport: 0, allocationLength: 16), .readCapacity10, .readCapacity16(allocationLength: 32),
            .logSense(.init(page: 0), allocationLength: 64), .release6,
        ]
        for command in allowed { #expect(two.send(command).status == .good, "\(command)") }
        let forbidden: [SCSICommand] = [
            .testUnitReady, .reserve6, Self.read, Self.write,
            .modeSense(.init(page: 0x3F), allocationLength: 64, isTenOctets: false),
            .synchronizeCache(.init(first: 0, count: 0), isSixteenOctets: false),
            .persistentReserveIn(.readKeys, allocationLength: 64),
        ]
        for command in forbidden {
            #expect(two.send(command, Self.block).status == .reservationConflict, "\(command)")
        }
        #expect(one.send(Self.write, Self.block).status == .good)
        // RELEASE of the other did nothing; the holder's own does.
        #expect(two.send(Self.read).status == .reservationConflict)
        #expect(one.send(.release6).status == .good)
        #expect(two.send(Self.read).status == .good)
    }

    /// SPC-2 5.5.1: PERSISTENT RESERVE IN and OUT conflict while a RESERVE stands, for its holder as well.
    @Test func reserveAndPersistentReserveExclude() {
        #expect(one.send(.reserve6).status == .good)
        for unit in [one, two] {
            #expect(unit.reserveOut(.register, to: 1).status == .reservationConflict)
            #expect(
                unit.send(.persistentReserveIn(.readReservation, allocationLength: 64)).status == .reservationConflict)
        }
        #expect(one.send(.release6).status == .good)
        one.mustReserveOut(.register, to: 1)
        // While anybody is registered, and nobody holds: conflict from all.
        for unit in [one, two] {
            #expect(unit.send(.reserve6).status == .reservationConflict)
            #expect(unit.send(.release6).status == .reservationConflict)
        }
    }

    /// SPC-3 5.6.3: GOOD without effect for the holder, and for registrants under the types that admit them.
    @Test(arguments: ReservationType.allCases)
    func compatibleReservationHandling(type: ReservationType) throws {
        let three = try image.settledUnit(3)
        one.mustReserveOut(.register, to: 1)
        two.mustReserveOut(.register, to: 2)
        one.mustReserveOut(.reserve, key: 1, type: type)
        for command in [SCSICommand.reserve6, .release6] {
            #expect(one.send(command).status == .good)
            #expect(two.send(command).status == (type.admitsRegistrants ? .good : .reservationConflict))
            #expect(three.send(command).status == .reservationConflict)
        }
        let disk = try Disk(transport: two)
        #expect(try disk.readReservation().holder?.type == type)
        #expect(try disk.readKeys().keys == [key(1), key(2)])
        #expect(try disk.reservationCapabilities().compatibleReservationHandling)
    }

    /// The status of a command that a session keeps out which has ended. A program that another test starts has this process'
    /// descriptors until it is executed, and with them the session: for so long it stands.
    private static func statusOnceEnded(_ command: SCSICommand, by unit: EmulatedLogicalUnit) -> SCSIStatus {
        for _ in 0..<6000 {
            let status = unit.send(command).status
            guard status == .reservationConflict else { return status }
            usleep(10_000)
        }
        return .reservationConflict
    }

    /// The reservation ends with its session, and with the host's power.
    @Test func reserveEndsWithItsNexus() throws {
        do {
            let passing = try image.settledUnit(3)
            #expect(passing.send(.reserve6).status == .good)
            #expect(two.send(Self.read).status == .reservationConflict)
        }
        #expect(Self.statusOnceEnded(Self.read, by: two) == .good)
        two.mustReserveOut(.register, to: 2)
        two.mustReserveOut(.register, key: 2)
        #expect(one.send(.reserve6).status == .good)
        let rebooted = try image.settledUnit(2, boot: "another")
        #expect(rebooted.send(Self.read).status == .good)
    }

    @Test func reserveIsTakenOverFromADeadSession() throws {
        do {
            let passing = try image.settledUnit(3)
            #expect(passing.send(.reserve6).status == .good)
        }
        #expect(Self.statusOnceEnded(.reserve6, by: two) == .good)
        #expect(one.send(.reserve6).status == .reservationConflict)
        let again = try image.settledUnit(3)
        #expect(again.send(.release6).status == .good)
        #expect(one.send(Self.read).status == .reservationConflict)
    }

    @Test func thirdPartiesAndExtentsAreGone() {
        for text in ["16 10 00 00 00 00", "16 01 00 00 00 00", "17 02 00 00 00 00"] {
            let result = one.execute(cdb: octets(text), dataOut: [], dataInLength: 0)
            #expect(result.sense?.code == .invalidFieldInCDB)
        }
    }
}
