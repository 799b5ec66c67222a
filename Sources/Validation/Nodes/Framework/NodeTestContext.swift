import ClusterProtocols
import ErrorCodes
import Synchronization

/// What a test of nodes works with: the nodes and disks, a way to call them that takes everything down, and the ledger.
final class NodeTestContext: Sendable {
    /// What the tests of the validation share.
    let run: NodeRun
    /// What takes the test down.
    let recorder: TestRecorder
    private let gaps = Mutex<[String]>([])
    private let storages: StorageObjects

    init(run: NodeRun, recorder: TestRecorder) {
        self.run = run
        self.recorder = recorder
        storages = StorageObjects(run: run, recorder: recorder)
    }

    /// The nodes that answer, in the order in which the user named them.
    var nodes: [any ValidatedNode] { run.presentNodes }

    /// The disks that may be tested.
    var disks: [SharedDisk] { run.presentDisks }

    // MARK: Calls

    /// Calls a node, and takes down how it went.
    ///
    /// - Parameters:
    ///   - text: what is done, for the report.
    ///   - detail: what the answer says, for the report.
    /// - Throws: ``NodeFailure``, `CancellationError`.
    @discardableResult
    func call<Answer: Sendable>(
        _ text: String, on node: any ValidatedNode, _ method: NodeMethod, disk: SharedDisk? = nil,
        detail: (Answer) -> String? = { _ in nil }, _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        let began = recorder.now
        do {
            let answer = try await CallLimit.run(run.callLimit, clock: run.clock, body)
            take(text, node, method, disk, .ok, .good, detail(answer), began)
            return answer
        } catch {
            throw try failure(error, text, on: node, method, disk, began: began, outcome: .bad)
        }
    }

