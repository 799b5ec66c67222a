import Foundation

/// Where a password comes from: a person who types it unseen, or standard input; never the command line, which others can
/// read.
enum PasswordPrompt {
    /// Asks twice on a terminal, or takes the first line of standard input.
    ///
    /// - Throws: ``CommandFailure`` where the two differ, or nothing was given.
    static func ask(for user: String) throws -> String {
        let password: String
        if isatty(STDIN_FILENO) == 1 {
            password = try unseen("Password for \(user): ")
            guard try unseen("Again: ") == password else { throw CommandFailure("the two passwords differ") }
        } else {
            password = readLine(strippingNewline: true) ?? ""
        }
        guard !password.isEmpty else { throw CommandFailure("a password must not be empty") }
        return password
    }

    /// Asks once on a terminal, or takes the first line of standard input: for a password that is there already.
    ///
    /// - Throws: ``CommandFailure`` where nothing was given: a logon with an empty password would only count as a failed one.
    static func existing(for user: String) throws -> String {
        let password =
            isatty(STDIN_FILENO) == 1 ? try unseen("Password for \(user): ") : readLine(strippingNewline: true) ?? ""
        guard !password.isEmpty else {
            throw CommandFailure("no password for \(user): type it, or write it to standard input")
        }
        return password
    }

    private static func unseen(_ prompt: String) throws -> String {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { throw CommandFailure("cannot hide what is typed") }
        var silent = settings
        silent.c_lflag &= ~tcflag_t(ECHO)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0 else {
            throw CommandFailure("cannot hide what is typed")
        }
        // Only now: what somebody quick types before would be shown, and then be thrown away.
        Terminal.write(prompt, to: STDERR_FILENO)
        defer {
            _ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
            Terminal.write("\n", to: STDERR_FILENO)
        }
        guard let line = readLine(strippingNewline: true) else { throw CommandFailure("no password was given") }
        return line
    }
}
