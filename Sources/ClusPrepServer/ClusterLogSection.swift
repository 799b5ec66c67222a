import EventLog
import Foundation

/// A part of a log that is not events: what the host or the node is like at the moment at which the log is made.
public struct ClusterLogSection: Sendable {
    /// Its heading, as in `[=== Disks ===]`; unique in a log.
    public var title: String
    /// Whether it is the cluster's state, which ClusterLogFlagSkipClusterState leaves out ([MS-CSVP] 2.2.25).
    public var isClusterState: Bool
    /// Its lines. What is thrown stands in the log in their place.
    public var lines: @Sendable () async throws -> [String]

    /// From its parts.
    public init(
        _ title: String, isClusterState: Bool = false, lines: @escaping @Sendable () async throws -> [String]
    ) {
        self.title = title
        self.isClusterState = isClusterState
        self.lines = lines
    }
}

/// A log as it is asked for.
struct LogOrder: Sendable {
    var kind: LogKind
    /// Nil for everything that is kept.
    var minutes: UInt32?
    var flags = LogFlags()
    /// Each section into a file of its own.
    var separatesSections = false
    /// Of the performance history: one stream of it; nil for all.
    var stream: String?
}

/// ClusterLogExFlag ([MS-CSVP] 2.2.25): an enumeration by its name, bits by its values and use.
struct LogFlags: OptionSet, Sendable {
    var rawValue: UInt16
    static let localTime = LogFlags(rawValue: 1)
    static let skipsClusterState = LogFlags(rawValue: 2)
    static let known: LogFlags = [.localTime, .skipsClusterState]
}

/// What a log is made of: its head, its sections, and its events.
struct LogContents: Sendable {
    var node: String
    var order: LogOrder
    var span: EventSpan
    var zone: LogTimeZone
    /// The sections with what they have to say.
    var sections: [(title: String, lines: [String])]
    var statistics: EventLog.Statistics

    /// The files to be made: one, or the events' and then one for each section.
    func drafts(reading reader: EventLogReader) -> [LogFiles.Draft] {
        let name = "\(node)-\(order.stream.map { "\(order.kind.rawValue)-\($0)" } ?? order.kind.rawValue)-\(stamp)"
        let separate = order.separatesSections ? sections : []
        var drafts = [
            LogFiles.Draft(name: name) { writer in
                if order.kind == .performance { return try writeMeasurements(from: reader, to: &writer) }
                try writeHead(to: &writer)
                if !order.separatesSections {
                    for section in sections { try Self.write(section, to: &writer) }
                }
                try writer.line("[=== Events ===]")
                try writeEvents(from: reader, to: &writer)
            }
        ]
        for section in separate {
            let title = section.title.lowercased().split(separator: " ").joined(separator: "-")
            drafts.append(
                LogFiles.Draft(name: "\(name)-\(title)") { writer in
                    try writeHead(to: &writer)
                    try Self.write(section, to: &writer)
                })
        }
        return drafts
    }

    /// The moment, as it may stand in a file's name on any system.
    private var stamp: String {
        let digits = ClusterLogLine.time(span.now, in: zone).filter { $0.isNumber || $0 == "-" }
        return String(digits.prefix(15))
    }

    private func writeHead(to writer: inout LogFileWriter) throws(EventLogError) {
        try writer.line("[=== Log ===]")
        try writer.line("Node: \(ClusterLogLine.escaped(node))")
        try writer.line("Kind: \(order.kind.rawValue)")
        try writer.line("Made: \(ClusterLogLine.time(span.now, in: zone)), \(zone.name)")
        let minutes = order.minutes.map { "the last \($0) minutes" } ?? "everything that is kept"
        try writer.line("Span: \(minutes)")
        if statistics.dropped > 0 {
            try writer.line("Dropped since the daemon's start: \(statistics.dropped) events")
        }
        try writer.line()
    }

    private static func write(
        _ section: (title: String, lines: [String]), to writer: inout LogFileWriter
    ) throws(EventLogError) {
        try writer.line("[=== \(section.title) ===]")
        for line in section.lines { try writer.line(ClusterLogLine.escaped(line)) }
        try writer.line()
    }

    private func writeEvents(from reader: EventLogReader, to writer: inout LogFileWriter) throws {
        let summary = try reader.forEach(in: span) { record in
            guard order.kind.includes(record) else { return }
            try writer.line(ClusterLogLine.format(record, in: zone))
        }
        guard summary.missing > 0 || summary.damagedOctets > 0 else { return }
        try writer.line()
        try writer.line("[=== Gaps ===]")
        try writer.line("Events that were dropped or damaged: \(summary.missing)")
        try writer.line("Octets that belong to no event: \(summary.damagedOctets)")
    }

    /// `time,stream,name,value`, as RFC 4180 has it: one line for each measurement.
    private func writeMeasurements(from reader: EventLogReader, to writer: inout LogFileWriter) throws {
        try writer.line("time,stream,name,value")
        try reader.forEach(in: span) { record in
            guard let measured = Measurement(record), order.stream.map({ $0 == measured.stream }) ?? true else {
                return
            }
            let time = ClusterLogLine.time(record.time, in: zone)
            for (name, value) in measured.values { try writer.line("\(time),\(measured.stream),\(name),\(value)") }
        }
    }
}
