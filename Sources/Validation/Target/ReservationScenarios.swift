import Reservations

/// What a cluster needs of persistent reservations, one scenario for each thing that targets get wrong (SPC-3 5.6, 6.11, 6.12).
struct ReservationScenarios {
    let bench: TargetBench
    private var first: TargetInitiator { bench.first }
    private var second: TargetInitiator { bench.second }
    /// The type that Windows' clusters use, and this project's.
    private let type = ReservationType.writeExclusiveRegistrantsOnly

    /// All of them, each on a clean unit.
    ///
    /// What the others are judged by comes first: where the keys cannot be read, nothing more can be said, and where a
    /// reservation keeps nobody out, no later write that gets through is another command's fault.
    func run() throws {
        let types = try capabilities()
        try bench.scenario(registering)
        guard !bench.recorder.blames(.readKeys) else { return }
        let enforced = ReservationType.allCases.filter { types?.contains($0) ?? !$0.isAllRegistrants }
        for type in enforced {
            try bench.scenario { try EnforcementScenario(bench: bench, type: type).run() }
        }
        for scenario in [
            changingKeys, ignoringKeys, reservingUnregistered, reserving, releasing, leaving, clearing, preempting,
            preemptingAndAborting, preemptingARegistration, reconnecting, powerLoss,
        ] {
            try bench.scenario(scenario)
        }
    }

    // MARK: What the unit says it can

    private func capabilities() throws -> Set<ReservationType>? {
        let (answer, _) = try bench.send(
            "Ask which reservations the unit supports", by: first, .reportCapabilities, expecting: nil
        ) { try $0.reservationCapabilities() }
        guard let answer else {
            bench.recorder.add(
                Finding(
                    .warning, bench.target, "The unit does not report its reservations' capabilities.",
                    advice: "Clusters can do without it. The types that every unit has to have were tested.",
                    command: SCSICommandName.reportCapabilities.text))
            return nil
        }
        guard let types = answer.types else { return nil }
        let names = types.map(\.standardName).sorted().joined(separator: ", ")
        try? bench.conclude(
            types.contains(type), "Types: \(names)",
            else: "\(type.standardName) is not among the supported types: \(names).",
            .reportCapabilities)
        return types
    }

    // MARK: Registrations

    private func registering() throws {
        let before = try keys("Read the keys of a unit that nobody is registered with")
        try register(first)
        let one = try keys("Read the keys again")
        try bench.conclude(
            Set(one.keys) == Set(before.keys + [first.key]), "The key is registered",
            else: "After REGISTER with key \(first.key) the keys are \(list(one.keys)).", .register)
        try bench.conclude(
            one.generation != before.generation, "PRGENERATION moved from \(before.generation) to \(one.generation)",
            else: "PRGENERATION stayed \(one.generation) when a key was registered, so nobody can notice a change.",
            .register)
        try register(second)
        for initiator in [first, second] {
            let both = try keys("Read the keys as the \(initiator.name)", by: initiator)
            try bench.conclude(
                Set(both.keys) == Set(before.keys + [first.key, second.key]), "Both keys are there",
                else: "With both initiators registered the \(initiator.name) is told the keys \(list(both.keys)).",
                .readKeys)
        }
        try bench.demand(
            "Unregister", by: second, .register, rule: "A registered initiator may take its registration off."
        ) { [key = second.key] in try $0.register(existing: key, new: .none) }
        let left = try keys("Read the keys once more")
        try bench.conclude(
            !left.keys.contains(second.key) && left.keys.contains(first.key), "Only the other key is left",
            else: "After unregistering key \(second.key) the keys are \(list(left.keys)).", .register)
    }

    private func changingKeys() throws {
        try register(first)
        let wrong = first.otherKey
        try bench.demand(
            "Change the key, naming a wrong one", by: first, .register, expecting: .conflict,
            rule: "Who does not know its own key must not change it (SPC-3 5.6.6)."
        ) { [key = second.key] in try $0.register(existing: wrong, new: key) }
        try bench.demand(
            "Change the key, naming the right one", by: first, .register,
            rule: "A registered initiator may change its key."
        ) { [old = first.key] in try $0.register(existing: old, new: wrong) }
        let changed = try keys("Read the keys")
        try bench.conclude(
            changed.keys.contains(wrong) && !changed.keys.contains(first.key), "The key has changed",
            else: "After the key was changed to \(wrong) the keys are \(list(changed.keys)).", .register)
    }

    private func ignoringKeys() throws {
        try register(first)
        let other = first.otherKey
        try bench.demand(
            "Register another key, whatever the present one is", by: first, .registerAndIgnore,
            rule: "A node that has forgotten its key needs this to become a registrant again."
        ) { try $0.registerIgnoringExistingKey(other) }
        let changed = try keys("Read the keys")
        try bench.conclude(
            changed.keys.contains(other) && !changed.keys.contains(first.key), "The key has changed",
            else: "After REGISTER AND IGNORE EXISTING KEY with \(other) the keys are \(list(changed.keys)).",
            .registerAndIgnore)
    }

