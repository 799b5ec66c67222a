import Reservations

/// Arbitration as this project's nodes do it: one challenges, the other defends, and after the owner has gone the challenger wins.
struct ArbitrationScenario: Sendable {
    let target: String
    let recorder: TestRecorder
    let executor: BlockingExecutor
    let timing: OwnershipTiming
    /// What the waiting goes by.
    let clock: any Clock<Duration>
    /// What the commands' limits go by.
    let commandClock: any Clock<Duration>
    /// Opens the unit as one of the two initiators: 0 or 1.
    let open: @Sendable (Int) throws -> any SCSITransport
    let names: [String]
    let keys: [ReservationKey]

    /// One after the other, as when a node joins a cluster whose disk is owned.
    func challenge() async throws {
        let (first, second) = try await owners()
        do {
            guard try await arbitrate(first, 0, "Take a free disk", mustWin: true) else {
                return try await end(first, second)
            }
            guard try await arbitrate(second, 1, "Challenge an owner that defends itself", mustWin: false) else {
                return try await end(first, second)
            }
            try await step("Stop defending", 0) { try await first.stopDefense() }
            _ = try await arbitrate(second, 1, "Take the disk that was given back", mustWin: true)
        } catch {
            try? await end(first, second)
            throw error
        }
        try await end(first, second)
    }

    /// Both at once, several times: at no time may both have won.
    func race() async throws {
        let (first, second) = try await owners()
        do {
            for round in 1...3 {
                try Task.checkCancellation()
                async let one = wins(first)
                async let other = wins(second)
                let winners = try await [one, other].enumerated().filter(\.element).map { names[$0.offset] }
                let text = "Round \(round): both arbitrate for a free disk at once"
                recorder.add(
                    TestStep(
                        text, outcome: winners.count == 1 ? .good : .bad,
                        detail: winners.isEmpty ? "nobody won" : "won: " + winners.joined(separator: ", "),
                        began: recorder.now))
                if winners.count != 1 {
                    recorder.add(
                        Finding(
                            .error, target,
                            winners.isEmpty
                                ? "Of two nodes that arbitrated for a free disk at once neither got it."
                                : "Two nodes that arbitrated for a free disk at once both got it: both would write.",
                            advice: "Look at the persistent reservation test for the command that is at fault.",
                            command: SCSICommandName.reserve.text))
                }
                try await first.stopDefense()
                try await second.stopDefense()
            }
        } catch {
            try? await end(first, second)
            throw error
        }
    }

    // MARK: Pieces

    private func owners() async throws -> (DiskOwnership, DiskOwnership) {
        let disks = try await executor.run { try (0...1).map { try Disk(transport: try open($0)) } }
        let owners = zip(disks, keys).map {
            DiskOwnership(
                disk: $0, key: $1, timing: timing, executor: executor, clock: clock, commandClock: commandClock)
        }
        return (owners[0], owners[1])
    }

    private func end(_ first: DiskOwnership, _ second: DiskOwnership) async throws {
        try await first.stopDefense()
        try await second.stopDefense()
    }

    /// - Throws: `CancellationError`, for a challenge that was called off has not been lost; what says that the unit is not there.
    private func wins(_ owner: DiskOwnership) async throws -> Bool {
        do {
            try await owner.arbitrate()
            return await owner.isOwned
        } catch let error as CancellationError {
            throw error
        } catch DiskOwnershipError.disk(let error as SCSIError) where error.isSilence {
            throw error
        } catch {
            return false
        }
    }

    /// Whether it ended as it must; what is wrong otherwise is taken down.
    private func arbitrate(_ owner: DiskOwnership, _ index: Int, _ text: String, mustWin: Bool) async throws -> Bool {
        let began = recorder.now
        var problem: String?
        do {
            try await owner.arbitrate()
        } catch let error as CancellationError {
            throw error
        } catch DiskOwnershipError.disk(let error as SCSIError) where error.isSilence {
            recorder.add(
                TestStep(
                    text, node: names[index], outcome: .lost, detail: "\(error)", began: began,
                    took: recorder.now - began))
            throw error
        } catch {
            problem = "\(error)"
        }
        let isRight = (problem == nil) == mustWin
        recorder.add(
            TestStep(
                text, node: names[index], outcome: isRight ? .good : .bad,
                detail: problem.map { "lost: \($0)" } ?? "owned", began: began, took: recorder.now - began))
        if !isRight {
            recorder.add(
                Finding(
                    .error, target,
                    mustWin
                        ? "\(text): arbitration failed, though nobody else owned the disk (\(problem ?? ""))."
                        : "A challenger took the disk from an owner that was defending it.",
                    advice: "Look at the persistent reservation test for the command that is at fault.",
                    command: mustWin ? SCSICommandName.reserve.text : SCSICommandName.preempt.text))
        }
        return isRight
    }

    private func step(_ text: String, _ index: Int, _ body: () async throws -> Void) async throws {
        let began = recorder.now
        try await body()
        recorder.add(
            TestStep(text, node: names[index], outcome: .good, began: began, took: recorder.now - began))
    }
}
