import TestSupport
import Testing

@testable import Reservations

/// A path is lost at every step there is: each command of a sequence, before the unit and behind it, on each path.
@Suite(.offThePool) struct MultipathLossTests {
    /// What a host does with a unit; each ends well, whatever happens to one of its paths.
    enum Step: CaseIterable {
        case register, change, reserve, write, preemptOwn, release, preempt, clear, unregister
    }

    struct Scenario: CustomTestStringConvertible, Sendable {
        var step: Step
        var type: ReservationType
        var path: Int
        var loss: CablePath.Loss

        var testDescription: String { "\(step) with \(type), path \(path) lost \(loss) the command" }

        static var all: [Scenario] {
            Step.allCases.flatMap { step in
                [ReservationType.writeExclusive, .writeExclusiveRegistrantsOnly, .exclusiveAccessAllRegistrants]
                    .flatMap { type in
                        (0..<3).flatMap { path in
                            [CablePath.Loss.before, .after].map {
                                Scenario(step: step, type: type, path: path, loss: $0)
                            }
                        }
                    }
            }
        }
    }

    /// Runs the step with the path lost at its first, second, third … command, until there is no such command any more.
    @Test(arguments: Scenario.all) func everyStepSurvivesTheLossOfAPath(_ scenario: Scenario) throws {
        for count in 0..<40 {
            let image = try TemporaryImage()
            let host = try MultipathHost(image)
            let other = try image.disk(2)
            try prepare(scenario, host, other)
            let path = host.paths[scenario.path]
            path.cut(after: count, scenario.loss)
            try run(scenario, host)
            let wasCut = path.isDown
            try check(scenario, host, other)
            path.isDown = false
            host.transport.probeFailedPaths()
            #expect(host.transport.failedPaths == [], "after \(count)")
            try check(scenario, host, other, complete: true)
            if !wasCut { return }
        }
        Issue.record("the step does not come to an end")
    }

    private func prepare(_ scenario: Scenario, _ host: MultipathHost, _ other: Disk) throws {
        switch scenario.step {
        case .register: return
        case .preempt:
            try other.register(existing: .none, new: key(0xB))
            try other.reserve(key: key(0xB), type: .writeExclusiveRegistrantsOnly)
            try host.disk.register(existing: .none, new: key(0xA))
        case .change, .reserve:
            try host.disk.register(existing: .none, new: key(0xA))
        case .write, .preemptOwn, .release, .clear, .unregister:
            try host.disk.register(existing: .none, new: key(0xA))
            try host.disk.reserve(key: key(0xA), type: scenario.type)
        }
    }

    private func run(_ scenario: Scenario, _ host: MultipathHost) throws {
        let (disk, type) = (host.disk, scenario.type)
        switch scenario.step {
        case .register: try disk.register(existing: .none, new: key(0xA))
        case .change: try disk.register(existing: key(0xA), new: key(0xC))
        case .reserve: try disk.reserve(key: key(0xA), type: type)
        case .write: try disk.write(block: 5, [UInt8](repeating: 5, count: 512))
        case .preemptOwn:
            try disk.preempt(key: key(0xA), victim: type.isAllRegistrants ? .none : key(0xA), type: type)
        case .release: try disk.release(key: key(0xA), type: type)
        case .preempt: try disk.preempt(key: key(0xA), victim: key(0xB), type: type)
        case .clear: try disk.clearReservations(key: key(0xA))
        case .unregister: try disk.register(existing: key(0xA), new: .none)
        }
    }

    private func check(_ scenario: Scenario, _ host: MultipathHost, _ other: Disk, complete: Bool = false) throws {
        let keys = try other.readKeys().keys
        let holder = try other.readReservation().holder
        switch scenario.step {
        case .register, .change, .release: #expect(holder == nil)
        case .clear, .unregister:
            #expect(holder == nil)
            #expect(keys.isEmpty)
            return
        case .reserve, .write, .preemptOwn, .preempt:
            let expected = scenario.type.isAllRegistrants ? ReservationKey.none : key(0xA)
            #expect(holder == .init(key: expected, type: scenario.type))
            try host.disk.write(block: 6, [UInt8](repeating: 6, count: 512))
        }
        let ours = scenario.step == .change ? key(0xC) : key(0xA)
        if complete {
            #expect(keys == [ours, ours, ours])
        } else {
            #expect(keys.count(where: { $0 == ours }) >= 2)
            #expect(!keys.contains(key(0xB)))
        }
    }
}
