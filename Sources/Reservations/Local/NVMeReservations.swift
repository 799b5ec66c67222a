/// What a namespace says of its reservations: ONCS of Identify Controller, RESCAP of Identify Namespace.
struct NVMeReservationCapabilities: Sendable, Equatable {
    /// The controller knows the reservation commands (ONCS bit 5).
    var isSupported: Bool
    /// Reservations can outlive a loss of power (RESCAP bit 0).
    var persistsThroughPowerLoss: Bool
    /// The types (RESCAP bits 1 to 6).
    var types: Set<ReservationType>

    init(controller: [UInt8], namespace: [UInt8]) {
        let capabilities = namespace[31]
        isSupported = controller[520] & 0x20 != 0
        persistsThroughPowerLoss = capabilities & 0x01 != 0
        types = Set(ReservationType.allCases.filter { capabilities & 1 << $0.nvme != 0 })
    }
}

extension ReservationType {
    /// RTYPE: the same types, numbered without SCSI's gaps.
    var nvme: UInt8 {
        switch self {
        case .writeExclusive: 1
        case .exclusiveAccess: 2
        case .writeExclusiveRegistrantsOnly: 3
        case .exclusiveAccessRegistrantsOnly: 4
        case .writeExclusiveAllRegistrants: 5
        case .exclusiveAccessAllRegistrants: 6
        }
    }

    /// The type of an RTYPE; nil for zero, which is no reservation, and for reserved numbers.
    init?(nvme: UInt8) {
        guard let type = Self.allCases.first(where: { $0.nvme == nvme }) else { return nil }
        self = type
    }
}

/// The Reservation Status data structure, in its standard form or the extended one.
struct NVMeReservationStatus: Sendable, Equatable {
    /// GEN.
    var generation: UInt32
    /// RTYPE.
    var type: ReservationType?
    /// PTPLS.
    var persistsThroughPowerLoss: Bool
    /// One for each controller whose host is registered.
    var registrants: [Registrant]

    struct Registrant: Sendable, Equatable {
        /// CNTLID; FFFFh for a dynamic controller.
        var controller: UInt16
        /// RCSTS bit 0: the host holds the reservation.
        var isHolder: Bool
        /// HOSTID, eight octets or sixteen.
        var host: [UInt8]
        /// RKEY.
        var key: ReservationKey
    }

    /// The octets of the head and of each registrant.
    static func lengths(isExtended: Bool) -> (head: Int, registrant: Int) {
        isExtended ? (64, 64) : (24, 24)
    }

    /// REGCTL: how many registrants there are, whether they are in the data or not.
    static func count(_ octets: [UInt8]) -> Int {
        Int(octets.little(5, octets: 2))
    }

    init(_ octets: [UInt8], isExtended: Bool) {
        let (head, length) = Self.lengths(isExtended: isExtended)
        generation = UInt32(truncatingIfNeeded: octets.little(0, octets: 4))
        type = ReservationType(nvme: octets[4])
        persistsThroughPowerLoss = octets[9] & 1 != 0
        let present = min(Self.count(octets), max(0, octets.count - head) / length)
        registrants = (0..<present).compactMap { index in
            let start = head + index * length
            let key = octets.little(start + (isExtended ? 8 : 16), octets: 8)
            let host = isExtended ? start + 16..<start + 32 : start + 8..<start + 16
            // Some controllers list those that are not registered as well, without a key.
            guard key != 0 else { return nil }
            return Registrant(
                controller: UInt16(truncatingIfNeeded: octets.little(start, octets: 2)),
                isHolder: octets[start + 2] & 1 != 0, host: Array(octets[host]), key: ReservationKey(rawValue: key))
        }
    }
}

/// PERSISTENT RESERVE IN and OUT as NVM Express' reservation commands.
///
/// The two standards made their reservations to match. What differs: an NVMe registration belongs to a *host*, through
/// whichever controller it comes, so ALL_TG_PT is always the case; and there is no REGISTER AND IGNORE EXISTING KEY that
/// registers and replaces alike in the older controllers.
extension NVMeUnit {
    func reservationStatus() throws -> NVMeReservationStatus {
        do {
            return try reservationStatus(isExtended: true)
        } catch let failure as TranslatedFailure where failure.result.isFormatRefusal {
            // The controller knows host identifiers of 64 bits only.
            return try reservationStatus(isExtended: false)
        }
    }

