import Reservations

/// A target on the bench: two initiators, what is taken down of what they do, and the way back to a clean unit.
///
/// Blocking, and used by one thread.
final class TargetBench {
    /// A scenario cannot go on: what follows builds on what has just failed. The finding is taken down already.
    struct Broken: Error {}

    let target: String
    let first: TargetInitiator
    let second: TargetInitiator
    /// A block that belongs to nothing; nil where none is known.
    let scratch: UInt64?
    let recorder: TestRecorder
    private let others: OtherValidations
    private let stop: StopFlag

    init(
        target: String, first: TargetInitiator, second: TargetInitiator, scratch: UInt64?, recorder: TestRecorder,
        others: OtherValidations, stop: StopFlag
    ) {
        self.target = target
        self.first = first
        self.second = second
        self.scratch = scratch
        self.recorder = recorder
        self.others = others
        self.stop = stop
    }

    /// Whether somebody else is at work on the unit now.
    @discardableResult
    func lookForOthers() -> Bool {
        guard let keys = try? first.disk().readKeys().keys else { return false }
        return others.look(at: keys)
    }

    /// Throws once the validation was told to end.
    func checkStop() throws {
        try stop.check()
    }

    // MARK: Commands

    /// Sends a command and takes down how it ended.
    ///
    /// - Parameter expected: how it has to end; nil where any end will do.
    /// - Returns: what it answered, and how it ended.
    /// - Throws: `CancellationError` once the validation was told to end; `SCSIError` where the unit is not there any more.
    func send<Answer>(
        _ text: String, by initiator: TargetInitiator, _ command: SCSICommandName,
        expecting expected: SCSIOutcome? = .good,
        _ body: (Disk) throws -> Answer
    ) throws -> (answer: Answer?, outcome: SCSIOutcome) {
        try stop.check()
        let began = recorder.now
        var answer: Answer?
        var outcome = SCSIOutcome.good
        do {
            answer = try body(try initiator.disk())
        } catch let error as SCSIError where error.isSilence {
            // A unit that answers in a new session has failed this command; one that does not has done nothing wrong that anybody saw.
            initiator.disconnect()
            guard (try? initiator.disk()) != nil else {
                recorder.add(
                    TestStep(
                        text, node: initiator.name,
                        call: .init(interface: "SCSI", name: command.text, number: UInt16(command.code)),
                        outcome: .lost, detail: "\(error)", began: began, took: recorder.now - began))
                throw error
            }
            outcome = SCSIOutcome(error)
        } catch {
            outcome = SCSIOutcome(error)
        }
        let isRight = expected.map(outcome.isLike) ?? true
        let call = TestStep.Call(
            interface: "SCSI", name: command.text, number: UInt16(command.code), result: outcome.text)
        recorder.add(
            TestStep(
                text, node: initiator.name, call: call, outcome: expected == nil ? .note : isRight ? .good : .bad,
                detail: outcome.detail, began: began, took: recorder.now - began))
        return (answer, outcome)
    }

    /// Sends a command that has to end as expected; where it does not, that is what is wrong with the target.
    ///
    /// - Parameters:
    ///   - rule: what the standard demands, as a sentence for the finding.
    ///   - blamed: the command that is at fault where this one only shows it.
    @discardableResult
    func demand<Answer>(
        _ text: String, by initiator: TargetInitiator, _ command: SCSICommandName,
        expecting expected: SCSIOutcome = .good,
        rule: String, blaming blamed: SCSICommandName? = nil, _ body: (Disk) throws -> Answer
    ) throws -> Answer? {
        let (answer, outcome) = try send(text, by: initiator, command, expecting: expected, body)
        guard outcome.isLike(expected) else {
            let ended = outcome.detail.map { "\(outcome.text) (\($0))" } ?? outcome.text
            throw fault("\(command.text) ended with \(ended) instead of \(expected.text). \(rule)", blamed ?? command)
        }
        return answer
    }

    /// Takes down a conclusion; where it is false, that is what is wrong with the target.
    func conclude(_ condition: Bool, _ text: String, else problem: String, _ command: SCSICommandName) throws {
        recorder.add(TestStep(text, outcome: condition ? .good : .bad, began: recorder.now))
        guard condition else { throw fault(problem, command) }
    }

    private func fault(_ text: String, _ command: SCSICommandName) -> Broken {
        lookForOthers()
        recorder.add(
            Finding(
                .error, target, text,
                advice:
                    "Ask the maker of the storage about \(command.text) (SPC-3 5.6 and 6.12), or put the disk elsewhere: "
                    + "a cluster's nodes rely on it to keep each other from writing.",
                command: command.text))
        return Broken()
    }

    // MARK: The clean unit

    /// Runs a scenario on a unit without registrations, and leaves it so, whatever becomes of it.
    func scenario(_ body: () throws -> Void) throws {
        try cleanUp()
        do {
            try body()
        } catch is Broken {
            // What it found is taken down; the next scenario stands for itself.
        }
        try cleanUp()
    }

    /// Takes off whatever the two initiators have registered, with as few means as will do: each way may be what is broken.
    ///
    /// - Throws: `SCSIError` where nothing helps.
    func cleanUp() throws {
        for initiator in [first, second] {
            for key in Self.keys(of: initiator) { try? initiator.disk().register(existing: key, new: .none) }
        }
        // What follows would take off somebody else's registrations as well.
        if lookForOthers() { throw Disturbed() }
        for initiator in [first, second] { try? initiator.disk().registerIgnoringExistingKey(.none) }
        if try isClean() { return }
        for initiator in [first, second] {
            try? initiator.disk().registerIgnoringExistingKey(initiator.key)
            try? initiator.disk().clearReservations(key: initiator.key)
            if try isClean() { return }
            try? initiator.disk().registerIgnoringExistingKey(.none)
            if try isClean() { return }
        }
        throw Uncleanable()
    }

    /// Somebody else is at work on the unit.
    struct Disturbed: Error, CustomStringConvertible {
        var description: String { "somebody else is at work on it" }
    }

    /// Nothing takes the registrations of a test off again.
    struct Uncleanable: Error, CustomStringConvertible {
        var description: String {
            "the registrations that a test made can neither be taken off nor cleared"
        }
    }

    /// The keys that an initiator registers in the course of a test.
    private static func keys(of initiator: TargetInitiator) -> [ReservationKey] {
        [initiator.key, initiator.otherKey]
    }

    private func isClean() throws -> Bool {
        let disk = try first.disk()
        let own = Set([first, second].flatMap(Self.keys))
        return try disk.readKeys().keys.allSatisfy { !own.contains($0) } && disk.readReservation().holder == nil
    }
}
