/// PERSISTENT RESERVE IN and OUT (SPC-3 6.11, 6.12).
extension Disk {
    /// READ KEYS: every registered key.
    public func readKeys() throws -> RegisteredKeys {
        let octets = try reserveIn(.readKeys)
        let list = try Self.additional(octets, command: "READ KEYS")
        guard list.count.isMultiple(of: 8) else {
            throw SCSIError.malformedResponse(command: "READ KEYS", reason: "\(list.count) octets of keys")
        }
        return RegisteredKeys(
            generation: octets.field32(0),
            keys: stride(from: 0, to: list.count, by: 8).map { ReservationKey(rawValue: list.field64($0)) })
    }

    /// READ RESERVATION: who holds the reservation.
    public func readReservation() throws -> CurrentReservation {
        let octets = try reserveIn(.readReservation)
        let descriptor = try Self.additional(octets, command: "READ RESERVATION")
        if descriptor.isEmpty { return CurrentReservation(generation: octets.field32(0), holder: nil) }
        guard descriptor.count >= 14 else {
            throw SCSIError.malformedResponse(
                command: "READ RESERVATION", reason: "a descriptor of \(descriptor.count) octets")
        }
        return CurrentReservation(
            generation: octets.field32(0),
            holder: .init(
                key: ReservationKey(rawValue: descriptor.field64(0)),
                type: try Self.type(of: descriptor[descriptor.startIndex + 13], command: "READ RESERVATION")))
    }

    /// REPORT CAPABILITIES.
    public func reservationCapabilities() throws -> ReservationCapabilities {
        let octets = try reserveIn(.reportCapabilities, initialLength: 8)
        guard octets.count >= 8, octets.field16(0) >= 8 else {
            throw SCSIError.malformedResponse(
                command: "REPORT CAPABILITIES", reason: "\(octets.count) octets instead of 8")
        }
        let mask = octets.field16(4)
        return ReservationCapabilities(
            compatibleReservationHandling: octets[2] & 0x10 != 0, specifyInitiatorPorts: octets[2] & 0x08 != 0,
            allTargetPorts: octets[2] & 0x04 != 0, persistThroughPowerLoss: octets[2] & 0x01 != 0,
            persistThroughPowerLossActivated: octets[3] & 0x01 != 0,
            types: octets[3] & 0x80 == 0
                ? nil : Set(ReservationType.allCases.filter { mask & $0.capabilityMask != 0 }))
    }

    /// READ FULL STATUS: every registration with its initiator and target port. Many arrays do not support it.
    public func readFullReservationStatus() throws -> FullReservationStatus {
        let octets = try reserveIn(.readFullStatus)
        var rest = try Self.additional(octets, command: "READ FULL STATUS")
        var registrations: [RegistrationStatus] = []
        while !rest.isEmpty {
            guard rest.count >= 24, rest.count - 24 >= Int(rest.field32(20)) else {
                throw SCSIError.malformedResponse(
                    command: "READ FULL STATUS", reason: "a descriptor runs over the list's end")
            }
            let length = 24 + Int(rest.field32(20))
            let flags = rest[rest.startIndex + 12]
            let held = flags & 1 == 0 ? nil : rest[rest.startIndex + 13]
            registrations.append(
                RegistrationStatus(
                    key: ReservationKey(rawValue: rest.field64(0)),
                    heldType: try held.map { try Self.type(of: $0, command: "READ FULL STATUS") },
                    allTargetPorts: flags & 2 != 0, relativeTargetPort: rest.field16(18),
                    transportID: Array(rest.dropFirst(24).prefix(length - 24))))
            rest.removeFirst(length)
        }
        return FullReservationStatus(generation: octets.field32(0), registrations: registrations)
    }

    /// REGISTER: registers, changes or (with a new key of zero) removes this nexus' registration.
    ///
    /// - Parameters:
    ///   - existing: the key this nexus is registered with; ``ReservationKey/none`` where it is not.
    ///   - new: the key to register; ``ReservationKey/none`` unregisters.
    ///   - persistsThroughPowerLoss: APTPL.
    ///   - allTargetPorts: ALL_TG_PT: register through every target port of the device.
    /// - Throws: ``SCSIError/reservationConflict`` where `existing` is not the nexus' key.
    public func register(
        existing: ReservationKey, new: ReservationKey, persistsThroughPowerLoss: Bool = false,
        allTargetPorts: Bool = false
    ) throws {
        try reserveOut(
            .register, key: existing, serviceActionKey: new, persistsThroughPowerLoss: persistsThroughPowerLoss,
            allTargetPorts: allTargetPorts)
    }

    /// REGISTER AND IGNORE EXISTING KEY: the same whatever key this nexus is registered with.
    public func registerIgnoringExistingKey(
        _ new: ReservationKey, persistsThroughPowerLoss: Bool = false, allTargetPorts: Bool = false
    ) throws {
        try reserveOut(
            .registerAndIgnoreExistingKey, key: .none, serviceActionKey: new,
            persistsThroughPowerLoss: persistsThroughPowerLoss, allTargetPorts: allTargetPorts)
    }

