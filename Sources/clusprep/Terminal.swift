import Foundation

/// What a person sees: coloured on a terminal, plain in a pipe or where NO_COLOR is set.
struct Terminal: Sendable {
    /// How a piece of text is to look.
    enum Style: String {
        case bold = "1"
        case dim = "2"
        case good = "32"
        case bad = "31"
    }

    private let isColoured: Bool

    /// Standard output.
    static let standardOutput = Terminal(
        isColoured: isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil)

    init(isColoured: Bool) {
        self.isColoured = isColoured
    }

    /// The text in a style.
    func styled(_ text: String, _ style: Style) -> String {
        isColoured ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// One line on standard output, at once.
    func line(_ text: String = "") {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    /// One line on standard error.
    static func complain(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
