/// The text of one IDL file.
public struct SourceFile: Sendable {
    /// What diagnostics call it.
    public let name: String
    /// Its lines, without their ends.
    public let lines: [String]
    let bytes: [UInt8]

    /// From its text.
    public init(name: String, text: String) {
        self.name = name
        bytes = Array(text.utf8)
        // By octets: to Swift, a carriage return and a line feed are one character.
        lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
    }

    /// The name without folder and extension.
    var stem: String {
        let base = name.split(separator: "/").last.map(String.init) ?? name
        return base.split(separator: ".").first.map(String.init) ?? base
    }
}

/// A place in an IDL file.
public struct SourceLocation: Sendable, Hashable {
    /// The file's name.
    public let file: String
    /// The line, from 1.
    public let line: Int
    /// The octet in the line, from 1.
    public let column: Int
    /// The octets that the caret line underlines.
    public let length: Int
    // The line's text travels along, so that a diagnostic can be printed without the file.
    let text: String
}

/// One complaint about an IDL file, printed as compilers print theirs.
public struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where.
    public let location: SourceLocation
    /// What is wrong, in one lower-case phrase.
    public let message: String

    init(_ location: SourceLocation, _ message: String) {
        self.location = location
        self.message = message
    }

    /// `file:line:column: error: message`, the source line, and a caret under what is meant.
    public var description: String {
        let before = location.text.utf8.prefix(location.column - 1)
        // A tab stays a tab, so that the caret stands where the terminal puts the character.
        let margin = String(decoding: before.map { $0 == UInt8(ascii: "\t") ? $0 : UInt8(ascii: " ") }, as: UTF8.self)
        let room = location.text.utf8.count - (location.column - 1)
        let tail = String(repeating: "~", count: max(0, min(location.length, room) - 1))
        return """
            \(location.file):\(location.line):\(location.column): error: \(message)
            \(location.text)
            \(margin)^\(tail)
            """
    }
}

/// All complaints about a compilation, in the order in which they were found.
public struct CompilationError: Error, Sendable, CustomStringConvertible {
    /// At least one.
    public let diagnostics: [Diagnostic]

    /// The diagnostics, one after the other.
    public var description: String {
        diagnostics.map(\.description).joined(separator: "\n")
    }
}
