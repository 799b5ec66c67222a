import ClusterProtocols
import ErrorCodes
import EventLog
import FileShares
import Foundation
import Logging
import NDR
import Synchronization
import TestSupport
import Testing

@testable import ClusPrepServer

/// A node's log in a folder of its own, and an activation that makes files of it.
private final class LogNode: Sendable {
    /// What a test sets; the log and the object look at it.
    final class World: Sendable {
        /// 2023-11-14 22:13:20 UTC, on a machine that has run for a day.
        let time = Mutex(EventTime(wall: 1_700_000_000_000_000, uptime: 86_400_000_000, boot: 7))
        let share = Mutex<Result<String, FileShareError>>(.success("logs"))
    }

    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("logs-\(UUID().uuidString)").path
    let world = World()
    let log: EventLog
    let first: IClusterLogClient
    let third: IClusterLogEx3Client

    init(_ change: (inout ClusterLog.Environment) -> Void = { _ in }) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let world = world
        log = try EventLog.open(folder: folder + "/log", clock: EventClock { world.time.withLock { $0 } })
        var environment = ClusterLog.Environment(
            node: "alpha", log: log, files: LogFiles(folder: folder + "/files"),
            share: { try world.share.withLock { $0 }.get() },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        change(&environment)
        let object = ClusterLog(environment: environment)
        first = IClusterLogClient(LocalCaller(object.handlers(for: IClusterLog.interface.syntax.uuid)))
        third = IClusterLogEx3Client(LocalCaller(object.handlers(for: IClusterLogEx3.interface.syntax.uuid)))
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)
    }

    func advance(microseconds: Int64) {
        world.time.withLock { time in
            time.wall += microseconds
            time.uptime += microseconds
        }
    }

    func say(_ text: String, component: String = "storage", level: EventLevel = .information) {
        log.append(level, component: component, text: text)
    }

    func file(_ path: FLAGGED_WORD_BLOB?) throws -> String {
        try file(try #require(try BSTRValue(path).text))
    }

    func file(_ path: String) throws -> String {
        let parts = path.split(separator: "\\")
        #expect(parts.count == 2 && parts[0] == "logs", "\(path)")
        return try String(contentsOfFile: "\(folder)/files/\(parts.last ?? "")", encoding: .utf8)
    }

    /// What the events of a file say.
    func events(_ path: FLAGGED_WORD_BLOB?) throws -> [String] {
        try file(path).split(separator: "\n").filter { $0.contains("::") }.map { line in
            line.split(separator: "] ", maxSplits: 1).last.map(String.init) ?? ""
        }
    }

    var files: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder + "/files").sorted() }
    }

    func span(_ minutes: UInt32) async throws -> [String] {
        let answer = try await first.generateTimeSpanLog(.init(SpanMinutes: minutes))
        #expect(answer.returnValue == .ok)
        return try events(answer.LogFilePath)
    }
}

