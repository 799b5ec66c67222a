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
        terminal.line(terminal.styled(Terminal.printable(target), .bold))
        terminal.line("  " + Terminal.printable(plan.unit) + ", \(plan.size) octets")
        switch plan.scratch {
        case .success(let block): terminal.line("  block \(block) is written, and put back")
        case .failure(let why): terminal.line("  nothing is written: \(Terminal.printable(why.description))")
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

    /// What happens.
    func show(_ event: ValidationProgress) {
        switch event {
        case .began(let test):
            live("…       \(test.title)")
        case .step(let test, let step):
            live("…       \(test.title): \(step.text)")
        case .ended(let result):
            live(nil)
            let mark = result.verdict.words.padding(toLength: 15, withPad: " ", startingAt: 0)
            let style: Terminal.Style =
                switch result.verdict {
                case .passed: .good
                case .failed: .bad
                default: .dim
                }
            let outcome = result.verdict == .passed ? "" : "  " + Terminal.printable(result.summary)
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
        let line = text.map { String(Terminal.printable($0).prefix(78)) } ?? ""
        FileHandle.standardOutput.write(Data("\r\u{1B}[2K\(line)".utf8))
    }
}
