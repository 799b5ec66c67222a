import ArgumentParser
import Reservations

/// `clusprep reservations`: persistent reservations of any disk.
struct ReservationsCommand: AsyncParsableCommand {
    /// The exit status of a reservation conflict, which is sg_persist's.
    static let conflictStatus = ExitCode(24)

    static let configuration = CommandConfiguration(
        commandName: "reservations",
        abstract: "Shows and changes the persistent reservations of a disk.",
        discussion: """
            The actions are the service actions of PERSISTENT RESERVE IN and OUT (SPC-3 6.11, 6.12):

              show [keys] [reservation] [capabilities] [full-status]   without a word, all that the disk supports
              register --new-key K [--key OLD] [--ignore-existing] [--aptpl] [--all-target-ports]
                       a new key of 0 takes the registration off
              reserve  --key K --type T
              release  --key K --type T
              preempt  --key K --service-action-key VICTIM --type T [--abort]
              clear    --key K

            Keys are hexadecimal. A registration belongs to the initiator that made it: use the same --as for what \
            follows. Some targets, tgtd among them, forget with the iSCSI session whose a registration is; there, \
            --register-first registers and acts in one session. A disk that this host lives on is shown, and everything else is \
            refused.

            The exit status is 0 where it was done, 24 for a reservation conflict, 64 for a wrong command line, and 1 for \
            every other failure.
            """)

    @Argument(
        help: "An image, a device (/dev/…) or iscsi://HOST[:PORT]/TARGET-NAME/LUN.",
        transform: { try DiskTarget(parsing: $0) })
    var disk: DiskTarget

    @Argument(help: "What to do.")
    var action: ReservationAction

    @Argument(help: ArgumentHelp("What to show.", valueName: "what"))
    var questions: [ReservationQuestion] = []

    @Option(help: "The key this initiator is registered with.")
    var key: ReservationKey?

    @Option(
        name: [.customLong("service-action-key"), .customLong("new-key")],
        help: "The key to register, or the one to pre-empt.")
    var serviceActionKey: ReservationKey?

    @Option(help: "The type of the reservation.")
    var type: ReservationType?

    @Flag(help: "Register whatever key this initiator is registered with.")
    var ignoreExisting = false

    @Flag(help: "Let the registrations outlast a loss of power (APTPL).")
    var aptpl = false

    @Flag(help: "Register through every target port (ALL_TG_PT).")
    var allTargetPorts = false

    @Flag(help: "Abort the victim's commands, too (PREEMPT AND ABORT).")
    var abort = false

    @Flag(help: "Register with --key first, whatever key this initiator is registered with.")
    var registerFirst = false

    @Flag(help: "Print JSON: an object with the number of its schema.")
    var json = false

    @OptionGroup var options: TargetOptions

    func validate() throws {
        var unwanted: [(Bool, String)] = []
        func needs(_ condition: Bool, _ option: String) throws {
            guard condition else { throw ValidationError("\(action.rawValue) needs \(option)") }
        }
        switch action {
        case .show: unwanted = [(key != nil, "--key"), (serviceActionKey != nil, "--service-action-key")]
        case .register:
            try needs(serviceActionKey != nil, "--new-key")
            unwanted = [(ignoreExisting && key != nil, "--key together with --ignore-existing")]
        case .reserve, .release:
            try needs(key != nil, "--key")
            try needs(type != nil, "--type")
            unwanted = [(serviceActionKey != nil, "--service-action-key")]
        case .preempt:
            try needs(key != nil, "--key")
            try needs(serviceActionKey != nil, "--service-action-key, the key to pre-empt")
            try needs(type != nil, "--type")
        case .clear:
            try needs(key != nil, "--key")
            unwanted = [(serviceActionKey != nil, "--service-action-key")]
        }
        unwanted.append((!questions.isEmpty && action != .show, "what to show"))
        unwanted.append((type != nil && ![.reserve, .release, .preempt].contains(action), "--type"))
        unwanted.append((abort && action != .preempt, "--abort"))
        unwanted.append((ignoreExisting && action != .register, "--ignore-existing"))
        unwanted.append((registerFirst && (action == .show || action == .register), "--register-first"))
        unwanted.append((aptpl && action != .register, "--aptpl"))
        unwanted.append((allTargetPorts && action != .register, "--all-target-ports"))
        if let name = unwanted.first(where: \.0)?.1 {
            throw ValidationError("\(action.rawValue) does not take \(name)")
        }
    }

