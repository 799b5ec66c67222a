import Foundation
import Reservations
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
