import Foundation
import Reservations
import Synchronization
import TestSupport
import Testing
import Volumes

@testable import Validation

/// Validation of emulated units from this host alone: healthy ones pass, and of a flawed one the flaw is named.
@Suite struct TargetValidationTests {
    /// An image with a partition table in a folder of its own, removed with the value.
    private final class Image: Sendable {
        let folder: URL
        let path: String

        init() throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("clusprep-validation-\(UUID())")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            path = folder.appendingPathComponent("disk.img").path
            try #require(FileManager.default.createFile(atPath: path, contents: nil))
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try file.truncate(atOffset: 4 << 20)
            try file.close()
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        func unit(_ index: Int) throws -> EmulatedLogicalUnit {
            try EmulatedLogicalUnit(image: path, initiator: .node("initiator\(index)"))
        }
    }

    private func options() throws -> TargetValidation.Options {
        var options = TargetValidation.Options()
        options.timing = try #require(OwnershipTiming(challenge: .seconds(3), defence: .milliseconds(100)))
        options.listening = .zero ... .zero
        options.clock = TurnClock()
        // Which nobody advances: no command is ever late.
        options.commandClock = ManualClock()
        return options
    }

    @Test func aHealthyUnitPasses() async throws {
        let image = try Image()
        let validation = TargetValidation(target: "disk.img", options: try options()) { try image.unit($0) }
        let plan = try await validation.plan()
        #expect(!plan.isInUse)
        let report = await validation.run(plan, generator: "test")
        for test in report.tests {
            #expect(test.verdict == .passed, "\(test.id): \(test.summary)")
        }
        #expect(report.verdict == .passed)
        #expect(report.exitStatus == 0)
        #expect(report.tests.map(\.id) == TargetValidation.tests.map(\.id))
        let disk = try Disk(transport: image.unit(0))
        #expect(try disk.readKeys().keys.isEmpty)
        #expect(try disk.readReservation().holder == nil)
        // What was written was put back: an empty disk is empty.
        #expect(try disk.read(block: 0, count: Int(disk.blockCount)).allSatisfy { $0 == 0 })
    }

    /// The test and the command that each flaw is to be blamed on.
    private static let blame: [Flaw: (test: TestDescription, command: SCSICommandName)] = [
        .registrationTiedToTheSession: (TargetValidation.reservations, .register),
        .reserveIgnoresTheType: (TargetValidation.reservations, .reserve),
        .clearKeepsKeys: (TargetValidation.reservations, .clear),
        .writesNotKeptOut: (TargetValidation.reservations, .write),
        .readsNotKeptOut: (TargetValidation.reservations, .read),
        .preemptChangesNothing: (TargetValidation.reservations, .preempt),
        .preemptKeepsItsVictim: (TargetValidation.reservations, .preempt),
        .abortUnsupported: (TargetValidation.reservations, .preemptAndAbort),
        .identifierDiffers: (TargetValidation.identity, .identification),
        .identifierMissing: (TargetValidation.identity, .identification),
        .slowToRead: (TargetValidation.latency, .read),
        .releaseChangesNothing: (TargetValidation.reservations, .release),
        .releaseByAnybody: (TargetValidation.reservations, .release),
        .registerBelievesAnyKey: (TargetValidation.reservations, .register),
        .reserveByStrangers: (TargetValidation.reservations, .reserve),
        .registrantsKeptOut: (TargetValidation.reservations, .write),
        .generationStandsStill: (TargetValidation.reservations, .register),
        .keysOfOthersHidden: (TargetValidation.reservations, .readKeys),
        .leavingKeepsTheReservation: (TargetValidation.reservations, .register),
        .readersKeptOut: (TargetValidation.reservations, .read),
        .writesLost: (TargetValidation.failover, .write),
        .typeMissing: (TargetValidation.reservations, .reportCapabilities),
        .ignoreUnsupported: (TargetValidation.reservations, .registerAndIgnore),
        .changeOfKeyUnsupported: (TargetValidation.reservations, .register),
    ]

