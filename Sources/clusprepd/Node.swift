import ClusPrepServer
import ClusterEngine
import DCERPC
import DCOM
import Logging
import Reservations
import Security
import ServiceLifecycle

/// A node at work: everything wired together, and how it ends.
struct Node: Service {
    /// Where a node is reached.
    struct Address: Encodable, Sendable {
        var address: String
        var endpointMapperPort: UInt16
        var exporterPort: UInt16
    }

    /// Every address that is listened on.
    let addresses: [Address]

    private let servers: [RPCServer]
    private let dcom: DCOMServer
    private let logger: Logger

    /// Opens the state, looks at the disks and listens.
    ///
    /// - Throws: ``StartupError``. A disk that cannot be used is a warning, and the others are served.
    static func start(_ settings: Settings, logger: Logger) async throws(StartupError) -> Node {
        do {
            try Cryptography.checkAvailable()
        } catch {
            throw .cryptography("\(error)")
        }
        let engine: ClusterEngine
        let users: NodeUserDirectory
        do {
            let state = try NodeState.open(folder: settings.stateFolder, as: .daemon)
            engine = ClusterEngine(state: state, node: settings.identity)
            users = try NodeUserDirectory(state: state)
        } catch {
            throw .state("\(error)")
        }
        let disks = NodeDisks.make(settings, reservationKeyBase: engine.reservationKeyBase)
        await NodeDisks.report(disks, logger: logger)

        var classes = [
            CoClasses.storage(
                .init(
                    disks: disks, majorVersion: settings.presentedVersion.major,
                    minorVersion: settings.presentedVersion.minor, logger: Logger(label: "clusprepd.storage"))),
            CoClasses.setup(engine: engine, logger: Logger(label: "clusprepd.setup")),
        ]
        if settings.activationProbe {
            // The class that rpc.remact and rpc.oxidresolve of Samba's smbtorture activate.
            classes.append(.activationProbe(clsid: "02b01c80-e03d-101a-b294-00dd010f2bf9", name: "activation probe"))
        }
        let dcom = DCOMServer(
            classes: classes,
            configuration: .init(
                hostNames: [settings.fqdn], timing: PingTiming(period: settings.pingPeriod),
                limits: ExporterLimits(objects: settings.maximumObjects)))
        let provider = NTLMProvider(
            environment: settings.ntlmEnvironment, users: users,
            integrityCode: settings.requireIntegrityCode ? .required : .whenPromised,
            observer: LogonLog(Logger(label: "clusprepd.ntlm")).note)
        let listeners = try await Listeners.start(settings, dcom: dcom, provider: provider)
        return Node(addresses: listeners.addresses, servers: listeners.servers, dcom: dcom, logger: logger)
    }

    /// Serves until the group is told to stop; then ends the connections and gives back what clients held: their disks above
    /// all.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await dcom.run() }
            for server in servers { group.addTask { try await server.run() } }
            group.addTask {
                try await gracefulShutdown()
                logger.info("stopping")
            }
            // Whichever ends first ends the node: a stop, or a listener that failed.
            let first = await group.nextResult()
            await withTaskGroup(of: Void.self) { stopping in
                for server in servers { stopping.addTask { await server.shutdown() } }
            }
            group.cancelAll()
            await dcom.shutdown()
            logger.info("stopped")
            if case .failure(let error) = first, !(error is CancellationError) { throw error }
        }
    }
}

/// Tells the log who logs on.
private struct LogonLog: Sendable {
    private let logger: Logger

    init(_ logger: Logger) {
        self.logger = logger
    }

    func note(_ event: NTLMProvider.Event) {
        switch event {
        case .accepted(let client, let workstation):
            logger.debug("logon of \(client)", metadata: ["workstation": "\(workstation)"])
        case .acceptedWithoutIntegrityCode(let client, let workstation):
            logger.debug("logon of \(client), without a MIC", metadata: ["workstation": "\(workstation)"])
        case .refused(let domain, let user, let workstation, let error):
            logger.notice(
                "logon refused: \(error)",
                metadata: [
                    "domain": "\(domain.debugDescription)", "user": "\(user.debugDescription)",
                    "workstation": "\(workstation.debugDescription)",
                ])
        }
    }
}
