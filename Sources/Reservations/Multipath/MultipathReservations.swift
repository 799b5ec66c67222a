/// PERSISTENT RESERVE OUT over several paths.
extension MultipathTransport {
    func reserveOut(_ request: SCSIRequest) throws -> SCSIResult {
        try registration.withLock { registration in
            guard request.cdb.count >= 2, request.cdb[1] & 0x1F <= 6 else {
                // REGISTER AND MOVE would make one nexus of another host the counterpart of all of ours.
                return SCSIResult(sense: SCSICommandRefusal.invalidField(octet: 1, bit: 4).sense)
            }
            guard
                case .persistentReserveOut(let action, _, let type, let length)? = try? SCSICommand(cdb: request.cdb),
                let parameters = try? ReserveOutParameters(request.dataOut, length: length)
            else {
                // Nothing comes of what cannot be read; the unit says what is wrong with it.
                return try first(request, usablePaths(), &registration) { _, _ in }.result
            }
            guard parameters.initiatorPorts == nil else {
                // SPEC_I_PT would register ports that are paths of ours, or of hosts this one does not speak for.
                return SCSIResult(
                    sense: SenseData(
                        key: .illegalRequest, code: .invalidFieldInParameterList,
                        fieldPointer: .init(isInCDB: false, octet: 20, bit: 3)))
            }
            var command = ReserveOut(
                request: request, action: action, type: ReservationType(rawValue: type), parameters: parameters)
            var attempts = paths.count
            while true {
                do {
                    return try perform(command, &registration)
                } catch let error where Self.isPathFailure(error) && attempts > 0 && !usablePaths().isEmpty {
                    // A path failed half way. The others first learn what became of their registrations.
                    attempts -= 1
                    command.isRepeated = true
                    if registration.key != nil { try alignPaths(except: nil, &registration) }
                }
            }
        }
    }

    private func perform(_ command: ReserveOut, _ registration: inout Registration) throws -> SCSIResult {
        let action = command.action
        if action == .register || action == .registerAndIgnoreExistingKey {
            return try register(command, &registration)
        }
        if action == .reserve { return try reserve(command, &registration) }
        if action == .release { return try release(command, &registration) }
        if action == .clear { return try clear(command, &registration) }
        return try preempt(command, &registration)
    }

    /// Sends a command through the first path that brings it to a status.
    ///
    /// - Parameter lost: is told of each path that failed with the command.
    func first(
        _ request: SCSIRequest, _ order: [Int], _ registration: inout Registration,
        lost: (Int, inout Registration) -> Void
    ) throws -> ReserveOutcome {
        var failure: (any Error)?
        for path in order {
            do {
                // What a path has to tell first would end the command, and with it the knowledge that it is a repetition.
                let result = try failure == nil ? send(request, through: path) : settle(request, through: path)
                return ReserveOutcome(path: path, result: result, isRepeated: failure != nil)
            } catch let error where Self.isPathFailure(error) {
                failure = error
                lost(path, &registration)
            }
        }
        for path in paths.indices where !order.contains(path) {
            do {
                guard try restore(path, &registration) else { continue }
                let result = try settle(request, through: path)
                return ReserveOutcome(path: path, result: result, isRepeated: failure != nil)
            } catch let error where Self.isPathFailure(error) {
                failure = failure ?? error
            }
        }
        throw failure ?? SCSIError.transport(name: name, cause: MultipathError.noPath)
    }

    func first(_ command: ReserveOut, _ registration: inout Registration) throws -> ReserveOutcome {
        var order = usablePaths()
        // The holder's path first; a path that is not registered can only conflict.
        order.sort { a, b in
            func rank(_ path: Int) -> Int {
                path == registration.reservation?.path ? 0 : registration.keys[path].contains(command.key) ? 1 : 2
            }
            return rank(a) < rank(b)
        }
        var outcome = try first(command.request, order, &registration) { _, _ in }
        if command.isRepeated { outcome.isRepeated = true }
        return outcome
    }

    // MARK: RESERVE and RELEASE

    private func reserve(_ command: ReserveOut, _ registration: inout Registration) throws -> SCSIResult {
        let outcome = try first(command, &registration)
        guard let type = command.type else { return outcome.result }
        if outcome.result.status == .good {
            try learn(command.key, outcome.path, &registration)
            registration.reservation = .init(type: type, path: type.isAllRegistrants ? nil : outcome.path)
            activate(outcome.path)
            return outcome.result
        }
        // A nexus of ours other than the sender's may hold just this reservation, and reserving again changes nothing.
        guard outcome.result.status == .reservationConflict, command.key != .none,
            let holder = try readReservation(outcome.path), holder.key == command.key, holder.type == type
        else { return outcome.result }
        if registration.reservation == nil { registration.reservation = .init(type: type, path: nil) }
        return SCSIResult(status: .good)
    }

    private func release(_ command: ReserveOut, _ registration: inout Registration) throws -> SCSIResult {
        var outcome = try first(command, &registration)
        guard outcome.result.status == .good else { return outcome.result }
        try learn(command.key, outcome.path, &registration)
        // GOOD is also what a registered nexus is told that does not hold the reservation (SPC-3 5.6.10.2).
        var tried: Set = [outcome.path]
        while try isHeld(command, asSeenBy: outcome.path) {
            if let path = usablePaths().first(where: { !tried.contains($0) }) {
                tried.insert(path)
                outcome = try first(command.request, [path], &registration) { _, _ in }
            } else {
                // The path that holds it is lost: move the reservation to one that is not.
                let result = try preemptOwn(command.key, type: command.type, through: outcome.path)
                guard result.status == .good else { return result }
                for path in registration.keys.indices where path != outcome.path { registration.keys[path] = [] }
                outcome.result = try settle(command.request, through: outcome.path)
                try alignPaths(except: outcome.path, &registration)
                break
            }
            guard outcome.result.status == .good else { return outcome.result }
        }
        registration.reservation = nil
        if command.type?.admitsRegistrants == true { expect([.reservationsReleased], except: outcome.path) }
        return outcome.result
    }