    @Test(arguments: Flaw.allCases) func aFlawIsNamed(_ flaw: Flaw) async throws {
        let (test, command) = try #require(Self.blame[flaw])
        let image = try Image()
        var options = try options()
        // A slow unit makes everything slow.
        options.include = [test.id]
        let path = image.path
        let validation = TargetValidation(target: "disk.img", options: options) {
            try BrokenUnit(image: path, index: $0, flaw: flaw)
        }
        let report = await validation.run(try await validation.plan(), generator: "test")
        let result = try #require(report.tests.first { $0.id == test.id })
        #expect(result.verdict == .failed, "\(result.summary)")
        let errors = result.findings.filter { $0.severity == .error }
        #expect(errors.first?.command == command.text, "\(errors.map { "\($0.command ?? "-"): \($0.text)" })")
        #expect(
            Set(errors.compactMap(\.command)) == [command.text], "\(errors.map { "\($0.command ?? "-"): \($0.text)" })")
        #expect(report.exitStatus == 1)
    }

    @Test func aUnitInUseIsLeftAlone() async throws {
        let image = try Image()
        let somebody = try Disk(transport: EmulatedLogicalUnit(image: image.path, initiator: .node("somebody")))
        let key = ReservationKey(rawValue: 0x1234)
        try somebody.register(existing: .none, new: key)
        try somebody.reserve(key: key, type: .writeExclusiveRegistrantsOnly)
        let generation = try somebody.readKeys().generation
        let validation = TargetValidation(target: "disk.img", options: try options()) { try image.unit($0) }
        let plan = try await validation.plan()
        #expect(plan.isInUse && plan.registrations == [key])
        let report = await validation.run(plan, generator: "test")
        #expect(
            report.tests.filter { $0.verdict == .unfinished }.map(\.id)
                == TargetValidation.tests.filter(\.changesDisks).map(\.id))
        #expect(report.exitStatus == 2)
        #expect(try somebody.readKeys() == RegisteredKeys(generation: generation, keys: [key]))
    }

    // MARK: Two at once

    private static func elsewhere(_ path: String) throws -> Disk {
        try Disk(transport: EmulatedLogicalUnit(image: path, initiator: .node("elsewhere")))
    }

    @Test func anotherValidationIsHeardBeforeAnythingIsChanged() async throws {
        let image = try Image()
        let validation = TargetValidation(target: "disk.img", options: try options()) { try image.unit($0) }
        let plan = try await validation.plan()
        let other = try Self.elsewhere(image.path)
        let key = ReservationKey.unique(nodeName: OtherValidations.keyNames[1])
        try other.register(existing: .none, new: key)
        let generation = try other.readKeys().generation
        let report = await validation.run(plan, generator: "test")
        for test in report.tests {
            let description = try #require(TargetValidation.tests.first { $0.id == test.id })
            #expect(test.verdict == (description.changesDisks ? .unfinished : .passed), "\(test.id): \(test.summary)")
            if description.changesDisks { #expect(test.summary.contains("another validation"), "\(test.summary)") }
        }
        #expect(report.exitStatus == 2)
        #expect(try other.readKeys() == RegisteredKeys(generation: generation, keys: [key]))
    }

    @Test func whatAnotherValidationDoesIsNotTheUnitsFault() async throws {
        let image = try Image()
        var options = try options()
        options.include = [TargetValidation.reservations.id]
        let validation = TargetValidation(target: "disk.img", options: options) { try image.unit($0) }
        let plan = try await validation.plan()
        let key = ReservationKey.unique(nodeName: OtherValidations.keyNames[0])
        let path = image.path
        let report = await validation.run(plan, generator: "test") { event in
            guard case .step(_, let step) = event, step.call?.name == SCSICommandName.reserve.text,
                let other = try? Self.elsewhere(path), (try? other.readKeys().keys.contains(key)) == false
            else { return }
            try? other.register(existing: .none, new: key)
            if let holder = try? other.readReservation().holder {
                try? other.preempt(key: key, victim: holder.key, type: holder.type)
            }
        }
        let result = try #require(report.tests.first { $0.id == TargetValidation.reservations.id })
        #expect(result.verdict == .unfinished)
        #expect(result.summary.contains("another validation"), "\(result.summary)")
        #expect(result.findings.allSatisfy { $0.severity != .error }, "\(result.findings)")
        #expect(try Self.elsewhere(path).readKeys().keys == [key], "the other one's registration was not touched")
        #expect(report.cleanup.allSatisfy { $0.outcome == .good })
    }

    @Test func aValidationThatWasKilledIsKnownByItsKeys() async throws {
        let image = try Image()
        try Self.elsewhere(image.path).register(
            existing: .none, new: ReservationKey.unique(nodeName: OtherValidations.keyNames[0]))
        let validation = TargetValidation(target: "disk.img", options: try options()) { try image.unit($0) }
        let report = await validation.run(try await validation.plan(), generator: "test")
        let result = try #require(report.tests.first { $0.id == TargetValidation.reservations.id })
        #expect(result.summary.hasSuffix("It is another validation, which is at work, or was killed."))
    }

    @Test func whoRegistersAfterThePlanKeepsTheUnit() async throws {
        let image = try Image()
        let validation = TargetValidation(target: "disk.img", options: try options()) { try image.unit($0) }
        let plan = try await validation.plan()
        let cluster = try Self.elsewhere(image.path)
        let key = ReservationKey(rawValue: 0x1234)
        try cluster.register(existing: .none, new: key)
        try cluster.reserve(key: key, type: .writeExclusiveRegistrantsOnly)
        let generation = try cluster.readKeys().generation
        let report = await validation.run(plan, generator: "test")
        let result = try #require(report.tests.first { $0.id == TargetValidation.reservations.id })
        #expect(result.verdict == .unfinished)
        #expect(result.summary.contains("somebody else has begun to use the unit"), "\(result.summary)")
        #expect(report.exitStatus == 2)
        #expect(try cluster.readKeys() == RegisteredKeys(generation: generation, keys: [key]))
        #expect(try cluster.readReservation().holder?.key == key)
    }

    @Test func whoRegistersInTheMiddleOfATestKeepsTheUnit() async throws {
        let image = try Image()
        var options = try options()
        options.include = [TargetValidation.reservations.id]
        let validation = TargetValidation(target: "disk.img", options: options) { try image.unit($0) }
        let plan = try await validation.plan()
        let cluster = try Self.elsewhere(image.path)
        let key = ReservationKey(rawValue: 0x1234)
        let report = await validation.run(plan, generator: "test") { event in
            guard case .step(_, let step) = event, step.text == "Change the key, naming a wrong one" else { return }
            try? cluster.register(existing: .none, new: key)
        }
        #expect(report.exitStatus == 2, "\(report.tests.map(\.summary))")
        #expect(try cluster.readKeys().keys == [key])
        #expect(report.cleanup.allSatisfy { $0.outcome == .good }, "\(report.cleanup)")
    }

    // MARK: Interrupted

    @Test func aCancelledValidationPutsEverythingBack() async throws {
        let image = try Image()
        let validation = TargetValidation(target: "disk.img", options: try options()) { try image.unit($0) }
        let plan = try await validation.plan()
        let task = Mailbox()
        let run = Task {
            await validation.run(plan, generator: "test") { event in
                // In the middle of things: somebody holds the reservation.
                if case .step(_, let step) = event, step.call?.name == SCSICommandName.reserve.text { task.cancel() }
            }
        }
        task.set(run)
        let report = await run.value
        #expect(report.tests.contains { $0.verdict == .unfinished })
        #expect(report.cleanup.allSatisfy { $0.outcome == .good })
        let disk = try Disk(transport: image.unit(0))
        #expect(try disk.readKeys().keys.isEmpty)
        #expect(try disk.readReservation().holder == nil)
    }

    /// Runs one test, and cancels the validation at one of its steps.
    private func interrupted(_ image: Image, in test: TestDescription, at text: String) async throws -> ValidationReport
    {
        var options = try options()
        options.include = [test.id]
        let validation = TargetValidation(target: "disk.img", options: options) { try image.unit($0) }
        let plan = try await validation.plan()
        let task = Mailbox()
        let run = Task {
            await validation.run(plan, generator: "test") { event in
                if case .step(_, let step) = event, step.text.hasPrefix(text) { task.cancel() }
            }
        }
        task.set(run)
        return await run.value
    }

    @Test(arguments: ["Change the key, naming the right one", "Register another key, whatever the present one is"])
    func aKeyThatWasChangedIsTakenOffAfterAnInterruption(step text: String) async throws {
        let image = try Image()
        let report = try await interrupted(image, in: TargetValidation.reservations, at: text)
        #expect(report.exitStatus == 2)
        #expect(report.cleanup.allSatisfy { $0.outcome == .good })
        #expect(try Disk(transport: image.unit(0)).readKeys().keys.isEmpty, "\(report.cleanup)")
    }

    @Test func anInterruptedRaceIsNotWon() async throws {
        let image = try Image()
        let report = try await interrupted(image, in: TargetValidation.simultaneous, at: "Round 1")
        let result = try #require(report.tests.first { $0.id == TargetValidation.simultaneous.id })
        #expect(result.verdict == .unfinished)
        #expect(result.steps.count == 1)
        #expect(try Disk(transport: image.unit(0)).readKeys().keys.isEmpty)
    }

    // MARK: Units that go away

    /// Where the next PERSISTENT RESERVE OUT meets nobody any more: behind a step, or from the test's beginning on.
    @Test(arguments: [
        (TargetValidation.reservations, "Read the keys of a unit that nobody is registered with"),
        (TargetValidation.failover, nil), (TargetValidation.arbitration, nil), (TargetValidation.simultaneous, nil),
    ])
    func aUnitThatGoesAwayIsNotBlamed(test: TestDescription, after text: String?) async throws {
        let image = try Image()
        var options = try options()
        options.include = [test.id]
        let leaving = Leaving()
        let validation = TargetValidation(target: "disk.img", options: options) {
            LeavingUnit(try image.unit($0), leaving)
        }
        let report = await validation.run(try await validation.plan(), generator: "test") { event in
            switch event {
            case .began where text == nil: leaving.arm()
            case .step(_, let step) where step.text == text: leaving.arm()
            default: break
            }
        }
        let result = try #require(report.tests.first { $0.id == test.id })
        #expect(result.verdict == .unfinished, "\(result.summary)")
        #expect(result.findings.allSatisfy { $0.severity != .error }, "\(result.findings)")
        #expect(report.exitStatus == 2)
    }

    /// What ends the session but answers in the next one has failed the command.
    @Test func aUnitThatDropsTheSessionIsBlamed() async throws {
        let image = try Image()
        var options = try options()
        options.include = [TargetValidation.reservations.id]
        let leaving = Leaving(comesBack: true)
        let validation = TargetValidation(target: "disk.img", options: options) {
            LeavingUnit(try image.unit($0), leaving)
        }
        let report = await validation.run(try await validation.plan(), generator: "test") { event in
            if case .step(_, let step) = event, step.text == "Read the keys of a unit that nobody is registered with" {
                leaving.arm()
            }
        }
        let result = try #require(report.tests.first { $0.id == TargetValidation.reservations.id })
        #expect(result.verdict == .failed, "\(result.summary)")
        #expect(report.exitStatus == 1)
    }

    @Test func thePlanTellsWhatAKernelCallsTheUnit() async throws {
        let image = try Image()
        let validation = TargetValidation(target: "disk.img", options: try options()) { try image.unit($0) }
        let names = try await validation.plan().kernelNames
        #expect(names.contains { $0.wholeMatch(of: /naa\.[0-9a-f]{16}/) != nil }, "\(names)")
    }

    @Test func testsGoByTheirNames() async throws {
        let image = try Image()
        var options = try options()
        options.include = ["validate disk failover", "list-disks"]
        options.exclude = ["List Potential Cluster Disks"]
        let validation = TargetValidation(target: "disk.img", options: options) { try image.unit($0) }
        #expect(try await validation.plan().tests == [TargetValidation.failover])
    }
}