    private func reservationStatus(isExtended: Bool) throws -> NVMeReservationStatus {
        let (head, registrant) = NVMeReservationStatus.lengths(isExtended: isExtended)
        var octets = 4096
        while true {
            let command = NVMeCommand.reservationReport(octets: octets, isExtended: isExtended)
            let completion = try complete(command)
            if completion.status == .hostIdentifierFormat { throw TranslatedFailure.formatRefusal }
            guard completion.status == .success else { throw TranslatedFailure(completion.status.result()) }
            guard completion.data.count >= head else {
                throw SCSIError.malformedResponse(
                    command: "Reservation Report", reason: "\(completion.data.count) octets of \(head)")
            }
            let needed = head + NVMeReservationStatus.count(completion.data) * registrant
            if needed <= octets { return NVMeReservationStatus(completion.data, isExtended: isExtended) }
            octets = (needed + 4095) / 4096 * 4096
        }
    }

    func reserveIn(_ action: SCSICommand.ReserveInAction) throws -> [UInt8] {
        guard reservations.isSupported else { throw SCSICommandRefusal.invalidOperationCode }
        let status = try reservationStatus()
        var list: [UInt8] = []
        switch action {
        case .readKeys:
            for registrant in status.registrants { list.append(bigEndian: registrant.key.rawValue) }
        case .readReservation:
            guard let type = status.type else { break }
            let holder = type.isAllRegistrants ? nil : status.registrants.first(where: \.isHolder)
            list.append(bigEndian: holder?.key.rawValue ?? 0)
            list += [0, 0, 0, 0, 0, type.rawValue, 0, 0]
        case .reportCapabilities:
            return capabilities(status)
        case .readFullStatus:
            for registrant in status.registrants { list += fullStatus(of: registrant, status.type) }
        }
        var octets: [UInt8] = []
        octets.append(bigEndian: status.generation)
        octets.append(bigEndian: UInt32(list.count))
        return octets + list
    }

    /// SPC-3 6.11.4: ATP_C, PTPL_C, TMV, PTPL_A and the mask of the types.
    private func capabilities(_ status: NVMeReservationStatus) -> [UInt8] {
        let mask = reservations.types.reduce(0) { $0 | $1.capabilityMask }
        var octets: [UInt8] = [0, 8]
        octets.append(0x04 | (reservations.persistsThroughPowerLoss ? 0x01 : 0))
        octets.append(0x80 | (status.persistsThroughPowerLoss ? 0x01 : 0))
        octets.append(bigEndian: mask)
        return octets + [0, 0]
    }

    /// SPC-3 6.11.5. The initiator port is the host's identifier, in a TransportID of "no specific protocol" (Fh), as SPC-3
    /// has none for NVM Express; the target port is the controller.
    private func fullStatus(of registrant: NVMeReservationStatus.Registrant, _ type: ReservationType?) -> [UInt8] {
        var octets: [UInt8] = []
        octets.append(bigEndian: registrant.key.rawValue)
        octets += [0, 0, 0, 0, registrant.isHolder ? 1 : 0, registrant.isHolder ? type?.rawValue ?? 0 : 0, 0, 0, 0, 0]
        octets.append(bigEndian: registrant.controller)
        octets.append(bigEndian: UInt32(24))
        octets += [0x0F, 0, 0, 0, 0, 0, 0, 0] + registrant.host
        return octets + [UInt8](repeating: 0, count: 16 - registrant.host.count)
    }

    var reserveOut: ((SCSICommand.ReserveOutAction, UInt8, ReserveOutParameters) throws -> Void)? {
        guard reservations.isSupported else { return nil }
        return { [self] in try reserveOut($0, type: $1, $2) }
    }

