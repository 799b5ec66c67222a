import EventLog
import Logging
import Synchronization

/// Where the daemon's log goes: to standard error from the beginning, and to the node's own log of events from when its state
/// folder is known to be this process's. What is said before that is kept until then.
final class LogDestinations: Sendable {
    /// An event that came too early.
    private struct Early: Sendable {
        let handler: EarlyHandler
        let event: LogEvent
    }

    private enum Events: Sendable {
        case early([Early])
        case open(EventLog)
    }

    /// A start says a handful; a start that says more has failed.
    private static let maximumEarly = 1024

    private let standardErrorLevel: Logger.Level
    private let events = Mutex(Events.early([]))

    init(standardErrorLevel: Logger.Level) {
        self.standardErrorLevel = standardErrorLevel
    }

    /// A handler for one label.
    func handler(label: String) -> any LogHandler {
        var standardError = StreamLogHandler.standardError(label: label)
        standardError.logLevel = standardErrorLevel
        return MultiplexLogHandler([standardError, EarlyHandler(label: label, destinations: self)])
    }

    /// From here on events are kept in this log, those of before included.
    func open(_ log: EventLog) {
        let early = events.withLock { events -> [Early] in
            defer { events = .open(log) }
            guard case .early(let early) = events else { return [] }
            return early
        }
        for one in early { one.handler.forward(one.event, to: log) }
    }

    fileprivate func take(_ event: LogEvent, from handler: EarlyHandler) {
        let log = events.withLock { events -> EventLog? in
            switch events {
            case .open(let log): return log
            case .early(var early):
                if early.count < Self.maximumEarly { early.append(Early(handler: handler, event: event)) }
                events = .early(early)
                return nil
            }
        }
        if let log { handler.forward(event, to: log) }
    }

    /// Brings events to the log that is there by then.
    fileprivate struct EarlyHandler: LogHandler {
        var metadata: Logger.Metadata = [:]
        var metadataProvider: Logger.MetadataProvider?
        var logLevel = Logger.Level.debug

        private let label: String
        private let destinations: LogDestinations

        init(label: String, destinations: LogDestinations) {
            self.label = label
            self.destinations = destinations
            // What strangers can cause as often as they like must not displace what has happened.
            if label.hasPrefix("rpc.") || label.hasPrefix("dcom") { logLevel = .info }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            destinations.take(event, from: self)
        }

        func forward(_ event: LogEvent, to log: EventLog) {
            var handler = EventLogHandler(label: label, log: log, level: logLevel, metadataProvider: metadataProvider)
            handler.metadata = metadata
            handler.log(event: event)
        }
    }
}
