import Foundation
import Reservations

/// Whether a logical unit is fit for a failover cluster, found out from this machine alone: as two initiators, by SCSI commands.
public struct TargetValidation: Sendable {
    /// The tests, in the order in which they are run.
    public static let tests: [TestDescription] = [
        list, identity, reservations, arbitration, simultaneous, failover, latency,
    ]

    static let list = TestDescription(
        "list-disks", "List Potential Cluster Disks", .storage,
        "Tells what the unit says it is, and whether it is in use.")
    static let identity = TestDescription(
        "vital-product-data", "Validate SCSI device Vital Product Data", .storage,
        "Each node has to recognise the unit as the same one, and as no other.")
    static let reservations = TestDescription(
        "persistent-reservation", "Validate SCSI-3 Persistent Reservation", .storage, changesDisks: true,
        "Tries every persistent reservation command that a cluster uses, and whether what is reserved is kept from others."
    )
    static let arbitration = TestDescription(
        "disk-arbitration", "Validate Disk Arbitration", .storage, changesDisks: true,
        "An owner that defends its disk keeps it; one that gives it up, or has died, loses it to the next challenger.")
    static let simultaneous = TestDescription(
        "multiple-arbitration", "Validate Multiple Arbitration", .storage, changesDisks: true,
        "Of two nodes that arbitrate for a disk at the same time exactly one gets it.")
    static let failover = TestDescription(
        "disk-failover", "Validate Disk Failover", .storage, changesDisks: true,
        "What the old owner has written is what the new owner reads.")
    static let latency = TestDescription(
        "disk-access-latency", "Validate Disk Access Latency", .storage, changesDisks: true,
        "The disk answers soon enough for its owner to defend it.")

    /// What a validation is to do.
    public struct Options: Sendable {
        /// The tests to run, by their identifiers or names; nil for all.
        public var include: Set<String>?
        /// The tests not to run, likewise.
        public var exclude: Set<String> = []
        /// Whether a unit that somebody has registered with is tested all the same; registrations of others are removed then.
        public var evenInUse = false
        /// How long arbitration takes.
        public var timing = OwnershipTiming.standard
        /// How long the validation listens for others before it changes anything: at least, and at most.
        public var listening = Duration.seconds(1)...Duration.seconds(3)
        /// What the waiting of arbitrations goes by.
        var clock: any Clock<Duration> = ContinuousClock()
        /// What the time goes by in which the unit has to answer an arbitration's commands.
        var commandClock: any Clock<Duration> = ContinuousClock()

        /// All tests, and none on a unit that is in use.
        public init() {}
    }

    /// What is known of the unit before anything is written.
    public struct Plan: Sendable {
        /// What the unit calls itself.
        public var unit: String
        /// Its size in octets.
        public var size: UInt64
        /// Who has registered: the keys.
        public var registrations: [ReservationKey]
        /// The block that is written, in the unit's blocks; nil where none is known, and why.
        public var scratch: Result<UInt64, NoScratchBlock>
        /// The tests that will be run.
        public var tests: [TestDescription]
        /// How a kernel whose disk it is names the unit: the `wwid` of a SCSI device, in lower case.
        public var kernelNames: Set<String> = []

        /// Whether somebody uses the unit.
        public var isInUse: Bool { !registrations.isEmpty }
    }

    /// There is no block that may be written.
    public struct NoScratchBlock: Error, Sendable, CustomStringConvertible {
        /// Why.
        public var description: String
    }

    /// What reports call the unit.
    public let target: String
    private let options: Options
    private let open: @Sendable (Int) throws -> any SCSITransport
    private let keys: [ReservationKey]
    private let names = ["first initiator", "second initiator"]

    /// A validation that has not begun.
    ///
    /// - Parameters:
    ///   - target: what reports call the unit.
    ///   - options: what to do.
    ///   - open: opens a path to the unit as one of two initiators, 0 or 1, each with an identity of its own that stays the same.
    ///     Blocking.
    public init(
        target: String, options: Options = Options(), open: @escaping @Sendable (Int) throws -> any SCSITransport
    ) {
        self.target = target
        self.options = options
        self.open = open
        keys = OtherValidations.keyNames.map { ReservationKey.unique(nodeName: $0) }
    }

