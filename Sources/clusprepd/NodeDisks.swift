import ClusPrepServer
import Foundation
import Logging
import Reservations

/// The disks of the configuration.
enum NodeDisks {
    static func make(_ settings: Settings, reservationKeyBase: UInt64) -> [NodeDisk] {
        // Two nodes may have been given one name by mistake. Their states differ, and so must what their disks know them by, or
        // both would be taken for the owner of one disk.
        let identity = InitiatorIdentity.node(
            "\(settings.nodeName).\(String(reservationKeyBase >> 16, radix: 16))")
        let key = ReservationKey(rawValue: reservationKeyBase | 1)
        // The check of the settings allows no times that this refuses.
        let timing =
            OwnershipTiming(challenge: settings.challengeTime, defence: settings.defenseInterval) ?? .standard
        // Threads of its own: a defence that has to wait behind other commands would come too late.
        let defenders = BlockingExecutor(threads: max(2, min(settings.disks.count, 16)))
        var environment = NodeDisk.Environment(
            open: { path in try Disk(transport: EmulatedLogicalUnit(image: path, initiator: identity)) },
            makeOwnership: { disk, lost in
                DiskOwnership(disk: disk, key: key, timing: timing, executor: defenders, onLost: lost)
            },
            executor: BlockingExecutor(threads: settings.diskThreads),
            logger: Logger(label: "clusprepd.disk"))
        environment.retryInterval = timing.defence
        return settings.disks.enumerated().map { number, path in
            NodeDisk(
                number: UInt32(number), path: URL(fileURLWithPath: path).path, environment: environment)
        }
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
