import Glibc
import Reservations
import Synchronization

/// What is wrong with a unit.
enum Flaw: String, CaseIterable, Sendable {
    case registrationTiedToTheSession
    case reserveIgnoresTheType
    case clearKeepsKeys
    case writesNotKeptOut
    case readsNotKeptOut
    case preemptChangesNothing
    case preemptKeepsItsVictim
    case abortUnsupported
    case identifierDiffers
    case identifierMissing
    case slowToRead
    case releaseChangesNothing
    case releaseByAnybody
    case registerBelievesAnyKey
    case reserveByStrangers
    case registrantsKeptOut
    case generationStandsStill
    case keysOfOthersHidden
    case leavingKeepsTheReservation
    case readersKeptOut
    case writesLost
    case typeMissing
    case ignoreUnsupported
    case changeOfKeyUnsupported
}

/// A unit that does everything right but for one thing.
final class BrokenUnit: SCSITransport {
    private enum Code {
        static let inquiry: UInt8 = 0x12
        static let reserveIn: UInt8 = 0x5E
        static let reserveOut: UInt8 = 0x5F
        static let reads: Set<UInt8> = [0x08, 0x28, 0x88, 0xA8]
        static let writes: Set<UInt8> = [0x0A, 0x2A, 0x8A, 0xAA]
    }

    private enum Action {
        static let register: UInt8 = 0
        static let reserve: UInt8 = 1
        static let release: UInt8 = 2
        static let clear: UInt8 = 3
        static let preempt: UInt8 = 4
        static let preemptAndAbort: UInt8 = 5
        static let registerAndIgnore: UInt8 = 6
    }

    let name = "broken"
    var attachment: DiskAttachment { inner.attachment }
    private let inner: EmulatedLogicalUnit
    /// The same unit as the other initiator sees it, for what a broken unit lets it do.
    private let other: EmulatedLogicalUnit
    private let index: Int
    private let flaw: Flaw
    private let ownKey = Mutex<[UInt8]>([UInt8](repeating: 0, count: 8))

    /// The unit as one of two initiators sees it, in a new session.
    init(image: String, index: Int, flaw: Flaw) throws {
        self.index = index
        self.flaw = flaw
        inner = try EmulatedLogicalUnit(image: image, initiator: .node("initiator\(index)"))
        other = try EmulatedLogicalUnit(image: image, initiator: .node("initiator\(1 - index)"))
        if flaw == .registrationTiedToTheSession {
            try Disk(transport: inner).registerIgnoringExistingKey(.none)
        }
    }