    /// Whether `--include` and `--exclude` may name it: a test by its identifier or its name, or the category.
    public static func isKnown(_ name: String) -> Bool { tests.contains { $0.goes(by: name) } }

    /// Looks at the unit, and changes nothing.
    ///
    /// - Throws: what keeps the unit from being opened.
    public func plan() async throws -> Plan {
        let validation = self
        return try await BlockingExecutor(threads: 1).run {
            let disk = try Disk(transport: try validation.open(0))
            let scratch: Result<UInt64, NoScratchBlock> =
                switch try ScratchBlock.find(on: disk) {
                case .block(let block): .success(block)
                case .none(let why): .failure(NoScratchBlock(description: why))
                }
            return Plan(
                unit: "\(disk.inquiry.vendor) \(disk.inquiry.product)", size: disk.blockCount * UInt64(disk.blockSize),
                registrations: try disk.readKeys().keys, scratch: scratch, tests: validation.chosen,
                kernelNames: Self.kernelNames((try? disk.identifiers()) ?? []))
        }
    }

    private static func kernelNames(_ identifiers: [DeviceIdentifier]) -> Set<String> {
        Set(
            identifiers.filter { $0.association == .logicalUnit && $0.isWorldWide }.compactMap { identifier in
                let digits = identifier.value.map { String($0 >> 4, radix: 16) + String($0 & 0xF, radix: 16) }.joined()
                switch identifier.kind {
                case .naa: return "naa." + digits
                case .eui64: return "eui." + digits
                case .scsiName: return identifier.text.lowercased()
                default: return nil
                }
            })
    }

    private var chosen: [TestDescription] {
        Self.tests.filter { test in
            (options.include?.contains(where: test.goes) ?? true) && !options.exclude.contains(where: test.goes)
        }
    }

    /// Runs the tests of the plan and puts everything back.
    ///
    /// A cancelled task ends the test at its next command, skips the others, and puts everything back all the same.
    ///
    /// - Parameters:
    ///   - plan: what ``plan()`` found.
    ///   - progress: told of each test as it begins and ends, and of each step.
    public func run(
        _ plan: Plan, generator: String, progress: @escaping @Sendable (ValidationProgress) -> Void = { _ in }
    ) async -> ValidationReport {
        let clock = ContinuousClock()
        let start = clock.now
        var report = ValidationReport(generator: generator, began: Date(), nodes: [.init("this host")])
        report.disks = [.init(target, identifier: plan.unit, numbers: [:])]
        let others = OtherValidations(known: ownKeys + plan.registrations)
        var hasListened = false
        for test in Self.tests {
            let began = (clock.now - start).milliseconds
            let result: TestResult
            if !plan.tests.contains(test) {
                result = test.withoutResult(.excluded, "It was not asked for.")
            } else if Task.isCancelled {
                result = test.withoutResult(.unfinished, "The validation was interrupted before.")
            } else if test.changesDisks, plan.isInUse, !options.evenInUse {
                result = inUse(test, plan)
            } else {
                progress(.began(test))
                if test.changesDisks {
                    await listen(others, for: hasListened ? .zero : listeningTime)
                    hasListened = true
                }
                if let reason = others.report() {
                    result = test.withoutResult(
                        .unfinished, "The unit was left alone: \(reason). Validate it again when that has ended.")
                } else {
                    result = await run(test, plan, others, began: began) { progress(.step(test, $0)) }
                }
            }
            report.tests.append(result)
            progress(.ended(result))
        }
        report.cleanup = await putBack(others)
        report.took = (clock.now - start).milliseconds
        return report
    }

    /// Every key that the tests register, also those that a scenario changes them to.
    private var ownKeys: [ReservationKey] { keys + keys.map { TargetInitiator.otherKey(of: $0) } }

