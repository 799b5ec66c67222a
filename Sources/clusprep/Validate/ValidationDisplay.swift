import Foundation
import Validation

/// Shows a validation as it goes: on a terminal the step that is being taken, in a pipe a line for each test.
final class ValidationDisplay: Sendable {
    private let terminal: Terminal
    private let isLive: Bool

    init(_ terminal: Terminal) {
        self.terminal = terminal
        isLive = isatty(STDOUT_FILENO) == 1
    }

    /// The plan, before anything is written.
    static func show(_ plan: TargetValidation.Plan, of target: String, evenInUse: Bool, on terminal: Terminal) {
        terminal.line(terminal.styled(Terminal.printableLine(target), .bold))
        terminal.line("  " + Terminal.printableLine(plan.unit) + ", \(plan.size) octets")
        switch plan.scratch {
        case .success(let block): terminal.line("  block \(block) is written, and put back")
        case .failure(let why): terminal.line("  nothing is written: \(Terminal.printableLine(why.description))")
        }
        if plan.isInUse {
            let keys = plan.registrations.map(\.description).joined(separator: ", ")
            terminal.line("  registered: \(keys)")
            let words =
                evenInUse
                ? "These registrations will be REMOVED." : "The disk is in use: what would change it is left out."
            terminal.line("  " + terminal.styled(words, .bad))
        }
        terminal.line("  tests: " + plan.tests.map(\.id).joined(separator: ", "))
        terminal.line()
    }

    /// The plan of a validation of nodes, before anything is written.
    static func show(_ plan: NodePlan, evenInUse: Bool, on terminal: Terminal) {
        for node in plan.nodes {
            terminal.line(terminal.styled(Terminal.printableLine(node.name), .bold))
            if let failure = node.failure {
                terminal.line("  " + terminal.styled("does not answer: \(Terminal.printableLine(failure))", .bad))
            } else {
                terminal.line("  " + words(of: node))
            }
        }
        for disk in plan.disks {
            let places = disk.places.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.number)" }
            terminal.line(
                Terminal.printableLine(
                    "\(disk.name)  \(disk.identifier?.text ?? disk.label)  (\(places.joined(separator: ", ")))"))
            if let exclusion = disk.exclusion {
                terminal.line("  left alone: " + Terminal.printableLine(exclusion))
            } else if disk.isInUse, evenInUse {
                terminal.line("  " + terminal.styled("Its registrations will be REMOVED.", .bad))
            }
        }
        terminal.line("tests: " + plan.tests.map(\.id).joined(separator: ", "))
        for test in plan.tests where plan.changesDisks {
            if let writes = test.writes { terminal.line("  \(test.id) writes \(writes)") }
        }
        terminal.line()
    }

    /// What a node says of itself, on one line: more could pass for lines of the plan that is agreed to.
    static func words(of node: ValidationReport.Node) -> String {
        let label = node.hostLabel.map { "calls itself \($0), " } ?? ""
        return Terminal.printableLine(label + "version \(node.version ?? "unknown")")
    }

    /// The tests that there are, a line for each.
    static func list(_ tests: [TestDescription], on terminal: Terminal) {
        let width = tests.map(\.id.count).max() ?? 0
        for test in tests {
            terminal.line(test.id.padding(toLength: width + 2, withPad: " ", startingAt: 0) + test.title)
        }
    }

    /// Asks whether to go on, where there is somebody to ask.
    static func isConfirmed() -> Bool {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else { return true }
        Terminal.write("Go on? [y/N] ")
        return ["y", "yes"].contains(readLine()?.lowercased())
    }

    /// Shows a validation until its end; the first signal interrupts it.
    func following(
        _ validation: @escaping @Sendable (@escaping @Sendable (ValidationProgress) -> Void) async -> ValidationReport
    ) async -> ValidationReport {
        let work = Task { await validation { self.show($0) } }
        let signals = StopSignals()
        let watch = Task {
            for await _ in signals.arrivals {
                note("Interrupted: putting everything back.")
                work.cancel()
            }
        }
        defer { watch.cancel() }
        return await work.value
    }

    /// What happens.
    func show(_ event: ValidationProgress) {
        switch event {
        case .began(let test):
            live("…       \(test.title)")
        case .step(let test, let step):
            live("…       \(test.title): \(step.text)")
        case .ended(let result):
            live(nil)
            // Whoever left it out need not be told.
            guard result.verdict != .excluded else { return }
            let mark = result.verdict.words.padding(toLength: 15, withPad: " ", startingAt: 0)
            let style: Terminal.Style =
                switch result.verdict {
                case .passed: .good
                case .failed: .bad
                default: .dim
                }
            let outcome = result.verdict == .passed ? "" : "  " + Terminal.printableLine(result.summary)
            terminal.line(terminal.styled(mark, style) + result.title + outcome)
        }
    }

    /// A line for the person who waits.
    func note(_ text: String) {
        live(nil)
        terminal.line(text)
    }

    /// Replaces the line that is being shown, on a terminal alone.
    private func live(_ text: String?) {
        guard isLive else { return }
        // As long as a line of the narrowest terminal, so that it never wraps.
        let line = text.map { String(Terminal.printableLine($0).prefix(78)) } ?? ""
        Terminal.write("\r\u{1B}[2K\(line)")
    }
}
