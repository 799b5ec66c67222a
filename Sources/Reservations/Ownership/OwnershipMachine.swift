/// The rules by which nodes decide who owns a disk, without I/O and without a clock: events in, one action out.
///
/// The disk itself is the referee: ownership *is* the persistent reservation, of the type Write Exclusive – Registrants Only.
///
/// **Challenge.** A node that wants the disk registers its key, ignoring an existing one of its own, and asks for the
/// reservation. Granted, it owns the disk. If another key holds the reservation, the node waits for the challenge time. Then
/// it looks: where its own registration has vanished, the owner is alive and has defended; where another key than before holds
/// the reservation, another challenger was faster; in both cases it withdraws. Otherwise the owner has been silent for the
/// whole challenge time, and the node preempts it: in one step, on the disk, the owner loses reservation and registration,
/// and the node has the reservation.
///
/// **Defence.** The owner looks at the disk at every defence interval and removes, with PREEMPT, every registration whose key is
/// not its own. A challenger's PREEMPT needs the challenger's registration, so a defended disk cannot be taken.
///
/// **Why a live owner never loses.** The challenge time spans at least two whole defence intervals (``OwnershipTiming``), so
/// between the registration of a challenger and its PREEMPT the owner looks at least twice. One look removes the registration;
/// the PREEMPT then ends with RESERVATION CONFLICT, whatever the order in which the commands of the two nodes interleave,
/// because the disk executes each of them as one step.
///
/// **Why a dead owner loses in bounded time.** Nobody removes the challenger's registration, so it owns the disk one challenge
/// time and a handful of commands later. With several challengers the first PREEMPT wins: it removes the key that the others
/// were about to preempt, which makes theirs a conflict, and its owner's next defence removes them.
///
/// **What a challenger must not do.** During the challenge time its registration admits it to a registrants-only reservation. It must
/// not write then. The machine cannot see to that: whoever uses the same I_T nexus for writes of any kind has to hold them
/// back from before ``DiskOwnership/arbitrate()`` until the disk is owned or the registration is gone.
///
/// **An owner that was cleared.** CLEAR, or a target that lost power without APTPL, leaves no reservation and no
/// registration. Whoever owned the disk has then lost it, even to nobody: until its next look another node may have taken the
/// disk, written to it and lost it the same way, and what the old owner remembers of its volumes would be wrong.
struct OwnershipMachine: Sendable, Equatable {
    /// The reservation type that ownership is.
    static let type = ReservationType.writeExclusiveRegistrantsOnly

    /// What the machine wants done; each is one command, or one wait, and ends with an event.
    enum Action: Sendable, Equatable {
        /// REGISTER AND IGNORE EXISTING KEY with our key.
        case register
        /// REGISTER AND IGNORE EXISTING KEY with key zero; on a nexus that others use, REGISTER of zero in the place of our key.
        case unregister
        /// RESERVE.
        case reserve
        /// RELEASE.
        case release
        /// PREEMPT of this key.
        case preempt(ReservationKey)
        /// READ RESERVATION and READ KEYS.
        case observe
        /// Wait for the challenge time.
        case waitForDefence
        /// Nothing more for now: this is how it ended.
        case finish(Ending)
    }

    /// What came of an action, or what the machine is asked to do.
    enum Event: Sendable, Equatable {
        /// Take the disk.
        case arbitrate
        /// The defence interval has passed.
        case defend
        /// Give the disk up.
        case stop
        /// The command ended with GOOD; the wait is over.
        case done
        /// The command ended with RESERVATION CONFLICT.
        case conflict
        /// What was observed.
        case observed(Observation)
        /// The command ended in any other way; the actor keeps the cause.
        case failed
        /// The caller no longer waits for the disk.
        case cancelled
    }

    /// What the disk said.
    struct Observation: Sendable, Equatable {
        /// The reservation, where there is one.
        var holder: CurrentReservation.Holder?
        /// The registered keys.
        var keys: [ReservationKey]
    }

    /// How it ended.
    enum Ending: Sendable, Equatable {
        /// The disk is ours.
        case owned
        /// The disk belongs to the node with this key; zero where the key is not known.
        case ownedByAnother(ReservationKey)
        /// The disk was ours and is no longer.
        case lost(ReservationKey)
        /// The disk was ours, and has not answered for as long as a challenger would have had to wait.
        case unreachable
        /// A command failed; nothing is ours.
        case failed
        /// Given up before the end.
        case cancelled
        /// The disk was given up, or was not ours.
        case released
    }

    private enum State: Sendable, Equatable {
        case idle
        case registering
        case reserving
        case finding
        case challenging(ReservationKey)
        case judging(ReservationKey)
        case preempting(ReservationKey)
        case confirming
        case withdrawing(Ending)
        case owned
        case looking
        case removing([ReservationKey])
        case releasing
        case leaving
    }

    /// The key this node registers.
    let key: ReservationKey
    /// The defence passes that may fail in a row before ownership counts as lost.
    let tolerance: Int
    private var state = State.idle
    private var failures = 0
    private var attempts = 0

    /// The rounds of finding and reserving before a disk that changes hands under our eyes counts as another's.
    private static let attemptLimit = 4

    init(key: ReservationKey, tolerance: Int) {
        self.key = key
        self.tolerance = max(1, tolerance)
    }