@Suite struct ClusterLogTests {
    @Test("A file of lines that readers of cluster logs know, in the share, by its path from there")
    func clusterLog() async throws {
        let node = try LogNode()
        node.say("first")
        node.advance(microseconds: 1_234_567)
        node.say("second\n00000001.00000001::forged", level: .error)
        let answer = try await node.first.generateClusterLog(.init())
        #expect(answer.returnValue == .ok)
        #expect(try BSTRValue(answer.LogFilePath) == BSTRValue("logs\\alpha-cluster-20231114-221321.log"))
        let text = try node.file(answer.LogFilePath)
        let process = String(UInt32(getpid()), radix: 16)
        let start = String(repeating: "0", count: 8 - process.count) + process + "."
        let lines = text.split(separator: "\n").filter { $0.hasPrefix(start) }.map { $0.dropFirst(17) }
        #expect(
            lines == [
                "::2023/11/14-22:13:20.000 INFO  [storage] first",
                "::2023/11/14-22:13:21.234 ERR   [storage] second\\n00000001.00000001::forged",
            ])
        #expect(text.hasPrefix("[=== Log ===]\nNode: alpha\nKind: cluster\nMade: 2023/11/14-22:13:21.234, GMT\n"))
    }

    @Test("SpanMinutes to the microsecond, from nothing to everything")
    func spans() async throws {
        let node = try LogNode()
        node.say("first")
        node.advance(microseconds: 60_000_000)
        node.say("second")
        node.advance(microseconds: 60_000_000)
        #expect(try await node.span(0) == [])
        #expect(try await node.span(1) == ["second"])
        #expect(try await node.span(2) == ["first", "second"])
        node.advance(microseconds: 1)
        #expect(try await node.span(1) == [])
        #expect(try await node.span(2) == ["second"])
        #expect(try await node.span(.max) == ["first", "second"])
        node.say("now")
        #expect(try await node.span(0) == ["now"])
        // The clock is set back by a day: what happened, happened a minute ago.
        node.world.time.withLock { $0.wall -= 86_400_000_000 }
        #expect(try await node.span(1) == ["now"])
        #expect(try await node.span(2) == ["second", "now"])
    }

    @Test("Local time changes how times are written, and nothing else")
    func localTime() async throws {
        let node = try LogNode { $0.localTime = LogTimeZone(name: "UTC+5:30") { _ in 19_800 } }
        node.say("first")
        for path in [
            try await node.first.generateClusterLogInLocalTime(.init()).LogFilePath,
            try await node.first.generateTimeSpanLogInLocalTime(.init(SpanMinutes: 0)).LogFilePath,
            try await node.third.generateClusterLog(.init(SpanMinutes: 0, flags: .ClusterLogFlagLocalTime)).LogFilePath,
        ] {
            let text = try node.file(path)
            #expect(text.contains("::2023/11/15-03:43:20.000 INFO  [storage] first"))
            #expect(text.contains("Made: 2023/11/15-03:43:20.000, UTC+5:30"))
        }
        #expect(
            try node.files == [
                "alpha-cluster-20231115-034320-2.log", "alpha-cluster-20231115-034320-3.log",
                "alpha-cluster-20231115-034320.log",
            ])
    }

    @Test("Each method of IClusterLogEx makes the log that its name promises")
    func kinds() async throws {
        let node = try LogNode { environment in
            for kind in LogKind.allCases {
                environment.sections[kind] = [ClusterLogSection("About") { ["about \(kind.rawValue)"] }]
            }
        }
        node.say("disk", component: "storage")
        node.say("adapter", component: "network")
        node.say("route", component: "routes")
        node.say("secret", component: "setup")
        node.say("calls=5", component: "performance.rpc")
        func check(_ kind: LogKind, _ path: FLAGGED_WORD_BLOB?, _ events: [String]) throws {
            #expect(try node.events(path) == events, "\(kind)")
            #expect(try node.file(path).contains("[=== About ===]\nabout \(kind.rawValue)\n"), "\(kind)")
        }
        let all = UInt32.max
        try check(
            .cluster, try await node.third.generateClusterLog(.init(SpanMinutes: all)).LogFilePath,
            ["disk", "adapter", "route", "secret"])
        try check(
            .health, try await node.third.generateClusterHealthLog(.init(SpanMinutes: all)).LogFilePath, ["disk"])
        try check(
            .clusterSet, try await node.third.generateClusterSetLog(.init(SpanMinutes: all)).LogFilePath, ["secret"])
        for level in [0, 3, -1, Int32.max] {
            try check(
                .network,
                try await node.third.generateClusterNetworkLog(
                    .init(SpanMinutes: all, NetworkDiagnosticsLevel: level)
                ).LogFilePath, ["adapter", "route"])
        }
        try check(.netft, try await node.third.generateNetftLog(.init(SpanMinutes: all)).LogFilePath, ["route"])
        for (type, events) in [(UInt16(0), 4), (1, 1), (2, 1), (3, 2), (4, 1)] {
            let answer = try await node.third.generateLogEx(.init(Type: .init(rawValue: type), SpanMinutes: all))
            #expect(answer.returnValue == .ok)
            #expect(try node.events(answer.LogFilePath).count == events)
        }
    }

    @Test("What is not defined is refused, and counts as a call that failed")
    func badArguments() async throws {
        let node = try LogNode()
        let bad = ClusterLogExFlag(rawValue: 4)
        #expect(try await node.third.generateClusterLog(.init(flags: bad)).returnValue.rawValue == 0x8007_0057)
        #expect(try await node.third.generateClusterHealthLog(.init(flags: bad)).returnValue.rawValue == 0x8007_0057)
        #expect(try await node.third.generateClusterSetLog(.init(flags: bad)).returnValue.rawValue == 0x8007_0057)
        #expect(try await node.third.generateClusterNetworkLog(.init(flags: bad)).returnValue.rawValue == 0x8007_0057)
        #expect(try await node.third.generateNetftLog(.init(flags: bad)).returnValue.rawValue == 0x8007_0057)
        #expect(
            try await node.third.exportClusterPerformanceHistory(.init(flags: bad)).returnValue.rawValue == 0x8007_0057)
        let all = ClusterLogExFlag(rawValue: 3)
        #expect(try await node.third.generateClusterLog(.init(flags: all)).returnValue == .ok)
        #expect(try await node.third.generateLogEx(.init()).returnValue == .ok)
        #expect(try await node.third.getCountLogs(.init()).Count == 1)
        for request in [
            IClusterLogEx2.GenerateLogEx.Request(Type: .init(rawValue: 5)), .init(Type: .init(rawValue: .max)),
            .init(flags: .init(rawValue: 0x8000)),
        ] {
            #expect(try await node.third.generateLogEx(request).returnValue.rawValue == 0x8007_0057)
            #expect(try await node.third.getCountLogs(.init()).Count == 0)
        }
        #expect(
            try await node.third.generateLogEx2(.init(Type: .init(rawValue: 5))).returnValue.rawValue == 0x8007_0057)
    }

    @Test("Sections, each in its file or all in one; the list, the count and the paths agree")
    func separateSections() async throws {
        let node = try LogNode { environment in
            environment.sections[.cluster] = [
                ClusterLogSection("Cluster", isClusterState: true) { ["member of none"] },
                ClusterLogSection("Node State") { ["up\nand well"] },
            ]
        }
        node.say("event")
        #expect(try await node.third.getCountLogs(.init()).Count == 0)
        #expect(try await node.third.getLogFilePath(.init(Index: 0)).returnValue.rawValue == 0x8007_000E)

        let whole = try await node.third.generateLogEx2(.init(SpanMinutes: 1))
        #expect(try BSTRValue(whole.SemicolonSeperatedLogFilesPath) == BSTRValue(whole.LongFilePath))
        let text = try node.file(whole.LongFilePath)
        #expect(
            text.contains(
                "[=== Cluster ===]\nmember of none\n\n[=== Node State ===]\nup\\nand well\n\n[=== Events ===]\n"))

        let separate = try await node.third.generateLogEx2(.init(SpanMinutes: 1, NoCollate: 1))
        let base = "logs\\alpha-cluster-20231114-221320"
        let paths = ["\(base)-2.log", "\(base)-cluster.log", "\(base)-node-state.log"]
        #expect(try BSTRValue(separate.LongFilePath) == BSTRValue(paths[0]))
        #expect(try BSTRValue(separate.SemicolonSeperatedLogFilesPath) == BSTRValue(paths.joined(separator: ";")))
        #expect(try await node.third.getCountLogs(.init()).Count == 3)
        for (index, path) in paths.enumerated() {
            let answer = try await node.third.getLogFilePath(.init(Index: UInt32(index)))
            #expect(answer.returnValue == .ok)
            #expect(try BSTRValue(answer.LogFilePath) == BSTRValue(path))
        }
        for index in [3, UInt32.max] {
            #expect(try await node.third.getLogFilePath(.init(Index: index)).returnValue.rawValue == 0x8007_000E)
        }
        #expect(try !node.file(paths[0]).contains("up"))
        #expect(try node.file(paths[2]).contains("up\\nand well"))

        let skipping = try await node.third.generateLogEx(
            .init(SpanMinutes: 1, flags: .ClusterLogFlagSkipClusterState, NoCollate: -1))
        #expect(try await node.third.getCountLogs(.init()).Count == 2)
        #expect(try !node.file(skipping.LogFilePath).contains("member"))
        // IClusterLog's methods are not GenerateLogEx.
        #expect(try await node.first.generateClusterLog(.init()).returnValue == .ok)
        #expect(try await node.third.getCountLogs(.init()).Count == 2)
    }

    @Test("A section that fails or never ends costs no more than itself")
    func badSections() async throws {
        struct Failure: Error, CustomStringConvertible { let description = "no kernel" }
        let clock = ManualClock()
        let gates = (AsyncStream.makeStream(of: Void.self), AsyncStream.makeStream(of: Void.self))
        let node = try LogNode { environment in
            environment.clock = clock
            environment.sections[.cluster] = [
                ClusterLogSection("Failing") {
                    for await _ in gates.0.stream {}
                    throw Failure()
                },
                ClusterLogSection("Endless") {
                    await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
                    return []
                },
                ClusterLogSection("Good") {
                    for await _ in gates.1.stream {}
                    return ["good"]
                },
            ]
        }
        async let answer = node.third.generateClusterLog(.init(SpanMinutes: 1))
        // All have begun before two of them end; then only the endless one waits.
        await clock.sleepers(3)
        gates.0.continuation.finish()
        gates.1.continuation.finish()
        await clock.sleepers(1)
        clock.advance(by: .seconds(15))
        let text = try node.file(try await answer.LogFilePath)
        #expect(text.contains("[=== Failing ===]\nnot available: no kernel\n"))
        #expect(text.contains("[=== Endless ===]\nnot available: it took longer than 15.0 seconds\n"))
        #expect(text.contains("[=== Good ===]\ngood\n"))
    }

    @Test("Without a share there is an error and no path, and the file is there nevertheless")
    func noShare() async throws {
        let node = try LogNode()
        node.world.share.withLock { $0 = .failure(.notInstalled(program: "smbd", remedy: "install it")) }
        let answer = try await node.third.generateLogEx(.init(SpanMinutes: 1))
        #expect(answer.returnValue.rawValue == 0x8007_0424)
        #expect(answer.LogFilePath == nil)
        #expect(try await node.third.getCountLogs(.init()).Count == 0)
        #expect(try node.files == ["alpha-cluster-20231114-221320.log"])
    }

    @Test("A folder that cannot be used answers with the nearest code, and nothing is left in it")
    func noFolder() async throws {
        let node = try LogNode()
        mkdir(node.folder + "/files", 0o700)
        chmod(node.folder + "/files", 0o777)
        #expect(try await node.first.generateClusterLog(.init()).returnValue.rawValue == 0x8007_0005)
        #expect(try node.files.isEmpty)
        let missing = try LogNode { $0.files = LogFiles(folder: "/nonexistent/logs") }
        #expect(try await missing.first.generateClusterLog(.init()).returnValue.rawValue == 0x8007_0003)
    }
}

