import ClusPrepServer
import ClusterEngine
import DCERPC
import DCOM
import FileShares
import HostInventory
import Logging
import Reservations
import RouteProbes
import Synchronization

/// What the node tells of its host: adapters, routes, firewall and updates.
struct NodeHost {
    /// Sends probes of routes, and answers them.
    let prober = RouteProber(logger: Logger(label: "clusprepd.probes"))
    /// The host's network adapters.
    let adapters: HostAdapters
    /// Where the kernel is asked, and files are read.
    let executor = BlockingExecutor(threads: 2)

    private let settings: Settings

    init(_ settings: Settings) {
        self.settings = settings
        adapters = HostAdapters(initiatorPortals: settings.portalAddresses)
    }

    /// ClusterNetwork2, ClusterFirewall, and ClusterUpdate, which Windows Server 2008 does not have ([MS-CSVP] note 43).
    var classes: [COMClass] {
        let classes = [CoClasses.network(network), CoClasses.firewall(firewallEnvironment)]
        return release == .server2008 ? classes : classes + [CoClasses.update(updates)]
    }

    private var release: NetworkRelease {
        NetworkRelease(configured: settings.configuredVersion.map { ($0.major, $0.minor) })
    }

    private var firewall: HostFirewall {
        guard let port = UInt16(exactly: settings.exporterPort), port != 0 else { return HostFirewall() }
        return HostFirewall(exporterPorts: port...port)
    }

    private var network: ClusterNetwork.Environment {
        let (adapters, executor, firewall) = (adapters, executor, firewall)
        var environment = ClusterNetwork.Environment(
            serverName: settings.fqdn, majorVersion: settings.presentedVersion.major,
            minorVersion: settings.presentedVersion.minor,
            adapters: { try await executor.run { try adapters.list() } },
            firewall: { used in
                .init(try await executor.run { try firewall.verdicts(for: used) })
            },
            probes: NodeProbes(prober), logger: Logger(label: "clusprepd.network"))
        environment.release = release
        return environment
    }

    private var firewallEnvironment: ClusterFirewall.Environment {
        ClusterFirewall.Environment(
            adapters: adapters, firewall: firewall, executor: executor, logger: Logger(label: "clusprepd.firewall"))
    }

    private var updates: ClusterUpdate.Environment {
        ClusterUpdate.Environment(
            host: HostUpdates(), executor: BlockingExecutor(threads: 1), logger: Logger(label: "clusprepd.updates"))
    }
}

extension Settings {
    /// The addresses of the iSCSI portals that disks are behind; names are left out.
    fileprivate var portalAddresses: [HostAddress] {
        disks.flatMap { disk -> [HostAddress] in
            guard case .iscsi(let target) = disk else { return [] }
            return target.portals.compactMap { HostAddress($0.host) }
        }
    }
}

/// What all of the node's RPC servers have counted; none before they are known.
final class ServerCounts: Sendable {
    private let servers = Mutex<[RPCServer]>([])

    /// From here on these count.
    func count(_ servers: [RPCServer]) {
        self.servers.withLock { $0 = servers }
    }

    /// The sums.
    var statistics: (callsIn: UInt64, callsOut: UInt64, packetsIn: UInt64, packetsOut: UInt64) {
        var sum: (callsIn: UInt64, callsOut: UInt64, packetsIn: UInt64, packetsOut: UInt64) = (0, 0, 0, 0)
        for server in servers.withLock({ $0 }) {
            let counts = server.statistics
            sum.callsIn += UInt64(counts.callsIn)
            sum.callsOut += UInt64(counts.callsOut)
            sum.packetsIn += UInt64(counts.packetsIn)
            sum.packetsOut += UInt64(counts.packetsOut)
        }
        return sum
    }
}
