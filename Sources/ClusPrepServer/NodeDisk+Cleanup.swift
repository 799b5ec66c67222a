import Reservations

/// What the clean-up of an evicted node does to its disks ([MS-CSVP] 3.8).
extension NodeDisk {
    /// Gives up whatever this node holds of the disk, whoever of its clients it is for, and tells them: what a node that stops
    /// being a member does. Their volumes go offline.
    ///
    /// - Throws: what kept the disk from being given back; it is tried again.
    func relinquish() async throws {
        // Also where nobody has a part in it any more: it may just be on its way back.
        try await bounded { try await self.ownershipQueue.run { try await self.endAll() } }
    }

    private func endAll() async throws {
        let (listeners, tenure) = (Array(owners.values), tenure)
        var failure: (any Error)?
        for holder in Set(owners.keys).union(claims.keys) {
            do {
                try await endEverything(of: holder)
            } catch {
                failure = failure ?? error
            }
        }
        if let tenure {
            // One of them may be waiting for this very turn.
            for listener in listeners { Task { await listener(tenure) } }
        }
        if let failure { throw failure }
    }

    /// Takes off the disk what an earlier process, or a command that failed, has left of this node's registration; nothing where
    /// somebody here stands by it.
    ///
    /// - Throws: what the disk says, or that it says nothing. It is tried again when the disk answers.
    func withdrawLeftovers() async throws {
        try await bounded {
            try await self.queue.run {
                _ = try await self.opened()
                try await self.withdrawRegistration()
            }
        }
    }

    /// ClearPR (3.8.4.2): REGISTER AND IGNORE EXISTING KEY, then CLEAR, with no other command of this node's in between.
    /// Afterwards nobody is registered with the disk, and it is reserved for nobody.
    ///
    /// - Throws: ERROR_FILE_NOT_FOUND where there is no disk; ``NodeDiskError/protected(path:)`` for one that this host lives on;
    ///   what the disk says otherwise.
    func clearReservations() async throws {
        try await bounded { try await self.ownershipQueue.run { try await self.registerAndClear() } }
    }

    private func registerAndClear() async throws {
        // Of the two commands only; the second one takes it away.
        let holder = Holder.new()
        do {
            try await perform(.register(existing: nil, new: nil), holder)
            try await perform(.clear(key: nil), holder)
        } catch {
            if let claim = claims.removeValue(forKey: holder) { await settle(claim) }
            throw error
        }
    }
}
