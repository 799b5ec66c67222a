/// Sets a host up as a node, says what is missing, and undoes it.
public struct NodeSetup<Host: SetupHost>: Sendable {
    private let host: Host
    private let paths: SetupPaths

    /// For one host.
    public init(host: Host, paths: SetupPaths) {
        self.host = host
        self.paths = paths
    }

    /// In the order in which they are done: what a later one needs an earlier one has made.
    private var steps: [any SetupStep] {
        [
            HostStep(), DisksStep(), StateStep(), UsersStep(), KeytabStep(), ShareAccountStep(), ConfigurationStep(),
            FormerAnswersStep(), FirewallStep(), ServiceStep(),
        ]
    }

    /// What was answered when the host was set up; nil where it never was.
    ///
    /// - Throws: ``SetupError`` where the record cannot be read.
    public func record() throws(SetupError) -> SetupRecord? {
        try SetupRecord.read(at: paths, on: host)
    }

    /// What of a node is there, what is missing, and what stands in the way. Changes nothing.
    ///
    /// - Parameters:
    ///   - answers: what the node is to be.
    ///   - passwords: those that a person typed, by the user's name.
    public func inspect(
        _ answers: SetupAnswers, passwords: [String: String] = [:]
    ) async throws(SetupError) -> [Finding] {
        let session = try session(answers, passwords: passwords) { _ in }
        var findings: [Finding] = []
        for step in steps { findings += try await step.inspect(session) }
        return findings
    }

    /// Makes what is missing. Doing it again changes nothing; doing it with other answers changes what differs.
    ///
    /// - Parameters:
    ///   - tell: told of everything that is changed.
    /// - Throws: ``SetupError/blocked(_:)`` before anything is changed, where something stands in the way; any other where a step
    ///   failed: what was done by then is on record, so that it can be gone on with or undone.
    public func run(
        _ answers: SetupAnswers, passwords: [String: String] = [:], tell: @escaping (String) -> Void
    ) async throws(SetupError) {
        let obstacles = try await inspect(answers, passwords: passwords).filter { $0.state == .blocked }
        guard obstacles.isEmpty else {
            throw .blocked(obstacles.map { "\($0.text)" + ($0.remedy.map { " (\($0))" } ?? "") })
        }
        var session = try session(answers, passwords: passwords, tell: tell)
        // The folder of the record comes before everything: without it nothing could be written down.
        if try host.status(of: paths.configurationFolder) == nil {
            try host.makeFolder(paths.configurationFolder, mode: 0o700)
            tell("made \(paths.configurationFolder)")
        }
        try session.keepRecord()
        for step in steps { try await step.apply(&session) }
    }

    /// Undoes what was changed, the last first; what belongs to somebody else stays.
    ///
    /// - Parameters:
    ///   - keepsState: whether the node's database, users and keys stay.
    ///   - tell: told of everything that is undone, and of what stays and why.
    /// - Returns: whether everything is undone. What could not be stays on record.
    /// - Throws: ``SetupError/notSetUp(record:)``.
    public func remove(
        keepingState keepsState: Bool = false, tell: @escaping (String) -> Void
    ) async throws(SetupError) -> Bool {
        guard let record = try record() else { throw .notSetUp(record: paths.record) }
        return try await SetupRemoval(host: host, paths: paths, keepsState: keepsState, tell: tell).run(record)
    }

    private func session(
        _ answers: SetupAnswers, passwords: [String: String], tell: @escaping (String) -> Void
    ) throws(SetupError) -> SetupSession<Host> {
        try answers.check()
        return SetupSession(
            host: host, paths: paths, answers: answers, record: try record() ?? SetupRecord(answers: answers),
            passwords: passwords, tell: tell)
    }
}
