import ClusPrepClient

/// A node that is validated: whatever answers its calls, over the network or in a test.
protocol ValidatedNode: Sendable {
    /// The name or address by which the user named it; no two nodes of a validation have the same.
    var name: String { get }

    /// Activates ClusterStorage2.
    func storage() async throws -> any StorageCalls
    /// Activates ClusterNetwork2.
    func network() async throws -> any NetworkCalls
    /// Activates ClusterSetup.
    func setup() async throws -> any SetupCalls
    /// Activates ClusterFirewall.
    func firewall() async throws -> any FirewallCalls
    /// Activates ClusterUpdate.
    func updates() async throws -> any UpdateCalls
    /// Activates ClusterCleanup.
    func cleanup() async throws -> any CleanupCalls
}

/// A node that is reached over the network.
public struct RemoteNode: Sendable {
    /// The name or address by which reports call it.
    public let name: String
    private let client: ClusPrepClient

    /// A node that is not called yet.
    ///
    /// - Parameters:
    ///   - name: what reports call it; no two nodes of a validation have the same.
    ///   - client: who calls it, and where it is.
    public init(name: String, client: ClusPrepClient) {
        self.name = name
        self.client = client
    }
}

extension RemoteNode: ValidatedNode {
    func storage() async throws -> any StorageCalls { try await client.storage() }
    func network() async throws -> any NetworkCalls { try await client.network() }
    func setup() async throws -> any SetupCalls { try await client.setup() }
    func firewall() async throws -> any FirewallCalls { try await client.firewall() }
    func updates() async throws -> any UpdateCalls { try await client.update() }
    func cleanup() async throws -> any CleanupCalls { try await client.cleanup() }
}
