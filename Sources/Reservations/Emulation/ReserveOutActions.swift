/// How PERSISTENT RESERVE OUT ends when it does not end well.
enum ReserveOutRefusal: Error, Equatable {
    /// RESERVATION CONFLICT.
    case conflict
    /// CHECK CONDITION.
    case sense(SenseData)

    static func invalidParameter(octet: Int, bit: UInt8? = nil) -> ReserveOutRefusal {
        .sense(
            SenseData(
                key: .illegalRequest, code: .invalidFieldInParameterList,
                fieldPointer: .init(isInCDB: false, octet: UInt16(clamping: octet), bit: bit)))
    }

    static let parameterListLength = ReserveOutRefusal.sense(
        SenseData(key: .illegalRequest, code: .parameterListLengthError))
    static let invalidScope = ReserveOutRefusal.sense(SCSICommandRefusal.invalidField(octet: 2, bit: 7).sense)
    static let invalidType = ReserveOutRefusal.sense(SCSICommandRefusal.invalidField(octet: 2, bit: 3).sense)
    static let invalidRelease = ReserveOutRefusal.sense(SenseData(key: .illegalRequest, code: .invalidRelease))
    static let insufficientRegistrationResources = ReserveOutRefusal.sense(
        SenseData(key: .illegalRequest, code: .insufficientRegistrationResources))
}

/// One PERSISTENT RESERVE OUT command as the state sees it.
struct ReserveOutRequest: Sendable {
    /// The service action.
    var action: SCSICommand.ReserveOutAction
    /// SCOPE as in the CDB.
    var scope: UInt8
    /// TYPE as in the CDB.
    var type: UInt8
    /// The parameter list.
    var parameters: ReserveOutParameters
    /// The nexus the command came on.
    var nexus: Nexus
    /// The relative identifiers of every target port of the device, for ALL_TG_PT.
    var targetPorts: ClosedRange<UInt16>
}

extension PersistentReservations {
    /// Executes the command: all of it or, when it throws, nothing.
    mutating func execute(_ request: ReserveOutRequest) throws(ReserveOutRefusal) {
        if request.action != .register, request.parameters.initiatorPorts != nil {
            throw .invalidParameter(octet: 20, bit: 3)
        }
        var next = self
        switch request.action {
        case .register:
            try next.register(request, ignoresExistingKey: false)
        case .registerAndIgnoreExistingKey:
            try next.register(request, ignoresExistingKey: true)
        case .registerAndMove:
            try next.registerAndMove(request)
        case .reserve, .release, .clear, .preempt, .preemptAndAbort:
            // An unregistered nexus has no key that could match (5.6.6, 6.12.3).
            guard let key = key(of: request.nexus), key == request.parameters.key else { throw .conflict }
            switch request.action {
            case .reserve: try next.reserve(request)
            case .release: try next.release(request)
            case .clear: next.clear(request)
            // PREEMPT AND ABORT aborts the victims' tasks (5.6.10.5). There are none: the store lets this command in only
            // when every command before it has ended.
            default: try next.preempt(request)
            }
        }
        self = next
    }

    // MARK: Registering (5.6.6)

