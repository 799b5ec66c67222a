import ArgumentParser
import Foundation

/// `benchmarks`: what the daemon costs, beside Samba's RPC server on the same machine in the same run.
@main
struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measures clusprepd, beside Samba's RPC server on the same machine in the same run.",
        discussion: """
            Numbers of one run can be compared with each other, and with nothing else: the clients share the machine with the \
            servers. Where both are bound by the machine's wake-up time, the processor time per call tells them apart.

            Needs the programs clusprepd and clusprep, built for release like this one, in the folder Benchmarks:
                swift build -c release --product clusprepd
                swift build -c release --product clusprep
                swift run -c release benchmarks
            Storage is measured beside ntfscp and libiscsi; it needs Debian's ntfs-3g, tgt and libiscsi-dev packages.
            Samba's part needs root, Debian's samba package and port 135 on 127.0.0.9; without them it is left out, and the \
            report says why. "peers" needs Debian's python3-samba besides; its clients are the same for both servers. Its calls \
            with Kerberos need krb5-kdc, krb5-admin-server and krb5-user.
            """)

    @Option(
        help:
            "The folder with clusprepd and clusprep. Default: beside this program, or .build/release of the package above."
    )
    var programs: String?

    @Option(help: "Seconds of each measurement.")
    var seconds = 3.0

    @Option(help: "How often each measurement is made; the median is reported.")
    var rounds = 3

    @Option(help: "Connections of the second measurement of calls.")
    var connections = 32

    @Option(help: "Idle associations for the measurement of memory.")
    var associations = 200

    @Flag(help: "Leave Samba out.")
    var alone = false

    @Option(
        help: "What is measured: calls, peers (the same calls by Samba's clients, and sealed writes), storage or all.")
    var only = Part.all

    /// What there is to measure.
    enum Part: String, ExpressibleByArgument, CaseIterable {
        case all
        case calls
        case peers
        case storage
    }

    @Flag(help: "Print JSON instead of tables.")
    var json = false

    func validate() throws {
        guard seconds >= 0.1, seconds <= 600 else { throw ValidationError("--seconds is from 0.1 to 600") }
        guard (1...99).contains(rounds) else { throw ValidationError("--rounds is from 1 to 99") }
        guard (1...512).contains(connections) else { throw ValidationError("--connections is from 1 to 512") }
        guard (1...900).contains(associations) else { throw ValidationError("--associations is from 1 to 900") }
    }

    func run() async throws {
        let found = try ClusPrepDaemon.Programs(folder: programs)
        ClusPrepDaemon.programs.withLock { $0 = found }
        let folder = try TemporaryFolder()
        let duration = Duration.seconds(seconds)
        var reports: [Report] = []
        if only == .all || only == .calls { reports.append(try await calls(in: folder, duration)) }
        if only == .all || only == .peers {
            reports.append(
                try await PeerLoad(duration: duration, rounds: rounds, folder: try folder.subfolder("peers")).run())
            reports.append(
                try await SealedWrite(duration: duration, rounds: rounds, folder: try folder.subfolder("write")).run())
        }
        if only == .all || only == .storage {
            let load = StorageLoad(duration: duration, rounds: rounds, folder: try folder.subfolder("storage"))
            reports.append(try await load.run())
        }
        print(json ? try Report.json(reports) : reports.map { $0.table() }.joined(separator: "\n\n"))
    }

    private func calls(in folder: borrowing TemporaryFolder, _ duration: Duration) async throws -> Report {
        var report = Report(rounds: rounds, seconds: seconds)
        report.set("NDR encode DISK_PROPS_EX", .values, try median { try DiskProperties.encode(for: duration) })
        report.set("NDR decode DISK_PROPS_EX", .values, try median { try DiskProperties.decode(for: duration) })
        report.set("TCP ping-pong, 100 octets", .machine, try median { try PingPong.run(for: duration).rounds })

        var kinds: [any Subject.Type] = []
        kinds.append(ClusPrepDaemon.self)
        if alone {
            report.note("Samba was left out.")
        } else if let reason = SambaServer.obstacle {
            report.note("Samba was left out: \(reason).")
        } else {
            kinds.append(SambaServer.self)
        }
        report.columns = kinds.map { $0.name }
        try await measureStart(kinds, in: folder, &report)
        try await measureCalls(kinds, in: folder, duration, &report)
        return report
    }

    private func median(_ measure: () throws -> Double) rethrows -> Double {
        Statistics.median(try (0..<rounds).map { _ in try measure() })
    }

    private func measureStart(
        _ kinds: [any Subject.Type], in folder: borrowing TemporaryFolder, _ report: inout Report
    ) async throws {
        for kind in kinds {
            var times: [Double] = []
            for round in 0..<max(rounds, 3) {
                let begin = ContinuousClock.now
                let subject = try await kind.start(in: folder.subfolder("start-\(kind.name)-\(round)"))
                times.append((subject.servingSince - begin).milliseconds - subject.preparation.milliseconds)
                subject.stop()
            }
            report.set("start to first connection", kind.name, .milliseconds, Statistics.median(times))
        }
    }

    private func measureCalls(
        _ kinds: [any Subject.Type], in folder: borrowing TemporaryFolder, _ duration: Duration,
        _ report: inout Report
    ) async throws {
        var subjects: [any Subject] = []
        defer { for subject in subjects { subject.stop() } }
        for kind in kinds { subjects.append(try await kind.start(in: folder.subfolder("calls-\(kind.name)"))) }
        for count in [1, connections] {
            var samples: [String: [CallSample]] = [:]
            // In turns, so that what else the machine does falls on all of them.
            for _ in 0..<rounds {
                for subject in subjects {
                    samples[subject.name, default: []].append(
                        try await ManagementLoad.run(subject, connections: count, for: duration))
                }
            }
            let label = count == 1 ? "1 connection" : "\(count) connections"
            for subject in subjects {
                let taken = samples[subject.name] ?? []
                report.set(
                    "sealed calls, \(label)", subject.name, .calls, Statistics.median(taken.map(\.callsPerSecond)))
                report.set(
                    "server's processor time a call, \(label)", subject.name, .microseconds,
                    Statistics.median(taken.map(\.processorMicroseconds)))
            }
        }
        for subject in subjects {
            report.set(
                "memory of an idle authenticated association", subject.name, .kibibytes,
                try await ManagementLoad.memory(of: subject, associations: associations))
        }
    }
}