    private static let good = SCSIResult(status: .good)
    private static let conflict = SCSIResult(status: .reservationConflict)
    private static let unsupported = SCSIResult(
        status: .checkCondition, sense: SenseData(key: .illegalRequest, code: .invalidFieldInCDB))

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        func pass(_ cdb: [UInt8]) throws -> SCSIResult {
            inner.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        }
        switch cdb[0] {
        case Code.reserveOut:
            return try reserveOut(cdb, dataOut, pass)
        case Code.reserveIn:
            return reserveIn(cdb[1] & 0x1F, try pass(cdb))
        case Code.inquiry where cdb[1] & 1 != 0 && cdb[2] == 0x83:
            if flaw == .identifierMissing { return Self.unsupported }
            var result = try pass(cdb)
            // The last octet of the first designator is part of the identifier.
            if flaw == .identifierDiffers, index == 1, result.data.count > 8 { result.data[8] ^= 0x01 }
            return result
        case let code where Code.reads.contains(code):
            if flaw == .slowToRead { usleep(220_000) }
            if flaw == .readersKeptOut, try isForeign() { return Self.conflict }
            let result = try pass(cdb)
            guard flaw == .readsNotKeptOut, result.status == .reservationConflict else { return result }
            return SCSIResult(status: .good, data: [UInt8](repeating: 0, count: dataInLength))
        case let code where Code.writes.contains(code):
            if flaw == .registrantsKeptOut, try isForeign() { return Self.conflict }
            if flaw == .writesLost {
                // What would be refused still is.
                let reply = try pass(cdb)
                guard reply.status == .good else { return reply }
                _ = inner.execute(
                    cdb: cdb, dataOut: [UInt8](repeating: 0, count: dataOut.count), dataInLength: 0)
                return reply
            }
            let result = try pass(cdb)
            return flaw == .writesNotKeptOut && result.status == .reservationConflict ? Self.good : result
        default:
            return try pass(cdb)
        }
    }

    private func reserveOut(
        _ cdb: [UInt8], _ list: [UInt8], _ pass: ([UInt8]) throws -> SCSIResult
    ) throws -> SCSIResult {
        let action = cdb[1] & 0x1F
        var altered = cdb
        let newKey = Array(list[8..<16])
        let isLeaving = newKey.allSatisfy { $0 == 0 }
        switch (flaw, action) {
        case (.reserveIgnoresTheType, Action.reserve):
            altered[2] = 1
        case (.clearKeepsKeys, Action.clear), (.releaseChangesNothing, Action.release),
            (.preemptChangesNothing, Action.preempt):
            return Self.good
        case (.abortUnsupported, Action.preemptAndAbort), (.ignoreUnsupported, Action.registerAndIgnore):
            return Self.unsupported
        case (.changeOfKeyUnsupported, Action.register)
        where !isLeaving && list[0..<8].contains { $0 != 0 } && list[0..<8] != list[8..<16]:
            // Only for who names the right key, so that wrong ones are refused as they should be.
            return Array(list[0..<8]) == ownKey.withLock({ $0 }) ? Self.unsupported : Self.conflict
        case (.preemptKeepsItsVictim, Action.preempt):
            let result = try pass(cdb)
            if result.status == .good {
                let key = ReservationKey(rawValue: newKey.reduce(0) { $0 << 8 | UInt64($1) })
                try Disk(transport: other).registerIgnoringExistingKey(key)
            }
            return result
        case (.releaseByAnybody, Action.release):
            let result = try pass(cdb)
            if result.status == .good, let holder = try Disk(transport: other).readReservation().holder {
                try? Disk(transport: other).release(key: holder.key, type: holder.type)
            }
            return result
        case (.registerBelievesAnyKey, Action.register):
            altered[1] = Action.registerAndIgnore
        case (.reserveByStrangers, Action.reserve):
            let result = try pass(cdb)
            let isRegistered = ownKey.withLock { $0.contains { $0 != 0 } }
            return result.status == .reservationConflict && !isRegistered ? Self.good : result
        case (.leavingKeepsTheReservation, Action.register) where isLeaving:
            return Self.good
        default:
            break
        }
        let result = try pass(altered)
        if result.status == .good, [Action.register, Action.registerAndIgnore].contains(action) {
            ownKey.withLock { $0 = newKey }
        }
        return result
    }

    private func reserveIn(_ action: UInt8, _ result: SCSIResult) -> SCSIResult {
        var result = result
        guard result.data.count >= 8 else { return result }
        switch (flaw, action) {
        case (.generationStandsStill, 0), (.generationStandsStill, 1):
            for octet in 0..<4 { result.data[octet] = 0 }
        case (.keysOfOthersHidden, 0):
            let own = ownKey.withLock { $0 }
            let count = Int(result.data[7])
            let keys = stride(from: 8, to: min(8 + count, result.data.count), by: 8).map {
                Array(result.data[$0..<min($0 + 8, result.data.count)])
            }
            let kept = keys.filter { $0 == own }
            result.data = Array(result.data[0..<7]) + [UInt8(kept.count * 8)] + kept.flatMap(\.self)
        case (.typeMissing, 2):
            // Bit 5 of octet 4: WR_EX_RO (SPC-3 table 119).
            result.data[4] &= ~0x20
        default:
            break
        }
        return result
    }

    /// Whether another initiator holds the reservation.
    private func isForeign() throws -> Bool {
        guard let holder = try Disk(transport: other).readReservation().holder else { return false }
        return holder.key.rawValue != ownKey.withLock { $0.reduce(0) { $0 << 8 | UInt64($1) } }
    }
}