    private mutating func register(
        _ request: ReserveOutRequest, ignoresExistingKey: Bool
    ) throws(ReserveOutRefusal) {
        let parameters = request.parameters
        let existing = key(of: request.nexus)
        if !ignoresExistingKey, (existing ?? .none) != parameters.key { throw .conflict }
        let newKey = parameters.serviceActionKey
        if existing == nil, newKey == .none {
            // "Do nothing except return GOOD status": not even the generation moves, nor is APTPL taken.
            return
        }
        if parameters.initiatorPorts != nil, existing != nil { throw .invalidParameter(octet: 20, bit: 3) }
        var initiators = [request.nexus.initiator]
        for initiator in try namedInitiators(request) where !initiators.contains(initiator) {
            initiators.append(initiator)
        }
        let ports =
            parameters.allTargetPorts
            ? request.targetPorts : request.nexus.targetPort...request.nexus.targetPort
        for initiator in initiators {
            for port in ports {
                let nexus = Nexus(initiator: initiator, targetPort: port)
                let registered = key(of: nexus)
                // ALL_TG_PT acts "as if the same registration request had been received individually through each target
                // port": a request that one of the ports would refuse is refused as a whole.
                if !ignoresExistingKey, initiator == request.nexus.initiator, (registered ?? .none) != parameters.key {
                    throw .conflict
                }
                set(newKey, for: nexus)
            }
        }
        guard registrations.count <= Self.registrationLimit else { throw .insufficientRegistrationResources }
        releaseIfAbandoned(by: request.nexus)
        persistsThroughPowerLoss = parameters.persistsThroughPowerLoss
        generation &+= 1
    }

    /// The initiator ports of SPEC_I_PT; every nexus they make with the target ports has to be unregistered.
    private func namedInitiators(_ request: ReserveOutRequest) throws(ReserveOutRefusal) -> [InitiatorIdentity] {
        var initiators: [InitiatorIdentity] = []
        var octet = ReserveOutParameters.basicLength + 4
        for transportID in request.parameters.initiatorPorts ?? [] {
            guard let initiator = InitiatorIdentity(transportID: transportID) else {
                throw .invalidParameter(octet: octet)
            }
            let ports =
                request.parameters.allTargetPorts
                ? request.targetPorts : request.nexus.targetPort...request.nexus.targetPort
            guard ports.allSatisfy({ key(of: Nexus(initiator: initiator, targetPort: $0)) == nil }) else {
                throw .invalidParameter(octet: octet)
            }
            initiators.append(initiator)
            octet += transportID.count
        }
        return initiators
    }

    // MARK: Registering and moving (5.6.7)

    /// Hands the reservation, with a registration, to another nexus, in one step.
    ///
    /// Nobody is told: the move is a matter between the two, and no other nexus' access changes by it.
    private mutating func registerAndMove(_ request: ReserveOutRequest) throws(ReserveOutRefusal) {
        guard let move = request.parameters.move else { throw .parameterListLength }
        guard let reservation else { throw .sense(SCSICommandRefusal.invalidField(octet: 1, bit: 4).sense) }
        // All registrants hold together; there is nobody to move such a reservation from.
        guard key(of: request.nexus) == request.parameters.key, !reservation.type.isAllRegistrants,
            isHolder(request.nexus)
        else { throw .conflict }
        if request.parameters.serviceActionKey == .none { throw .invalidParameter(octet: 8) }
        guard request.targetPorts.contains(move.targetPort) else { throw .invalidParameter(octet: 18) }
        guard let initiator = InitiatorIdentity(transportID: move.transportID) else {
            throw .invalidParameter(octet: 24)
        }
        let heir = Nexus(initiator: initiator, targetPort: move.targetPort)
        if heir == request.nexus { throw .invalidParameter(octet: 24) }
        set(request.parameters.serviceActionKey, for: heir)
        if move.unregisters { set(.none, for: request.nexus) }
        guard registrations.count <= Self.registrationLimit else { throw .insufficientRegistrationResources }
        self.reservation?.holder = heir
        persistsThroughPowerLoss = request.parameters.persistsThroughPowerLoss
        generation &+= 1
    }

    private mutating func set(_ key: ReservationKey, for nexus: Nexus) {
        let index = registrations.firstIndex { $0.nexus == nexus }
        switch (index, key) {
        case (let index?, .none): registrations.remove(at: index)
        case (let index?, _): registrations[index].key = key
        case (nil, .none): break
        case (nil, _): registrations.append(Registration(nexus: nexus, key: key))
        }
    }

