import ArgumentParser
import ClusPrepClient
import ErrorCodes
import EventLog
import Foundation

/// `clusprep log`: what happened on a node.
struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Shows a node's log, or has a node make files of it.",
        discussion: """
            Without --node, the events in this host's state folder, whether its daemon runs or not, as lines of a cluster log: \
            pid.tid::yyyy/mm/dd-hh:mm:ss.mmm LEVEL [component] text. With --node, that node makes a file of its log, with the \
            node's state in it, places it in a share, and the file's path is printed.

            Examples:
              clusprep log --span 60 --local-time
              clusprep log --kind health --json
              clusprep log --node node2 --user 'LAB\\admin' --kind network --span 1440

            The exit status is 0; 1 where the log cannot be read or made; 2 where it was read and parts of it are damaged or \
            missing; 64 for wrong arguments.
            """)

    @Option(help: ArgumentHelp("Only the last minutes: 0 to 4294967295.", valueName: "minutes"))
    var span: UInt32?

    @Flag(help: "In local time: this host's, or the node's; in GMT otherwise.")
    var localTime = false

    @Option(help: "Which log: \(LogKind.allCases.map(\.rawValue).joined(separator: ", ")).")
    var kind: LogKind = .cluster

    @Option(help: ArgumentHelp("Write to this file, which must not be there yet.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("The node's state folder.", valueName: "folder"))
    var stateFolder = "/var/lib/clusprep"

    @Flag(help: "Leave out the cluster's state; with --node.")
    var skipClusterState = false

    @Flag(help: "A file for each section; with --node.")
    var separateSections = false

    @Option(help: "Of the performance history, this stream alone; with --node.")
    var stream: String?

    @Flag(help: "Print JSON: an object for each event, one to a line; with --node, one object with the files' paths.")
    var json = false

    @OptionGroup var options: NodeOptions

    func validate() throws {
        if options.node == nil {
            for (isGiven, name) in [
                (skipClusterState, "--skip-cluster-state"), (separateSections, "--separate-sections"),
                (stream != nil, "--stream"),
            ] where isGiven { throw ValidationError("\(name) needs --node HOST") }
        } else {
            guard output == nil else {
                throw ValidationError("--output is for this host's log; a node's file is fetched by SMB from its share")
            }
            guard stream == nil || kind == .performance else {
                throw ValidationError("--stream needs --kind performance")
            }
            guard kind != .performance || span == nil else {
                throw ValidationError("a node exports its performance history whole: leave out --span")
            }
            guard kind != .performance || !separateSections else {
                throw ValidationError("the performance history has no sections")
            }
        }
    }

    func run() async throws {
        if let client = try options.client() {
            try await ask(client)
        } else {
            try show()
        }
    }

    // MARK: Another node

    private func ask(_ client: ClusPrepClient) async throws {
        let node = options.node ?? ""
        let paths: [String]
        do {
            let log = try await client.log()
            do {
                paths = try await generate(log)
            } catch {
                try? await log.release()
                throw error
            }
            try? await log.release()
        } catch {
            throw CommandFailure("\(node) made no log: \(error)")
        }
        let files = paths.map { "\\\\\(node)\\\($0)" }
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try NodeLogFiles(kind: kind.rawValue, files: files).prettyJSON())
        } else {
            files.forEach { terminal.line(Terminal.printable($0)) }
        }
    }

    private func generate(_ log: LogClient) async throws -> [String] {
        var flags: LogClient.Flags = []
        if localTime { flags.insert(.localTime) }
        if skipClusterState { flags.insert(.skipsClusterState) }
        guard let kind = kind.remote else {
            return [try await log.exportPerformanceHistory(of: stream, flags: flags)]
        }
        return try await log.generate(
            kind, minutes: span ?? .max, flags: flags, separatesSections: separateSections)
    }

    // MARK: This host

    private func show() throws {
        let folder = EventLog.folder(inStateFolder: stateFolder)
        guard FileManager.default.fileExists(atPath: folder) else {
            throw CommandFailure(
                "there is no log in \(stateFolder): no daemon has run with that state folder, or you may not read it")
        }
        let sink = try LogSink(path: output)
        let span = EventSpan(minutes: span, now: EventClock.system().now)
        let zone = localTime ? LogTimeZone.local : .gmt
        let summary: EventLogReader.Summary
        do {
            summary = try EventLogReader(folder: folder).forEach(in: span) { record in
                guard kind.includes(record) else { return }
                try sink.line(json ? try EventEntry(record, in: zone).line() : ClusterLogLine.format(record, in: zone))
            }
            try sink.finish()
        } catch LogSink.Failure.readerGone {
            return
        } catch let error as EventLogError {
            throw CommandFailure("\(error)")
        }
        guard summary.missing > 0 || summary.damagedOctets > 0 else { return }
        Terminal.complain(
            "parts of the log are gone: \(summary.missing) events were dropped or damaged, and "
                + "\(summary.damagedOctets) octets belong to no event")
        throw ExitCode(2)
    }
}

extension LogKind: ExpressibleByArgument {}

extension LogKind {
    /// As a node is asked for it; nil for what it exports otherwise.
    fileprivate var remote: LogClient.Kind? {
        switch self {
        case .cluster: .cluster
        case .health: .health
        case .clusterSet: .clusterSet
        case .network: .network
        case .netft: .netft
        case .performance: nil
        }
    }
}

/// What `clusprep log --node --json` prints.
struct NodeLogFiles: Encodable {
    /// Grows when a field changes its meaning or goes; new fields do not change it.
    var schema = 1
    /// Which log.
    var kind: String
    /// What an SMB client opens, the file with the events first.
    var files: [String]
}

/// What `clusprep log --json` prints for an event.
struct EventEntry: Encodable, Equatable {
    /// The event's number in the store.
    var number: UInt64
    /// `yyyy/mm/dd-hh:mm:ss.mmm`, in the zone that is asked for.
    var time: String
    /// Microseconds since 1970-01-01 00:00 UTC.
    var microseconds: Int64
    /// The process and the thread.
    var process: UInt32, thread: UInt32
    /// DBG, INFO, WARN or ERR.
    var level: String
    /// The part of the node that speaks.
    var component: String
    /// What it says, as it was said.
    var text: String

    init(_ record: EventRecord, in zone: LogTimeZone) {
        number = record.number
        time = ClusterLogLine.time(record.time, in: zone)
        microseconds = record.time.wall
        process = record.process
        thread = record.thread
        level = record.level.rawValue
        component = record.component
        text = record.text
    }

    func line() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
