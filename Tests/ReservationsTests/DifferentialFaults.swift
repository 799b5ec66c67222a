@testable import Reservations

/// What a target answered, as far as it is compared.
struct DifferentialAnswer: Equatable, CustomStringConvertible {
    var status: SCSIStatus
    var key: SenseKey?
    var code: AdditionalSenseCode?

    init(_ result: SCSIResult) {
        status = result.status
        key = result.status == .checkCondition ? result.sense?.key : nil
        code = result.status == .checkCondition ? result.sense?.code : nil
    }

    init(status: SCSIStatus) {
        self.status = status
    }

    init(_ key: SenseKey, _ code: AdditionalSenseCode) {
        status = .checkCondition
        self.key = key
        self.code = code
    }

    static let good = DifferentialAnswer(status: .good)
    static let conflict = DifferentialAnswer(status: .reservationConflict)
    static let invalidCDB = DifferentialAnswer(.illegalRequest, .invalidFieldInCDB)

    var description: String {
        "\(status)" + (code.map { " \(key?.name ?? "") \($0)" } ?? "")
    }
}

/// A place where tgtd 1.0.85 is known not to do what the standard says. Each cites the clause that makes tgtd the one at fault, or
/// that leaves the choice.
struct KnownDifference {
    var clause: String
    /// What tgtd may answer here.
    var theirs: [DifferentialAnswer]
    /// Whether the two units may be in different states afterwards, so that the sequence ends here.
    var separates: Bool

    init(_ clause: String, theirs: [DifferentialAnswer], separates: Bool = false) {
        self.clause = clause
        self.theirs = theirs
        self.separates = separates
    }

    /// What is known of a step in a state; nil where both have to do the same.
    static func of(_ step: DifferentialStep, in state: UnitState, from nexus: Nexus) -> KnownDifference? {
        let reservations = state.reservations
        if let known = ofLegacyReservations(step, in: state, from: nexus) { return known }
        switch step.command {
        case .modeSense where reservations.reservation?.type.admitsReaders == true:
            if reservations.allows(.write, from: nexus) { return nil }
            return KnownDifference(
                "SPC-3 5.6.1: MODE SENSE is allowed under the Write Exclusive types; SPC-2 5.5.1 had it conflict.",
                theirs: [.conflict])
        case .persistentReserveOut(_, _, _, let length) where length != 24:
            return KnownDifference(
                "SPC-3 6.12.3: a parameter list length other than 24 is PARAMETER LIST LENGTH ERROR.",
                theirs: [.invalidCDB])
        case .persistentReserveOut: return ofReserveOut(step, in: reservations, from: nexus)
        default: return nil
        }
    }

    /// SPC-2 5.5.1 keeps RESERVE (6) and persistent reservations apart; to tgtd they are two things that know nothing of each
    /// other.
    private static func ofLegacyReservations(
        _ step: DifferentialStep, in state: UnitState, from nexus: Nexus
    ) -> KnownDifference? {
        let isRegistered = !state.reservations.registrations.isEmpty
        switch step.command {
        case .reserve6 where isRegistered, .release6 where isRegistered:
            return KnownDifference(
                "SPC-2 5.5.1 and SPC-3 5.6.3: RESERVE and RELEASE conflict, or do nothing, while anybody is registered.",
                theirs: [.good, .conflict], separates: true)
        case .persistentReserveOut where state.legacyReservation != nil:
            return KnownDifference(
                "SPC-2 5.5.1: PERSISTENT RESERVE OUT conflicts while a RESERVE stands.",
                theirs: [.good, .conflict, .invalidCDB], separates: true)
        case .modeSense where state.legacyReservation.map { $0.nexus != nexus } == true:
            return KnownDifference(
                "SPC-2 5.5.1: MODE SENSE conflicts while another initiator's RESERVE stands.", theirs: [.good])
        default: return nil
        }
    }

    private static func ofReserveOut(
        _ step: DifferentialStep, in state: PersistentReservations, from nexus: Nexus
    ) -> KnownDifference? {
        guard let parts = step.reserveOut else { return nil }
        let own = state.key(of: nexus)
        let hasRightKey = own == parts.key
        let isValid = parts.scope == 0 && ReservationType(rawValue: parts.type) != nil
        switch parts.action {
        case .reserve where !isValid && !hasRightKey:
            return KnownDifference(
                "SPC-3 does not say which of two errors is told: the key that is wrong, or the type or scope.",
                theirs: [.invalidCDB, .conflict])
        case .reserve where own != nil && !hasRightKey:
            return KnownDifference(
                "SPC-3 6.12.1: a RESERVATION KEY that is not the nexus' own is RESERVATION CONFLICT; tgtd's RESERVE does not look.",
                theirs: [.good, .conflict], separates: true)
        case .release where own != nil && !hasRightKey && !state.isHolder(nexus):
            return KnownDifference(
                "SPC-3 6.12.1, likewise: tgtd's RELEASE looks at the key of the holder only.", theirs: [.good])
        case .preempt where hasRightKey && own != nil && parts.to == .none && state.reservation == nil:
            return KnownDifference(
                "SPC-3 5.6.10.4.4: a key that nobody is registered with, as zero always is, is RESERVATION CONFLICT.",
                theirs: [.good])
        case .preempt where hasRightKey && own != nil && parts.to == .none && !isShared(state):
            return KnownDifference(
                "SPC-3 5.6.10.4.1: zero where not all registrants hold is INVALID FIELD IN PARAMETER LIST.",
                theirs: [.invalidCDB])
        case .preempt where hasRightKey && own == parts.to && state.holderKey != parts.to:
            return KnownDifference(
                "SPC-3 5.6.10.4.4: every registration with the key goes, the sender's own as well; tgtd spares it.",
                theirs: [.good], separates: true)
        default: return nil
        }
    }

    private static func isShared(_ state: PersistentReservations) -> Bool {
        state.reservation?.type.isAllRegistrants == true
    }

    /// Whether the unit attentions that follow a step are comparable, and what tgtd tells instead of what.
    enum Attentions {
        case same
        /// tgtd tells RESERVATIONS PREEMPTED where SPC-3 5.6.10.4 has REGISTRATIONS PREEMPTED.
        case preempted
        /// tgtd tells RESERVATIONS RELEASED to everybody but the one it means, and for the wrong types: SPC-3 5.6.10.2 and 5.6.10.3
        /// have it for the registrants of the types that admit them, and for nobody else.
        case incomparable
    }

    static func attentions(after step: DifferentialStep, in before: PersistentReservations, from nexus: Nexus)
        -> Attentions
    {
        switch step.reserveOut?.action {
        case .preempt: .preempted
        case .release: .incomparable
        case .register, .registerAndIgnoreExistingKey: before.isHolder(nexus) ? .incomparable : .same
        default: .same
        }
    }

    /// Whether PRgeneration has to move in both or in neither.
    static func comparesGeneration(_ step: DifferentialStep, in before: PersistentReservations, from nexus: Nexus)
        -> Bool
    {
        guard let parts = step.reserveOut else { return true }
        switch parts.action {
        // SPC-3 5.6.6: an unregistered nexus that registers zero does nothing but get GOOD; tgtd counts it.
        case .register, .registerAndIgnoreExistingKey: return before.key(of: nexus) != nil || parts.to != .none
        // The PREEMPT of zero above, which is an error and which tgtd counts.
        case .preempt: return parts.to != .none || isShared(before)
        default: return true
        }
    }
}
