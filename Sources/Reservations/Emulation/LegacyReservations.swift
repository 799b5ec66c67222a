/// A reservation made by RESERVE (6) of SPC-2. It lives as long as the session that made it.
struct LegacyReservation: Equatable, Codable, Sendable {
    /// Who made it.
    var nexus: Nexus
    /// The number by which the store tells whether the session is alive.
    var session: UInt32
}

/// RESERVE (6) and RELEASE (6), and what they mean for other commands.
///
/// SPC-2 5.5.1 keeps the two kinds of reservations apart: while anybody is registered, RESERVE and RELEASE conflict, and while
/// a RESERVE stands, PERSISTENT RESERVE IN and OUT do, whoever sends them. SPC-3 5.6.3 makes one exception ("compatible
/// reservation handling", CRH in REPORT CAPABILITIES): from those whom a persistent reservation admits to everything, RESERVE
/// and RELEASE end with GOOD and do nothing.
enum LegacyRules {
    /// What is to become of RESERVE (6) or RELEASE (6).
    enum Outcome: Equatable {
        /// It does what SPC-2 says.
        case proceed
        /// GOOD, and nothing happens.
        case ignore
        /// RESERVATION CONFLICT.
        case conflict
    }

    /// How persistent reservations bear on RESERVE (6) and RELEASE (6).
    static func outcome(of reservations: PersistentReservations, from nexus: Nexus) -> Outcome {
        if reservations.registrations.isEmpty { return .proceed }
        let isAdmitted =
            reservations.isHolder(nexus)
            || reservations.reservation?.type.admitsRegistrants == true && reservations.key(of: nexus) != nil
        return isAdmitted ? .ignore : .conflict
    }

    /// Whether a RESERVE (6) that stands lets a command through (SPC-2 5.5.1, and its annex B for the block commands).
    static func allows(_ command: SCSICommand, byReserver isReserver: Bool) -> Bool {
        switch command {
        case .inquiry, .requestSense, .reportLUNs, .logSense, .readCapacity10, .readCapacity16, .release6: true
        case .persistentReserveIn, .persistentReserveOut: false
        case .testUnitReady, .modeSense, .read, .write, .writeSame, .unmap, .synchronizeCache, .reserve6,
            .reportSupportedOperationCodes:
            isReserver
        }
    }
}

extension EmulatedLogicalUnit {
    /// Whether a RESERVE (6) of a session that is alive forbids the command.
    func isForbidden(_ command: SCSICommand, by reservation: LegacyReservation?) throws -> Bool {
        guard let reservation, !LegacyRules.allows(command, byReserver: reservation.nexus == nexus) else {
            return false
        }
        return try store.isAlive(reservation.session)
    }

    /// RESERVE (6): the whole unit, for this nexus. Once more from the same nexus is no news.
    func reserve6() throws -> SCSIResult {
        try updating { state in
            switch LegacyRules.outcome(of: state.reservations, from: nexus) {
            case .conflict: return SCSIResult(status: .reservationConflict)
            case .ignore: return SCSIResult(status: .good)
            case .proceed: break
            }
            if let other = state.legacyReservation, try store.isAlive(other.session) {
                return SCSIResult(status: other.nexus == nexus ? .good : .reservationConflict)
            }
            try image.check()
            let session = UInt32.random(in: 0...UInt32.max)
            let file = try store.beginSession(session)
            legacySession.withLock { $0 = file }
            state.legacyReservation = LegacyReservation(nexus: nexus, session: session)
            return SCSIResult(status: .good)
        }
    }

    /// RELEASE (6): GOOD also from those who have nothing to release.
    func release6() throws -> SCSIResult {
        try updating { state in
            switch LegacyRules.outcome(of: state.reservations, from: nexus) {
            case .conflict: return SCSIResult(status: .reservationConflict)
            case .ignore: return SCSIResult(status: .good)
            case .proceed: break
            }
            if state.legacyReservation?.nexus == nexus {
                state.legacyReservation = nil
                legacySession.withLock { $0 = nil }
            }
            return SCSIResult(status: .good)
        }
    }
}
