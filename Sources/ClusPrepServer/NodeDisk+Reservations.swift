import ErrorCodes
import Reservations

/// What clients do to a disk's persistent reservation with commands of their own.
///
/// To the disk the node is one I_T nexus with one registration, whoever of its clients asked for it and whatever for. So such
/// a command counts for the whole node: a key that one activation registers replaces the one that another registered, and
/// what one removes is gone for all. Each activation that has registered the node has a *claim*; while there is one, nothing
/// but a command takes the registration off, and it goes with the last of them.
///
/// The node's ownership of a disk is a reservation like any other, and its own clients' commands can end it: REGISTER with
/// another key, RELEASE, CLEAR. Whether it still stands is looked at before anything else is written and before the command
/// is answered; if not, the volumes go offline at once, as when another node takes the disk.
extension NodeDisk {
    /// The reservation that the methods without a type mean: the one that ownership is, and what Windows' clusters reserve.
    static let reservationType = ReservationType.writeExclusiveRegistrantsOnly

    /// What the commands of one activation have brought about.
    struct Claim: Sendable, Equatable {
        /// Whether it has also asked for the reservation.
        var isReserved = false
    }

    /// A PERSISTENT RESERVE OUT command (SPC-3 6.12). Where no key is given, it is the node's own.
    public enum ReserveCommand: Sendable, Equatable {
        /// REGISTER; without an existing key REGISTER AND IGNORE EXISTING KEY. A new key of zero removes the registration.
        case register(existing: ReservationKey?, new: ReservationKey?)
        /// REGISTER AND IGNORE EXISTING KEY with a key of zero.
        case unregister
        /// RESERVE.
        case reserve(key: ReservationKey?)
        /// RELEASE.
        case release(key: ReservationKey?)
        /// PREEMPT; without a victim of whoever holds the reservation.
        case preempt(victim: ReservationKey?, key: ReservationKey?)
        /// CLEAR.
        case clear(key: ReservationKey?)
    }

    /// Where a disk's reservation is ([MS-CSVP] 3.2.4.22).
    public enum ReservationPresence: UInt32, Sendable {
        /// There is none.
        case absent = 0
        /// Another node holds it.
        case elsewhere = 1
        /// This node holds it.
        case here = 2
    }

    /// Sends the command. A challenge that is under way on this node ends first.
    ///
    /// - Throws: what the disk says: a conflict (ERROR_BUSY) where the key is not the one that this node is registered with, or
    ///   another node's reservation forbids the command; ``NodeDiskError``.
    public func send(_ command: ReserveCommand, by holder: Holder) async throws {
        try await bounded { try await self.ownershipQueue.run { try await self.perform(command, holder) } }
    }

    /// READ RESERVATION, and whether it is this node that holds it.
    ///
    /// The disk tells keys, not nodes. A key that two nodes have registered is this node's where this node has reserved.
    public func reservationPresence() async throws -> ReservationPresence {
        let (holder, keys) = try await bounded {
            try await self.blocking { disk in
                let holder = try disk.readReservation().holder
                return (holder, holder?.type.isAllRegistrants == true ? try disk.readKeys().keys : [])
            }
        }
        guard let holder else { return .absent }
        guard ownership != nil || !claims.isEmpty else { return .elsewhere }
        if holder.type.isAllRegistrants { return keys.contains(currentKey) ? .here : .elsewhere }
        let hasReserved = ownership != nil || claims.values.contains(where: \.isReserved)
        return hasReserved && holder.key == currentKey ? .here : .elsewhere
    }

    /// Whether READ RESERVATION tells this key.
    public func isReserved(with key: ReservationKey) async throws -> Bool {
        try await bounded { try await self.blocking { disk in try disk.readReservation().holder?.key == key } }
    }

    /// Whether READ KEYS tells this key; for a key of zero, whether it tells any.
    public func isRegistered(_ key: ReservationKey) async throws -> Bool {
        let keys = try await bounded { try await self.blocking { disk in try disk.readKeys().keys } }
        return key == ReservationKey.none ? !keys.isEmpty : keys.contains(key)
    }

