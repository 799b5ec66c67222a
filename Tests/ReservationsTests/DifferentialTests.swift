import Foundation
import TestSupport
import Testing

@testable import Reservations

/// Random sequences of commands from three nexuses to the emulated unit and to a unit of tgtd's: same status, same sense, same keys,
/// same holder, same unit attentions, or a line of ``KnownDifference``.
///
/// `CLUSPREP_DIFFERENTIAL_SEQUENCES` is the number of sequences, 500 unless told; `CLUSPREP_DIFFERENTIAL_SEED` the first one's seed,
/// the next one's being one more. A sequence that fails is told with its seed and its commands.
@Suite(.offThePool, .enabled(if: TargetDaemon.isInstalled, "install tgt")) struct DifferentialTests {
    static let blocks = 64
    static let steps = 12

    static func setting(_ name: String, _ standard: UInt64) -> UInt64 {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? standard
    }

    @Test func sequencesOfCommands() throws {
        let count = Self.setting("CLUSPREP_DIFFERENTIAL_SEQUENCES", 500)
        let first = Self.setting("CLUSPREP_DIFFERENTIAL_SEED", 1)
        print("differential test against tgtd: \(count) sequences, seeds \(first) to \(first + count - 1)")
        let pair = try DifferentialPair()
        for seed in first..<first + count {
            if let failure = try pair.run(seed: seed, steps: Self.steps) {
                Issue.record("seed \(seed): \(failure)")
                return
            }
        }
        print("differential test against tgtd: \(pair.report)")
    }
}

/// The two units, each with the paths of three nexuses.
final class DifferentialPair {
    private let image: TemporaryImage
    private let daemon: TargetDaemon
    private let ours: [EmulatedLogicalUnit]
    private let theirs: [ISCSITransport]
    private var commands = 0
    private var differences: [String: Int] = [:]

    init() throws {
        // Memory, where the machine has it as a file system: the state is brought onto stable storage with every change.
        let parent = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
        let image = try TemporaryImage(blocks: DifferentialTests.blocks, in: parent)
        let daemon = try TargetDaemon(octets: DifferentialTests.blocks * 512)
        self.image = image
        self.daemon = daemon
        ours = try (0..<DifferentialGenerator.nexuses).map { try image.unit($0) }
        theirs = try (0..<DifferentialGenerator.nexuses).map { try ISCSITransport(node: $0, port: daemon.port) }
    }

    /// How many commands were compared, and how often which difference was met.
    var report: String {
        "\(commands) commands compared\n"
            + differences.sorted { $0.key < $1.key }.map { "  \($0.value) times: \($0.key)" }.joined(separator: "\n")
    }

    /// Runs a sequence; what differed, or nil.
    func run(seed: UInt64, steps: Int) throws -> String? {
        try reset()
        var generator = DifferentialGenerator(seed: seed)
        var done: [DifferentialStep] = []
        for _ in 0..<steps {
            let state = try ours[0].store.read { $0 }
            let step = generator.next(state.reservations, ours.map(\.nexus))
            done.append(step)
            let known = KnownDifference.of(step, in: state, from: ours[step.nexus].nexus)
            if let failure = try compare(step, in: state, known) {
                return failure + "\n" + done.map(\.description).joined(separator: "\n")
            }
            if known?.separates == true { return nil }
        }
        return nil
    }

    private func compare(_ step: DifferentialStep, in before: UnitState, _ known: KnownDifference?) throws -> String? {
        let counts = try (generation(ours[0]), generation(theirs[0]))
        let mine = DifferentialAnswer(try send(step, to: ours))
        let other = DifferentialAnswer(try send(step, to: theirs))
        commands += 1
        if mine != other {
            guard let known else { return "\(mine) here, \(other) at tgtd" }
            guard known.theirs.contains(other) else {
                return "\(mine) here, \(other) at tgtd, not as in: \(known.clause)"
            }
            differences[known.clause, default: 0] += 1
        }
        if known?.separates == true { return nil }
        if let failure = try compareAttentions(after: step, in: before.reservations) { return failure }
        // While a RESERVE stands there is no PERSISTENT RESERVE IN here (SPC-2 5.5.1).
        guard case .persistentReserveOut = step.command, before.legacyReservation == nil else { return nil }
        let registered = try (keys(ours[0]), keys(theirs[0]))
        if registered.0 != registered.1 { return "keys \(registered.0) here, \(registered.1) at tgtd" }
        let holder = try (reservation(ours[0]), reservation(theirs[0]))
        if holder.0 != holder.1 { return "reservation \(holder.0) here, \(holder.1) at tgtd" }
        let moved = try (generation(ours[0]) != counts.0, generation(theirs[0]) != counts.1)
        if moved.0 != moved.1,
            KnownDifference.comparesGeneration(step, in: before.reservations, from: ours[step.nexus].nexus)
        {
            return "PRgeneration moved: \(moved.0) here, \(moved.1) at tgtd"
        }
        return nil
    }

