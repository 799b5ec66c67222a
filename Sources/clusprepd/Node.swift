import ClusPrepServer
import ClusterEngine
import DCERPC
import DCOM
import FileShares
import Foundation
import HostInventory
import Logging
import Reservations
import RouteProbes
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

    /// Told when the node serves, and a signal would end it in order.
    var isReady: @Sendable (Node) throws -> Void = { _ in }
    /// Every address that is listened on.
    let addresses: [Address]

    private let servers: [RPCServer]
    private let dcom: DCOMServer
    private let disks: [NodeDisk]
    private let shares: SambaFileShares
    private let prober: RouteProber
    private let engine: ClusterEngine
    private let logs: NodeLogs
    /// How long the end may take, from the moment the node is told to stop.
    private let endTime: Duration
    private let logger: Logger

    /// Opens the state and listens.
    ///
    /// - Throws: ``StartupError``. A disk that cannot be used is a warning, and the others are served.
    static func start(
        _ settings: Settings, log: LogDestinations, logger: Logger
    ) async throws(StartupError) -> Node {
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
        let disks = try NodeDisks.make(settings, reservationKeyBase: engine.reservationKeyBase)

        let host = NodeHost(settings)
        let counts = ServerCounts()
        let logs = try NodeLogs(settings, engine: engine, host: host, disks: disks, counts: counts)
        log.open(logs.events)
        logger.info("starting", metadata: ["version": "\(Daemon.version)", "node": "\(settings.fqdn)"])

        let shares = NodeShares.make(settings)
        let cleanup = EvictionCleanup(
            engine: engine,
            environment: .node(
                disks: disks, shares: { await shares.recover() }, logger: Logger(label: "clusprepd.cleanup")))
        do {
            try await cleanup.resume()
        } catch {
            throw .state("\(error)")
        }
        var storage = ClusterStorage.Environment(
            disks: disks, majorVersion: settings.presentedVersion.major, minorVersion: settings.presentedVersion.minor,
            logger: Logger(label: "clusprepd.storage"))
        storage.modules = { [executor = host.executor] in try await executor.run { MultipathModules().list() } }
        storage.shares = shares
        storage.isClustered = { try await engine.membership() != nil }
        var classes = [
            CoClasses.storage(storage),
            CoClasses.setup(engine: engine, levels: settings.levels, logger: Logger(label: "clusprepd.setup")),
            CoClasses.cleanup(.init(cleanup: cleanup, disks: disks, logger: Logger(label: "clusprepd.cleanup"))),
            logs.class,
        ]
        classes += host.classes
        if settings.activationProbe {
            // The class that rpc.remact and rpc.oxidresolve of Samba's smbtorture activate.
            classes.append(.activationProbe(clsid: "02b01c80-e03d-101a-b294-00dd010f2bf9", name: "activation probe"))
        }
        let security = NodeSecurity(
            settings, users: users, kerberos: try NodeKerberos.make(settings, users: users))
        let dcom = DCOMServer(
            classes: classes,
            configuration: .init(
                hostNames: settings.bindingNames, addresses: settings.bindingAddresses,
                securityProviders: security.preferredTypes, principalNames: security.servicePrincipalNames,
                timing: PingTiming(period: settings.pingPeriod),
                limits: settings.limits.exporter))
        let listeners = try await Listeners.start(settings, dcom: dcom, security: security)
        // Beside serving: a disk that does not answer holds up neither the start nor the other disks.
        Task { await NodeDisks.report(disks, logger: logger) }
        // The same of Samba's commands.
        Task {
            await shares.recover()
            await logs.share.open()
        }
        counts.count(listeners.servers)
        return Node(
            addresses: listeners.addresses, servers: listeners.servers, dcom: dcom, disks: disks, shares: shares,
            prober: host.prober, engine: engine, logs: logs, endTime: settings.endTime, logger: logger)
    }

    /// Serves until the group is told to stop; then ends the connections and gives back what clients held: their disks above
    /// all.
    func run() async throws {
        try isReady(self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await dcom.run() }
            for server in servers { group.addTask { try await server.run() } }
            group.addTask { await logs.history.run() }
            group.addTask {
                try await gracefulShutdown()
                logger.info("stopping")
            }
            // Whichever ends first ends the node: a stop, or a listener that failed.
            let first = await group.nextResult()
            let deadline = exitAfterEndTime()
            defer { deadline.cancel() }
            await withTaskGroup(of: Void.self) { stopping in
                for server in servers { stopping.addTask { await server.shutdown() } }
            }
            group.cancelAll()
            await giveEverythingBack()
            do {
                try await engine.settle()
            } catch {
                logger.error("\(error)")
            }
            if case .failure(let error) = first, !(error is CancellationError) { logger.critical("\(error)") }
            logger.info("stopped")
            let events = logs.events
            // On a thread that may wait for the state folder's disk.
            try? await BlockingExecutor(threads: 1).run { events.close() }
            if case .failure(let error) = first, !(error is CancellationError) { throw error }
        }
    }

    /// Releases the clients' objects; and the disks by themselves, for an object in the middle of a call to a disk that does not
    /// answer gives back none of its others.
    private func giveEverythingBack() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await dcom.shutdown() }
            group.addTask { await shares.stop() }
            group.addTask { await logs.share.close() }
            group.addTask { await prober.close() }
            for disk in disks {
                group.addTask { await disk.giveUp() }
            }
        }
        // What a call that was just ending has won since.
        for disk in disks { await disk.giveUp() }
    }

    /// A command that a disk never answers cannot be called off, so the process ends without it.
    private func exitAfterEndTime() -> Task<Void, Never> {
        Task {
            guard (try? await Task.sleep(for: endTime)) != nil else { return }
            for disk in disks where await disk.isBusy {
                logger.critical("disk \(disk.number) does not answer", metadata: ["path": "\(disk.path)"])
            }
            logger.critical("stopping took too long; what was not given back is left to preemption")
            // Not exit(): its handlers could wait for the thread that the disk holds.
            _exit(1)
        }
    }
}
