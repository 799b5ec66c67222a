import ClusPrepClient
import ClusterProtocols
import DCERPC
import ErrorCodes
import Synchronization

@testable import Validation

/// A node in memory, which can die in the middle of anything.
final class FakeNode: ValidatedNode {
    let name: String
    /// What it calls itself.
    let label: String
    let disks: [FakeDisk]
    /// Asked before each call: whether the node dies of it.
    private let dying: Mutex<@Sendable (NodeMethod) -> Bool>
    private let dead = Mutex(false)
    private let objects = Mutex(0)
    private let stalled = Mutex<Set<NodeMethod>>([])

    init(
        _ name: String, _ disks: [FakeDisk], label: String? = nil,
        dying: @escaping @Sendable (NodeMethod) -> Bool = { _ in false }
    ) {
        self.name = name
        self.label = label ?? name.uppercased()
        self.disks = disks
        self.dying = Mutex(dying)
    }

    /// The objects that were activated and not given back.
    var openObjects: Int { objects.withLock(\.self) }

    /// Whether the node has died.
    var isDead: Bool { dead.withLock(\.self) }

    func die() {
        dead.withLock { $0 = true }
        for disk in disks { disk.abandon(name) }
    }

    /// From now on these methods get no answer while the connection stays.
    func stall(_ methods: Set<NodeMethod>) { stalled.withLock { $0 = methods } }

    /// Returns unless the method is stalled: then whoever calls has to give up.
    func answer(_ method: NodeMethod) async throws {
        if stalled.withLock({ $0.contains(method) }) { try await Task.sleep(for: .seconds(3600)) }
    }

    /// Before each call.
    func enter(_ method: NodeMethod) throws {
        if dying.withLock(\.self)(method) { die() }
        if isDead { throw RPCClientError.closed }
    }

    func storage() async throws -> any StorageCalls {
        try enter(.activation(of: "ClusterStorage2"))
        objects.withLock { $0 += 1 }
        return FakeStorage(node: self)
    }

    func gaveBack() { objects.withLock { $0 -= 1 } }

    func setup() async throws -> any SetupCalls {
        try enter(.activation(of: "ClusterSetup"))
        return FakeNodeSetup(node: self)
    }

    func network() async throws -> any NetworkCalls { throw HRESULT(rawValue: 0x8004_0154) }
    func firewall() async throws -> any FirewallCalls { throw HRESULT(rawValue: 0x8004_0154) }
    func updates() async throws -> any UpdateCalls { throw HRESULT(rawValue: 0x8004_0154) }
    func cleanup() async throws -> any CleanupCalls { throw HRESULT(rawValue: 0x8004_0154) }
}

/// ClusterSetup on a fake node.
struct FakeNodeSetup: SetupCalls {
    let node: FakeNode

    func release() async throws {}
    func hostLabel() async throws -> String { node.label }
    func functionalLevel() async throws -> UInt16 { 12 }
    func upgradeVersion() async throws -> UInt16 { 1 }
}
