import ArgumentParser
import Foundation
import NodeSetup

/// `clusprep setup`: makes this host a node.
struct RunSetup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Makes this host a node: state folder, users, keytab, disks, firewall, service. The default.",
        discussion: """
            Asks what the node is to be, shows what it would do, and does it when told so; with --answers FILE it asks nothing. \
            Doing it again changes nothing, with other answers what differs. "setup check" tells what is missing, "setup \
            remove" undoes it.

              clusprep setup
              clusprep setup --answers node.json --plan

            The exit status is 0 where it was done, 1 where it failed or something stands in the way, and 64 for a wrong \
            command line. See docs/setup.md for the answers.
            """)

    @Option(help: ArgumentHelp("Take the answers from this JSON file, and ask nothing.", valueName: "file"))
    var answers: String?

    @Flag(help: "Only show what would be done.")
    var plan = false

    @OptionGroup var programs: SetupPrograms

    func run() async throws {
        let host = LinuxHost()
        let setup = NodeSetup(host: host, paths: try programs.paths())
        // From the first look on: what another set-up changes would be taken for the host's.
        let lock = host.isAdministrator ? try host.lock() : nil
        defer { withExtendedLifetime(lock) {} }
        let terminal = Terminal.standardOutput
        let (answers, passwords) = try await read(host, setup)
        let findings = try await setup.inspect(answers, passwords: passwords)
        findings.forEach { terminal.line($0.line(on: terminal)) }
        guard !findings.contains(where: { $0.state == .blocked }) else {
            throw CommandFailure("nothing was changed; mend what is marked, and try again")
        }
        guard !plan else { return }
        if self.answers == nil {
            guard TerminalDialogue().ask("\nGo ahead? [no]: ")?.lowercased().hasPrefix("y") == true else {
                throw CommandFailure("nothing was changed")
            }
        }
        try await setup.run(answers, passwords: passwords) { terminal.line($0) }
        terminal.line("This host is a node. \"clusprep setup check\" tells how it is.")
    }

    private func read(
        _ host: LinuxHost, _ setup: NodeSetup<LinuxHost>
    ) async throws -> (SetupAnswers, [String: String]) {
        if let file = answers {
            guard let octets = try host.contents(of: file) else { throw CommandFailure("there is no file \(file)") }
            return (try SetupAnswers(json: octets, path: file), [:])
        }
        // Before the questions rather than after them.
        guard plan || host.isAdministrator else {
            throw CommandFailure("only root sets up a node: sudo clusprep setup")
        }
        guard isatty(STDIN_FILENO) == 1 else {
            throw ValidationError("there is no terminal to ask at; use --answers FILE")
        }
        let before = try setup.record()?.answers ?? SetupAnswers()
        return try await SetupWizard(host: host, dialogue: TerminalDialogue()).ask(before: before)
    }
}

/// `clusprep setup check`.
struct CheckSetup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tells what this host lacks of the node that it was set up as.",
        discussion: """
            Changes nothing. With --answers, what it lacks of the node that these answers mean.

              clusprep setup check

            The exit status is 0 where nothing is missing, 1 where something is, and 2 where the host was never set up.
            """)

    @Option(help: ArgumentHelp("Take the answers from this JSON file.", valueName: "file"))
    var answers: String?

    @Flag(help: "Print JSON: the number of its schema, and a list of findings.")
    var json = false

    @OptionGroup var programs: SetupPrograms

    /// What `--json` prints.
    struct Report: Encodable {
        /// Grows when a field changes its meaning or goes; new fields do not change it.
        var schema = 1
        var findings: [Finding]
    }

    func run() async throws {
        let host = LinuxHost()
        let paths = try programs.paths()
        let setup = NodeSetup(host: host, paths: paths)
        let wanted: SetupAnswers
        if let file = answers {
            guard let octets = try host.contents(of: file) else { throw CommandFailure("there is no file \(file)") }
            wanted = try SetupAnswers(json: octets, path: file)
        } else if let record = try setup.record() {
            wanted = record.answers
        } else {
            Terminal.complain("\(SetupError.notSetUp(record: paths.record))")
            throw SetupCommand.missingStatus
        }
        let findings = try await setup.inspect(wanted)
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try Report(findings: findings).prettyJSON())
        } else {
            findings.forEach { terminal.line($0.line(on: terminal)) }
        }
        if findings.contains(where: { [.missing, .blocked].contains($0.state) }) { throw ExitCode.failure }
    }
}

