import ErrorCodes
import Reservations

extension NodeDisk {
    /// Arbitrates for the disk, or joins in the ownership that the node has.
    ///
    /// - Parameter lost: called when the reservation is gone; not after ``stopDefense(_:)``.
    /// - Returns: what ``lost`` will be called with.
    /// - Throws: what the arbitration says where another node owns the disk.
    @discardableResult
    public func arbitrate(_ holder: Holder, lost: @escaping LossListener) async throws -> Tenure {
        try await bounded(within: environment.arbitrationLimit) {
            try await self.ownershipQueue.run { try await self.becomeOwner(holder, lost) }
        }
    }

    private func becomeOwner(_ holder: Holder, _ lost: @escaping LossListener) async throws -> Tenure {
        var tenure = try await confirmedTenure()
        if tenure == nil { tenure = try await challenge() }
        // Lost before there was anybody to tell: as good as not won.
        guard let tenure, tenure == self.tenure else { throw Win32Error.busy }
        owners[holder] = lost
        return tenure
    }

    /// The tenure of the ownership that the node has, if the disk says so, too: what is known of it may be as old as a defence
    /// interval.
    private func confirmedTenure() async throws -> Tenure? {
        guard let ownership, let tenure else { return nil }
        let present = try await blocking { disk in try disk.readReservation().holder }
        // The loss has been noticed meanwhile.
        guard tenure == self.tenure else { return nil }
        if present?.key == ownership.key { return tenure }
        if let present { throw DiskOwnershipError.ownedByAnother(present.key) }
        // Cleared, by whomever: the disk is free, and is to be arbitrated for like any other.
        await queue.run {
            // Not before the turn: until then the defence may notice it, and waits for nobody.
            await ownership.suspendDefense()
            guard await tenure == self.tenure else { return }
            await self.forfeit("the reservation is gone")
            // The registrations went with it.
            await self.forgetClaims()
        }
        // Or one of them did not.
        await withdrawOrRetry()
        return nil
    }

    private func forgetClaims() {
        claims = [:]
    }

    private func challenge() async throws -> Tenure {
        try await blocking(first: { try await self.refuseWhereProtected() }) { disk in try disk.testUnitReady() }
        let disk = try await queue.run { try await self.beginChallenge() }
        let news = Tenure.new()
        earlyLosses = []
        let fresh = environment.makeOwnership(disk) { [weak self] loss in
            // The defence has ended; nobody waits for this.
            Task { await self?.didLose(news, loss) }
        }
        possibleKeys.insert(fresh.key)
        do {
            try await fresh.arbitrate()
            guard !earlyLosses.contains(news) else {
                try? await fresh.stopDefense()
                throw Win32Error.busy
            }
        } catch {
            isChallenging = false
            // A challenge that is withdrawn takes the node's registration with it, whoever else stood by that.
            claims = [:]
            await withdrawOrRetry()
            throw error
        }
        ownership = fresh
        tenure = news
        isChallenging = false
        // The node has one registration, and this is its key now.
        claimedKey = fresh.key
        return news
    }

    /// In a turn of the queue of its own: writes that were admitted before are over when the challenge registers, and those that
    /// come after it are refused.
    private func beginChallenge() async throws -> Disk {
        let disk = try await opened()
        isChallenging = true
        mayBeRegistered = true
        return disk
    }

    /// The holder's part in the ownership ends; with the last holder's, the defence and the reservation.
    public func stopDefense(_ holder: Holder) async throws {
        try await bounded { try await self.ownershipQueue.run { try await self.endOwnership(of: holder) } }
    }

    /// The activation ends, and with it whatever it did to the disk.
    ///
    /// - Throws: what kept the disk from being given back; it is tried again.
    public func leave(_ holder: Holder) async throws {
        try await ownershipQueue.run { try await self.endEverything(of: holder) }
    }

    /// Everybody's part in the disk ends, because the node does.
    public func giveUp() async {
        guard ownership != nil || !owners.isEmpty || !claims.isEmpty else { return }
        await ownershipQueue.run {
            for holder in await Set(self.owners.keys).union(self.claims.keys) {
                do {
                    try await self.endEverything(of: holder)
                } catch {
                    self.logger.warning("giving the disk up: \(error)")
                }
            }
        }
    }

    func endEverything(of holder: Holder) async throws {
        // First, so that an ownership that ends looks at the claims of others only.
        let claim = claims.removeValue(forKey: holder)
        try await endOwnership(of: holder)
        if let claim { await settle(claim) }
    }

    private func endOwnership(of holder: Holder) async throws {
        // First, so that nothing is brought online for the holder any more while its volumes go offline.
        let wasOwner = owners.removeValue(forKey: holder) != nil
        var failure: (any Error)?
        do {
            try await dismounted(holder)
        } catch {
            failure = error
        }
        if wasOwner, owners.isEmpty, let leaving = ownership {
            ownership = nil
            tenure = nil
            claims[holder]?.isReserved = false
            if claims.isEmpty {
                do {
                    try await leaving.stopDefense()
                } catch {
                    withdrawLater(because: error)
                    throw error
                }
                // Makes sure also where the disk was lost just before, and the command that ended that failed.
                await withdrawOrRetry()
            } else {
                // The registration is not the ownership's alone, and perhaps the reservation is not either.
                await leaving.suspendDefense()
                try await releaseUnclaimedReservation()
            }
        }
        if let failure { throw failure }
    }

