import ArgumentParser
import Foundation
import Validation

/// Where the reports of a validation go.
struct ReportOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where the report goes; a name with the date in this folder otherwise.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("Write the results as JSON, too.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Write the results as JUnit XML, too.", valueName: "file"))
    var junit: String?

    /// Writes them, and tells where the report is.
    ///
    /// - Throws: what keeps a file from being written.
    func write(_ report: ValidationReport, on terminal: Terminal) throws {
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
            Terminal.complain(Terminal.printable(words))
        }
        if let failure { throw failure }
        let style: Terminal.Style? =
            switch report.verdict {
            case .passed: .good
            case .failed: .bad
            default: nil
            }
        let words = "The validation's result: \(report.verdict.words)."
        terminal.line()
        terminal.line(style.map { terminal.styled(words, $0) } ?? words)
        terminal.line("Report: \(URL(fileURLWithPath: path).path)")
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
