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
        try Self.write(HTMLReport.page(report), path)
        if let json { try Self.write(try JSONReport.document(report), json) }
        if let junit { try Self.write(JUnitReport.document(report), junit) }
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

    /// Writes a file, all of it or nothing.
    static func write(_ text: String, _ path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
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