    private func compareAttentions(after step: DifferentialStep, in before: PersistentReservations) throws -> String? {
        guard case .persistentReserveOut = step.command else { return nil }
        let rule = KnownDifference.attentions(after: step, in: before, from: ours[step.nexus].nexus)
        for nexus in ours.indices {
            let mine = try drain(ours[nexus])
            var other = try drain(theirs[nexus])
            switch rule {
            case .same: break
            case .incomparable: continue
            case .preempted:
                // Those that lost their registration are the ones that were told of a preemption.
                if other.remove(.reservationsPreempted) != nil { other.insert(.registrationsPreempted) }
            }
            if mine != other { return "unit attentions of \(nexus): \(mine) here, \(other) at tgtd" }
        }
        return nil
    }

    private func send(_ step: DifferentialStep, to paths: [any SCSITransport]) throws -> SCSIResult {
        try paths[step.nexus].execute(cdb: step.command.cdb, dataOut: step.dataOut, dataInLength: 512)
    }

    /// Takes the unit attentions of a nexus.
    private func drain(_ path: any SCSITransport) throws -> Set<AdditionalSenseCode> {
        var told: Set<AdditionalSenseCode> = []
        // Neither unit keeps more for one nexus than there are codes.
        for _ in 0..<64 {
            let result = try path.execute(cdb: SCSICommand.testUnitReady.cdb, dataOut: [], dataInLength: 0)
            guard result.status == .checkCondition, let sense = result.sense, sense.key == .unitAttention else { break }
            told.insert(sense.code)
        }
        return told
    }

    /// Nobody registered, nothing reserved, nothing to tell.
    private func reset() throws {
        for paths in [ours as [any SCSITransport], theirs as [any SCSITransport]] {
            for path in paths {
                _ = try drain(path)
                _ = try path.execute(cdb: SCSICommand.release6.cdb, dataOut: [], dataInLength: 0)
            }
            let steps: [DifferentialStep] = [
                .reserveOut(0, .registerAndIgnoreExistingKey, to: 9), .reserveOut(0, .clear, key: 9),
            ]
            for step in steps { try #require(try send(step, to: paths).status == .good) }
            for path in paths {
                _ = try drain(path)
                // While others were registered this did nothing.
                _ = try path.execute(cdb: SCSICommand.release6.cdb, dataOut: [], dataInLength: 0)
            }
        }
    }

    private func reserveIn(_ action: SCSICommand.ReserveInAction, _ path: any SCSITransport) throws -> [UInt8] {
        let command = SCSICommand.persistentReserveIn(action, allocationLength: 256)
        return try path.execute(cdb: command.cdb, dataOut: [], dataInLength: 256).data
    }

    private func generation(_ path: any SCSITransport) throws -> UInt32 {
        let data = try reserveIn(.readKeys, path)
        return data.count >= 4 ? data.field32(0) : 0
    }

    /// The registered keys, in no order: the standard gives them none.
    private func keys(_ path: any SCSITransport) throws -> [UInt64] {
        let data = try reserveIn(.readKeys, path)
        guard data.count >= 8 else { return [] }
        return stride(from: 8, to: min(data.count, 8 + Int(data.field32(4))), by: 8).map { data.field64($0) }.sorted()
    }

    /// The holder's key, and scope and type; empty where there is no reservation.
    private func reservation(_ path: any SCSITransport) throws -> [UInt64] {
        let data = try reserveIn(.readReservation, path)
        guard data.count >= 22, data.field32(4) > 0 else { return [] }
        return [data.field64(8), UInt64(data[21])]
    }
}