    /// Whether the tenure is the present one.
    func stands(_ tenure: Tenure) -> Bool {
        self.tenure == tenure
    }

    /// The key of the node's registration, as far as is known.
    private var currentKey: ReservationKey {
        ownership?.key ?? claimedKey
    }

    // MARK: Commands

    func perform(_ command: ReserveCommand, _ holder: Holder) async throws {
        let (result, standing) = await queue.run { await self.issueUndefended(command, holder) }
        if let standing, ownership === standing {
            await standing.resumeDefense()
        } else if claims.isEmpty {
            await withdrawOrRetry()
        }
        try result.get()
    }

    /// In a turn of the queue, and not before: while the command waits for its turn, behind a file that takes long to write, the
    /// defence goes on.
    ///
    /// - Returns: what came of the command, and the ownership whose defence is suspended now.
    private func issueUndefended(
        _ command: ReserveCommand, _ holder: Holder
    ) async -> (result: Result<Void, any Error>, suspended: DiskOwnership?) {
        let standing = ownership
        // It would put right what the command does, or take it for another node's doing.
        await standing?.suspendDefense()
        do {
            return (.success(try await issue(command, holder)), standing)
        } catch {
            return (.failure(error), standing)
        }
    }

    /// In a turn of the queue.
    private func issue(_ command: ReserveCommand, _ holder: Holder) async throws {
        let disk = try await opened()
        try await refuseWhereProtected()
        let wasRegistered = mayBeRegistered
        // What becomes of a command that fails half way is not known.
        if command.registers { mayBeRegistered = true }
        let persists = command.registers ? await persists(on: disk) : false
        let (key, owned) = (currentKey, ownership?.key)
        let earlierKeys = possibleKeys
        if let registered = command.registeredKey(own: key) { possibleKeys.insert(registered) }
        let (result, stands) = try await environment.executor.run {
            let result = Result { try command.send(to: disk, key: key, persists: persists) }
            guard let owned else { return (result, true) }
            do {
                return (result, try disk.readReservation().holder == .init(key: owned, type: Self.reservationType))
            } catch {
                // A disk that does not say is for the defence to ask again.
                return (result, true)
            }
        }
        switch result {
        case .success: note(command, holder)
        case .failure(SCSIError.reservationConflict):
            mayBeRegistered = wasRegistered
            possibleKeys = earlierKeys
        case .failure: break
        }
        if !stands { await forfeit("a client's command has ended this node's ownership of the disk") }
        try result.get()
    }

    /// Whether registrations are to outlast a loss of power: they are where the unit can do it, or a reservation that nobody gave up
    /// would be gone without anybody having noticed (SPC-3 5.6.4.1).
    func persists(on disk: Disk) async -> Bool {
        if let persistsReservations { return persistsReservations }
        guard let capabilities = try? await environment.executor.run({ try disk.reservationCapabilities() }) else {
            return false
        }
        persistsReservations = capabilities.persistThroughPowerLoss
        return capabilities.persistThroughPowerLoss
    }

    /// The command ended with GOOD.
    private func note(_ command: ReserveCommand, _ holder: Holder) {
        switch command {
        case .register(_, let new):
            let key = new ?? currentKey
            guard key != ReservationKey.none else { return noteUnregistered() }
            claimedKey = key
            possibleKeys = [key]
            var claim = claims[holder] ?? Claim()
            // The reservation is the nexus', whatever its key: with another one than the owner's it is the client's.
            if ownership != nil, ownership?.key != key { claim.isReserved = true }
            claims[holder] = claim
        case .unregister, .clear:
            noteUnregistered()
        case .reserve, .preempt:
            // What an owner reserves besides is what it has.
            guard claims[holder] != nil || ownership == nil else { return }
            claims[holder, default: Claim()].isReserved = true
        case .release:
            for other in claims.keys { claims[other]?.isReserved = false }
        }
    }

    private func noteUnregistered() {
        claims = [:]
        claimedKey = environment.key
        mayBeRegistered = false
        possibleKeys = []
    }

