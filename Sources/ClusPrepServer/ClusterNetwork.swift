import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import HostInventory
import Logging
import NDR

/// An activation of ClusterNetwork2: IClusterNetwork2 ([MS-CSVP] 3.6).
///
/// Initialization State, Route Collection and Route Monitoring State belong to this object and end with it. Calls that change
/// them run one after the other; those that only ask or measure run beside them, so that a round trip holds up nothing.
public actor ClusterNetwork: COMObject {
    /// E1568352-586D-43E4-933F-8E6DC4DE317A ([MS-CSVP] 1.9).
    public static let clsid: GUID = "e1568352-586d-43e4-933f-8e6dc4de317a"

    /// The port that InitializeNode binds where the client names none (3.6.4.1).
    public static let defaultPort: UInt16 = 3343

    /// The Round-Trip Message Timer (3.6.4.2).
    static let roundTripLimit: UInt32 = 1000

    /// What every activation on this node is made with.
    public struct Environment: Sendable {
        /// The node's fully qualified domain name.
        public var serverName: String
        /// The operating system's major version that clients are told.
        public var majorVersion: UInt32
        /// The operating system's minor version that clients are told.
        public var minorVersion: UInt32
        /// The release of Windows whose interface this node presents.
        public var release = NetworkRelease.current
        /// Lists the host's adapters; it may block, so whoever makes the environment puts it where that does no harm.
        public var adapters: @Sendable () async throws -> [HostAdapter]
        /// Tells what the host's firewall lets through to some adapters.
        public var firewall: @Sendable ([HostAdapter]) async throws -> FirewallSummary
        /// Sends probes and answers them.
        public var probes: any NetworkProbes
        /// Hears what clients do.
        public var logger: Logger

        /// From its parts, presenting the current release.
        public init(
            serverName: String, majorVersion: UInt32, minorVersion: UInt32,
            adapters: @escaping @Sendable () async throws -> [HostAdapter],
            firewall: @escaping @Sendable ([HostAdapter]) async throws -> FirewallSummary, probes: any NetworkProbes,
            logger: Logger
        ) {
            self.serverName = serverName
            self.majorVersion = majorVersion
            self.minorVersion = minorVersion
            self.adapters = adapters
            self.firewall = firewall
            self.probes = probes
            self.logger = logger
        }
    }

    /// What the firewall lets a cluster's traffic do (3.6.4.5).
    public struct FirewallSummary: Sendable, Hashable {
        /// serverRulesEnabled: nodes can talk with each other.
        public var serverRules: Bool
        /// mgmtRulesEnabled: the cluster can be managed.
        public var managementRules: Bool

        /// From its parts.
        public init(serverRules: Bool, managementRules: Bool) {
            self.serverRules = serverRules
            self.managementRules = managementRules
        }

        /// What holds for each of these adapters; for none of them there is nothing to be told, so nothing is allowed.
        public init(_ adapters: [AdapterFirewall]) {
            serverRules = !adapters.isEmpty && adapters.allSatisfy(\.serverRules)
            managementRules = !adapters.isEmpty && adapters.allSatisfy(\.managementRules)
        }
    }

    /// Routes that are watched: Route Collection, while Route Monitoring State is TRUE.
    private struct Watch {
        var routes: [RouteRequest.Route]
        var monitor: any NetworkMonitor
    }

    let environment: Environment
    /// What answers other nodes' probes while Initialization State is TRUE; else nil.
    private var responder: (any NetworkResponder)?
    /// BoundUDPPort.
    private var port = ClusterNetwork.defaultPort
    private var watch: Watch?
    private var isReleased = false
    private let queue = CallQueue()

    /// An object in its initial state (3.6.1).
    public init(environment: Environment) {
        self.environment = environment
    }

    /// IClusterNetwork2.
    public nonisolated func handlers(for iid: GUID) -> [RPCHandler?]? {
        iid == IClusterNetwork2.interface.syntax.uuid ? IClusterNetwork2.handlers(self) : nil
    }

    /// Sends and answers no more probes.
    public func released() async {
        isReleased = true
        await queue.run { await self.stop() }
    }

    /// Runs a call that changes the state, when those before it are done.
    func ordered<T: Sendable>(
        _ method: String, _ body: @Sendable (isolated ClusterNetwork) async throws -> T
    ) async throws -> T {
        try await answering(method) { try await self.queue.run { try await self.unlessReleased(body) } }
    }

    /// "All methods MUST NOT throw exceptions" (3.6.4): what carries no code of its own becomes ERROR_INTERNAL_ERROR, and its text
    /// goes to the log.
    nonisolated func answering<T: Sendable>(
        _ method: String, _ body: @Sendable () async throws -> T
    ) async throws -> T {
        do {
            return try await body()
        } catch let error as any HRESULTConvertible {
            environment.logger.debug("\(method) answers \(error.hresult): \(error)")
            throw error
        } catch is CancellationError {
            throw Win32Error.cancelled
        } catch let error as HostNetworkError {
            environment.logger.error("\(method): the host does not tell its adapters: \(error)")
            throw Win32Error.generalFailure
        } catch {
            environment.logger.error("\(method) failed: \(error)")
            throw Win32Error.internalError
        }
    }

    private func unlessReleased<T: Sendable>(
        _ body: @Sendable (isolated ClusterNetwork) async throws -> T
    ) async throws -> T {
        guard !isReleased else { throw Win32Error.invalidState }
        return try await body(self)
    }

    // MARK: Initialization State

    /// Answers probes at the port; called again, at the port named last.
    ///
    /// - Returns: BoundUDPPort.
    func initialize(requestedPort: UInt16) async throws -> UInt16 {
        let wanted = requestedPort == 0 ? Self.defaultPort : requestedPort
        if responder == nil || port != wanted {
            // The old port is given up only when the new one is there.
            let next = try await environment.probes.respond(at: wanted)
            await responder?.close()
            responder = next
            port = wanted
        }
        return port
    }

    /// - Throws: ERROR_INVALID_STATE where the node is not initialized.
    func cleanUp() async throws {
        guard responder != nil else { throw Win32Error.invalidState }
        await stop()
    }

    private func stop() async {
        let (monitor, responder) = (watch?.monitor, responder)
        watch = nil
        self.responder = nil
        port = Self.defaultPort
        await monitor?.cancel()
        await responder?.close()
    }

    /// The port at which the nodes of this test answer each other.
    ///
    /// - Throws: ERROR_INVALID_STATE where the node is not initialized.
    func probedPort() throws(Win32Error) -> UInt16 {
        guard responder != nil, !isReleased else { throw .invalidState }
        return port
    }

    // MARK: Routes

    /// Fails before the request is looked at, as 3.6.4.6 has it.
    ///
    /// - Throws: E_FAIL where routes are watched already.
    func watch(_ request: ADD_ROUTES_REQUEST) async throws {
        guard watch == nil else { throw HRESULT.unspecifiedFailure }
        let routes = try RouteRequest(request).routes
        let probed = try await environment.located(routes)
        watch = Watch(routes: routes, monitor: try await environment.probes.watch(probed, port: port))
    }

    /// What was seen of the routes, which are watched no longer.
    func takeRoutes() async throws -> RouteReply {
        guard let watch else { return .unavailable }
        let seen = try await watch.monitor.status()
        self.watch = nil
        await watch.monitor.cancel()
        guard seen.count == watch.routes.count else { throw Win32Error.internalError }
        return .routes(zip(watch.routes, seen).map { RouteReply.Route(index: $0.index, $1) })
    }

    /// - Throws: E_FAIL where no routes are watched.
    func cancelRoutes() async throws {
        guard let watch else { throw HRESULT.unspecifiedFailure }
        self.watch = nil
        await watch.monitor.cancel()
    }
}

extension CoClasses {
    /// ClusterNetwork2.
    public static func network(_ environment: ClusterNetwork.Environment) -> COMClass {
        COMClass(
            clsid: ClusterNetwork.clsid, name: "ClusterNetwork2", interfaces: [COMInterface(IClusterNetwork2.interface)]
        ) { _ in ClusterNetwork(environment: environment) }
    }
}