    /// Calls a node where either end of the call tells something.
    ///
    /// - Parameter judge: what to make of the answer, or of the code; also whether it is as it should be.
    /// - Returns: the answer, or the code.
    /// - Throws: ``NodeFailure`` where there was neither, `CancellationError`.
    func ask<Answer: Sendable>(
        _ text: String, on node: any ValidatedNode, _ method: NodeMethod, disk: SharedDisk? = nil,
        judging judge: (Result<Answer, HRESULT>) -> (outcome: TestStep.Outcome, detail: String?),
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Result<Answer, HRESULT> {
        let began = recorder.now
        do {
            let answer = try await CallLimit.run(run.callLimit, clock: run.clock, body)
            let judgement = judge(.success(answer))
            take(text, node, method, disk, .ok, judgement.outcome, judgement.detail, began)
            return .success(answer)
        } catch let code as HRESULT {
            let judgement = judge(.failure(code))
            take(text, node, method, disk, code, judgement.outcome, judgement.detail, began)
            return .failure(code)
        } catch {
            throw try failure(error, text, on: node, method, disk, began: began, outcome: .bad)
        }
    }

    /// Takes down what follows from what was seen.
    ///
    /// - Returns: the condition.
    @discardableResult
    func conclude(_ condition: Bool, _ text: String, disk: SharedDisk? = nil, detail: String? = nil) -> Bool {
        recorder.add(
            TestStep(text, disk: disk?.name, outcome: condition ? .good : .bad, detail: detail, began: recorder.now))
        return condition
    }

    /// Says what the test could not look at: it did not come to its end.
    func miss(_ what: String) {
        gaps.withLock { if !$0.contains(what) { $0.append(what) } }
    }

    /// What the test could not look at, as a sentence; nil where it saw everything.
    var missed: String? {
        let gaps = gaps.withLock(\.self)
        return gaps.isEmpty ? nil : gaps.joined(separator: " ")
    }

    // MARK: Nodes and disks at once

    /// Does something for each node, all at the same time. What goes wrong with one does not keep the others: a code that a node
    /// returned becomes a finding, a lost node something that the test could not look at.
    ///
    /// - Throws: `CancellationError`.
    /// - Returns: what the body returned, by the node's name.
    @discardableResult
    func forEachNode<Value: Sendable>(
        _ body: @escaping @Sendable (any ValidatedNode) async throws -> Value
    ) async throws -> [String: Value] {
        try await withThrowingTaskGroup(of: (String, Value?).self) { group in
            for node in nodes {
                group.addTask { (node.name, try await self.tolerating(node.name) { try await body(node) }) }
            }
            var values: [String: Value] = [:]
            for try await (name, value) in group { values[name] = value }
            return values
        }
    }

    /// Does something for each disk, all at the same time, as ``forEachNode(_:)`` does.
    @discardableResult
    func forEachDisk<Value: Sendable>(
        _ body: @escaping @Sendable (SharedDisk) async throws -> Value
    ) async throws -> [Int: Value] {
        try await withThrowingTaskGroup(of: (Int, Value?).self) { group in
            for disk in disks {
                group.addTask { (disk.index, try await self.tolerating(disk.name) { try await body(disk) }) }
            }
            var values: [Int: Value] = [:]
            for try await (index, value) in group { values[index] = value }
            return values
        }
    }

    /// Runs the body; what a node says against it is taken down, and nil returned.
    ///
    /// - Parameter subject: what the finding is about where the failure names no disk.
    /// - Throws: `CancellationError`.
    func tolerating<Value: Sendable>(
        _ subject: String, _ body: () async throws -> Value
    ) async throws -> Value? {
        do {
            return try await body()
        } catch let failure as NodeFailure {
            report(failure, subject: subject)
            return nil
        }
    }

    /// Takes a failure down: a lost node as what could not be looked at, anything else as a finding.
    func report(_ failure: NodeFailure, subject: String? = nil) {
        let about = [failure.disk ?? subject, failure.node].compactMap(\.self)
        if failure.isLoss {
            miss("\(failure.node) was lost: \(failure).")
        } else {
            recorder.add(
                Finding(
                    .error, about.first == about.last ? about[0] : about.joined(separator: " on "), "\(failure).",
                    advice: NodeAdvice.words(for: failure), command: failure.method.name))
        }
    }

    // MARK: Storage

    /// The node's storage object for this test: activated and prepared at the first call, given back at the test's end.
    func storage(on node: any ValidatedNode) async throws -> any StorageCalls {
        try await storages.object(on: node, for: self)
    }

    /// Gives everything back that the test still has; what could not be given back stays in the ledger.
    func close() async {
        await storages.close()
    }

    // MARK: Pieces

    private func take(
        _ text: String, _ node: any ValidatedNode, _ method: NodeMethod, _ disk: SharedDisk?, _ code: HRESULT?,
        _ outcome: TestStep.Outcome, _ detail: String?, _ began: Double
    ) {
        recorder.add(
            TestStep(
                text, node: node.name, disk: disk?.name,
                call: TestStep.Call(
                    interface: method.interface, name: method.name, number: method.opnum,
                    result: code.map { code in "0x" + hexadecimal(code.rawValue).dropFirst(2).uppercased() },
                    meaning: code?.words),
                outcome: outcome, detail: detail, began: began, took: recorder.now - began))
    }

    private func failure(
        _ error: any Error, _ text: String, on node: any ValidatedNode, _ method: NodeMethod, _ disk: SharedDisk?,
        began: Double, outcome: TestStep.Outcome
    ) throws -> NodeFailure {
        // A call that was cancelled may end with whatever the node made of that.
        if Task.isCancelled { throw CancellationError() }
        guard let failure = NodeFailure(error, node: node.name, method: method, disk: disk?.name) else {
            throw CancellationError()
        }
        take(text, node, method, disk, failure.code, failure.isLoss ? .lost : outcome, failure.kind.detail, began)
        if failure.isLoss { run.lose(node.name, because: "\(failure)") }
        return failure
    }
}
