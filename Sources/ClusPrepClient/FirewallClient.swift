import ClusterProtocols
import DCOM
import ErrorCodes
import NDR

/// An activation of ClusterFirewall on a node ([MS-CSVP] 3.15): what its firewall lets reach each adapter.
///
/// The methods throw as ``StorageClient``'s do.
public struct FirewallClient: Sendable {
    /// What a node says of one adapter (3.14.4.2).
    public struct Adapter: Sendable, Hashable {
        /// The adapter's identifier, which IClusterNetwork2's list of adapters has, too.
        public var id: GUID
        /// The kind of network behind it; a value that is not in 2.2.15 as it came.
        public var profile: CLUSTER_NETWORK_PROFILE
        /// Whether nodes of a cluster reach each other.
        public var serverRules: Bool
        /// Whether the node can be managed and validated.
        public var managementRules: Bool
        /// Whether what both need is let in.
        public var commonRules: Bool
    }

    /// The methods of IClusterFirewall as the IDL has them.
    public let firewall: IClusterFirewallClient
    private let object: ObjectReference

    init(object: ObjectReference) async throws {
        self.object = object
        firewall = IClusterFirewallClient(try await object.proxy(IClusterFirewall.interface))
    }

    /// Gives the object back.
    public func release() async throws {
        try await object.release()
    }

    /// Takes a snapshot of the node's firewall and reads all of it (opnums 3 and 4).
    public func adapters() async throws -> [Adapter] {
        let initialized = try await firewall.initializeAdapterConfiguration(.init())
        try initialized.returnValue.throwIfFailed()
        var adapters: [Adapter] = []
        // An honest node has a handful of adapters; one that says otherwise gets as many calls as it answers.
        for index in 0..<initialized.cRetAdapters {
            let answer = try await firewall.getNextAdapterFirewallConfiguration(.init(idx: index))
            try answer.returnValue.throwIfFailed()
            // Any value but zero is TRUE (3.14.4.2).
            adapters.append(
                Adapter(
                    id: answer.adapterId, profile: answer.adapterProfile, serverRules: answer.serverRulesEnabled != 0,
                    managementRules: answer.managementRulesEnabled != 0, commonRules: answer.commonRulesEnabled != 0))
        }
        return adapters
    }
}

extension ClusPrepClient {
    /// Activates ClusterFirewall (CLSID 3CFEE98C-…).
    ///
    /// - Throws: as ``storage()``.
    public func firewall() async throws -> FirewallClient {
        try await activate("3cfee98c-fb4b-44c6-bd98-a1db14abca3f", [IClusterFirewall.interface]) {
            try await FirewallClient(object: $0)
        }
    }
}