    func run() async throws {
        let opener = try options.opener()
        let command = self
        let report = try await BlockingExecutor(threads: 1).run { command.report(with: opener) }
        let terminal = Terminal.standardOutput
        if json {
            terminal.line(try report.prettyJSON())
        } else {
            report.lines(on: terminal, questions: shown).forEach { terminal.line($0) }
        }
        if let problem = report.problem { Terminal.complain("Error: \(problem)") }
        switch report.result {
        case .done: return
        case .conflict: throw Self.conflictStatus
        case .failed: throw ExitCode.failure
        }
    }

    /// What people are shown: after a change, keys and reservation.
    private var shown: Set<ReservationQuestion> {
        guard action == .show else { return [.keys, .reservation] }
        return questions.isEmpty ? Set(ReservationQuestion.allCases) : Set(questions)
    }

    /// Does it, and tells what came of it. Blocking.
    func report(with opener: TargetOpener) -> ReservationReport {
        var report = ReservationReport(disk: disk.description, action: action, result: .done)
        let unit: Disk
        do {
            unit = try Disk(transport: try opener.open(disk))
        } catch {
            report.result = .failed
            report.problem = "cannot open \(disk): \(error)"
            return report
        }
        do {
            try perform(on: unit)
            report.state =
                action == .show
                ? try ReservationState(of: unit, demanded: Set(questions)) : try? ReservationState(of: unit)
        } catch {
            if case SCSIError.reservationConflict = error { report.result = .conflict } else { report.result = .failed }
            report.problem = explanation(of: error)
            if action != .show { report.state = try? ReservationState(of: unit) }
        }
        return report
    }

    private func perform(on unit: Disk) throws {
        let (key, other) = (key ?? .none, serviceActionKey ?? .none)
        if registerFirst { try unit.registerIgnoringExistingKey(key) }
        switch action {
        case .show: break
        case .register where ignoreExisting:
            try unit.registerIgnoringExistingKey(
                other, persistsThroughPowerLoss: aptpl, allTargetPorts: allTargetPorts)
        case .register:
            try unit.register(
                existing: key, new: other, persistsThroughPowerLoss: aptpl, allTargetPorts: allTargetPorts)
        case .reserve: if let type { try unit.reserve(key: key, type: type) }
        case .release: if let type { try unit.release(key: key, type: type) }
        case .preempt: if let type { try unit.preempt(key: key, victim: other, type: type, abort: abort) }
        case .clear: try unit.clearReservations(key: key)
        }
    }

    /// What failed, on what, and what to do.
    private func explanation(of error: any Error) -> String {
        let what = "\(action.rawValue) on \(disk)"
        switch error {
        case SCSIError.reservationConflict:
            // Only iSCSI sessions end with this program.
            guard case .iscsi = disk, action != .show, action != .register, !registerFirst else {
                return "\(what): reservation conflict: \(hintForConflict)"
            }
            return
                "\(what): reservation conflict: \(hintForConflict) If it should be, the target may forget registrations "
                + "with the session: try --register-first."
        case SCSIError.protected:
            return "\(what) is refused: this host lives on the disk. Only show works there."
        case SCSIError.checkCondition(let sense) where sense.code == .invalidOperationCode:
            return "\(what): the disk does not know persistent reservations (\(sense))"
        case SCSIError.checkCondition(let sense) where sense.code == .invalidRelease:
            return "\(what): the reservation is of another type; see what show says (\(sense))"
        case SCSIError.checkCondition(let sense) where sense.key == .illegalRequest && action == .show:
            return
                "\(what): the disk does not support the question (\(sense)); leave the word out to see what it supports"
        default: return "\(what): \(error)"
        }
    }

    private var hintForConflict: String {
        switch action {
        case .show: "the disk does not let this initiator read its reservations."
        case .register:
            ignoreExisting
                ? "another initiator's reservation forbids it."
                : "\(key ?? .none) is not the key this initiator is registered with; give --key or --ignore-existing."
        case .reserve:
            "another initiator holds it, it is held with another type, or \(key ?? .none) is not this initiator's key."
        case .release, .clear:
            "\(key ?? .none) is not the key this initiator (--as) is registered with."
        case .preempt:
            "nobody is registered with \(serviceActionKey ?? .none), or \(key ?? .none) is not this initiator's key."
        }
    }
}
