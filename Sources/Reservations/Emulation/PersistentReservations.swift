/// An I_T nexus: one initiator port seen through one target port.
struct Nexus: Hashable, Codable, Sendable {
    /// The initiator port.
    var initiator: InitiatorIdentity
    /// The relative target port identifier, from 1.
    var targetPort: UInt16
}

/// Everything a device server knows about persistent reservations (SPC-3 5.6), as a value without I/O.
///
/// The clauses named in the comments are SPC-3's. Where SPC-4 gives a refusal another additional sense code and says that
/// devices of earlier standards may keep theirs (INVALID FIELD IN PARAMETER LIST instead of INVALID FIELD IN CDB for
/// SPEC_I_PT), the later code is used, as the targets in use do.
struct PersistentReservations: Equatable, Codable, Sendable {
    /// A registered I_T nexus.
    struct Registration: Hashable, Codable, Sendable {
        var nexus: Nexus
        /// Never zero.
        var key: ReservationKey
    }

    /// The reservation of the logical unit; its scope is always LU_SCOPE.
    struct Reservation: Hashable, Codable, Sendable {
        var type: ReservationType
        /// The nexus that holds it; nil for the all-registrants types, which every registered nexus holds.
        var holder: Nexus?
    }

    /// A unit attention condition waiting for its nexus.
    struct Attention: Hashable, Codable, Sendable {
        var nexus: Nexus
        var code: AdditionalSenseCode
    }

    /// PRgeneration (6.11.2).
    var generation: UInt32 = 0
    /// The APTPL bit received last (6.12.3).
    var persistsThroughPowerLoss = false
    /// The registrations, oldest first; no nexus twice.
    var registrations: [Registration] = []
    /// The reservation, where there is one.
    var reservation: Reservation?
    /// The unit attentions not told yet, oldest first.
    var attentions: [Attention] = []

    /// The registrations a unit has room for.
    static let registrationLimit = 128
    /// The unit attentions kept: nexuses that never come back must not fill the state.
    static let attentionLimit = 256

    /// The key a nexus is registered with; nil where it is not.
    func key(of nexus: Nexus) -> ReservationKey? {
        registrations.first { $0.nexus == nexus }?.key
    }

    /// Whether a nexus is a persistent reservation holder (5.6.9).
    func isHolder(_ nexus: Nexus) -> Bool {
        guard let reservation else { return false }
        return reservation.type.isAllRegistrants ? key(of: nexus) != nil : reservation.holder == nexus
    }

    /// The key READ RESERVATION reports: zero for the all-registrants types (6.11.3.2).
    var holderKey: ReservationKey {
        reservation?.holder.flatMap(key(of:)) ?? .none
    }

    /// What the unit remembers after it lost power (5.6.4, 6.11.2): with APTPL registrations and reservation, without it
    /// nothing; PRgeneration starts at zero either way, and nobody has a unit attention of the time before.
    mutating func losePower() {
        generation = 0
        attentions = []
        if !persistsThroughPowerLoss {
            registrations = []
            reservation = nil
        }
    }

    /// Establishes a unit attention condition for a nexus; the same one twice is one.
    mutating func establish(_ code: AdditionalSenseCode, for nexus: Nexus) {
        let attention = Attention(nexus: nexus, code: code)
        guard !attentions.contains(attention) else { return }
        attentions.append(attention)
        if attentions.count > Self.attentionLimit {
            attentions.removeFirst(attentions.count - Self.attentionLimit)
        }
    }

    /// Takes the oldest unit attention of a nexus, which is reported only once.
    mutating func takeAttention(of nexus: Nexus) -> AdditionalSenseCode? {
        guard let index = attentions.firstIndex(where: { $0.nexus == nexus }) else { return nil }
        return attentions.remove(at: index).code
    }
}

/// What a command needs of a reserved unit (5.6.1, and SBC-2 4.13 for the block commands).
enum CommandAccess: Sendable, Equatable {
    /// Allowed in the presence of every reservation.
    case always
    /// Conflicts with the exclusive access types for those the reservation shuts out.
    case read
    /// Conflicts with every type for those the reservation shuts out.
    case write
    /// PERSISTENT RESERVE OUT, RESERVE (6) and RELEASE (6), which have rules of their own.
    case reserveOut
}

extension SCSICommand {
    /// The command's row in the conflict tables.
    var access: CommandAccess {
        switch self {
        case .testUnitReady, .requestSense, .inquiry, .readCapacity10, .readCapacity16, .reportLUNs, .logSense,
            .persistentReserveIn:
            .always
        case .read, .modeSense, .reportSupportedOperationCodes: .read
        case .write, .writeSame, .unmap, .synchronizeCache: .write
        case .persistentReserveOut, .reserve6, .release6: .reserveOut
        }
    }
}

extension PersistentReservations {
    /// Whether the reservation lets a nexus do what a command needs.
    func allows(_ access: CommandAccess, from nexus: Nexus) -> Bool {
        guard let reservation, !isHolder(nexus) else { return true }
        if reservation.type.admitsRegistrants, key(of: nexus) != nil { return true }
        switch access {
        case .always, .reserveOut: return true
        case .read: return reservation.type.admitsReaders
        case .write: return false
        }
    }
}