    /// By chance: of two validations that begin at once one is to hear the other.
    private var listeningTime: Duration {
        let (least, most) = (options.listening.lowerBound.milliseconds, options.listening.upperBound.milliseconds)
        return .milliseconds(Double.random(in: least...most))
    }

    /// Looks whether somebody else is there; one that cannot be seen will be told of by the tests.
    private func listen(_ others: OtherValidations, for duration: Duration) async {
        let (stop, open) = (StopFlag(), open)
        await withTaskCancellationHandler {
            try? await BlockingExecutor(threads: 1).run {
                try others.listen(to: Disk(transport: open(0)), for: duration, stop)
            }
        } onCancel: {
            stop.raise()
        }
    }

    private func inUse(_ test: TestDescription, _ plan: Plan) -> TestResult {
        let keys = plan.registrations.map(\.description).joined(separator: ", ")
        let are = plan.registrations.count == 1 ? "is" : "are"
        let owner =
            OtherValidations.areOfValidations(plan.registrations)
            ? " It is another validation, which is at work, or was killed." : ""
        return test.withoutResult(
            .unfinished, "The unit is in use, and was left alone: \(keys) \(are) registered.\(owner)")
    }

    // MARK: One test

    private func run(
        _ test: TestDescription, _ plan: Plan, _ others: OtherValidations, began: Double,
        onStep: @escaping @Sendable (TestStep) -> Void
    ) async -> TestResult {
        let recorder = TestRecorder(test, onStep: onStep)
        if test.changesDisks, test != Self.reservations, test != Self.arbitration, test != Self.simultaneous,
            case .failure(let why) = plan.scratch, test != Self.latency
        {
            return test.withoutResult(.notApplicable, "There is no block that may be written: \(why).")
        }
        do {
            switch test {
            case Self.arbitration: try await arbitrationScenario(recorder).challenge()
            case Self.simultaneous: try await arbitrationScenario(recorder).race()
            default: try await blocking(test, plan, others, recorder)
            }
        } catch is CancellationError {
            return recorder.result(began: began, unfinished: "It was interrupted.", success: "")
        } catch {
            if let reason = others.report() { return disturbed(recorder, began: began, reason) }
            return recorder.result(
                began: began, unfinished: "The unit could not be asked any more: \(error).", success: "")
        }
        // The scenarios of arbitration have not looked themselves.
        if recorder.hasErrors { await listen(others, for: .zero) }
        if let reason = others.report(), recorder.hasErrors { return disturbed(recorder, began: began, reason) }
        if test == Self.reservations, case .failure(let why) = plan.scratch {
            recorder.add(
                Finding(
                    .warning, target, "Whether reservations keep others from writing was not tried: \(why).",
                    advice: "Try it on an empty disk of the same storage."))
        }
        return recorder.result(began: began, success: Self.success(of: test))
    }

    /// What was found is not to be believed: two have been at work.
    private func disturbed(_ recorder: TestRecorder, began: Double, _ reason: String) -> TestResult {
        recorder.doubt(target, because: reason)
        return recorder.result(
            began: began, unfinished: "It was disturbed: \(reason). Validate the unit again when that has ended.",
            success: "")
    }

    private func arbitrationScenario(_ recorder: TestRecorder) -> ArbitrationScenario {
        ArbitrationScenario(
            target: target, recorder: recorder, executor: BlockingExecutor(threads: 4), timing: options.timing,
            clock: options.clock, commandClock: options.commandClock, open: open, names: names, keys: keys)
    }

    private func blocking(
        _ test: TestDescription, _ plan: Plan, _ others: OtherValidations, _ recorder: TestRecorder
    ) async throws {
        let stop = StopFlag()
        let validation = self
        try await withTaskCancellationHandler {
            try await BlockingExecutor(threads: 1).run {
                let bench = validation.bench(recorder, scratch: try? plan.scratch.get(), others, stop)
                do {
                    switch test {
                    case Self.list: try validation.describe(plan, bench)
                    case Self.identity: try IdentityScenario(bench: bench).run()
                    case Self.reservations: try ReservationScenarios(bench: bench).run()
                    case Self.failover: try DataScenario(bench: bench).run()
                    default: try LatencyScenario(bench: bench).run()
                    }
                } catch is TargetBench.Broken {
                    // The finding is taken down.
                }
            }
        } onCancel: {
            stop.raise()
        }
    }

