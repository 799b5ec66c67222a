import ClusPrepServer
import HostInventory
import Logging
import Reservations

/// The node's disks: those of the configuration, and behind them the host's others.
enum NodeDisks {
    /// Makes them; none is touched yet.
    ///
    /// - Throws: ``StartupError/badFile(path:reason:)`` for the file with the iSCSI secrets.
    static func make(_ settings: Settings, reservationKeyBase: UInt64) throws(StartupError) -> [NodeDisk] {
        // Two nodes may have been given one name by mistake. Their states differ, and so must what their disks know them by, or
        // both would be taken for the owner of one disk.
        let identity = InitiatorIdentity.node(
            "\(settings.nodeName).\(String(reservationKeyBase >> 16, radix: 16))")
        let key = ReservationKey(rawValue: reservationKeyBase | 1)
        // The check of the settings allows no times that this refuses.
        let timing =
            OwnershipTiming(challenge: settings.challengeTime, defence: settings.defenseInterval) ?? .standard
        // Threads of its own: a defence that has to wait behind other commands would come too late.
        let targets = settings.disks + (settings.listsLocalDisks ? localDisks(besides: settings.disks) : [])
        let defenders = BlockingExecutor(threads: max(2, min(targets.count, 16)))
        let sessions = Logger(label: "clusprepd.iscsi")
        let opener = TargetOpener(
            initiator: identity, credentials: try credentials(settings),
            // Asked at each opening, and before each change: a disk may be in use by now that was not.
            roles: { device in try HostDisks().roles(of: device) },
            log: { message in sessions.info("\(message)") })
        var environment = NodeDisk.Environment(
            open: { path in try Disk(transport: opener.open(DiskTarget(parsing: path))) },
            key: key,
            makeOwnership: { disk, lost in
                DiskOwnership(disk: disk, key: key, timing: timing, executor: defenders, onLost: lost)
            },
            executor: BlockingExecutor(threads: settings.diskThreads),
            logger: Logger(label: "clusprepd.disk"))
        environment.isInUse = { disk in
            guard let device = disk.transport.attachment.device else { return false }
            return try LocalTransport.isClaimed(device) || HostDisks().roles(of: device).isProtected
        }
        environment.retryInterval = timing.defence
        return targets.enumerated().map { number, target in
            NodeDisk(number: UInt32(number), path: target.description, environment: environment)
        }
    }

    private static func credentials(_ settings: Settings) throws(StartupError) -> ISCSICredentials? {
        guard let path = settings.iscsiCredentials else { return nil }
        do {
            return try ISCSICredentials(file: path)
        } catch {
            throw .badFile(path: path, reason: "\(error)")
        }
    }

    /// The disks that the kernel shows, but for those that the configuration names, under whatever link.
    private static func localDisks(besides named: [DiskTarget]) -> [DiskTarget] {
        let disks: [HostDisk]
        do {
            disks = try HostDisks().list()
        } catch {
            Logger(label: "clusprepd.disk").warning("this host's disks are left out: \(error)")
            return []
        }
        let known = Set(
            named.compactMap { target -> String? in
                guard case .local(let device) = target else { return nil }
                return HostDisks().device(of: device)
            })
        return disks.filter { !known.contains($0.device) }.map { .local($0.device) }
    }

    /// Says which disks are there, and warns of those that cannot be used, each when it answers.
    ///
    /// This first look also takes off each disk what this node left there when it last ended without doing so.
    static func report(_ disks: [NodeDisk], logger: Logger) async {
        await withDiscardingTaskGroup { group in
            for disk in disks {
                group.addTask {
                    let description = await disk.describe()
                    if let problem = description.problem {
                        logger.warning(
                            "disk \(disk.number) cannot be used: \(problem)", metadata: ["path": "\(disk.path)"])
                    } else {
                        logger.info(
                            "disk \(disk.number)",
                            metadata: ["path": "\(disk.path)", "product": "\(description.product)"])
                    }
                }
            }
        }
    }
}