    private func isHeld(_ command: ReserveOut, asSeenBy path: Int) throws -> Bool {
        guard let holder = try readReservation(path), let type = command.type else { return false }
        return holder.key == command.key && holder.type == type && !type.isAllRegistrants
    }

    // MARK: CLEAR and PREEMPT

    private func clear(_ command: ReserveOut, _ registration: inout Registration) throws -> SCSIResult {
        let outcome = try first(command, &registration)
        if outcome.isRepeated, outcome.result.status == .reservationConflict {
            // The path that failed may have brought the command through.
            guard try readKeys(outcome.path).keys.isEmpty else { return outcome.result }
        } else if outcome.result.status != .good {
            return outcome.result
        }
        registration.forget()
        expect([.reservationsPreempted], except: outcome.path)
        return SCSIResult(status: .good)
    }

    private func preempt(_ command: ReserveOut, _ registration: inout Registration) throws -> SCSIResult {
        let outcome = try first(command, &registration)
        let path = outcome.path
        if outcome.isRepeated, outcome.result.status == .reservationConflict {
            guard try wasPreempted(command, asSeenBy: path) else { return outcome.result }
        } else if outcome.result.status != .good {
            return outcome.result
        }
        let endsOurs = command.other == command.key || command.other == .none
        if endsOurs {
            for other in registration.keys.indices where other != path { registration.keys[other] = [] }
            // Whichever of the two describes what our other paths lose.
            expect([.registrationsPreempted, .reservationsReleased], except: path)
            guard try readKeys(path).keys.contains(command.key) else {
                // A nexus that does not hold the reservation ends its own registration this way (SPC-3 5.6.10.4.4).
                registration.forget()
                return SCSIResult(status: .good)
            }
        }
        let before = registration.reservation
        if outcome.result.status == .good {
            try learn(command.key, path, &registration)
        } else {
            registration.key = command.key
            try alignPaths(except: nil, &registration)
        }
        if let holder = try readReservation(path), let type = command.type, holder.type == type,
            holder.key == command.key || type.isAllRegistrants
        {
            // Without one before, or with all our other registrations gone, the sender is the holder; unless the command went
            // through a path that failed meanwhile.
            let isOurs = (before == nil || endsOurs) && outcome.result.status == .good
            registration.reservation = .init(
                type: type, path: type.isAllRegistrants ? nil : isOurs ? path : before?.path)
            if isOurs { activate(path) }
        }
        return SCSIResult(status: .good)
    }

    /// Whether what a PREEMPT asks for is the case.
    private func wasPreempted(_ command: ReserveOut, asSeenBy path: Int) throws -> Bool {
        let keys = try readKeys(path).keys
        guard keys.contains(command.key), command.other == command.key || !keys.contains(command.other),
            let holder = try readReservation(path), holder.type == command.type
        else { return false }
        return holder.key == command.key || holder.type.isAllRegistrants
    }

    /// Takes note that a path is registered with this key, and registers the others with it that are not.
    private func learn(_ key: ReservationKey, _ path: Int, _ registration: inout Registration) throws {
        registration.key = key
        registration.keys[path] = [key]
        for other in usablePaths() where other != path && registration.keys[other] != [key] {
            do {
                _ = try align(other, &registration)
            } catch let error where Self.isPathFailure(error) {
                continue
            }
        }
    }

    // MARK: Moving a reservation

    /// Moves our reservation to a path where commands go through the path and the type admits the holding nexus alone.
    ///
    /// - Returns: whether the reservation moved, so that a command that conflicted is worth another try.
    func moveReservation(to path: Int) throws -> Bool {
        try registration.withLock { registration in
            guard let key = registration.key, let held = registration.reservation, !held.type.admitsRegistrants,
                held.path != path, let current = try readReservation(path), current.key == key,
                current.type == held.type
            else { return false }
            guard try preemptOwn(key, type: held.type, through: path).status == .good else {
                registration.reservation = nil
                return false
            }
            for other in registration.keys.indices where other != path { registration.keys[other] = [] }
            registration.keys[path] = [key]
            let holder = try readReservation(path)
            let isOurs = holder?.key == key && holder?.type == held.type
            registration.reservation = isOurs ? .init(type: held.type, path: path) : nil
            if isOurs { activate(path) }
            try alignPaths(except: path, &registration)
            return isOurs
        }
    }

    /// PREEMPT of our own key: takes the reservation from whichever of our paths holds it, and their registrations.
    func preemptOwn(_ key: ReservationKey, type: ReservationType?, through path: Int) throws -> SCSIResult {
        let parameters = ReserveOutParameters(key: key, serviceActionKey: key)
        let result = try settle(SCSIRequest(.preempt, parameters, type: type), through: path)
        if result.status == .good { expect([.registrationsPreempted, .reservationsReleased], except: path) }
        return result
    }
}

/// One PERSISTENT RESERVE OUT of the caller's, read.
struct ReserveOut {
    var request: SCSIRequest
    var action: SCSICommand.ReserveOutAction
    var type: ReservationType?
    var parameters: ReserveOutParameters
    /// Whether the command may have been executed through a path that failed then.
    var isRepeated = false

    var key: ReservationKey { parameters.key }
    var other: ReservationKey { parameters.serviceActionKey }
}

/// The first status a command reached.
struct ReserveOutcome {
    var path: Int
    var result: SCSIResult
    /// Whether the command also went through a path that failed, and so may have been executed before.
    var isRepeated: Bool
}