    // MARK: The reservation

    private func reservingUnregistered() throws {
        try register(first)
        try bench.demand(
            "Reserve without being registered", by: second, .reserve, expecting: .conflict,
            rule: "Only a registered initiator may reserve (SPC-3 5.6.8)."
        ) { [type, key = second.key] in try $0.reserve(key: key, type: type) }
        try holder(is: nil, .reserve, "Nobody holds a reservation", "An initiator that is not registered could reserve")
    }

    private func reserving() throws {
        try register(first)
        try register(second)
        try reserve(first)
        try reserve(first, "Reserve a second time")
        try bench.demand(
            "Reserve what another one has reserved", by: second, .reserve, expecting: .conflict,
            rule: "There is one reservation, and its holder keeps it (SPC-3 5.6.8)."
        ) { [type, key = second.key] in try $0.reserve(key: key, type: type) }
        try bench.demand(
            "Reserve with another type", by: first, .reserve, expecting: .conflict,
            rule: "The holder cannot change the type without releasing (SPC-3 5.6.8)."
        ) { [key = first.key] in try $0.reserve(key: key, type: .writeExclusive) }
        try holder(is: first, .reserve, "The first one still holds it", "A refused RESERVE changed the reservation")
    }

    private func releasing() throws {
        try register(first)
        try register(second)
        try reserve(first)
        try bench.demand(
            "Release as a registrant that does not hold it", by: second, .release,
            rule: "It has no effect, and is no error (SPC-3 5.6.10.1)."
        ) { [type, key = second.key] in try $0.release(key: key, type: type) }
        try holder(
            is: first, .release, "The holder has kept it",
            "A registrant that is not the holder could release the reservation")
        try bench.demand(
            "Release with another type", by: first, .release, expecting: .illegalRequest(""),
            rule: "It is an INVALID RELEASE OF PERSISTENT RESERVATION (SPC-3 5.6.10.1)."
        ) { [key = first.key] in try $0.release(key: key, type: .exclusiveAccess) }
        try bench.demand("Release", by: first, .release, rule: "The holder may release.") { [type, key = first.key] in
            try $0.release(key: key, type: type)
        }
        try holder(is: nil, .release, "Nobody holds it", "The reservation outlasted its release")
        let left = try keys("Read the keys")
        try bench.conclude(
            Set([first.key, second.key]).isSubset(of: left.keys), "The registrations are still there",
            else: "RELEASE took registrations along: the keys are \(list(left.keys)).", .release)
    }

    private func leaving() throws {
        try register(first)
        try register(second)
        try reserve(first)
        try bench.demand(
            "Unregister as the holder", by: first, .register,
            rule: "A holder that unregisters gives the reservation up."
        ) { [key = first.key] in try $0.register(existing: key, new: .none) }
        try holder(
            is: nil, .register, "The reservation went with the registration",
            "The reservation outlasted its holder's registration")
    }

    private func clearing() throws {
        try register(first)
        try register(second)
        try reserve(first)
        try bench.demand(
            "Clear, as a registrant", by: second, .clear, rule: "Any registered initiator may clear (SPC-3 5.6.10.6)."
        ) { [key = second.key] in try $0.clearReservations(key: key) }
        let left = try keys("Read the keys", blaming: .clear)
        try bench.conclude(
            !left.keys.contains(first.key) && !left.keys.contains(second.key), "No key is left",
            else: "After CLEAR the keys are \(list(left.keys)).", .clear)
        try holder(is: nil, .clear, "No reservation is left", "The reservation outlasted CLEAR")
    }

    // MARK: Taking over

    private func preempting() throws { try preempt(.preempt) }

    private func preemptingAndAborting() throws { try preempt(.preemptAndAbort) }

    private func preempt(_ command: SCSICommandName) throws {
        try register(first)
        try register(second)
        try reserve(first)
        try bench.demand(
            "Pre-empt the holder", by: second, command,
            rule: "This is how a cluster takes a dead node's disk (SPC-3 5.6.10.4)."
        ) { [type, key = second.key, victim = first.key] in
            try $0.preempt(key: key, victim: victim, type: type, abort: command == .preemptAndAbort)
        }
        try holder(
            is: second, command, "The one that pre-empted holds it",
            "\(command.text) left the reservation with its victim")
        let left = try keys("Read the keys")
        try bench.conclude(
            !left.keys.contains(first.key) && left.keys.contains(second.key), "The victim is not registered any more",
            else:
                "After \(command.text) the keys are \(list(left.keys)): its victim is still registered, and may write.",
            command)
        if let scratch = bench.scratch, !bench.recorder.blames(.write) {
            try bench.demand(
                "Write as the victim", by: first, .write, expecting: .conflict,
                rule: "A node that was pre-empted must not write (SPC-3 5.6.10.4).", blaming: command
            ) { try $0.write(block: scratch, try $0.read(block: scratch, count: 1)) }
        }
    }

