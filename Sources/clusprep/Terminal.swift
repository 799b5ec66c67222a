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
        Self.write(text + "\n")
    }

    /// A message on standard error. What disks, targets and nodes say of themselves may be in it, and does not get to command the
    /// terminal.
    static func complain(_ text: String) {
        write(printable(text) + "\n", to: STDERR_FILENO)
    }

    /// Text on standard output, at once and as it is.
    static func write(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
        write(Data(text.utf8), to: descriptor)
    }

    /// Octets on standard output, at once and as they are.
    ///
    /// Where nobody reads any more, as behind `| head`, they are dropped and the command goes on to its end: what it has begun with
    /// nodes and disks is to be given back.
    static func write(_ octets: Data, to descriptor: Int32 = STDOUT_FILENO) {
        _ = ignoresBrokenPipes
        octets.withUnsafeBytes { (buffer: UnsafeRawBufferPointer) in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EAGAIN {
                    // Somebody else made the terminal not wait.
                    var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&polled, 1, -1)
                } else if errno != EINTR {
                    return
                }
            }
        }
    }

    /// A pipe without a reader is an error of the write, not the end of the process.
    private static let ignoresBrokenPipes: Void = {
        _ = signal(SIGPIPE, SIG_IGN)
    }()

    /// The text with question marks in the place of control characters but line feeds.
    static func printable(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control && scalar != "\n"
            result.append(isControl ? "?" : scalar)
        }
        return String(result)
    }

    /// The text as one line, with question marks in the place of line feeds, too.
    static func printableLine(_ text: String) -> String {
        printable(text).replacing("\n", with: "?")
    }
}
