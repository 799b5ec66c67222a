import ClusterProtocols
import DCERPC
import DCOM
import NDR
import Security

/// A node as a client sees it: where it is, and who calls.
///
///     let node = ClusPrepClient(host: "192.0.2.7", credentials: .init(domain: "LAB", user: "admin", password: password))
///     let storage = try await node.storage()
///     try await storage.prepareNode()
///     …
///     try await storage.release()
///
/// Each ``storage()`` and ``setup()`` activates an object of its own, over connections of its own, at PKT_PRIVACY.
public struct ClusPrepClient: Sendable {
    /// Who calls.
    public struct Credentials: Sendable {
        /// The domain or computer that holds the account.
        public var domain: String
        /// The account.
        public var user: String
        /// Its password.
        public var password: String

        /// From its parts.
        public init(domain: String, user: String, password: String) {
            self.domain = domain
            self.user = user
            self.password = password
        }
    }

    private let host: String
    private let port: UInt16
    private let security: ClientSecurity

    /// A node that is not called yet.
    ///
    /// - Parameters:
    ///   - host: its name or address.
    ///   - port: its endpoint mapper's port.
    ///   - credentials: who calls.
    public init(host: String, port: UInt16 = 135, credentials: Credentials) {
        self.init(
            host: host, port: port,
            security: ClientSecurity { host in
                try NTLMInitiator(
                    domain: credentials.domain, user: credentials.user, password: credentials.password,
                    targetName: "RPCSS/\(host)")
            })
    }

    /// A node that is called with Kerberos tickets.
    ///
    /// - Parameters:
    ///   - host: its name or address.
    ///   - port: its endpoint mapper's port.
    ///   - target: the node's service in Kerberos; every connection is for it, whatever address the node gives for its objects.
    ///   - cache: the ccache by its name in libkrb5; nil for the user's own, which KRB5CCNAME names.
    public init(host: String, port: UInt16 = 135, target: KerberosInitiator.Target, cache: String? = nil) {
        self.init(
            host: host, port: port,
            security: ClientSecurity { _ in KerberosInitiator(target: target, cache: cache) })
    }

    /// A node that is called with any security provider.
    public init(host: String, port: UInt16 = 135, security: ClientSecurity) {
        self.host = host
        self.port = port
        self.security = security
    }

    /// Activates ClusterStorage2 (CLSID C72B09DB-…).
    ///
    /// - Throws: `DCOMError` where the node refuses, `RPCFault` where it refuses the call, `RPCClientError` where it cannot be
    ///   reached.
    public func storage() async throws -> StorageClient {
        try await activate(
            "c72b09db-4d53-4f41-8dcc-2d752ab56f7c", [IClusterStorage2.interface, IClusterStorage3.interface]
        ) { try await StorageClient(object: $0) }
    }

    /// Activates ClusterSetup (CLSID 04D55210-…).
    ///
    /// - Throws: as ``storage()``.
    public func setup() async throws -> SetupClient {
        try await activate("04d55210-b6ac-4248-9e69-2a569d1d2ab6", [IClusterSetup.interface]) {
            try await SetupClient(object: $0)
        }
    }

    func activate<Client>(
        _ clsid: GUID, _ interfaces: [RPCInterface], _ make: (ObjectReference) async throws -> Client
    ) async throws -> Client {
        let object = try await ActivationClient().activate(
            host: host, port: port, clsid: clsid, iids: interfaces.map(\.syntax.uuid), credentials: security)
        do {
            return try await make(object)
        } catch {
            // The first error counts.
            try? await object.release()
            throw error
        }
    }
}
