/// REGISTER over several paths: through every one of them, or through none.
extension MultipathTransport {
    func register(_ command: ReserveOut, _ registration: inout Registration) throws -> SCSIResult {
        let new = command.other
        if new == .none { return try unregister(command, &registration) }
        var order = usablePaths()
        order.sort { registration.keys[$0].contains(command.key) && !registration.keys[$1].contains(command.key) }
        let outcome = try first(command.request, order, &registration) { path, registration in
            registration.keys[path].append(new)
        }
        guard outcome.result.status == .good else { return outcome.result }
        let previous = registration.key ?? (command.action == .register ? command.key : .none)
        var done = [outcome.path]
        for path in usablePaths() where path != outcome.path {
            do {
                let result = try follow(command, path)
                guard result.status == .good else {
                    // A host that is registered through some of its paths only would lose its reads and writes with the others.
                    undo(command, previous: previous, on: done)
                    return result
                }
                done.append(path)
            } catch let error where Self.isPathFailure(error) {
                registration.keys[path].append(new)
            }
        }
        registration.key = new
        registration.persistsThroughPowerLoss = command.parameters.persistsThroughPowerLoss
        for path in done { registration.keys[path] = [new] }
        return outcome.result
    }

    /// The registration of a further path after the first one's.
    private func follow(_ command: ReserveOut, _ path: Int) throws -> SCSIResult {
        var result = try settle(command.request, through: path)
        guard result.status == .reservationConflict, command.action == .register else { return result }
        // The path is not registered with the key the others had. The first path has settled that the caller knows it.
        let new = command.other
        let persists = command.parameters.persistsThroughPowerLoss
        if command.key != .none {
            result = try register(path, existing: .none, new: new, persists)
            guard result.status == .reservationConflict else { return result }
        }
        let parameters = ReserveOutParameters(
            key: .none, serviceActionKey: new, persistsThroughPowerLoss: persists)
        return try settle(SCSIRequest(.registerAndIgnoreExistingKey, parameters), through: path)
    }

    /// Takes a registration back that not every path could make.
    private func undo(_ command: ReserveOut, previous: ReservationKey, on done: [Int]) {
        for path in done {
            // What fails here is what failed before; the caller learns that.
            _ = try? register(
                path, existing: command.other, new: previous, command.parameters.persistsThroughPowerLoss)
        }
    }

    /// Removes the registrations of all paths; the last to go is the one through which those of lost paths can be removed.
    private func unregister(_ command: ReserveOut, _ registration: inout Registration) throws -> SCSIResult {
        var check = command
        if command.action == .register {
            // Changing the key to itself is how to learn whether it is the right one.
            check.parameters.serviceActionKey = command.key
            check.request = SCSIRequest(.register, check.parameters)
        } else {
            check.request = SCSIRequest(.testUnitReady)
        }
        let outcome = try first(check, &registration)
        let last = outcome.path
        if command.action == .register, outcome.result.status != .good {
            guard command.isRepeated, outcome.result.status == .reservationConflict,
                try !readKeys(last).keys.contains(command.key)
            else { return outcome.result }
            registration.forget()
            return SCSIResult(status: .good)
        }
        let key = command.action == .register ? command.key : registration.key
        registration.keys[last] = key.map { [$0] } ?? []
        for path in usablePaths() where path != last {
            do {
                let result = try settle(command.request, through: path)
                // A path that is not registered with the key has nothing to lose.
                guard result.status == .good || result.status == .reservationConflict else { return result }
                registration.keys[path] = []
            } catch let error where Self.isPathFailure(error) {
                continue
            }
        }
        if let key, key != .none, try purgeLostPaths(key, through: last, &registration) {
            return SCSIResult(status: .good)
        }
        let result = try settle(command.request, through: last)
        if result.status == .good {
            let lost = registration.keys.indices.filter { !isUsable($0) }.map { ($0, registration.keys[$0]) }
            registration.forget()
            for (path, keys) in lost { registration.keys[path] = keys }
        }
        return result
    }

    /// Removes the registrations of paths that cannot do it themselves, and with them a reservation one of them holds:
    /// pre-empting our own key takes all registrations with it but that of a sender who becomes the holder (SPC-3 5.6.10.4).
    ///
    /// - Returns: whether the sender's own registration is gone as well.
    private func purgeLostPaths(
        _ key: ReservationKey, through path: Int, _ registration: inout Registration
    ) throws -> Bool {
        let lost = registration.keys.indices.filter { !isUsable($0) && !registration.keys[$0].isEmpty }
        guard !lost.isEmpty else { return false }
        let holder = try readReservation(path)
        let result = try preemptOwn(key, type: holder?.type ?? .writeExclusiveRegistrantsOnly, through: path)
        guard result.status == .good else { return false }
        let isHolder = holder?.key == key
        if isHolder {
            for other in registration.keys.indices where other != path { registration.keys[other] = [] }
        } else {
            registration.forget()
        }
        return !isHolder
    }
}
