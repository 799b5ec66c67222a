import ClusPrepClient
import Synchronization

/// The storage objects of one test: one for each node that the test has asked for.
actor StorageObjects {
    private let run: NodeRun
    private let recorder: TestRecorder
    private var slots: [String: (node: any ValidatedNode, task: Task<any StorageCalls, any Error>)] = [:]
    private var keepers: [Task<Void, Never>] = []

    init(run: NodeRun, recorder: TestRecorder) {
        self.run = run
        self.recorder = recorder
    }

    /// Activates and prepares the node's object, once.
    func object(on node: any ValidatedNode, for context: NodeTestContext) async throws -> any StorageCalls {
        if let slot = slots[node.name] { return try await slot.task.value }
        // A task of its own: others may wait for the same object while the first to ask is cancelled.
        let run = run
        let task = Task { () -> any StorageCalls in
            let object = try await context.call(
                "Ask for a storage object", on: node, .activation(of: "ClusterStorage2")
            ) {
                try await node.storage()
            }
            do {
                try await context.call(
                    "Prepare the node", on: node, .prepareNode, detail: { "version \($0.major).\($0.minor)" }
                ) { try await object.prepareNode() }
                try await context.call(
                    "Have the node look for its disks", on: node, .prepareNodePhase2, detail: { "\($0) disks" }
                ) { try await object.prepareNodePhase2(flags: 0) }
                return object
            } catch {
                // The first error counts.
                await CallLimit.giveBack(object, within: run.callLimit, clock: run.clock)
                throw error
            }
        }
        slots[node.name] = (node, task)
        let object = try await task.value
        // A test with slow disks may take longer than a node keeps objects that nobody pings for.
        let clock = run.clock
        keepers.append(
            Task {
                try? await object.keepingAlive {
                    // Until it is cancelled.
                    while true { try await clock.sleep(for: .seconds(3600)) }
                }
            })
        return object
    }

    /// Undoes one thing in so many words. Where that fails, the release undoes it, or the end of the validation; a node that does not
    /// answer is lost.
    private static func undo(_ entry: CleanupLedger.Entry, with object: any StorageCalls, _ run: NodeRun) async {
        guard let number = entry.disk.places[entry.node]?.number else { return }
        do {
            try await CallLimit.run(run.callLimit, clock: run.clock) {
                switch entry.deed {
                case .online: try await object.offline(.number(number))
                case .owned: try await object.stopDefense(.number(number))
                case .registered: try await object.unregister(.number(number))
                case .file, .sector: break
                }
            }
        } catch {
            if case .lost(let reason)? = NodeFailure.Kind(error) { run.lose(entry.node, because: reason) }
        }
    }

    /// Gives all objects back, whatever has become of the test; a node undoes what an object that was given back has done.
    func close() async {
        for keeper in keepers { keeper.cancel() }
        let slots = slots
        self.slots = [:]
        let (run, recorder) = (run, recorder)
        // Tasks of their own: the test's may be cancelled, and this has to be done all the same.
        let releases = slots.values.map { slot in
            Task {
                guard let object = try? await slot.task.value else { return }
                let name = slot.node.name
                for entry in run.ledger.open where entry.node == name && entry.deed.endsWithObject {
                    // Who is silent is not asked for each of them: others free what it holds.
                    guard run.lost[name] == nil else { break }
                    await Self.undo(entry, with: object, run)
                }
                let limit = run.lost[name] == nil ? run.callLimit : min(run.callLimit, CallLimit.givingBack)
                let began = recorder.now
                do {
                    try await CallLimit.run(limit, clock: run.clock) { try await object.release() }
                    run.ledger.strike { $0.node == name && $0.deed.endsWithObject }
                } catch {
                    recorder.add(
                        TestStep(
                            "Give the storage object back", node: name,
                            call: TestStep.Call(
                                interface: NodeMethod.release.interface, name: NodeMethod.release.name,
                                number: NodeMethod.release.opnum),
                            outcome: .lost, detail: "\(error)", began: began, took: recorder.now - began))
                    run.lose(name, because: "\(error)")
                }
            }
        }
        for release in releases { await release.value }
    }
}

extension CleanupLedger.Entry.Deed {
    /// Whether a node undoes it when the object is given back ([MS-CSVP] 3.2.4: what is attached, owned and online is the object's).
    var endsWithObject: Bool {
        switch self {
        case .online, .owned, .registered: true
        case .file, .sector: false
        }
    }
}
