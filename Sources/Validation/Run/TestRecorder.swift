import Synchronization

/// Takes down what a test does, from any thread, and makes a result of it.
public final class TestRecorder: Sendable {
    private struct State {
        var steps: [TestStep] = []
        var findings: [Finding] = []
        var tables: [TestResult.Table] = []
        var charts: [Chart] = []
    }

    /// The test.
    public let test: TestDescription
    private let state = Mutex(State())
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private let onStep: @Sendable (TestStep) -> Void

    /// A recorder whose time begins now.
    ///
    /// - Parameter onStep: told each step as it is taken down.
    public init(_ test: TestDescription, onStep: @escaping @Sendable (TestStep) -> Void = { _ in }) {
        self.test = test
        self.onStep = onStep
        start = clock.now
    }

    /// The milliseconds since the test began.
    public var now: Double { (clock.now - start).milliseconds }

    /// Takes a step down.
    public func add(_ step: TestStep) {
        state.withLock { $0.steps.append(step) }
        onStep(step)
    }

    /// Takes a finding down.
    public func add(_ finding: Finding) {
        state.withLock { $0.findings.append(finding) }
    }

    /// The rows of a table that are kept. A node may tell of anything in any number.
    static let mostRows = 1000

    /// Takes a table down; of one with more than a thousand rows the first thousand, and how many there were.
    public func add(_ table: TestResult.Table) {
        var table = table
        if table.rows.count > Self.mostRows {
            let rest = table.rows.count - Self.mostRows
            let words = ["…", "and \(rest) more"] + [String](repeating: "", count: max(0, table.columns.count - 2))
            table.rows = table.rows.prefix(Self.mostRows) + [Array(words.prefix(table.columns.count))]
        }
        state.withLock { $0.tables.append(table) }
    }

    /// Takes a chart down.
    public func add(_ chart: Chart) {
        state.withLock { $0.charts.append(chart) }
    }

    /// What was found about a subject so far may be wrong: errors become warnings that say why.
    func doubt(_ subject: String, because reason: String) {
        state.withLock { state in
            for index in state.findings.indices
            where state.findings[index].severity == .error && state.findings[index].subject.contains(subject) {
                state.findings[index].severity = .warning
                state.findings[index].text += " This may not be the disk's doing: \(reason)."
            }
        }
    }

    /// Whether anything that was found keeps a cluster from being relied on.
    public var hasErrors: Bool { state.withLock { $0.findings.contains { $0.severity == .error } } }

    /// Whether a command was found to be at fault.
    func blames(_ command: SCSICommandName) -> Bool {
        state.withLock { $0.findings.contains { $0.severity == .error && $0.command == command.text } }
    }

    /// The result.
    ///
    /// - Parameters:
    ///   - began: when the test began, in milliseconds since the validation began.
    ///   - unfinished: why the test did not come to its end; nil where it did.
    ///   - success: what to say where nothing was found.
    public func result(began: Double, unfinished: String? = nil, success: String) -> TestResult {
        let state = state.withLock { $0 }
        var result = test.withoutResult(.passed, success)
        result.verdict = (state.findings.map(\.severity.verdict) + [.passed]).heaviest
        let worst = state.findings.filter { $0.severity.verdict == result.verdict && $0.severity != .information }
        if let first = worst.first {
            let others = worst.count == 1 ? "" : " And \(worst.count - 1) more."
            result.summary = "\(first.subject): \(first.text)\(others)"
        }
        if let unfinished {
            // What was found before stays found.
            if result.verdict != .failed { result.verdict = .unfinished }
            result.summary = result.verdict == .failed ? result.summary + " Then: " + unfinished : unfinished
        }
        result.steps = state.steps
        result.findings = state.findings
        result.tables = state.tables
        result.charts = state.charts
        result.began = began
        result.took = now
        return result
    }
}

extension Duration {
    /// In milliseconds.
    var milliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
    }
}