    /// In a turn of the queue: the ownership has ended, and its defence is suspended. What is left on the disk is for those who have a
    /// claim.
    func forfeit(_ reason: String) async {
        guard let tenure else { return }
        logger.warning("\(reason); its volumes go offline")
        let volumes = mounted?.volumes ?? []
        let listeners = Array(owners.values)
        mounted = nil
        ownership = nil
        self.tenure = nil
        owners = [:]
        await abandon(volumes)
        // One of them may be waiting for this very command.
        for listener in listeners { Task { await listener(tenure) } }
    }

    // MARK: What is left

    /// An activation with a claim has ended, or given the disk up.
    func settle(_ claim: Claim) async {
        if claim.isReserved {
            do {
                try await releaseUnclaimedReservation()
            } catch {
                logger.warning("releasing a reservation: \(error)")
            }
        }
        await withdrawOrRetry()
    }

    /// Gives up the reservation where the node stays registered for somebody, but nobody of them has reserved.
    func releaseUnclaimedReservation() async throws {
        guard ownership == nil, !claims.isEmpty, !claims.values.contains(where: \.isReserved) else { return }
        let key = claimedKey
        try await blocking { disk in
            do {
                try disk.release(key: key, type: Self.reservationType)
            } catch SCSIError.reservationConflict {
                // Somebody has taken the registration, so there is nothing of ours left.
            }
        }
    }

    /// In a turn of the queue, after the disk has been opened: refuses whatever could change a disk that the host lives on, or
    /// has begun to live on since. Volumes that are online on such a disk go offline without another write.
    ///
    /// - Throws: ``NodeDiskError/protected(path:)``; what keeps the host from telling.
    func refuseWhereProtected() async throws {
        guard let disk else { return }
        if disk.isProtected { throw NodeDiskError.protected(path: path) }
        let (executor, isInUse) = (environment.executor, environment.isInUse)
        // Also for a caller that is gone.
        guard try await Task.detached(operation: { try await executor.run { try isInUse(disk) } }).value else { return }
        if let broken = mounted {
            logger.warning("this host has begun to use the disk; its volumes go offline")
            mounted = nil
            await abandon(broken.volumes)
        }
        // Opened anew it can only be read, and is described as what it is. A registration that is still to be taken off goes first.
        if isUnused, !mayBeRegistered { self.disk = nil }
        throw NodeDiskError.protected(path: path)
    }
}

extension NodeDisk.ReserveCommand {
    fileprivate var registers: Bool {
        switch self {
        case .register, .unregister: true
        case .reserve, .release, .preempt, .clear: false
        }
    }

    /// The key that the command registers; nil for one that registers none.
    fileprivate func registeredKey(own: ReservationKey) -> ReservationKey? {
        guard case .register(_, let new) = self else { return nil }
        let key = new ?? own
        return key == ReservationKey.none ? nil : key
    }

    /// Blocking.
    ///
    /// - Parameters:
    ///   - key: what to use where the command names none.
    ///   - persists: APTPL.
    fileprivate func send(to disk: Disk, key own: ReservationKey, persists: Bool) throws {
        let type = NodeDisk.reservationType
        switch self {
        case .register(let existing?, let new):
            try disk.register(existing: existing, new: new ?? own, persistsThroughPowerLoss: persists)
        case .register(nil, let new):
            try disk.registerIgnoringExistingKey(new ?? own, persistsThroughPowerLoss: persists)
        case .unregister:
            try disk.registerIgnoringExistingKey(ReservationKey.none, persistsThroughPowerLoss: persists)
        case .reserve(let key):
            try disk.reserve(key: key ?? own, type: type)
        case .release(let key):
            try disk.release(key: key ?? own, type: type)
        case .preempt(let victim, let key):
            // Where nobody holds the reservation, the disk itself refuses a victim of zero.
            let holder = try victim ?? disk.readReservation().holder?.key ?? ReservationKey.none
            try disk.preempt(key: key ?? own, victim: holder, type: type)
        case .clear(let key):
            try disk.clearReservations(key: key ?? own)
        }
    }
}