    /// The reservation is somebody else's: nothing may be written any more, and an operation under way has to end. That is why
    /// this does not wait in the queue.
    private func didLose(_ news: Tenure, _ loss: OwnershipLoss) async {
        guard news == tenure else {
            earlyLosses.insert(news)
            return
        }
        switch loss {
        case .takenOver(let key?):
            logger.warning("another node took the disk (key \(key)); its volumes go offline")
        case .takenOver(nil):
            logger.warning("the reservation is gone; the disk's volumes go offline")
        case .unreachable:
            logger.warning("the disk did not answer for so long that it may be another node's; its volumes go offline")
        }
        let volumes = mounted?.volumes ?? []
        let listeners = owners.values
        mounted = nil
        ownership = nil
        tenure = nil
        owners = [:]
        // The registration went with the reservation.
        claims = [:]
        await withDiscardingTaskGroup { group in
            group.addTask { await self.abandon(volumes) }
            // Each by itself: one that is busy with something else does not keep the others from learning it.
            for listener in listeners { group.addTask { await listener(news) } }
        }
        await withdrawOrRetry()
    }

    // MARK: What is left on the disk

    /// In a turn of the queue, before a write: refuses it where only the registration, which is the whole node's, would let it
    /// through. What clients have registered with commands of their own is the node's doing like any other, so then the
    /// reservation decides.
    func admitWrite(by holder: Holder) async throws {
        try await refuseWhereProtected()
        if owners[holder] != nil { return }
        guard ownership == nil, !isChallenging else { throw SCSIError.reservationConflict }
        try await withdrawRegistration()
    }

    /// In a turn of the queue: removes this node's registration, and a reservation with it, unless the node stands by it.
    func withdrawRegistration() async throws {
        guard mayBeRegistered, ownership == nil, claims.isEmpty, !isChallenging, let disk else { return }
        // Not a command that changes anything may reach such a disk, and none of this node's ever has.
        guard !disk.isProtected else {
            mayBeRegistered = false
            return
        }
        let (executor, key, isFirst) = (environment.executor, environment.key, mayBeRegisteredElsewhere)
        let keys = possibleKeys
        // The bit counts for every registration on the unit, whoever's the last command with it was (SPC-3 6.12.3).
        let persists = await persists(on: disk)
        do {
            // Also for a caller that is gone.
            try await Task {
                try await executor.run {
                    if disk.isNexusShared {
                        for key in keys { try disk.unregister(key, persists: persists) }
                        return
                    }
                    try disk.registerIgnoringExistingKey(.none, persistsThroughPowerLoss: persists)
                    if isFirst { try disk.removeOrphans(of: key, type: Self.reservationType, persists: persists) }
                }
            }.value
        } catch SCSIError.identityChanged {
            // What was registered is on a unit that is not there any more.
        } catch SCSIError.checkCondition(let sense) where sense.code == .invalidOperationCode {
            // A unit that knows no reservations holds none.
        }
        mayBeRegistered = false
        mayBeRegisteredElsewhere = false
        possibleKeys = []
    }

    func withdrawOrRetry() async {
        do {
            try await queue.run { try await self.withdrawRegistration() }
        } catch {
            withdrawLater(because: error)
        }
    }

    /// Tries again, for as long as it takes, to remove a registration that nobody stands by: it keeps the other nodes from the
    /// disk until one of them preempts it.
    func withdrawLater(because error: any Error) {
        guard withdrawal == nil else { return }
        logger.warning("a registration may be left on the disk: \(error)")
        let (clock, interval) = (environment.clock, environment.retryInterval)
        withdrawal = Task { [weak self] in
            while (try? await clock.sleep(for: interval)) != nil {
                guard let self, await !self.retryWithdrawal() else { return }
            }
        }
    }

    /// Whether there is nothing left to try.
    private func retryWithdrawal() async -> Bool {
        do {
            try await queue.run {
                // A disk that was not ready for a while has been closed.
                if await self.mayBeRegistered { _ = try await self.opened() }
                try await self.withdrawRegistration()
            }
        } catch {
            return false
        }
        withdrawal = nil
        return true
    }
}

extension Disk {
    /// Removes the registration if it has this key; one with another is somebody else's.
    fileprivate func unregister(_ key: ReservationKey, persists: Bool) throws {
        do {
            try register(existing: key, new: .none, persistsThroughPowerLoss: persists)
        } catch SCSIError.reservationConflict {}
    }

    /// Removes what an earlier session of this node left, where the target takes that for another I_T nexus than this one although the
    /// initiator port is the same (tgtd does): PREEMPT of the own key removes it, and with it the reservation that it holds.
    fileprivate func removeOrphans(of key: ReservationKey, type: ReservationType, persists: Bool) throws {
        guard try readKeys().keys.contains(key) else { return }
        try registerIgnoringExistingKey(key, persistsThroughPowerLoss: persists)
        try preempt(key: key, victim: key, type: type)
        try registerIgnoringExistingKey(.none, persistsThroughPowerLoss: persists)
    }
}
