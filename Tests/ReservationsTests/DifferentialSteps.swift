@testable import Reservations

/// One command of a random sequence.
struct DifferentialStep: Sendable, CustomStringConvertible {
    /// Which nexus sends it.
    var nexus: Int
    var command: SCSICommand
    var dataOut: [UInt8] = []

    var description: String {
        let data =
            dataOut.count == 24 || dataOut.count < 24 ? " " + dataOut.prefix(16).map(hexadecimalOctet).joined() : ""
        return "\(nexus): \(command)\(data)"
    }

    /// The parts of PERSISTENT RESERVE OUT; nil for other commands.
    var reserveOut:
        (action: SCSICommand.ReserveOutAction, scope: UInt8, type: UInt8, key: ReservationKey, to: ReservationKey)?
    {
        guard case .persistentReserveOut(let action, let scope, let type, _) = command, dataOut.count >= 16 else {
            return nil
        }
        return (
            action, scope, type, ReservationKey(rawValue: dataOut.field64(0)),
            ReservationKey(rawValue: dataOut.field64(8))
        )
    }

    static func reserveOut(
        _ nexus: Int, _ action: SCSICommand.ReserveOutAction, key: UInt64 = 0, to: UInt64 = 0, type: UInt8 = 0,
        scope: UInt8 = 0
    ) -> DifferentialStep {
        DifferentialStep(
            nexus: nexus,
            command: .persistentReserveOut(action, scope: scope, type: type, parameterListLength: 24),
            dataOut: ReserveOutParameters(
                key: ReservationKey(rawValue: key), serviceActionKey: ReservationKey(rawValue: to)
            ).octets)
    }
}

/// Draws commands: likely ones most of the time, so that states are reached in which something can differ.
///
/// Not drawn is what tgtd 1.0.85 does not have, and does not claim to have in REPORT CAPABILITIES: ALL_TG_PT, SPEC_I_PT, APTPL,
/// PREEMPT AND ABORT, READ FULL STATUS. Nor what makes tgtd read memory it has freed: under an all-registrants reservation a
/// PREEMPT that removes the registration which stands for the reservation in tgtd; the key zero, which takes the reservation over,
/// is drawn there. Nor REGISTER AND MOVE, which tgtd answers with GOOD to those who do not hold the reservation (SPC-3 5.6.7:
/// RESERVATION CONFLICT), and after which the reservation is of type 0 there, which is none.
struct DifferentialGenerator {
    var random: SplitMix64
    static let nexuses = 3

    init(seed: UInt64) {
        random = SplitMix64(state: seed)
    }

    private mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    mutating func next(_ state: PersistentReservations, _ nexuses: [Nexus]) -> DifferentialStep {
        let nexus = Int.random(in: 0..<Self.nexuses, using: &random)
        let draw = Int.random(in: 0..<100, using: &random)
        switch draw {
        case 0..<60: return reserveOut(nexus, state, nexuses)
        case 60..<95: return plain(nexus)
        case 95..<97:
            return DifferentialStep(nexus: nexus, command: chance(50) ? .reserve6 : .release6)
        default: return misshapen(nexus)
        }
    }

    private mutating func reserveOut(
        _ nexus: Int, _ state: PersistentReservations, _ nexuses: [Nexus]
    ) -> DifferentialStep {
        let own = state.key(of: nexuses[nexus])?.rawValue ?? 0
        let key = chance(85) ? own : UInt64.random(in: 0...4, using: &random)
        let types = ReservationType.allCases.map(\.rawValue)
        var type = types[Int.random(in: 0..<types.count, using: &random)]
        var scope: UInt8 = 0
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30:
            let new = chance(25) ? 0 : UInt64.random(in: 1...4, using: &random)
            return .reserveOut(nexus, chance(50) ? .register : .registerAndIgnoreExistingKey, key: key, to: new)
        case 30..<55:
            if chance(5) { type = [0, 2, 4, 9, 15][Int.random(in: 0..<5, using: &random)] }
            if chance(3) { scope = UInt8.random(in: 1...15, using: &random) }
            return .reserveOut(nexus, .reserve, key: key, type: type, scope: scope)
        case 55..<75:
            if let held = state.reservation, chance(80) { type = held.type.rawValue }
            if chance(3) { scope = UInt8.random(in: 1...15, using: &random) }
            return .reserveOut(nexus, .release, key: key, type: type, scope: scope)
        case 75..<80:
            return .reserveOut(nexus, .clear, key: key)
        default:
            let isShared = state.reservation?.type.isAllRegistrants == true
            let victim =
                isShared
                ? 0
                : chance(40) && state.holderKey != .none
                    ? state.holderKey.rawValue : UInt64.random(in: 0...4, using: &random)
            return .reserveOut(nexus, .preempt, key: key, to: victim, type: type)
        }
    }

    private mutating func plain(_ nexus: Int) -> DifferentialStep {
        let block = SCSICommand.BlockRange(first: UInt64.random(in: 0..<64, using: &random), count: 1)
        let form = SCSICommand.TransferForm.allCases[Int.random(in: 0..<4, using: &random)]
        let data = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: 512)
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1: return DifferentialStep(nexus: nexus, command: .read(block, form: form))
        case 2, 3:
            return DifferentialStep(
                nexus: nexus, command: .write(block, form: form, forceUnitAccess: false), dataOut: data)
        case 4:
            return DifferentialStep(
                nexus: nexus, command: .synchronizeCache(.init(first: 0, count: 0), isSixteenOctets: chance(50)))
        case 5: return DifferentialStep(nexus: nexus, command: .testUnitReady)
        case 6:
            return DifferentialStep(
                nexus: nexus,
                command: chance(50) ? .readCapacity10 : .readCapacity16(allocationLength: 32))
        case 7:
            return DifferentialStep(
                nexus: nexus,
                command: .modeSense(.init(page: 0x3F), allocationLength: 192, isTenOctets: chance(50)))
        case 8:
            return DifferentialStep(
                nexus: nexus,
                command: chance(50)
                    ? .inquiry(page: nil, allocationLength: 96)
                    : .requestSense(descriptorFormat: false, allocationLength: 18))
        default:
            // Beyond the medium of 64 blocks, in every form but the shortest one's own limits.
            let far = SCSICommand.BlockRange(first: UInt64.random(in: 64...4096, using: &random), count: 1)
            return DifferentialStep(nexus: nexus, command: .read(far, form: form))
        }
    }

    /// Parameter lists of a length that is none.
    private mutating func misshapen(_ nexus: Int) -> DifferentialStep {
        let length = [8, 23, 25, 32][Int.random(in: 0..<4, using: &random)]
        let action: SCSICommand.ReserveOutAction = chance(50) ? .register : .clear
        return DifferentialStep(
            nexus: nexus,
            command: .persistentReserveOut(action, scope: 0, type: 0, parameterListLength: UInt32(length)),
            dataOut: [UInt8](repeating: 0, count: length))
    }
}
