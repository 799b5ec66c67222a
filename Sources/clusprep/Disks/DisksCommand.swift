import ArgumentParser
import Foundation
import HostInventory
import Reservations
import Volumes

/// `clusprep disks`: what a node sees.
struct DisksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disks",
        abstract: "Lists disks as a cluster node sees them.",
        discussion: """
            Each disk with its size, bus, partition style, whether a failover cluster can use it or why not, its \
            identifiers, the keys that are registered on it and the reservation. Nothing is written to a disk; opening an \
            image that was never a disk before makes the state file beside it.

            Without options, the disks of this host. With --disk, --node-config or --discover, those as well; \
            --no-local leaves out the host's own.
            """)

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "More disks: images, devices (/dev/…) or iscsi://HOST[:PORT]/TARGET-NAME/LUN.", valueName: "target"),
        transform: { try DiskTarget(parsing: $0) })
    var disk: [DiskTarget] = []

    @Option(help: ArgumentHelp("The disks of this configuration file of clusprepd, too.", valueName: "file"))
    var nodeConfig: String?

    @Option(help: ArgumentHelp("All disks behind this iSCSI portal, too: HOST[:PORT].", valueName: "portal"))
    var discover: [String] = []

    @Flag(help: "Leave out the disks of this host.")
    var noLocal = false

    @Flag(help: "Print JSON: an object with the number of its schema and the list of disks.")
    var json = false

    @OptionGroup var options: TargetOptions

    func validate() throws {
        _ = try portals()
    }

    func run() async throws {
        let local = noLocal ? [] : try Self.localDisks()
        var targets = local.map { DiskTarget.local($0.device) } + disk
        if let nodeConfig { targets += try NodeConfiguration.disks(ofFile: nodeConfig) }
        let executor = BlockingExecutor(threads: 8)
        let (found, problems) = try await ISCSIDiscovery.disks(
            behind: portals(), initiator: options.identity(), credentials: options.secrets(), executor: executor)
        targets += found
        let listing = await Self.look(at: targets, with: try options.opener(), executor: executor, local: local)
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try listing.prettyJSON())
        } else {
            listing.lines(on: terminal).forEach { terminal.line($0) }
        }
        problems.forEach(Terminal.complain)
        if !problems.isEmpty { throw ExitCode.failure }
    }

    private func portals() throws -> [ISCSIPortal] {
        try discover.map { text in
            do {
                return try ISCSIPortal(parsing: text)
            } catch {
                throw ValidationError("--discover: \(error)")
            }
        }
    }

    private static func localDisks() throws -> [HostDisk] {
        do {
            return try HostDisks().list()
        } catch {
            throw CommandFailure("cannot find the disks of this host: \(error). Use --no-local to do without them.")
        }
    }

    /// Looks at each target once, all at the same time.
    ///
    /// - Parameter local: what the host says of its disks, for those that cannot be opened.
    static func look(
        at targets: [DiskTarget], with opener: TargetOpener, executor: BlockingExecutor, local: [HostDisk] = []
    ) async -> DiskListing {
        var seen: Set<DiskTarget> = []
        let targets = targets.filter { seen.insert($0).inserted }
        var found = await withTaskGroup(of: (Int, DiskDescription, ReservationState?).self) { group in
            for (number, target) in targets.enumerated() {
                group.addTask {
                    do {
                        return try await executor.run {
                            let disk = try Disk(transport: try opener.open(target))
                            let description = DiskDescription.of(
                                disk, number: UInt32(number), path: target.description)
                            return (number, description, try? ReservationState(of: disk))
                        }
                    } catch {
                        var unopened = DiskDescription.missing(
                            number: UInt32(number), path: target.description, cause: "\(error)")
                        if let known = local.first(where: { DiskTarget.local($0.device) == target }) {
                            unopened.take(known)
                        }
                        return (number, unopened, nil)
                    }
                }
            }
            var found: [(Int, DiskDescription, ReservationState?)] = []
            for await disk in group { found.append(disk) }
            return found
        }
        found.sort { $0.0 < $1.0 }
        var descriptions = found.map(\.1)
        DiskDescription.markRelations(&descriptions)
        return DiskListing(
            disks: zip(descriptions, found).map { description, found in
                DiskEntry(description, reservations: found.2)
            })
    }
}

extension DiskDescription {
    /// What the host says of a disk that cannot be opened: it is there, if nothing else.
    mutating func take(_ disk: HostDisk) {
        flags = [.unreadable, .failingIO]
        vendor = disk.vendor
        product = disk.model
        serialNumber = disk.serial.isEmpty ? nil : disk.serial
        size = disk.size
        isReadOnly = disk.isReadOnly
        if disk.isRemovable { flags.insert(.removable) }
        take(disk.attachment)
    }
}

/// What of the daemon's configuration file concerns disks.
enum NodeConfiguration {
    /// The `disks` of a file: a list of targets, or a lone one.
    ///
    /// - Throws: ``CommandFailure`` where the file cannot be read, or holds something else there.
    static func disks(ofFile path: String) throws -> [DiskTarget] {
        struct File: Decodable {
            var disks: Targets?
        }
        struct Targets: Decodable {
            var texts: [String]

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                texts = try (try? container.decode(String.self)).map { [$0] } ?? container.decode([String].self)
            }
        }
        do {
            let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
            return try (file.disks?.texts ?? []).map { try DiskTarget(parsing: $0) }
        } catch let error as DecodingError {
            throw CommandFailure("\(path) is no configuration of clusprepd: \(error)")
        } catch {
            throw CommandFailure("cannot take the disks from \(path): \(error)")
        }
    }
}

extension Encodable {
    /// As JSON for programs and people: keys in order, one to a line.
    func prettyJSON() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
