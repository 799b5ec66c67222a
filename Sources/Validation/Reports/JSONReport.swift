import Foundation

/// A report as JSON; `docs/validation.schema.json` describes it.
public enum JSONReport {
    /// The document, in UTF-8, with its keys in alphabetical order and dates as ISO 8601.
    public static func document(_ report: ValidationReport) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(Document(report)), as: UTF8.self) + "\n"
    }

    /// Reads a document that ``document(_:)`` wrote.
    ///
    /// - Throws: ``UnknownForm`` for one of another version; `DecodingError`.
    public static func report(_ document: String) throws -> ValidationReport {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let data = Data(document.utf8)
        // Before the fields are looked at: those of another version are others.
        let form = try decoder.decode(Form.self, from: data).format
        guard form == ValidationReport.formatVersion else { throw UnknownForm(version: form) }
        return try decoder.decode(Document.self, from: data).report
    }

    /// A document of a version that this program does not read.
    public struct UnknownForm: Error, Sendable, Hashable, CustomStringConvertible {
        /// Its version.
        public var version: Int

        /// Both versions.
        public var description: String {
            "it has the form \(version), and this program reads the form \(ValidationReport.formatVersion)"
        }
    }

    private struct Form: Decodable {
        let format: Int
    }

    /// The report with what follows from it, for readers who should not have to work it out again.
    private struct Document: Codable {
        let report: ValidationReport

        private enum Keys: String, CodingKey {
            case verdict
        }

        init(_ report: ValidationReport) {
            self.report = report
        }

        init(from decoder: any Decoder) throws {
            report = try ValidationReport(from: decoder)
        }

        func encode(to encoder: any Encoder) throws {
            try report.encode(to: encoder)
            var container = encoder.container(keyedBy: Keys.self)
            try container.encode(report.verdict, forKey: .verdict)
        }
    }
}
