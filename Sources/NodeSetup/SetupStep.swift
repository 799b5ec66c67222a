/// One thing that a node needs.
protocol SetupStep: Sendable {
    /// What of it is there, and what is missing. Changes nothing.
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding]
    /// Makes what is missing; what is there stays.
    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError)
}

extension SetupStep {
    /// A step that only looks.
    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {}
}

/// What was found of one thing that a node needs.
public struct Finding: Codable, Equatable, Sendable {
    /// How it stands.
    public enum State: String, Codable, Sendable {
        /// It is as it should be.
        case ready
        /// It is missing, and a set-up makes it.
        case missing
        /// It works without, or not as well as it could.
        case warning
        /// A set-up cannot mend it; somebody has to.
        case blocked
    }

    /// What it is about, in a word or two.
    public var subject: String
    /// How it stands.
    public var state: State
    /// What was found, or what will be done.
    public var text: String
    /// What to do about it; nil where there is nothing to do by hand.
    public var remedy: String?

    /// From its parts.
    public init(_ subject: String, _ state: State, _ text: String, remedy: String? = nil) {
        self.subject = subject
        self.state = state
        self.text = text
        self.remedy = remedy
    }
}
