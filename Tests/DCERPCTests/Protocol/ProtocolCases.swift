import Foundation

/// A case of the protocol suite, `Fixtures/protocol/*.cases`, whose language is described in the README beside them.
struct ProtocolCase: Sendable, CustomStringConvertible {
    let name: String
    var clause = ""
    /// The kind of player that it is for, if not for all.
    var only: String?
    var steps: [ProtocolStep] = []

    var description: String { name }
}

/// One line of a case: `>` or `<` on a connection, or a word of its own.
struct ProtocolStep: Sendable {
    let verb: String
    let connection: Int
    let line: String
    /// The words without a value.
    var words: [String] = []
    /// The values of those with one; the same name may stand there several times.
    var values: [String: [String]] = [:]

    init(_ text: some StringProtocol) {
        var rest = String(text).split(separator: " ").map(String.init)[...]
        let first = rest.removeFirst()
        let digits = first.prefix { $0.isNumber }
        if let number = Int(digits), "<>".contains(first.dropFirst(digits.count)) {
            verb = String(first.dropFirst(digits.count))
            connection = number
        } else {
            verb = first
            connection = 1
        }
        line = String(text)
        for word in rest {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, !parts[0].contains("(") {
                values[String(parts[0]), default: []].append(String(parts[1]))
            } else {
                words.append(word)
            }
        }
    }

    func value(_ name: String) -> String? { values[name]?.last }
}

/// Reads the suite.
struct ProtocolCaseReader {
    struct Malformed: Error {
        let text: String
    }

    private struct Block {
        let isScene: Bool
        let name: String
        var lines: [String] = []
    }

    private var defines: [String: String] = [:]
    private var scenes: [String: Block] = [:]

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../Fixtures/protocol").standardizedFileURL

    /// All cases, one for each row of those that have a table.
    static func load() throws -> [ProtocolCase] {
        var reader = ProtocolCaseReader()
        return try reader.read(folder)
    }

    private mutating func read(_ folder: URL) throws -> [ProtocolCase] {
        var blocks: [Block] = []
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "cases" }
            .sorted { $0.path() < $1.path() }
        for file in files {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let text = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
                guard let word = text.split(separator: " ").first else { continue }
                let rest = text.dropFirst(word.count).trimmingCharacters(in: .whitespaces)
                switch word {
                case "define":
                    let name = rest.prefix { $0 != " " }
                    defines[String(name)] = rest.dropFirst(name.count).trimmingCharacters(in: .whitespaces)
                case "case", "scene":
                    blocks.append(Block(isScene: word == "scene", name: rest))
                default:
                    guard !blocks.isEmpty else { throw Malformed(text: "\(file.lastPathComponent): \(text)") }
                    blocks[blocks.count - 1].lines.append(text)
                }
            }
        }
        for block in blocks where block.isScene { scenes[block.name] = block }
        return try blocks.filter { !$0.isScene }.flatMap(expand)
    }

    private func expand(_ block: Block) throws -> [ProtocolCase] {
        var columns: [String] = []
        var rows: [[String: String]] = []
        var lines: [String] = []
        func cells(_ text: some StringProtocol) -> [String] {
            String(text).split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        for line in block.lines {
            if line.hasPrefix("each ") {
                columns = cells(line.dropFirst(5))
            } else if line.hasPrefix("|") {
                let row = cells(line.dropFirst())
                guard row.count == columns.count else { throw Malformed(text: line) }
                rows.append(Dictionary(zip(columns, row)) { $1 })
            } else {
                lines.append(line)
            }
        }
        return try (rows.isEmpty ? [[:]] : rows).map { row in
            let values = defines.merging(row) { $1 }
            var result = ProtocolCase(name: try substitute(block.name, values))
            try fill(&result, lines, values)
            return result
        }
    }

    private func substitute(_ text: String, _ values: [String: String]) throws -> String {
        var text = text
        for _ in 0..<64 {
            guard let open = text.firstIndex(of: "{") else { return text }
            guard let close = text[open...].firstIndex(of: "}"),
                let value = values[String(text[text.index(after: open)..<close])]
            else { throw Malformed(text: text) }
            text.replaceSubrange(open...close, with: value)
        }
        throw Malformed(text: text)
    }

    private func fill(_ result: inout ProtocolCase, _ lines: [String], _ values: [String: String]) throws {
        for line in lines {
            let text = try substitute(line, values)
            let word = text.prefix { $0 != " " }
            let rest = text.dropFirst(word.count).trimmingCharacters(in: .whitespaces)
            switch word {
            case "clause": result.clause = rest
            case "why": break
            case "only": result.only = String(rest.prefix { $0 != "," })
            case "given":
                guard let scene = scenes[rest] else { throw Malformed(text: "no scene is called \(rest)") }
                try fill(&result, scene.lines, values)
            default: result.steps.append(ProtocolStep(text))
            }
        }
    }
}
