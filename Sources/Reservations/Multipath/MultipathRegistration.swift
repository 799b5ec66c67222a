/// What this host has registered and reserved, as far as it went through here.
struct Registration {
    /// The key all paths are to be registered with; nil where none.
    var key: ReservationKey?
    /// APTPL of the last registration.
    var persistsThroughPowerLoss = false
    /// The reservation we hold.
    var reservation: Reservation?
    /// The keys each path may be registered with at the target: one as a rule, several after a command whose fate nobody
    /// knows, none where the path is not registered or nothing is known.
    var keys: [[ReservationKey]]

    /// A reservation and the path whose nexus holds it; nil where all registrants hold it or the path is not known.
    struct Reservation {
        var type: ReservationType
        var path: Int?
    }

    init(count: Int) {
        keys = Array(repeating: [], count: count)
    }

    /// Nothing is registered any more.
    mutating func forget() {
        key = nil
        reservation = nil
        for path in keys.indices { keys[path] = [] }
    }
}

/// Bringing one path's registration in line, and asking about the others.
extension MultipathTransport {
    /// Registers a path with the key the others have, or removes what is left of a registration nobody wants any more.
    ///
    /// - Returns: false where the registrations changed so fast meanwhile that it is not certain that the key was still ours;
    ///   the path is then not registered.
    func align(_ path: Int, _ registration: inout Registration) throws -> Bool {
        let old = registration.keys[path]
        guard let key = registration.key else {
            for stale in old { _ = try register(path, existing: stale, new: .none, false) }
            registration.keys[path] = []
            return true
        }
        let persists = registration.persistsThroughPowerLoss
        // Changing the key to itself succeeds only for a nexus that is registered with it: nobody has pre-empted it.
        if try register(path, existing: key, new: key, persists).status == .good {
            registration.keys[path] = [key]
            return true
        }
        for _ in 0..<3 {
            let before = try readKeys(path)
            guard before.keys.contains(key) else {
                // We were pre-empted, and stay so. The path serves again, for what those without a registration may do.
                registration.keys[path] = []
                return true
            }
            for stale in [.none] + old where stale != key {
                guard try register(path, existing: stale, new: key, persists).status == .good else { continue }
                let after = try readKeys(path)
                let isUndisturbed = after.generation == before.generation &+ 1
                // With the key there once more than before, nobody has pre-empted it between the two commands.
                if isUndisturbed || after.keys.count(where: { $0 == key }) > before.keys.count(where: { $0 == key }) {
                    registration.keys[path] = [key]
                    return true
                }
                _ = try register(path, existing: key, new: .none, persists)
                break
            }
        }
        registration.keys[path] = []
        return false
    }

    /// Aligns every path in use, or all but one; those that fail meanwhile are aligned when they come back.
    func alignPaths(except path: Int?, _ registration: inout Registration) throws {
        for other in usablePaths() where other != path {
            do {
                _ = try align(other, &registration)
            } catch let error where Self.isPathFailure(error) {
                continue
            }
        }
    }

    /// REGISTER through one path.
    func register(
        _ path: Int, existing: ReservationKey, new: ReservationKey, _ persistsThroughPowerLoss: Bool
    ) throws -> SCSIResult {
        let parameters = ReserveOutParameters(
            key: existing, serviceActionKey: new, persistsThroughPowerLoss: persistsThroughPowerLoss)
        return try settle(SCSIRequest(.register, parameters), through: path)
    }

    /// The keys registered with the unit, as one path sees them.
    func readKeys(_ path: Int) throws -> RegisteredKeys {
        var length: UInt16 = 4096
        while true {
            let octets = try reserveIn(.readKeys, allocationLength: length, through: path)
            let list = Int(octets.field32(4))
            if 8 + list > Int(length), length < .max {
                length = .max
                continue
            }
            guard list <= octets.count - 8, list.isMultiple(of: 8) else {
                throw SCSIError.malformedResponse(command: "READ KEYS", reason: "\(list) octets of keys")
            }
            return RegisteredKeys(
                generation: octets.field32(0),
                keys: stride(from: 8, to: 8 + list, by: 8).map { ReservationKey(rawValue: octets.field64($0)) })
        }
    }

    /// The reservation, as one path sees it.
    func readReservation(_ path: Int) throws -> CurrentReservation.Holder? {
        let octets = try reserveIn(.readReservation, allocationLength: 24, through: path)
        guard octets.field32(4) > 0 else { return nil }
        guard octets.count >= 22, let type = ReservationType(rawValue: octets[21] & 0x0F) else {
            throw SCSIError.malformedResponse(
                command: "READ RESERVATION", reason: "a descriptor of \(octets.count) octets")
        }
        return .init(key: ReservationKey(rawValue: octets.field64(8)), type: type)
    }

    /// Every path sees the same, so another one is asked where this one fails.
    private func reserveIn(
        _ action: SCSICommand.ReserveInAction, allocationLength: UInt16, through path: Int
    ) throws -> [UInt8] {
        let command = SCSICommand.persistentReserveIn(action, allocationLength: allocationLength)
        let request = SCSIRequest(command, dataInLength: Int(allocationLength))
        do {
            return try Self.reserveInData(of: try settle(request, through: path))
        } catch let error where Self.isPathFailure(error) {
            for other in usablePaths() where other != path {
                if let result = try? settle(request, through: other) { return try Self.reserveInData(of: result) }
            }
            throw error
        }
    }

    private static func reserveInData(of result: SCSIResult) throws -> [UInt8] {
        switch (result.status, result.sense) {
        case (.good, _): break
        case (.checkCondition, let sense?): throw SCSIError.checkCondition(sense)
        case (.busy, _), (.taskSetFull, _): throw SCSIError.busy
        default: throw SCSIError.status(result.status)
        }
        guard result.data.count >= 8 else {
            throw SCSIError.malformedResponse(
                command: "PERSISTENT RESERVE IN", reason: "\(result.data.count) octets instead of at least 8")
        }
        return result.data
    }
}

extension SCSIRequest {
    /// PERSISTENT RESERVE OUT.
    init(
        _ action: SCSICommand.ReserveOutAction, _ parameters: ReserveOutParameters, type: ReservationType? = nil
    ) {
        let list = parameters.octets
        self.init(
            .persistentReserveOut(
                action, scope: 0, type: type?.rawValue ?? 0, parameterListLength: UInt32(list.count)), dataOut: list)
    }
}
