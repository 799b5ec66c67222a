import Foundation
import Synchronization

/// What the tests of one validation share: which nodes are still there, which disks may be touched, and what is to be undone.
final class NodeRun: Sendable {
    private struct State {
        var lost: [String: String] = [:]
        var withdrawn: [Int: String] = [:]
    }

    /// The nodes that answered when the validation was planned, in the order in which they were named.
    let nodes: [any ValidatedNode]
    /// The disks that are to be tested.
    let disks: [SharedDisk]
    /// What was found out before, also about what is not tested.
    let plan: NodePlan
    /// What marks disks as this validation's.
    let id = UUID()
    /// What is to be undone.
    let ledger = CleanupLedger()
    /// How long a call may take.
    let callLimit: Duration
    /// What waiting goes by.
    let clock: any Clock<Duration>
    private let state = Mutex(State())

    init(
        nodes: [any ValidatedNode], disks: [SharedDisk], plan: NodePlan, callLimit: Duration = CallLimit.standard,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.nodes = nodes
        self.disks = disks
        self.plan = plan
        self.callLimit = callLimit
        self.clock = clock
    }

    /// A node does not answer any more.
    func lose(_ node: String, because reason: String) {
        state.withLock { state in
            if state.lost[node] == nil { state.lost[node] = reason }
        }
    }

    /// It does again.
    func find(_ node: String) {
        state.withLock { _ = $0.lost.removeValue(forKey: node) }
    }

    /// The nodes that are gone, and why.
    var lost: [String: String] { state.withLock(\.lost) }

    /// Nothing more is done to a disk.
    func withdraw(_ disk: SharedDisk, because reason: String) {
        state.withLock { state in
            if state.withdrawn[disk.index] == nil { state.withdrawn[disk.index] = reason }
        }
    }

    /// Why nothing more is done to a disk; nil where it is still tested.
    func withdrawal(of disk: SharedDisk) -> String? { state.withLock { $0.withdrawn[disk.index] } }

    /// Whether a claim is this validation's.
    func isOwn(_ claim: DiskClaim) -> Bool { claim.id == id }

    /// The nodes that are still there.
    var presentNodes: [any ValidatedNode] {
        let lost = lost
        return nodes.filter { lost[$0.name] == nil }
    }

    /// The disks that are still tested.
    var presentDisks: [SharedDisk] { disks.filter { withdrawal(of: $0) == nil } }

    /// The nodes that are still there and have the disk.
    func nodes(with disk: SharedDisk) -> [any ValidatedNode] {
        presentNodes.filter { disk.places[$0.name] != nil }
    }
}
