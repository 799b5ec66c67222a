import ArgumentParser
import Foundation
import Replay
import Security

/// `clusprep replay`: a capture's calls, issued again.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Issues the calls of a capture again, to a live server, and compares the answers.",
        discussion: """
            Reads a capture as dissect does, issues its binds and calls to the server in the capture's order, as many at a \
            time as there, and compares every field of every answer. What servers and days make differ (OXIDs, OIDs, \
            IPIDs, context handles, causality identifiers, addresses) is mapped by the types of the IDL; docs/replay.md \
            tells how, and what else may differ by a file of rules.

            With --record nothing is replayed: packets are captured into FILE until Ctrl-C.

            The exit status is 0 where nothing differs but what may, 1 where something does or the server does not answer, 2 \
            where the capture cannot be read, --to names other servers than those of it, calls of it could not be issued, or \
            it has no answer to compare with, and 64 for a wrong command line.
            """)

    @Argument(
        help: "The capture, pcap or pcapng; - for standard input.", completion: .file(extensions: ["pcap", "pcapng"]))
    var file: String

    @Option(
        help: ArgumentHelp(
            "The server that is called; with OLD=NEW, the one in the place of the captured address OLD.",
            valueName: "host"))
    var to: [String] = []

    @Flag(help: "Capture packets into FILE instead, until Ctrl-C.")
    var record = false

    @Option(help: ArgumentHelp("With --record: the interface.", valueName: "name"))
    var interface = "any"

    @Option(help: ArgumentHelp("With --record: which packets, as pcap-filter(7) says it.", valueName: "expression"))
    var filter = "tcp"

    @OptionGroup var account: ReplayAccount
    @OptionGroup(title: "Secrets of the capture") var keys: CaptureKeyOptions

    @Option(help: ArgumentHelp("A file of rules; as often as wanted.", valueName: "file"), completion: .file())
    var rules: [String] = []

    @Option(help: ArgumentHelp("How long the server may take to answer.", valueName: "seconds"))
    var timeLimit = 30

    @Flag(help: "Tell what differs and may, too, and the calls that are the same.")
    var verbose = false

    @Flag(help: "Print the results as JSON.")
    var json = false

    func validate() throws {
        guard record != to.contains(where: { !$0.isEmpty }) else {
            throw ValidationError("name the server by --to HOST, or capture packets with --record")
        }
        guard record || file != "-" || (account.user == nil && !keys.ntPassword.contains("-")) else {
            throw ValidationError("standard input cannot be both the capture and a password")
        }
        guard
            to.allSatisfy({ word in
                word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
            })
        else {
            throw ValidationError("--to is HOST, or OLD=NEW")
        }
        guard timeLimit > 0 else { throw ValidationError("--time-limit is at least 1") }
        guard to.count(where: { !$0.contains("=") }) <= 1 else {
            throw ValidationError(
                "one --to HOST takes the place of all captured servers; say OLD=NEW for each of several")
        }
    }

    func run() async throws {
        if record { return try await recordPackets() }
        let options: Replayer.Options
        let traffic: CapturedTraffic
        do {
            options = try self.options()
            traffic = try CaptureReader(keys: keys.keys()).read(path: file)
        } catch {
            Terminal.complain("Error: \(error)")
            throw ExitCode(2)
        }
        let strangers = options.strangers(to: traffic)
        guard options.host.isEmpty || strangers.isEmpty else {
            Terminal.complain(
                "Error: the capture has no server at \(strangers.joined(separator: ", ")), which --to names")
            throw ExitCode(2)
        }
        let unnamed = options.unnamedServers(of: traffic)
        guard unnamed.isEmpty else {
            Terminal.complain("Error: no --to says what takes the place of \(unnamed.joined(separator: ", "))")
            throw ExitCode(2)
        }
        if !account.isSomebody, traffic.associations.contains(where: { !$0.authentications.isEmpty }) {
            Terminal.complain("Error: the capture's client logs on: say who to be, by --user or --kerberos")
            throw ExitCode(2)
        }
        let terminal = Terminal.standardOutput
        let (isQuiet, isVerbose) = (json, verbose)
        let report = await Replayer(options).replay(traffic) { call in
            guard !isQuiet, isVerbose || ![.same, .allowed].contains(call.verdict) else { return }
            for line in call.lines(showingAllowed: isVerbose) { terminal.line(Terminal.printableLine(line)) }
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            terminal.line(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            for line in traffic.remarks.map({ "The capture: \($0)" }) + report.negotiations.compactMap(\.line) {
                terminal.line(Terminal.printableLine(line))
            }
            terminal.line(report.summary)
        }
        guard report.exitStatus == 0 else { throw ExitCode(report.exitStatus) }
    }

    private func options() throws -> Replayer.Options {
        var rules = ReplayRules.standard
        for path in self.rules {
            do {
                try rules.add(String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8))
            } catch let error as ReplayRuleError {
                throw CommandFailure("\(path), \(error)")
            } catch {
                throw CommandFailure("cannot read the rules \(path): \(error.localizedDescription)")
            }
        }
        var hosts: [String: String] = [:]
        var host = ""
        for word in to {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { hosts[parts[0]] = parts[1] } else { host = word }
        }
        return Replayer.Options(
            host: host, hosts: hosts, port: account.port, rules: rules, timeLimit: .seconds(timeLimit),
            makeInitiator: try account.initiator())
    }

    private func recordPackets() async throws {
        let recorder = PacketRecorder(interface: interface, filter: filter)
        let (file, interface) = (self.file, self.interface)
        let work = Task {
            try await recorder.record(to: file) {
                Terminal.complain("Recording on the interface \(interface) into \(file), until Ctrl-C.")
            }
        }
        let signals = StopSignals()
        let watch = Task { for await _ in signals.arrivals { work.cancel() } }
        defer { watch.cancel() }
        do {
            Terminal.complain("\(try await work.value) packets.")
        } catch {
            Terminal.complain("Error: \(error)")
            throw ExitCode(2)
        }
    }
}
