import ErrorCodes

/// Why a disk did not become ours.
public enum DiskOwnershipError: Error, Sendable {
    /// Another node owns the disk and defended it; its key where known.
    case ownedByAnother(ReservationKey?)
    /// A command to the disk failed.
    case disk(any Error)
}

extension DiskOwnershipError: HRESULTConvertible {
    /// ERROR_BUSY (0x800700AA) for a disk that another node owns: [MS-CSVP] 3.2.4.15 asks for "a nonzero error code" only, and
    /// this is the one a write to that disk gets. A failed command has its own code (``SCSIError``).
    public var hresult: HRESULT {
        switch self {
        case .ownedByAnother: Win32Error.busy.hresult
        case .disk(let error): (error as? any HRESULTConvertible)?.hresult ?? Win32Error.ioDevice.hresult
        }
    }
}

extension DiskOwnershipError: CustomStringConvertible {
    /// What happened, for a log or a terminal.
    public var description: String {
        switch self {
        case .ownedByAnother(let key?): "owned by the node with key \(key)"
        case .ownedByAnother(nil): "owned by another node"
        case .disk(let error): "\(error)"
        }
    }
}

/// How an owned disk was lost.
public enum OwnershipLoss: Sendable, Equatable {
    /// Another node holds the reservation, with this key; nil where nobody does, or not any more.
    case takenOver(by: ReservationKey?)
    /// The disk did not answer for as long as a challenger would have had to wait, so it may be another's by now.
    case unreachable
}

