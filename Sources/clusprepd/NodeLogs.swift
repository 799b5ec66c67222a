import ClusPrepServer
import ClusterEngine
import DCOM
import EventLog
import FileShares
import Foundation
import Glibc
import HostInventory
import Logging
import Reservations

/// The node's log of its own doings: where it is kept, what is measured for it, and how clients get at it.
struct NodeLogs {
    /// The events.
    let events: EventLog
    /// The share by which the files are fetched.
    let share: LogShare
    /// What is measured.
    let history: PerformanceHistory
    /// ClusterLog.
    let `class`: COMClass

    /// Opens the log in a state folder that is this process's.
    ///
    /// - Throws: ``StartupError``.
    init(
        _ settings: Settings, engine: ClusterEngine, host: NodeHost, disks: [NodeDisk], counts: ServerCounts
    ) throws(StartupError) {
        do {
            events = try EventLog.open(
                folder: EventLog.folder(inStateFolder: settings.stateFolder),
                limits: .init(octets: settings.eventLogSize << 20))
        } catch {
            throw .state("\(error)")
        }
        let streams: [PerformanceHistory.Stream] = [.host(), .log(events), .rpc { counts.statistics }]
        history = PerformanceHistory(streams: streams, log: events)
        let group = try settings.logGroupNumber()
        share = LogShare(
            configuration: Self.configuration(settings, group: group), logger: Logger(label: "clusprepd.log"))
        var environment = ClusterLog.Environment(
            node: settings.nodeName, log: events, files: LogFiles(folder: settings.logFolder, group: group),
            share: { [share] in try await share.name() }, logger: Logger(label: "clusprepd.log"))
        environment.streams = streams.map(\.name)
        let node = ClusterLogSection.node(fqdn: settings.fqdn, version: Daemon.version)
        let adapters = ClusterLogSection.adapters(host.adapters, executor: host.executor)
        let storage = ClusterLogSection.disks(disks)
        let cluster = ClusterLogSection.cluster(engine)
        environment.sections = [
            .cluster: [node, cluster, adapters, storage],
            .health: [node, storage, .measurements(streams)],
            .clusterSet: [node, cluster],
            .network: [node, adapters, .datagrams()],
            .netft: [node, adapters, .datagrams()],
        ]
        `class` = CoClasses.log(environment)
    }

    private static func configuration(_ settings: Settings, group: gid_t) -> LogShare.Configuration {
        var configuration = LogShare.Configuration(
            stateFolder: settings.absoluteStateFolder, folder: settings.logFolder,
            addresses: settings.servingAddresses, probe: NodeShares.probe, searchPath: NodeShares.searchPath)
        configuration.name = settings.logShare
        configuration.group = group
        configuration.port = UInt16(settings.sharePort)
        configuration.sambaConfiguration = settings.sambaConfiguration
        return configuration
    }
}

extension Settings {
    /// The group's number.
    fileprivate func logGroupNumber() throws(StartupError) -> gid_t {
        guard let logGroup else { return getegid() }
        guard let group = getgrnam(logGroup) else {
            throw .badSetting(Setting.logGroup.name, reason: "this host has no group \"\(logGroup)\"")
        }
        return group.pointee.gr_gid
    }
}
