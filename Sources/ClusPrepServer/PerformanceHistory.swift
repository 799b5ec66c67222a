import EventLog

/// The node's measurements over time ([MS-CSVP] 3.18.4.5): taken once a minute and kept in the event log, where they survive
/// restarts and make room for newer ones like everything else.
public struct PerformanceHistory: Sendable {
    /// Measurements that are taken together.
    public struct Stream: Sendable {
        /// What clients name it by: letters, digits and `-`.
        public var name: String
        /// Takes them: a name without spaces, commas and `=`, and a number each.
        public var sample: @Sendable () async -> [(name: String, value: UInt64)]

        /// From its parts.
        public init(_ name: String, sample: @escaping @Sendable () async -> [(name: String, value: UInt64)]) {
            self.name = name
            self.sample = sample
        }
    }

    /// The streams.
    public let streams: [Stream]
    private let log: EventLog
    private let period: Duration
    private let clock: any Clock<Duration>

    /// From its parts.
    public init(
        streams: [Stream], log: EventLog, period: Duration = .seconds(60),
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.streams = streams
        self.log = log
        self.period = period
        self.clock = clock
    }

    /// Measures now and then until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            await measure()
            do { try await clock.sleep(for: period) } catch { return }
        }
    }

    /// Measures once.
    public func measure() async {
        for stream in streams {
            let text = await stream.sample().map { "\($0.name)=\($0.value)" }.joined(separator: " ")
            log.append(.debug, component: LogKind.measurements + "." + stream.name, text: text)
        }
    }
}

/// An event that is a measurement.
struct Measurement {
    var stream: String
    var values: [(name: Substring, value: UInt64)] = []

    init?(_ record: EventRecord) {
        let prefix = LogKind.measurements + "."
        guard record.component.hasPrefix(prefix) else { return nil }
        stream = String(record.component.dropFirst(prefix.count))
        for word in record.text.split(separator: " ") {
            let parts = word.split(separator: "=")
            guard parts.count == 2, let value = UInt64(parts[1]) else { continue }
            values.append((parts[0], value))
        }
    }
}