    /// Releases the reservation where its holder is no longer registered, or nobody is (5.6.10.3); the registrants
    /// of a registrants-only type are told.
    private mutating func releaseIfAbandoned(by nexus: Nexus) {
        guard let reservation else { return }
        let isHeld = reservation.holder.map { key(of: $0) != nil } ?? !registrations.isEmpty
        if isHeld { return }
        self.reservation = nil
        if reservation.type.admitsRegistrants, !reservation.type.isAllRegistrants {
            establish(.reservationsReleased, forOthersThan: nexus)
        }
    }

    private mutating func establish(_ code: AdditionalSenseCode, forOthersThan nexus: Nexus) {
        for registration in registrations where registration.nexus != nexus {
            establish(code, for: registration.nexus)
        }
    }

    // MARK: Reserving and releasing (5.6.8, 5.6.10.2)

    private mutating func reserve(_ request: ReserveOutRequest) throws(ReserveOutRefusal) {
        let type = try Self.checkedType(request)
        if let reservation {
            // The holder may ask for what it has; it may not change the type, and nobody else may ask at all.
            guard isHolder(request.nexus), reservation.type == type else { throw .conflict }
            return
        }
        reservation = Reservation(type: type, holder: type.isAllRegistrants ? nil : request.nexus)
    }

    private mutating func release(_ request: ReserveOutRequest) throws(ReserveOutRefusal) {
        guard let reservation, isHolder(request.nexus) else { return }
        guard request.scope == 0, request.type == reservation.type.rawValue else { throw .invalidRelease }
        self.reservation = nil
        if reservation.type.admitsRegistrants { establish(.reservationsReleased, forOthersThan: request.nexus) }
    }

    // MARK: Clearing (5.6.10.6)

    private mutating func clear(_ request: ReserveOutRequest) {
        establish(.reservationsPreempted, forOthersThan: request.nexus)
        registrations = []
        reservation = nil
        generation &+= 1
    }

    // MARK: Preempting (5.6.10.4)

    private mutating func preempt(_ request: ReserveOutRequest) throws(ReserveOutRefusal) {
        let victim = request.parameters.serviceActionKey
        if let reservation {
            if reservation.type.isAllRegistrants {
                if victim == .none {
                    return try preemptReservation(request, of: reservation) { _ in true }
                }
            } else if victim == .none {
                throw .invalidParameter(octet: 8)
            } else if victim == holderKey {
                return try preemptReservation(request, of: reservation) { $0.key == victim }
            }
        }
        try removeRegistrations(of: victim, by: request.nexus)
    }

    /// 5.6.10.4.3: the reservation changes hands in one step.
    private mutating func preemptReservation(
        _ request: ReserveOutRequest, of old: Reservation, removing isVictim: (Registration) -> Bool
    ) throws(ReserveOutRefusal) {
        let type = try Self.checkedType(request)
        let victims = registrations.filter { $0.nexus != request.nexus && isVictim($0) }
        registrations.removeAll { $0.nexus != request.nexus && isVictim($0) }
        reservation = Reservation(type: type, holder: type.isAllRegistrants ? nil : request.nexus)
        for victim in victims { establish(.registrationsPreempted, for: victim.nexus) }
        if type != old.type { establish(.reservationsReleased, forOthersThan: request.nexus) }
        generation &+= 1
    }

    /// 5.6.10.4.4: registrations go, the reservation stays; a nexus may remove its own this way.
    private mutating func removeRegistrations(
        of victim: ReservationKey, by nexus: Nexus
    ) throws(ReserveOutRefusal) {
        let victims = registrations.filter { $0.key == victim }
        if victims.isEmpty { throw .conflict }
        registrations.removeAll { $0.key == victim }
        for victim in victims where victim.nexus != nexus { establish(.registrationsPreempted, for: victim.nexus) }
        releaseIfAbandoned(by: nexus)
        generation &+= 1
    }

    private static func checkedType(_ request: ReserveOutRequest) throws(ReserveOutRefusal) -> ReservationType {
        guard request.scope == 0 else { throw .invalidScope }
        guard let type = ReservationType(rawValue: request.type) else { throw .invalidType }
        return type
    }
}
