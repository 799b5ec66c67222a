import ArgumentParser
import Foundation
import Validation

/// `clusprep validate report`: the report of a validation that was kept as JSON.
struct ValidateReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Makes the report of a validation from its results in JSON.",
        discussion: """
            Reads what --json of a validation has written, and writes the same report as --html and --junit of that validation would \
            have. Nothing is validated.

            The exit status is 0 where the report was written, whatever it says, and 1 otherwise.
            """)

    @Argument(help: ArgumentHelp("The results.", valueName: "file"))
    var results: String

    @Option(help: ArgumentHelp("Where the report goes.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("Where the results go as JUnit XML.", valueName: "file"))
    var junit: String?

    func validate() throws {
        guard html != nil || junit != nil else { throw ValidationError("nothing to make: --html or --junit names it") }
    }

    func run() throws {
        let report: ValidationReport
        do {
            report = try JSONReport.report(String(contentsOfFile: results, encoding: .utf8))
        } catch {
            throw CommandFailure("cannot read \(results) as the results of a validation: \(Self.words(for: error))")
        }
        if let html { try ReportOptions.write(HTMLReport.page(report), html) }
        if let junit { try ReportOptions.write(JUnitReport.document(report), junit) }
    }

    /// Where the document is not what it should be; the decoder's own words for it are its debugger's.
    private static func words(for error: any Error) -> String {
        let (context, reason): (DecodingError.Context, String?)
        switch error {
        case DecodingError.keyNotFound(let key, let found):
            (context, reason) = (found, "there is no \(key.stringValue)")
        case DecodingError.dataCorrupted(let found), DecodingError.typeMismatch(_, let found),
            DecodingError.valueNotFound(_, let found):
            (context, reason) = (found, nil)
        case let error as JSONReport.UnknownForm: return "\(error)"
        default: return error.localizedDescription
        }
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return (path.isEmpty ? "" : "at \(path.drop { $0 == "." }): ") + (reason ?? context.debugDescription)
    }
}