    private func reserveOut(
        _ action: SCSICommand.ReserveOutAction, type: UInt8, _ parameters: ReserveOutParameters
    ) throws {
        if parameters.initiatorPorts != nil { throw ReserveOutRefusal.invalidParameter(octet: 20, bit: 3) }
        let (key, other) = (parameters.key, parameters.serviceActionKey)
        switch action.rawValue {
        case SCSICommand.ReserveOutAction.register.rawValue:
            try register(current: key, new: other, persists: parameters.persistsThroughPowerLoss)
        case SCSICommand.ReserveOutAction.registerAndIgnoreExistingKey.rawValue:
            try register(current: nil, new: other, persists: parameters.persistsThroughPowerLoss)
        case SCSICommand.ReserveOutAction.reserve.rawValue:
            let type = try checked(type)
            try execute(.reservationAcquire(action: 0, type: type.nvme, current: key, preempted: .none))
        case SCSICommand.ReserveOutAction.preempt.rawValue:
            try preempt(action: 1, type: type, key, other)
        case SCSICommand.ReserveOutAction.preemptAndAbort.rawValue:
            try preempt(action: 2, type: type, key, other)
        case SCSICommand.ReserveOutAction.release.rawValue:
            try release(key, type: type)
        case SCSICommand.ReserveOutAction.clear.rawValue:
            try execute(.reservationRelease(action: 1, type: 0, current: key))
        default:
            throw SCSICommandRefusal.invalidField(octet: 1, bit: 4)
        }
    }

    private func checked(_ type: UInt8) throws -> ReservationType {
        guard let type = ReservationType(rawValue: type), reservations.types.contains(type) else {
            throw ReserveOutRefusal.invalidType
        }
        return type
    }

    /// - Parameter current: the key the host is registered with; nil for REGISTER AND IGNORE EXISTING KEY.
    private func register(current: ReservationKey?, new: ReservationKey, persists: Bool) throws {
        if persists, !reservations.persistsThroughPowerLoss {
            throw ReserveOutRefusal.invalidParameter(octet: 20, bit: 0)
        }
        let persistence = reservations.persistsThroughPowerLoss ? persists : nil
        func command(_ action: UInt32, ignoring: Bool = false) -> NVMeCommand {
            .reservationRegister(
                action: action, ignoresExistingKey: ignoring, persistence: persistence, current: current ?? .none,
                new: new)
        }
        switch (current, new) {
        case (ReservationKey.none?, .none):
            // Nothing, for a host that is not registered.
            if try isRegistered() { throw ReserveOutRefusal.conflict }
        case (ReservationKey.none?, _):
            // A host that registers its key once more succeeds in NVM Express, and conflicts in SCSI.
            if try isRegistered() { throw ReserveOutRefusal.conflict }
            try execute(command(0))
        case (.some, .none): try execute(command(1))
        case (.some, _): try execute(command(2))
        case (nil, .none):
            let status = try complete(command(1, ignoring: true)).status
            // The only conflict there can be is that the host is not registered, which is what was asked for.
            guard status == .success || status == .reservationConflict else {
                throw TranslatedFailure(status.result())
            }
        case (nil, _):
            // Replacing registers as well in newer controllers; in the older ones only a registrant can replace.
            let status = try complete(command(2, ignoring: true)).status
            if status == .reservationConflict {
                try execute(command(0))
            } else if status != .success {
                throw TranslatedFailure(status.result())
            }
        }
    }

    /// Whether this host is among the registrants.
    private func isRegistered() throws -> Bool {
        let registrants = try reservationStatus().registrants
        guard !registrants.isEmpty else { return false }
        let isExtended = registrants[0].host.count == 16
        let host = try execute(.hostIdentifier(isExtended: isExtended))
        return registrants.contains { $0.host == host }
    }

    private func preempt(action: UInt32, type: UInt8, _ key: ReservationKey, _ victim: ReservationKey) throws {
        let type = try checked(type)
        try execute(.reservationAcquire(action: action, type: type.nvme, current: key, preempted: victim))
    }

    private func release(_ key: ReservationKey, type: UInt8) throws {
        let number = ReservationType(rawValue: type)?.nvme ?? 0
        let status = try complete(.reservationRelease(action: 0, type: number, current: key)).status
        switch status {
        case .success: return
        // The holder named another type than the reservation's.
        case .invalidField: throw ReserveOutRefusal.invalidRelease
        default: throw TranslatedFailure(status.result())
        }
    }
}

extension TranslatedFailure {
    init(_ result: SCSIResult) {
        self.result = result
    }

    fileprivate static var formatRefusal: TranslatedFailure {
        TranslatedFailure(NVMeStatus.invalidField.result())
    }
}

extension SCSIResult {
    /// INVALID FIELD IN CDB: what becomes of a report in a form the controller does not know.
    fileprivate var isFormatRefusal: Bool {
        sense?.code == .invalidFieldInCDB
    }
}
