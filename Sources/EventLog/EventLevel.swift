/// How grave an event is: the word it has in a cluster log.
public enum EventLevel: String, Sendable, Hashable, CaseIterable {
    /// Of interest to whoever looks for a fault.
    case debug = "DBG"
    /// What happened.
    case information = "INFO"
    /// What may become a problem.
    case warning = "WARN"
    /// What failed.
    case error = "ERR"
}
