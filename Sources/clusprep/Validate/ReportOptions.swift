import ArgumentParser
import Foundation
import Validation

/// Runs what a validation needs before it can begin. Status 1 says that something was found at fault; what keeps a validation from being done
/// is 2.
///
/// - Throws: `ValidationError`, `ExitCode`.
func orCannotRun<Value>(_ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as CommandFailure {
        Terminal.complain("Error: \(error)")
        throw ExitCode(2)
    }
}

/// Where the reports of a validation go.
struct ReportOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where the report goes; a name with the date in this folder otherwise.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("Write the results as JSON, too.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Write the results as JUnit XML, too.", valueName: "file"))
    var junit: String?

    /// Writes them, tells the result and where the report is, and ends the command with the validation's status.
    ///
    /// - Throws: `ExitCode`, where the status is not 0, and where a file could not be written, after saying so.
    func finish(_ report: ValidationReport, on terminal: Terminal) throws {
        let path = html ?? "validation-\(Self.stamp(report.began)).html"
        var failure: (any Error)?
        // Where one cannot be written the others are all the more wanted.
        func keep(_ path: String, _ text: () throws -> String) {
            do { try Self.write(try text(), path) } catch { failure = failure ?? error }
        }
        keep(path) { HTMLReport.page(report) }
        if let json { keep(json) { try JSONReport.document(report) } }
        if let junit { keep(junit) { JUnitReport.document(report) } }
        for step in report.cleanup where step.outcome == .bad {
            let words = "\(step.disk ?? ""): \(step.text). \(step.detail ?? "")"
            Terminal.complain(Terminal.printableLine(words))
        }
        let style: Terminal.Style? =
            switch report.verdict {
            case .passed: .good
            case .failed: .bad
            default: nil
            }
        let words = "The validation's result: \(report.verdict.words)."
        terminal.line()
        terminal.line(style.map { terminal.styled(words, $0) } ?? words)
        if let failure {
            Terminal.complain("Error: \(failure)")
        } else {
            terminal.line("Report: \(URL(fileURLWithPath: path).path)")
        }
        let status = report.exitStatus == 0 && failure != nil ? 2 : report.exitStatus
        guard status == 0 else { throw ExitCode(status) }
    }

    /// Writes a file, all of it or nothing; a device or a pipe is written to, and not replaced by a file.
    static func write(_ text: String, _ path: String) throws {
        do {
            let url = URL(fileURLWithPath: path)
            var status = stat()
            let isReplaceable = stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
            try Data(text.utf8).write(to: url, options: isReplaceable ? .atomic : [])
        } catch {
            throw CommandFailure("cannot write \(path): \(error.localizedDescription)")
        }
    }

    private static func stamp(_ date: Date) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyyMMdd-HHmmss"
        return formatter.string(from: date)
    }
}
