import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import HostInventory
import Logging
import NDR
import Reservations

/// An activation of the class that implements IClusterFirewall ([MS-CSVP] 3.14): Firewall State is a snapshot that
/// InitializeAdapterConfiguration takes, and ends with the object.
public actor ClusterFirewall: COMObject, IClusterFirewallServer {
    /// 3CFEE98C-FB4B-44C6-BD98-A1DB14ABCA3F ([MS-CSVP] 1.9).
    public static let clsid: GUID = "3cfee98c-fb4b-44c6-bd98-a1db14abca3f"

    /// What the objects of a node share.
    public struct Environment: Sendable {
        /// The adapters that a cluster can use, each with what the firewall lets reach it.
        public var verdicts: @Sendable () async throws -> [AdapterFirewall]
        /// Hears what clients do, and what could not be evaluated.
        public var logger: Logger

        /// From a closure, which may take its time but must not block.
        public init(verdicts: @escaping @Sendable () async throws -> [AdapterFirewall], logger: Logger) {
            self.verdicts = verdicts
            self.logger = logger
        }

        /// The host's own. Loopback and tunnels are left out, as ApplyClusterFilter leaves them out (3.6.4.3): the indices here and
        /// the adapters there are about the same networks.
        ///
        /// - Parameter executor: where the kernel is asked.
        public init(
            adapters: any AdapterSource, firewall: HostFirewall, executor: BlockingExecutor, logger: Logger
        ) {
            self.init(
                verdicts: {
                    try await executor.run {
                        try firewall.verdicts(for: adapters.list().filter { !$0.isFilteredForClusters })
                    }
                }, logger: logger)
        }
    }

    private let environment: Environment
    /// Firewall State; nil before the first InitializeAdapterConfiguration that succeeds.
    private var snapshot: [AdapterFirewall]?
    private let queue = CallQueue()

    /// An object in its initial state.
    public init(environment: Environment) {
        self.environment = environment
    }

    /// IClusterFirewall.
    public nonisolated func handlers(for iid: GUID) -> [RPCHandler?]? {
        iid == IClusterFirewall.interface.syntax.uuid ? IClusterFirewall.handlers(self) : nil
    }

    /// InitializeAdapterConfiguration (3.14.4.1). Where the firewall cannot be read the state of before is kept: the call "MUST
    /// reinitialize" it, and did not.
    public func initializeAdapterConfiguration(
        _ request: IClusterFirewall.InitializeAdapterConfiguration.Request, context: CallContext
    ) async throws -> IClusterFirewall.InitializeAdapterConfiguration.Response {
        // One after the other, so that the snapshot is that of the call that answered last.
        try await queue.run { try await self.takeSnapshot(for: request) }
    }

    private func takeSnapshot(
        for request: IClusterFirewall.InitializeAdapterConfiguration.Request
    ) async throws -> IClusterFirewall.InitializeAdapterConfiguration.Response {
        let logger = environment.logger
        return try await logger.answering("InitializeAdapterConfiguration") {
            let verdicts = try await environment.verdicts()
            snapshot = verdicts
            for verdict in verdicts {
                for cause in verdict.unevaluated {
                    logger.warning("firewall of adapter \(verdict.adapter), not evaluated: \(cause)")
                }
            }
            var response = IClusterFirewall.InitializeAdapterConfiguration.Response(returnValue: .ok, for: request)
            response.cRetAdapters = UInt32(verdicts.count)
            return response
        }
    }

    /// GetNextAdapterFirewallConfiguration (3.14.4.2): any index, in any order, as often as a client likes.
    public func getNextAdapterFirewallConfiguration(
        _ request: IClusterFirewall.GetNextAdapterFirewallConfiguration.Request, context: CallContext
    ) async throws -> IClusterFirewall.GetNextAdapterFirewallConfiguration.Response {
        guard let snapshot else { throw HRESULT.unexpected }
        guard request.idx < snapshot.count else { throw HRESULT.invalidArgument }
        let verdict = snapshot[Int(request.idx)]
        var response = IClusterFirewall.GetNextAdapterFirewallConfiguration.Response(returnValue: .ok, for: request)
        response.adapterId = GUID(verdict.adapter)
        response.adapterProfile = CLUSTER_NETWORK_PROFILE(rawValue: verdict.profile.rawValue)
        response.serverRulesEnabled = verdict.serverRules ? 1 : 0
        response.managementRulesEnabled = verdict.managementRules ? 1 : 0
        response.commonRulesEnabled = verdict.commonRules ? 1 : 0
        return response
    }
}

extension CoClasses {
    /// ClusterFirewall.
    public static func firewall(_ environment: ClusterFirewall.Environment) -> COMClass {
        COMClass(
            clsid: ClusterFirewall.clsid, name: "ClusterFirewall",
            interfaces: [COMInterface(IClusterFirewall.interface)]
        ) { _ in ClusterFirewall(environment: environment) }
    }
}
