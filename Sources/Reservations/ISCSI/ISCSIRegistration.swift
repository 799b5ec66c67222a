/// What a transport remembers of its own registration, so that it can be had again after a lost session.
struct ISCSIRegistration: Equatable {
    /// The key this nexus registered last; nil where it has none.
    private(set) var key: ReservationKey?
    /// Whether it was registered to survive a loss of power (APTPL): each registration says so anew for all of them.
    private(set) var persistsThroughPowerLoss = false

    /// Takes notice of a command that came to a status.
    mutating func note(cdb: [UInt8], dataOut: [UInt8], result: SCSIResult) {
        if result.sense?.key == .unitAttention, result.sense?.code == .registrationsPreempted { key = nil }
        guard cdb.first == OperationCode.persistentReserveOut, cdb.count >= 2, result.status == .good else { return }
        switch SCSICommand.ReserveOutAction(rawValue: cdb[1] & 0x1F) {
        case .register, .registerAndIgnoreExistingKey:
            guard dataOut.count >= ReserveOutParameters.basicLength else { return }
            let registered = ReservationKey(rawValue: dataOut.field64(8))
            key = registered == .none ? nil : registered
            persistsThroughPowerLoss = dataOut[20] & 0x01 != 0
        case .clear: key = nil
        default: break
        }
    }

    /// What became of the registration.
    enum Outcome: Equatable {
        /// The target kept it with the initiator port, as SPC-3 5.6.1 demands.
        case kept
        /// The target had tied it to the lost session; this session has it now.
        case restored
        /// The key is no longer registered.
        case lost
    }

    /// Sees to the registration after a new session was made.
    ///
    /// SPC-3 5.6.1 ties a registration to the I_T nexus, which a new session with the same names is; most targets keep to it. Some, tgt
    /// among them, tie it to the session: the key then still stands in the list, and the reservation it may hold still stands,
    /// but this session has no part in them. It may register again, but only while its key is in the list: if it is not,
    /// another node removed it, and a node that was pre-empted must not come back by itself. So that no pre-emption slips in
    /// between the look and the registration, PRGENERATION has to have grown by just that registration (SPC-3 6.11.2.2).
    ///
    /// - Parameters:
    ///   - isOnlyPath: whether this node has no other path to the unit. Then whatever else is registered with the key is a left-over of
    ///     the lost session, and is removed, its reservation taken over, by pre-empting it; with several paths
    ///     ``MultipathTransport`` does that.
    ///   - send: executes a command on the new session.
    func restore(isOnlyPath: Bool, send: (SCSICommand, [UInt8]) throws -> SCSIResult) throws -> Outcome {
        guard let key else { return .lost }
        for _ in 0..<Self.attempts {
            guard let before = try Self.keys(send), before.keys.contains(key) else { return .lost }
            // With the right key an I_T nexus that is registered may register it again; one that is not gets a conflict.
            if try reserveOut(.register, key: key, serviceActionKey: key, send: send) == .good { return .kept }
            let status = try reserveOut(.register, key: .none, serviceActionKey: key, send: send)
            guard status == .good else { return .lost }
            guard let after = try Self.keys(send), after.keys.contains(key), after.generation == before.generation &+ 1
            else {
                // Somebody else was at it meanwhile, perhaps to remove us: what we just did is undone, and looked at again.
                _ = try reserveOut(.register, key: key, serviceActionKey: .none, send: send)
                continue
            }
            guard isOnlyPath, after.keys.filter({ $0 == key }).count > 1 else { return .restored }
            return try takeOver(key, send: send)
        }
        return .lost
    }

    private static let attempts = 3

    /// Removes the lost session's registration, and takes its reservation.
    private func takeOver(
        _ key: ReservationKey, send: (SCSICommand, [UInt8]) throws -> SCSIResult
    ) throws -> Outcome {
        let reservation = try send(.persistentReserveIn(.readReservation, allocationLength: 24), [])
        guard reservation.status == .good else { return .restored }
        let isHeld = reservation.data.count >= 24 && reservation.data.field32(4) >= 16
        let type = isHeld ? reservation.data[21] & 0x0F : ReservationType.writeExclusiveRegistrantsOnly.rawValue
        // All registrants are holders of such a reservation, this session included.
        if isHeld, ReservationType(rawValue: type)?.isAllRegistrants == true { return .restored }
        _ = try reserveOut(.preempt, key: key, serviceActionKey: key, type: type, send: send)
        guard let remaining = try Self.keys(send), remaining.keys.contains(key) else { return .lost }
        return .restored
    }

    private func reserveOut(
        _ action: SCSICommand.ReserveOutAction, key: ReservationKey, serviceActionKey: ReservationKey, type: UInt8 = 0,
        send: (SCSICommand, [UInt8]) throws -> SCSIResult
    ) throws -> SCSIStatus {
        let parameters = ReserveOutParameters(
            key: key, serviceActionKey: serviceActionKey,
            persistsThroughPowerLoss: action == .register && persistsThroughPowerLoss)
        let command = SCSICommand.persistentReserveOut(
            action, scope: 0, type: type, parameterListLength: UInt32(ReserveOutParameters.basicLength))
        return try send(command, parameters.octets).status
    }

    /// READ KEYS; nil where the unit does not answer it.
    private static func keys(
        _ send: (SCSICommand, [UInt8]) throws -> SCSIResult
    ) throws -> (generation: UInt32, keys: [ReservationKey])? {
        // The longest list there can be: 8,191 keys.
        let result = try send(.persistentReserveIn(.readKeys, allocationLength: .max), [])
        guard result.status == .good, result.data.count >= 8 else { return nil }
        let list = result.data[8...].prefix(Int(min(result.data.field32(4), UInt32(UInt16.max)))).chunksOfEight
        return (result.data.field32(0), list.map { ReservationKey(rawValue: $0.field64(0)) })
    }
}

extension ArraySlice<UInt8> {
    /// The whole groups of eight octets.
    fileprivate var chunksOfEight: [ArraySlice<UInt8>] {
        stride(from: startIndex, to: endIndex - count % 8, by: 8).map { self[$0..<$0 + 8] }
    }
}
