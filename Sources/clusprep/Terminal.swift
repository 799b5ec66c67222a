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

    /// A message on standard error. What disks, targets and nodes say of themselves may be in it, and does not get to command the
    /// terminal.
    static func complain(_ text: String) {
        FileHandle.standardError.write(Data((printable(text) + "\n").utf8))
    }

    /// The text with question marks in the place of control characters but line feeds.
    static func printable(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control && scalar != "\n"
            result.append(isControl ? "?" : scalar)
        }
        return String(result)
    }
}
