/// What a test found, said so that somebody can act on it.
public struct Finding: Sendable, Hashable, Codable {
    /// How much a finding weighs.
    public enum Severity: String, Sendable, Hashable, Codable, CaseIterable {
        /// Good to know.
        case information
        /// Worth a look.
        case warning
        /// A cluster cannot be relied on.
        case error

        var verdict: Verdict {
            switch self {
            case .information: .passed
            case .warning: .warning
            case .error: .failed
            }
        }
    }

    /// How much it weighs.
    public var severity: Severity
    /// What it is about: nodes, disks, adapters.
    public var subject: String
    /// What is the matter.
    public var text: String
    /// What to do about it; nil where there is nothing to do.
    public var advice: String?
    /// The command or method that showed it, if one did.
    public var command: String?

    /// A finding from its parts.
    public init(
        _ severity: Severity, _ subject: String, _ text: String, advice: String? = nil, command: String? = nil
    ) {
        self.severity = severity
        self.subject = subject
        self.text = text
        self.advice = advice
        self.command = command
    }
}
