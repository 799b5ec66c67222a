import ArgumentParser
import Foundation

/// `clusprep lab`: nodes on loopback addresses with shared disks, for people and for test harnesses.
struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "Starts nodes on 127.0.0.1, 127.0.0.2 … with shared image disks, and a user to call them with.",
        discussion: """
            The nodes take port 135 where it is free and may be taken (as root), else ports that are printed. The disks are \
            images in DIR, the first with a GPT, the second with an MBR, and so on in turns, each with one NTFS volume; with \
            --iscsi they are served by tgtd on 127.0.0.100, and the nodes are its initiators. \
            Runs until SIGTERM or Ctrl-C and then leaves nothing behind but DIR, which the next start uses again.
            """)

    @Option(help: "The lab's folder; made if missing.")
    var dir: String

    @Option(help: "How many nodes.")
    var nodes = 2

    @Option(help: "How many shared disks.")
    var disks = 2

    @Flag(help: "Put the disks behind an iSCSI target (tgtd) instead of letting the nodes open the images.")
    var iscsi = false

    @Flag(help: "Once every node answers, print one line of JSON instead of words.")
    var json = false

    @Option(help: "The daemon's program. Default: clusprepd beside this program.")
    var clusprepd: String?

    func validate() throws {
        guard (1...64).contains(nodes) else { throw ValidationError("--nodes is from 1 to 64") }
        guard (0...64).contains(disks) else { throw ValidationError("--disks is from 0 to 64") }
    }

    func run() async throws {
        let signals = StopSignals()
        let folder = URL(fileURLWithPath: dir).standardizedFileURL
        let daemon = try clusprepd.map { URL(fileURLWithPath: $0) } ?? Self.daemonBesideThisProgram()
        let lab = Lab(folder: folder, daemon: daemon, target: iscsi ? try LabTarget(folder: folder) : nil)
        let isStopped = try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await _ in signals.arrivals { break }
                // Here already: a node that hangs at its start would be waited for otherwise.
                await lab.stop()
                return true
            }
            let (nodes, disks, json) = (nodes, disks, json)
            group.addTask {
                let description = try await lab.start(nodes: nodes, disks: disks)
                try Self.announce(description, json: json)
                // A node that ends is told of, and the others go on: labs are where nodes are killed.
                for await message in lab.endings where await !lab.isStopping { Terminal.complain(message) }
                return await lab.isStopping
            }
            defer { group.cancelAll() }
            do {
                return try await group.next() ?? true
            } catch {
                // Nodes that were stopped while they started did not fail.
                if await lab.isStopping { return true }
                await lab.stop()
                throw error
            }
        }
        await lab.stop()
        if !isStopped { throw CommandFailure("every node has ended") }
    }

    private static func announce(_ description: LabDescription, json: Bool) throws {
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try description.json())
            return
        }
        for node in description.nodes {
            terminal.line("\(node.name)  \(node.address) port \(node.endpointMapperPort)  process \(node.pid)")
        }
        for disk in description.disks { terminal.line("\(disk.target ?? disk.path)  \(disk.style) \(disk.id)") }
        terminal.line("user \(description.domain)\\\(description.user)  password \(description.password)")
    }

    private static func daemonBesideThisProgram() throws -> URL {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let daemon = program.deletingLastPathComponent().appendingPathComponent("clusprepd")
        guard FileManager.default.isExecutableFile(atPath: daemon.path) else {
            throw CommandFailure("there is no program \(daemon.path); name one with --clusprepd")
        }
        return daemon
    }
}