/// When units go away.
private final class Leaving: Sendable {
    private enum State { case present, armed, gone }
    private let state = Mutex(State.present)
    private let comesBack: Bool

    init(comesBack: Bool = false) {
        self.comesBack = comesBack
    }

    func arm() { state.withLock { $0 = .armed } }

    /// Whether nobody answers a command; the first PERSISTENT RESERVE OUT makes it so.
    func isGone(at code: UInt8) -> Bool {
        state.withLock { state in
            if state == .armed, code == 0x5F {
                state = comesBack ? .present : .gone
                return true
            }
            return state == .gone
        }
    }
}

/// A unit whose connection ends.
private final class LeavingUnit: SCSITransport {
    struct Gone: Error {}
    let name = "leaving"
    var attachment: DiskAttachment { inner.attachment }
    private let inner: EmulatedLogicalUnit
    private let leaving: Leaving

    init(_ inner: EmulatedLogicalUnit, _ leaving: Leaving) {
        self.inner = inner
        self.leaving = leaving
    }

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        if leaving.isGone(at: cdb[0]) { throw SCSIError.transport(name: name, cause: Gone()) }
        return inner.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
    }
}

/// Lets a task's own work cancel it.
private final class Mailbox: Sendable {
    private let task = NSLock()
    nonisolated(unsafe) private var value: Task<ValidationReport, Never>?
    nonisolated(unsafe) private var isCancelled = false