    private func bench(
        _ recorder: TestRecorder, scratch: UInt64?, _ others: OtherValidations, _ stop: StopFlag
    ) -> TargetBench {
        let initiators = (0...1).map { index in
            TargetInitiator(name: names[index], key: keys[index]) { try open(index) }
        }
        return TargetBench(
            target: target, first: initiators[0], second: initiators[1], scratch: scratch, recorder: recorder,
            others: others, stop: stop)
    }

    private func describe(_ plan: Plan, _ bench: TargetBench) throws {
        let disk = try bench.demand("Ask what the unit is", by: bench.first, .inquiry, rule: "It has to answer.") { $0 }
        guard let disk else { return }
        let keys = plan.registrations.map(\.description).joined(separator: ", ")
        bench.recorder.add(
            TestResult.Table(
                "The unit", columns: ["Property", "Value"],
                rows: [
                    ["Vendor and product", plan.unit], ["Revision", disk.inquiry.revision],
                    ["Size", "\(plan.size) octets, blocks of \(disk.blockSize)"],
                    ["Write protected", disk.isReadOnly ? "yes" : "no"],
                    ["Registered keys", keys.isEmpty ? "none" : keys],
                ]))
        if disk.isReadOnly {
            bench.recorder.add(
                Finding(.error, target, "The unit is write protected.", advice: "Lift the protection at the storage."))
        }
        if plan.isInUse {
            bench.recorder.add(
                Finding(
                    .warning, target, "Somebody is registered with the unit: \(keys).",
                    advice: "If that is a running cluster, leave it alone. If it was left behind, clear it with "
                        + "clusprep reservations, or test it all the same with --even-in-use."))
        }
    }

    private static func success(of test: TestDescription) -> String {
        switch test {
        case list: "The unit can be used."
        case identity: "The unit can be recognised."
        case reservations: "Persistent reservations work as a cluster needs them."
        case arbitration: "The owner kept its disk, and the challenger got it when it was free."
        case simultaneous: "Exactly one of two won, each time."
        case failover: "Each owner read what the other one had written."
        default: "The unit answers soon enough."
        }
    }

    // MARK: Afterwards

    /// Takes off what the tests have registered; others' registrations are not touched.
    private func putBack(_ others: OtherValidations) async -> [TestStep] {
        let validation = self
        // A task of its own: the validation's may be cancelled, and this has to be done all the same.
        let work = Task {
            try await BlockingExecutor(threads: 1).run { () -> [TestStep] in
                let test = TestDescription("cleanup", "Clean-up", .storage, "")
                let bench = validation.bench(TestRecorder(test), scratch: nil, others, StopFlag())
                let own = Set(validation.ownKeys)
                let disk = try bench.first.disk()
                guard try disk.readKeys().keys.contains(where: own.contains) else {
                    return [
                        TestStep("Nothing of the tests is left on the unit", disk: validation.target, outcome: .good)
                    ]
                }
                do {
                    try bench.cleanUp()
                } catch let error as TargetBench.Disturbed {
                    // Ours may be off all the same; the others' stay.
                    if try disk.readKeys().keys.contains(where: own.contains) { throw error }
                }
                return [TestStep("Took the tests' registrations off", disk: validation.target, outcome: .good)]
            }
        }
        do {
            return try await work.value
        } catch {
            return [
                TestStep(
                    "The tests' registrations could not be taken off", disk: target, outcome: .bad,
                    detail: "\(error). Their keys: \(ownKeys.map(\.description).joined(separator: ", ")).")
            ]
        }
    }
}