/// `clusprep setup remove`.
struct RemoveSetup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Undoes what \"clusprep setup\" did on this host.",
        discussion: """
            The service, the firewall's opening, the files, the users and the state folder with the node's keys and secret; \
            what was there before, or was changed since, stays, and is told of. What could not be undone stays on record, \
            so that the command can be given again.

              clusprep setup remove --keep-state

            The exit status is 0 where everything was undone, 1 where something was not, and 2 where the host was never set up.
            """)

    @Flag(help: "Keep the state folder: the node's database, users and keys.")
    var keepState = false

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var programs: SetupPrograms

    func run() async throws {
        let host = LinuxHost()
        let paths = try programs.paths()
        guard host.isAdministrator else { throw CommandFailure("only root undoes it: sudo clusprep setup remove") }
        let lock = try host.lock()
        defer { withExtendedLifetime(lock) {} }
        let setup = NodeSetup(host: host, paths: paths)
        guard let record = try setup.record() else {
            Terminal.complain("\(SetupError.notSetUp(record: paths.record))")
            throw SetupCommand.missingStatus
        }
        if !yes {
            guard isatty(STDIN_FILENO) == 1 else {
                throw ValidationError("there is no terminal to ask at; use --yes")
            }
            let what =
                keepState
                ? "The state stays." : "The node's users, keys and secret in \(record.answers.stateFolder) go, too."
            guard
                TerminalDialogue().ask("Undo the set-up of this host? \(what) [no]: ")?.lowercased().hasPrefix("y")
                    == true
            else { throw CommandFailure("nothing was changed") }
        }
        let terminal = Terminal.standardOutput
        guard try await setup.remove(keepingState: keepState, tell: { terminal.line($0) }) else {
            throw CommandFailure("not everything is undone; what is not stays on record in \(paths.record)")
        }
    }
}

/// `clusprep setup unit`.
struct UnitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unit", abstract: "Prints the unit of systemd that runs the daemon, for packages and for reading.",
        discussion: "  clusprep setup unit --clusprepd /usr/sbin/clusprepd")

    @OptionGroup var programs: SetupPrograms

    func run() throws {
        let paths = try programs.paths()
        guard ServiceUnit.isWord(paths.daemon) else { throw CommandFailure("a unit cannot name \(paths.daemon)") }
        print(ServiceUnit.text(paths), terminator: "")
    }
}

/// Which programs the node is to run.
struct SetupPrograms: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's program. Default: clusprepd beside this program.", valueName: "path"))
    var clusprepd: String?

    /// Where everything is.
    func paths() throws -> SetupPaths {
        // By the link that is in the search path rather than by what it leads to, which a package may move.
        let tool =
            ["/usr/bin/clusprep", "/usr/local/bin/clusprep"].first { Self.isThisProgram($0) } ?? Self.thisProgram
        let beside = URL(fileURLWithPath: Self.thisProgram).deletingLastPathComponent().appendingPathComponent(
            "clusprepd")
        let known = ["/usr/sbin/clusprepd", "/usr/local/sbin/clusprepd"].first { Self.leads($0, to: beside.path) }
        let daemon = clusprepd ?? known ?? beside.path
        guard daemon.hasPrefix("/") else { throw ValidationError("--clusprepd needs an absolute path") }
        return SetupPaths(daemon: daemon, tool: tool)
    }

    private static var thisProgram: String { resolved("/proc/self/exe") }

    private static func isThisProgram(_ path: String) -> Bool { leads(path, to: thisProgram) }

    private static func leads(_ path: String, to other: String) -> Bool {
        access(path, X_OK) == 0 && resolved(path) == resolved(other)
    }

    private static func resolved(_ path: String) -> String {
        URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    }
}

/// A person at the terminal.
struct TerminalDialogue: SetupDialogue {
    func say(_ text: String) {
        Terminal.standardOutput.line(Terminal.printable(text))
    }

    func ask(_ question: String) -> String? {
        Terminal.write(Terminal.printable(question))
        return readLine(strippingNewline: true)
    }

    func password(for user: String) throws(SetupError) -> String {
        do {
            return try PasswordPrompt.ask(for: user)
        } catch {
            throw .refused(operation: "take a password for \(user)", reason: "\(error)")
        }
    }
}

extension Finding {
    /// One line for people, with what to do on a second one.
    func line(on terminal: Terminal) -> String {
        let mark =
            switch state {
            case .ready: terminal.styled("ok     ", .good)
            case .missing: terminal.styled("to do  ", .bold)
            case .warning: terminal.styled("note   ", .bold)
            case .blocked: terminal.styled("problem", .bad)
            }
        let advice =
            remedy.map {
                "\n" + String(repeating: " ", count: 24) + terminal.styled("→ \(Terminal.printable($0))", .dim)
            } ?? ""
        let padding = String(repeating: " ", count: max(1, 15 - subject.count))
        return "\(mark)  \(subject)\(padding)\(Terminal.printable(text))\(advice)"
    }
}