    private func preemptingARegistration() throws {
        try register(first)
        try register(second)
        try reserve(first)
        try bench.demand(
            "Pre-empt a registrant that holds nothing", by: first, .preempt,
            rule: "An owner removes others' registrations so (SPC-3 5.6.10.4.3)."
        ) { [type, key = first.key, victim = second.key] in try $0.preempt(key: key, victim: victim, type: type) }
        let left = try keys("Read the keys")
        try bench.conclude(
            !left.keys.contains(second.key), "The registration is gone",
            else: "PREEMPT left the registration it named: the keys are \(list(left.keys)).", .preempt)
        try holder(
            is: first, .preempt, "The holder has kept it", "PREEMPT of a mere registration moved the reservation")
    }

    // MARK: What has to last

    private func reconnecting() throws {
        try register(first)
        try reserve(first)
        first.disconnect()
        let left = try keys("Read the keys in a new session", by: first)
        try bench.conclude(
            left.keys.contains(first.key), "The registration outlasted the session",
            else:
                "After the session was made again the keys are \(list(left.keys)): a path that fails for a moment costs a "
                + "node its disk.", .register)
        try holder(
            is: first, .reserve, "So did the reservation", "The reservation did not outlast its holder's session")
        // Listed is not enough: some targets tie a registration to the session that made it.
        try bench.demand(
            "Name the key as one's own", by: first, .register,
            rule: "The registration belongs to the initiator port, not to its session (SPC-3 5.6.1)."
        ) { [key = first.key] in try $0.register(existing: key, new: key) }
    }

    private func powerLoss() throws {
        let (_, outcome) = try bench.send(
            "Register so that it outlasts a loss of power (APTPL)", by: first, .register, expecting: nil
        ) { [key = first.key] in try $0.register(existing: .none, new: key, persistsThroughPowerLoss: true) }
        guard outcome != .good else { return }
        bench.recorder.add(
            Finding(
                .warning, bench.target, "Registrations do not outlast the storage's loss of power (APTPL is refused).",
                advice:
                    "After the storage has restarted, nothing keeps a node that lost its disk from writing until the owner "
                    + "has registered again.", command: SCSICommandName.register.text))
    }

    // MARK: Pieces

    private func register(_ initiator: TargetInitiator) throws {
        try bench.demand(
            "Register key \(initiator.key)", by: initiator, .register,
            rule: "Whoever is not registered names a key of zero."
        ) { [key = initiator.key] in try $0.register(existing: .none, new: key) }
    }

    private func reserve(_ initiator: TargetInitiator, _ text: String = "Reserve") throws {
        try bench.demand(
            "\(text): \(type.standardName)", by: initiator, .reserve,
            rule: "A registered initiator may reserve what nobody else has reserved."
        ) { [type, key = initiator.key] in try $0.reserve(key: key, type: type) }
        try holder(is: initiator, .reserve, "It holds the reservation", "RESERVE made no such reservation")
    }

    private func keys(
        _ text: String, by initiator: TargetInitiator? = nil, blaming blamed: SCSICommandName? = nil
    ) throws -> RegisteredKeys {
        let answer = try bench.demand(
            text, by: initiator ?? first, .readKeys, rule: "Everybody may read the keys (SPC-3 6.11.2).",
            blaming: blamed
        ) { try $0.readKeys() }
        guard let answer else { throw TargetBench.Broken() }
        return answer
    }

    /// Reads the reservation and concludes whose it is.
    private func holder(
        is expected: TargetInitiator?, _ blamed: SCSICommandName, _ text: String, _ problem: String
    ) throws {
        let answer = try bench.demand(
            "Read the reservation", by: second, .readReservation, rule: "Everybody may read it (SPC-3 6.11.3)."
        ) { try $0.readReservation() }
        guard let answer else { throw TargetBench.Broken() }
        let wanted = expected.map { CurrentReservation.Holder(key: $0.key, type: type) }
        let found = answer.holder.map { "key \($0.key) holds it as \($0.type.standardName)" } ?? "nobody holds it"
        try bench.conclude(answer.holder == wanted, text, else: "\(problem): \(found).", blamed)
    }

    private func list(_ keys: [ReservationKey]) -> String {
        keys.isEmpty ? "none" : keys.map(\.description).sorted().joined(separator: ", ")
    }
}