/// Takes a disk for this node, defends it, and gives it back: what [MS-CSVP] 3.2.6.1 and 3.2.6.2 leave to the implementation.
///
/// The rules are in ``OwnershipMachine``'s comment: register, reserve Write Exclusive – Registrants Only, wait, preempt an owner
/// that is silent for the challenge time; as the owner, look every defence interval and remove every other registration.
///
/// One value speaks for one I_T nexus. Two of them for the same nexus would not see each other as others, so whoever shares a
/// transport shares its ownership, too.
///
/// A value that is dropped without ``stopDefense()`` stops defending, and the next challenger gets the disk.
public actor DiskOwnership {
    /// The key this node registers.
    public nonisolated let key: ReservationKey
    /// The disk.
    public nonisolated let disk: Disk
    /// Tells each loss of the disk as it is noticed, at the latest one defence interval after it happened; ends with the value.
    ///
    /// One task may read it. Losses that nobody reads are kept up to sixteen.
    public nonisolated let losses: AsyncStream<OwnershipLoss>

    private let timing: OwnershipTiming
    private let commands: LimitedCommands
    private let clock: any Clock<Duration>
    private let lossContinuation: AsyncStream<OwnershipLoss>.Continuation
    private let onLost: @Sendable (OwnershipLoss) -> Void
    private var machine: OwnershipMachine
    private var cause: (any Error)?
    private var arbitration: Task<Void, any Error>?
    private var ending: Task<Void, any Error>?
    private var defence: Task<Void, Never>?

    /// The ownership of a disk; nothing happens before ``arbitrate()``.
    ///
    /// - Parameters:
    ///   - disk: the disk.
    ///   - key: this node's key, not zero, such as ``ReservationKey/unique(nodeName:)``.
    ///   - timing: challenge time and defence interval, the same on every node.
    ///   - executor: where the disk's commands run.
    ///   - clock: what the waiting goes by.
    ///   - commandClock: what the time goes by in which the disk has to answer: an owner's look may take the defence interval, any
    ///     other command the challenge time. A disk that takes longer counts as one that does not answer.
    ///   - onLost: called once for each loss, as ``losses`` tells it.
    public init(
        disk: Disk, key: ReservationKey, timing: OwnershipTiming = .standard, executor: BlockingExecutor,
        clock: any Clock<Duration> = ContinuousClock(), commandClock: any Clock<Duration> = ContinuousClock(),
        onLost: @escaping @Sendable (OwnershipLoss) -> Void = { _ in }
    ) {
        precondition(key != .none, "a key of zero registers nothing")
        self.disk = disk
        self.key = key
        self.timing = timing
        commands = LimitedCommands(executor: executor, clock: commandClock, name: disk.transport.name)
        self.clock = clock
        self.onLost = onLost
        machine = OwnershipMachine(key: key, tolerance: timing.tolerance)
        (losses, lossContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
    }

    deinit {
        defence?.cancel()
        lossContinuation.finish()
    }

    /// Whether the disk is ours, as of the last look.
    public var isOwned: Bool {
        machine.isOwned
    }

    /// Takes the disk and begins to defend it; returns at once where it is ours already.
    ///
    /// It takes a few commands where nobody owns the disk, and the challenge time where somebody does. Callers that come while an
    /// arbitration is under way share its outcome. Cancelling the task that began it withdraws the challenge.
    ///
    /// - Throws: ``DiskOwnershipError``, or `CancellationError`.
    public func arbitrate() async throws {
        while let ending { _ = await ending.result }
        if machine.isOwned { return }
        if let arbitration { return try await arbitration.value }
        let task = Task { try await self.runArbitration() }
        arbitration = task
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Stops defending, releases the reservation and removes our registration; withdraws an arbitration under way.
    ///
    /// Does nothing where the disk is not ours. The defence has ended when this returns or throws.
    ///
    /// - Throws: ``DiskOwnershipError/disk(_:)`` where the disk did not answer: then the reservation stands until somebody preempts it.
    public func stopDefense() async throws {
        let task: Task<Void, any Error>
        if let ending {
            task = ending
        } else {
            task = Task { try await self.runEnding() }
            ending = task
        }
        try await task.value
    }

    private func runArbitration() async throws {
        defer { arbitration = nil }
        cause = nil
        switch await drive(.arbitrate) {
        case .owned: startDefence()
        case .ownedByAnother(let key): throw DiskOwnershipError.ownedByAnother(key == .none ? nil : key)
        case .cancelled: throw CancellationError()
        case .failed, .lost, .unreachable, .released:
            throw DiskOwnershipError.disk(cause ?? SCSIError.reservationConflict)
        }
    }

    private func runEnding() async throws {
        defer { ending = nil }
        if let arbitration {
            arbitration.cancel()
            _ = await arbitration.result
        }
        // The defence may be in the middle of a look; it is waited for, so that one command follows the other.
        defence?.cancel()
        await defence?.value
        defence = nil
        cause = nil
        if case .failed = await drive(.stop) { throw DiskOwnershipError.disk(cause ?? SCSIError.busy) }
    }

    /// Holds the defence back, so that nothing but the caller sends commands for this ownership; does nothing where the disk is not
    /// ours.
    ///
    /// A look that is under way ends before this returns, and may tell a loss. Follow it with ``resumeDefense()`` before the
    /// defence interval has passed, or drop the value: then the disk keeps what is registered on it.
    public func suspendDefense() async {
        defence?.cancel()
        await defence?.value
        defence = nil
    }

    /// Takes a defence up again that ``suspendDefense()`` held back, and looks at the disk at once, so that no series of
    /// suspensions keeps the defence from its looks.
    public func resumeDefense() async {
        guard machine.isOwned, defence == nil, ending == nil else { return }
        if await defend(), defence == nil, ending == nil { startDefence() }
    }

    private func startDefence() {
        let (clock, interval) = (clock, timing.defence)
        defence = Task { [weak self] in
            while (try? await clock.sleep(for: interval)) != nil {
                guard let self, await self.defend() else { return }
            }
        }
    }

    /// One look at the disk; false where there is nothing left to defend.
    private func defend() async -> Bool {
        let loss: OwnershipLoss
        switch await drive(.defend) {
        case .owned: return true
        case .lost(let key): loss = .takenOver(by: key == .none ? nil : key)
        case .unreachable: loss = .unreachable
        case .ownedByAnother, .failed, .cancelled, .released: return false
        }
        lossContinuation.yield(loss)
        onLost(loss)
        return false
    }

    /// Feeds the machine until it wants nothing more.
    private func drive(_ first: OwnershipMachine.Event) async -> OwnershipMachine.Ending {
        var event = first
        while true {
            let action = machine.handle(event)
            if case .finish(let ending) = action { return ending }
            event = await perform(action)
        }
    }

    private func perform(_ action: OwnershipMachine.Action) async -> OwnershipMachine.Event {
        let (disk, key) = (disk, key)
        do {
            switch action {
            case .waitForDefence:
                try await clock.sleep(for: timing.challenge)
                return .done
            case .observe:
                return .observed(try await uncancelled { try disk.observation() })
            case .register: try await uncancelled { try disk.register(key) }
            case .unregister: try await uncancelled { try disk.withdraw(key) }
            case .reserve: try await uncancelled { try disk.reserve(key: key, type: OwnershipMachine.type) }
            case .release: try await uncancelled { try disk.release(key: key, type: OwnershipMachine.type) }
            case .preempt(let victim):
                try await uncancelled { try disk.preempt(key: key, victim: victim, type: OwnershipMachine.type) }
            case .finish: return .cancelled
            }
            return .done
        } catch SCSIError.reservationConflict {
            return .conflict
        } catch is CancellationError {
            return .cancelled
        } catch {
            cause = error
            return .failed
        }
    }

    /// Runs a command to its end or its limit also in a cancelled task: the last commands of a withdrawal are sent by one.
    private func uncancelled<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await commands.run(limit: machine.isOwned ? timing.defence : timing.challenge, body)
    }
}

extension Disk {
    /// Whether other software may send commands on the same I_T nexus: to a device of this host the initiator is the host.
    public var isNexusShared: Bool {
        transport.attachment.device != nil
    }

    /// Removes the registration of this nexus; on a shared one only if it has this key, as another may have become somebody
    /// else's meanwhile.
    ///
    /// - Throws: a conflict where the key is another one.
    fileprivate func withdraw(_ key: ReservationKey) throws {
        try persistently { persists in
            if isNexusShared { return try register(existing: key, new: .none, persistsThroughPowerLoss: persists) }
            try registerIgnoringExistingKey(.none, persistsThroughPowerLoss: persists)
        }
    }

    /// Registers this nexus with the key, whatever it was registered with.
    fileprivate func register(_ key: ReservationKey) throws {
        try persistently { persists in
            try registerIgnoringExistingKey(key, persistsThroughPowerLoss: persists)
        }
    }

    /// Registers in such a way that registrations outlast a loss of power where the unit can do it. The bit of the last command
    /// counts for every registration on the unit, another node's included (SPC-3 6.12.3).
    private func persistently(_ registering: (_ persists: Bool) throws -> Void) throws {
        var canPersist = false
        do {
            canPersist = try reservationCapabilities().persistThroughPowerLoss
        } catch SCSIError.checkCondition, SCSIError.status, SCSIError.malformedResponse {
            // A unit that does not tell what it can. One that did not answer has not said so, and would not answer more either.
        }
        guard canPersist else { return try registering(false) }
        do {
            try registering(true)
        } catch SCSIError.checkCondition(let sense)
            where sense.key == .illegalRequest || sense.code == .logicalUnitCommunicationFailure
        {
            // A unit that could, had it a place to keep them in (what LIO says without its folder): nobody's outlast anything.
            try registering(false)
        }
    }

    /// What an owner or a challenger looks at.
    fileprivate func observation() throws -> OwnershipMachine.Observation {
        let holder = try readReservation().holder
        return OwnershipMachine.Observation(holder: holder, keys: try readKeys().keys)
    }
}
