import Logging

/// Brings what is said through swift-log into an ``EventLog``; made for standing beside another handler, as
/// `MultiplexLogHandler([stderr, EventLogHandler(label: label, log: log)])`.
///
/// The component is the label without the daemon's name: `storage` for `clusprepd.storage`, `rpc.server` for itself. Metadata
/// follow the message as `key=value`, in the keys' order, and an error as `error=…`.
public struct EventLogHandler: LogHandler {
    /// Stays with every event of the logger.
    public var metadata: Logger.Metadata = [:]
    /// What a context adds.
    public var metadataProvider: Logger.MetadataProvider?
    /// From which level on events are kept.
    public var logLevel: Logger.Level

    private let component: String
    private let log: EventLog

    /// A handler for one label.
    public init(
        label: String, log: EventLog, level: Logger.Level = .debug, metadataProvider: Logger.MetadataProvider? = nil
    ) {
        component = Self.component(of: label)
        self.log = log
        logLevel = level
        self.metadataProvider = metadataProvider
    }

    /// See `LogHandler`.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// See `LogHandler`.
    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let own = event.metadata { all.merge(own) { _, new in new } }
        var text = "\(event.message)"
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { text += " \(key)=\(value)" }
        if let error = event.error { text += " error=\(error)" }
        log.append(EventLevel(event.level), component: component, text: text)
    }

    static func component(of label: String) -> String {
        let program = "clusprepd."
        guard label.hasPrefix(program), label.count > program.count else { return label }
        return String(label.dropFirst(program.count))
    }
}

extension EventLevel {
    /// The word for a level of swift-log's.
    public init(_ level: Logger.Level) {
        self =
            switch level {
            case .trace, .debug: .debug
            case .info, .notice: .information
            case .warning: .warning
            case .error, .critical: .error
            }
    }
}
