import ClusterProtocols
import DCERPC
import DCOM
import ErrorCodes
import EventLog
import FileShares
import Logging
import NDR
import Reservations

/// An activation of ClusterLog: IClusterLog, IClusterLogEx, IClusterLogEx2 and IClusterLogEx3 as faces of one object ([MS-CSVP]
/// 3.12, 3.18, 3.19, 3.20).
///
/// The logs are the node's; what belongs to the object is which files its last GenerateLogEx made (3.19.4.2). Calls on one object
/// run one after the other.
public actor ClusterLog: COMObject {
    /// 88E7AC6D-C561-4F03-9A60-39DD768F867D ([MS-CSVP] 1.9).
    public static let clsid: GUID = "88e7ac6d-c561-4f03-9a60-39dd768f867d"

    /// What every activation on a node is made with.
    public struct Environment: Sendable {
        /// The node's name, for the files'.
        public var node: String
        /// What happened on the node.
        public var log: EventLog
        /// Where files are made.
        public var files: LogFiles
        /// The name of the share that shows the files' folder; throws where nobody can reach it.
        public var share: @Sendable () async throws -> String
        /// What a log of each kind has besides events.
        public var sections: [LogKind: [ClusterLogSection]] = [:]
        /// The names of the performance history's streams.
        public var streams: [String] = []
        /// What local time is.
        public var localTime = LogTimeZone.local
        /// How long one section may take; one that takes longer is left out, and the log says so.
        public var patience = Duration.seconds(15)
        /// What that is measured by.
        public var clock: any Clock<Duration> = ContinuousClock()
        /// Hears what clients do.
        public var logger: Logger
        /// One thread, so that files are made one after the other, and nobody else waits for a disk.
        let executor = BlockingExecutor(threads: 1)

        /// From its parts; no sections and no streams.
        public init(
            node: String, log: EventLog, files: LogFiles, share: @escaping @Sendable () async throws -> String,
            logger: Logger
        ) {
            self.node = node
            self.log = log
            self.files = files
            self.share = share
            self.logger = logger
        }
    }

    private let environment: Environment
    private let queue = CallQueue()
    /// The paths of the files that the last GenerateLogEx made; none where it failed.
    private(set) var lastPaths: [String] = []

    /// An object over the node's log.
    public init(environment: Environment) {
        self.environment = environment
    }

    /// IClusterLog, IClusterLogEx, IClusterLogEx2 and IClusterLogEx3.
    public nonisolated func handlers(for iid: GUID) -> [RPCHandler?]? {
        switch iid {
        case IClusterLog.interface.syntax.uuid: IClusterLog.handlers(self)
        case IClusterLogEx.interface.syntax.uuid: IClusterLogEx.handlers(self)
        case IClusterLogEx2.interface.syntax.uuid: IClusterLogEx2.handlers(self)
        case IClusterLogEx3.interface.syntax.uuid: IClusterLogEx3.handlers(self)
        default: nil
        }
    }

    /// Runs a call in its turn. "All methods MUST NOT throw exceptions": what carries no code of its own becomes
    /// ERROR_INTERNAL_ERROR.
    func answering<T: Sendable>(
        _ method: String, _ body: @Sendable (isolated ClusterLog) async throws -> T
    ) async throws -> T {
        do {
            return try await queue.run { try await body(self) }
        } catch let error as any HRESULTConvertible {
            let concernsHost = error is EventLogError || (error as? FileShareError)?.concernsHost == true
            environment.logger.log(
                level: concernsHost ? .warning : .debug, "\(method) answers \(error.hresult): \(error)")
            throw error
        } catch {
            environment.logger.error("\(method) failed: \(error)")
            throw Win32Error.internalError
        }
    }

    /// Makes a log.
    ///
    /// - Returns: `<share>\<file>` of each file ([MS-CSVP] 3.12.4.1).
    /// - Throws: E_INVALIDARG for flags that are not defined, ERROR_NOT_FOUND for a stream that is not there; what the disk and
    ///   the file sharing say. Where the share fails, the files are there nevertheless.
    func generate(_ order: LogOrder) async throws -> [String] {
        guard order.flags.isSubset(of: .known) else { throw Win32Error.invalidParameter }
        if let stream = order.stream, !environment.streams.contains(stream) { throw Win32Error.notFound }
        let span = EventSpan(minutes: order.minutes, now: environment.log.now)
        let wanted = (environment.sections[order.kind] ?? []).filter {
            !($0.isClusterState && order.flags.contains(.skipsClusterState))
        }
        let contents = LogContents(
            node: environment.node, order: order, span: span,
            zone: order.flags.contains(.localTime) ? environment.localTime : .gmt, sections: await said(by: wanted),
            statistics: environment.log.statistics)
        let (files, reader) = (environment.files, EventLogReader(folder: environment.log.folder))
        let names = try await environment.executor.run { try files.make(contents.drafts(reading: reader)) }
        let share: String
        do {
            share = try await environment.share()
        } catch {
            environment.logger.notice(
                "log made, but not shared", metadata: ["files": "\(names.map { files.folder + "/" + $0 })"])
            throw error
        }
        environment.logger.info("log made", metadata: ["kind": "\(order.kind.rawValue)", "files": "\(names)"])
        return names.map { "\(share)\\\($0)" }
    }

    /// Makes a log that GetCountLogs and GetLogFilePath then tell of.
    ///
    /// - Parameter order: nil for one that cannot be understood, which is a call like any other that failed.
    func generateAndKeep(_ order: LogOrder?) async throws -> [String] {
        lastPaths = []
        guard let order else { throw Win32Error.invalidParameter }
        lastPaths = try await generate(order)
        return lastPaths
    }

    /// What each section has to say, all at once, in the sections' order.
    private func said(by sections: [ClusterLogSection]) async -> [(title: String, lines: [String])] {
        let (patience, clock) = (environment.patience, environment.clock)
        return await withTaskGroup(of: (Int, [String]).self) { group in
            for (index, section) in sections.enumerated() {
                group.addTask {
                    let task = Task { () async -> [String] in
                        do { return try await section.lines() } catch { return ["not available: \(error)"] }
                    }
                    let lines = await firstValue(of: task, within: patience, by: clock)
                    return (index, lines ?? ["not available: it took longer than \(patience)"])
                }
            }
            var lines = [[String]](repeating: [], count: sections.count)
            for await (index, said) in group { lines[index] = said }
            return zip(sections, lines).map { ($0.title, $1) }
        }
    }
}

extension CoClasses {
    /// ClusterLog.
    public static func log(_ environment: ClusterLog.Environment) -> COMClass {
        COMClass(
            clsid: ClusterLog.clsid, name: "ClusterLog",
            interfaces: [
                COMInterface(IClusterLog.interface), COMInterface(IClusterLogEx.interface),
                COMInterface(IClusterLogEx2.interface), COMInterface(IClusterLogEx3.interface),
            ]
        ) { _ in ClusterLog(environment: environment) }
    }
}