    /// Whether the disk is ours, as far as is known.
    var isOwned: Bool {
        switch state {
        case .owned, .looking, .removing: true
        default: false
        }
    }

    /// Takes in what happened and says what to do next.
    mutating func handle(_ event: Event) -> Action {
        switch state {
        case .idle: start(event)
        case .registering, .reserving, .finding, .challenging, .judging, .preempting, .confirming: arbitrate(event)
        case .withdrawing(let ending): end(ending)
        case .owned, .looking, .removing: defend(event)
        case .releasing, .leaving: leave(event)
        }
    }

    private mutating func enter(_ next: State, _ action: Action) -> Action {
        state = next
        return action
    }

    private mutating func end(_ ending: Ending) -> Action {
        enter(ending == .owned ? .owned : .idle, .finish(ending))
    }

    /// Takes our registration off the disk before it ends; whether that succeeds changes nothing for us.
    private mutating func withdraw(_ ending: Ending) -> Action {
        enter(.withdrawing(ending), .unregister)
    }

    private mutating func start(_ event: Event) -> Action {
        failures = 0
        attempts = 0
        return event == .arbitrate ? enter(.registering, .register) : end(.released)
    }

    // MARK: Arbitration

    private mutating func arbitrate(_ event: Event) -> Action {
        if event == .failed { return withdraw(.failed) }
        if event == .cancelled || event == .stop { return withdraw(.cancelled) }
        switch (state, event) {
        case (.registering, .done):
            return enter(.reserving, .reserve)
        case (.reserving, .done):
            return end(.owned)
        case (.reserving, .conflict):
            // Held by another, or by us with another type; or our registration was just removed.
            return enter(.finding, .observe)
        case (.finding, .observed(let observation)):
            return judgeHolder(observation)
        case (.challenging(let holder), .done):
            return enter(.judging(holder), .observe)
        case (.judging(let holder), .observed(let observation)):
            return judgeDefence(observation, of: holder)
        case (.preempting, .done):
            return enter(.confirming, .observe)
        case (.preempting(let holder), .conflict):
            return withdraw(.ownedByAnother(holder))
        case (.confirming, .observed(let observation)):
            if observation.holder == .init(key: key, type: Self.type) { return end(.owned) }
            // The owner released between our look and the PREEMPT, which then removed its registration and no more.
            return judgeHolder(observation)
        default:
            return withdraw(.failed)
        }
    }

    private mutating func judgeHolder(_ observation: Observation) -> Action {
        attempts += 1
        guard observation.keys.contains(key), attempts <= Self.attemptLimit else {
            return withdraw(.ownedByAnother(observation.holder?.key ?? .none))
        }
        // Without a holder: released between our two commands.
        guard let holder = observation.holder else { return enter(.reserving, .reserve) }
        if holder.key == key {
            // Ours with another type, from a time before: PREEMPT of ourselves changes it in one step.
            return enter(.preempting(key), .preempt(key))
        }
        return enter(.challenging(holder.key), .waitForDefence)
    }

    private mutating func judgeDefence(_ observation: Observation, of holder: ReservationKey) -> Action {
        guard observation.keys.contains(key) else { return withdraw(.ownedByAnother(holder)) }
        guard let present = observation.holder else { return enter(.reserving, .reserve) }
        if present.key == key { return enter(.preempting(key), .preempt(key)) }
        if present.key != holder { return withdraw(.ownedByAnother(present.key)) }
        return enter(.preempting(holder), .preempt(holder))
    }

    // MARK: Defence

    private mutating func defend(_ event: Event) -> Action {
        switch (state, event) {
        case (_, .stop):
            return enter(.releasing, .release)
        case (.owned, _):
            return enter(.looking, .observe)
        case (_, .failed), (_, .cancelled):
            failures += 1
            return failures < tolerance ? end(.owned) : withdraw(.unreachable)
        case (.looking, .observed(let observation)):
            return look(at: observation)
        case (.removing(let rest), .done), (.removing(let rest), .conflict):
            // A conflict says that the challenger has gone by itself, or that we are no longer the owner: the next look tells.
            return remove(rest)
        default:
            failures += 1
            return failures < tolerance ? end(.owned) : withdraw(.unreachable)
        }
    }

    private mutating func look(at observation: Observation) -> Action {
        guard let holder = observation.holder, holder.key == key, observation.keys.contains(key) else {
            return withdraw(.lost(observation.holder?.key ?? .none))
        }
        var others: [ReservationKey] = []
        for other in observation.keys where other != key && !others.contains(other) { others.append(other) }
        return remove(others)
    }

    private mutating func remove(_ others: [ReservationKey]) -> Action {
        guard let next = others.first else {
            failures = 0
            return end(.owned)
        }
        return enter(.removing(Array(others.dropFirst())), .preempt(next))
    }

    // MARK: Leaving

    private mutating func leave(_ event: Event) -> Action {
        switch (state, event) {
        case (.releasing, .failed): withdraw(.failed)
        // A conflict says that the disk is another's already, and that nothing of ours is left to release.
        case (.releasing, _): enter(.leaving, .unregister)
        case (_, .failed): end(.failed)
        default: end(.released)
        }
    }
}