    /// RESERVE: takes the reservation; does nothing where this nexus already holds it with the same type.
    ///
    /// - Throws: ``SCSIError/reservationConflict`` where another nexus holds it, or this one with another type, or the key
    ///   is not the one this nexus is registered with.
    public func reserve(key: ReservationKey, type: ReservationType) throws {
        try reserveOut(.reserve, key: key, type: type)
    }

    /// RELEASE: gives the reservation up; does nothing where a registered nexus does not hold it.
    public func release(key: ReservationKey, type: ReservationType) throws {
        try reserveOut(.release, key: key, type: type)
    }

    /// CLEAR: removes the reservation and every registration.
    public func clearReservations(key: ReservationKey) throws {
        try reserveOut(.clear, key: key)
    }

    /// PREEMPT, or PREEMPT AND ABORT: removes the registrations with the victim's key and, where one of them held the
    /// reservation, takes that over with the type given.
    ///
    /// - Throws: ``SCSIError/reservationConflict`` where nobody is registered with the victim's key, or `key` is not ours.
    public func preempt(
        key: ReservationKey, victim: ReservationKey, type: ReservationType, abort: Bool = false
    ) throws {
        try reserveOut(abort ? .preemptAndAbort : .preempt, key: key, serviceActionKey: victim, type: type)
    }

    /// REGISTER AND MOVE: hands the reservation to another I_T nexus, which is registered with the new key by the same stroke.
    ///
    /// - Parameters:
    ///   - key: the key this nexus, the holder, is registered with.
    ///   - newKey: the key the other nexus gets; not zero.
    ///   - initiator: the other nexus' initiator port.
    ///   - relativeTargetPort: the other nexus' target port.
    ///   - unregister: whether our own registration goes.
    /// - Throws: ``SCSIError/reservationConflict`` where we do not hold the reservation, or all registrants do.
    public func registerAndMove(
        key: ReservationKey, newKey: ReservationKey, to initiator: InitiatorIdentity, relativeTargetPort: UInt16,
        unregister: Bool, persistsThroughPowerLoss: Bool = false
    ) throws {
        let list = ReserveOutParameters(
            key: key, serviceActionKey: newKey, persistsThroughPowerLoss: persistsThroughPowerLoss,
            move: .init(
                unregisters: unregister, targetPort: relativeTargetPort, transportID: initiator.transportID)
        ).octets
        try execute(
            .persistentReserveOut(
                .registerAndMove, scope: 0, type: 0, parameterListLength: UInt32(list.count)), dataOut: list)
    }

    private func reserveIn(_ action: SCSICommand.ReserveInAction, initialLength: UInt16 = 4096) throws -> [UInt8] {
        let octets = try execute(
            .persistentReserveIn(action, allocationLength: initialLength), dataIn: Int(initialLength))
        guard octets.count >= 8 else {
            throw SCSIError.malformedResponse(
                command: "PERSISTENT RESERVE IN", reason: "\(octets.count) octets instead of at least 8")
        }
        guard action != .reportCapabilities, octets.field(4, octets: 4) > UInt64(initialLength) - 8 else {
            return octets
        }
        // The list was cut; 65,535 octets are what the command can carry, and no target has registrations beyond them.
        return try execute(.persistentReserveIn(action, allocationLength: .max), dataIn: Int(UInt16.max))
    }

    /// The list behind the generation and the additional length.
    private static func additional(_ octets: [UInt8], command: String) throws -> ArraySlice<UInt8> {
        let length = octets.count >= 8 ? octets.field(4, octets: 4) : .max
        guard length <= UInt64(max(0, octets.count - 8)) else {
            throw SCSIError.malformedResponse(
                command: command, reason: "\(length) octets promised, \(octets.count - 8) received")
        }
        return octets[8..<8 + Int(length)]
    }

    private static func type(of scopeAndType: UInt8, command: String) throws -> ReservationType {
        guard scopeAndType >> 4 == 0, let type = ReservationType(rawValue: scopeAndType & 0x0F) else {
            throw SCSIError.malformedResponse(
                command: command, reason: "scope and type \(hexadecimalOctet(scopeAndType))h")
        }
        return type
    }

    private func reserveOut(
        _ action: SCSICommand.ReserveOutAction, key: ReservationKey, serviceActionKey: ReservationKey = .none,
        type: ReservationType? = nil, persistsThroughPowerLoss: Bool = false, allTargetPorts: Bool = false
    ) throws {
        let list = ReserveOutParameters(
            key: key, serviceActionKey: serviceActionKey, allTargetPorts: allTargetPorts,
            persistsThroughPowerLoss: persistsThroughPowerLoss
        ).octets
        try execute(
            .persistentReserveOut(
                action, scope: 0, type: type?.rawValue ?? 0, parameterListLength: UInt32(list.count)), dataOut: list)
    }
}

extension ReservationType {
    /// The type's bit in the PERSISTENT RESERVATION TYPE MASK (SPC-3 6.11.4), octet 4 being the high one.
    var capabilityMask: UInt16 {
        switch self {
        case .writeExclusive: 0x0200
        case .exclusiveAccess: 0x0800
        case .writeExclusiveRegistrantsOnly: 0x2000
        case .exclusiveAccessRegistrantsOnly: 0x4000
        case .writeExclusiveAllRegistrants: 0x8000
        case .exclusiveAccessAllRegistrants: 0x0001
        }
    }
}