    func set(_ task: Task<ValidationReport, Never>) {
        self.task.withLock {
            value = task
            if isCancelled { task.cancel() }
        }
    }

    func cancel() {
        task.withLock {
            isCancelled = true
            value?.cancel()
        }
    }
}

/// A clock that stands still until two wait for it, an owner and a challenger, and then goes on to the earlier one's time: so an owner
/// has looked at its disk before a challenge is over, however busy the machine is.
private final class TurnClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration

        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        var deadline: Instant
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now = Instant(offset: .zero)
        var next = 0
        var sleepers: [Int: Sleeper] = [:]
        var cancelled: Set<Int> = []

        /// Who is to wake up: nobody while fewer than two wait.
        mutating func wake() -> [CheckedContinuation<Void, any Error>] {
            guard sleepers.count > 1, let earliest = sleepers.values.map(\.deadline).min() else { return [] }
            now = max(now, earliest)
            let due = sleepers.filter { $0.value.deadline <= earliest }
            for number in due.keys { sleepers[number] = nil }
            return due.values.map(\.continuation)
        }
    }

    private let state = Mutex(State())

    var now: Instant { state.withLock(\.now) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let number = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let woken = state.withLock { state -> [CheckedContinuation<Void, any Error>]? in
                    if state.cancelled.remove(number) != nil { return nil }
                    state.sleepers[number] = Sleeper(deadline: deadline, continuation: continuation)
                    return state.wake()
                }
                if woken == nil { continuation.resume(throwing: CancellationError()) }
                woken?.forEach { $0.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: number)
                if sleeper == nil { state.cancelled.insert(number) }
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