@Suite struct PerformanceHistoryTests {
    @Test("Measurements go into the log and come out as a table, by stream, whatever the pattern")
    func export() async throws {
        let node = try LogNode { $0.streams = ["rpc", "log"] }
        let history = PerformanceHistory(
            streams: [.init("rpc") { [("calls-in", 5), ("calls-out", 4)] }, .log(node.log)], log: node.log)
        await history.measure()
        node.say("rubbish calls=x a=b=c", component: "performance.rpc")
        node.say("not a measurement=7")
        node.advance(microseconds: 60_000_000)
        await history.measure()
        // Its lengths do not even agree.
        let pattern = FLAGGED_WORD_BLOB(cBytes: 7, clSize: 1, asData: [1])
        let whole = try await node.third.exportClusterPerformanceHistory(.init(Pattern: pattern, StreamName: nil))
        #expect(whole.returnValue == .ok)
        #expect(
            try node.file(whole.LogFilePath) == """
                time,stream,name,value
                2023/11/14-22:13:20.000,rpc,calls-in,5
                2023/11/14-22:13:20.000,rpc,calls-out,4
                2023/11/14-22:13:20.000,log,written,1
                2023/11/14-22:13:20.000,log,dropped,0
                2023/11/14-22:14:20.000,rpc,calls-in,5
                2023/11/14-22:14:20.000,rpc,calls-out,4
                2023/11/14-22:14:20.000,log,written,5
                2023/11/14-22:14:20.000,log,dropped,0

                """)
        let one = try await node.third.exportClusterPerformanceHistory(
            .init(StreamName: BSTRValue("log").blob, flags: .ClusterLogFlagSkipClusterState))
        #expect(try BSTRValue(one.LogFilePath) == BSTRValue("logs\\alpha-performance-log-20231114-221420.log"))
        #expect(try node.file(one.LogFilePath).split(separator: "\n").count == 5)
        for name in ["RPC", "rpc\0", "../../x", "nothing"] {
            let answer = try await node.third.exportClusterPerformanceHistory(.init(StreamName: BSTRValue(name).blob))
            #expect(answer.returnValue.rawValue == 0x8007_0490, "\(name)")
        }
        let malformed = try await node.third.exportClusterPerformanceHistory(.init(StreamName: pattern))
        #expect(malformed.returnValue.rawValue == 0x8007_0057)
    }

    @Test("It measures once a minute until it is told to stop")
    func period() async throws {
        let node = try LogNode()
        let clock = ManualClock()
        let history = PerformanceHistory(
            streams: [.host()], log: node.log, period: .seconds(60), clock: clock)
        let task = Task { await history.run() }
        await clock.sleepers(1)
        clock.advance(by: .seconds(59))
        #expect(node.log.statistics.written == 1)
        clock.advance(by: .seconds(1))
        await clock.sleepers(1)
        #expect(node.log.statistics.written == 2)
        task.cancel()
        await task.value
        var text = ""
        try EventLogReader(folder: node.log.folder).forEach { text = $0.text }
        #expect(text.contains("resident-octets=") && text.contains("open-files="))
    }
}
