import ArgumentParser
import Foundation
import HostInventory
import Reservations
import Validation

/// `clusprep validate storage`: a logical unit, from this machine alone.
struct ValidateStorageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage",
        abstract: "Tells whether a disk is fit for a failover cluster, without any node.",
        discussion: """
            Opens the disk as two initiators, as two nodes would, and tries every persistent reservation command that a cluster \
            uses, arbitration, failover and latency. A disk that somebody is registered with is left alone, unless \
            --even-in-use says otherwise. What is written goes to a block that belongs to nothing and is put back; where \
            none is known, the tests that write are left out.

            What was registered is taken off at the end, also after Ctrl-C. The exit status is 0 where the disk passed, 1 where \
            it failed, 2 where nothing can be said, and 64 for a wrong command line.
            """)

    @Option(
        help: "The disk: an image or iscsi://HOST[:PORT]/TARGET-NAME/LUN.",
        transform: { try DiskTarget(parsing: $0) })
    var target: DiskTarget?

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Only these tests.", valueName: "test"))
    var include: [String] = []

    @Option(parsing: .upToNextOption, help: ArgumentHelp("All tests but these.", valueName: "test"))
    var exclude: [String] = []

    @Flag(help: "List the tests and end.")
    var list = false

    @Flag(
        help:
            "Test the disk even if somebody is registered with it. REMOVES the registrations and takes the disk from its owner."
    )
    var evenInUse = false

    @Flag(help: "Do not ask on a terminal before anything is written.")
    var yes = false

    @OptionGroup var reports: ReportOptions
    @OptionGroup var options: TargetOptions

    func validate() throws {
        guard list || target != nil else { throw ValidationError("which disk? --target names it") }
        if case .local = target {
            throw ValidationError(
                "a device of this host is one initiator to its disk: name the unit by iSCSI, or validate it from two nodes"
            )
        }
        if case .iscsi(let unit) = target, unit.portals.count > 1 {
            throw ValidationError("name one portal: each path would be an initiator of its own")
        }
        for name in include + exclude where !TargetValidation.isKnown(name) {
            throw ValidationError("there is no test \(name); --list lists them")
        }
    }

    func run() async throws {
        let terminal = Terminal.standardOutput
        if list {
            ValidationDisplay.list(TargetValidation.tests, on: terminal)
            return
        }
        guard let target else { return }
        let validation = try orCannotRun { try makeValidation(of: target) }
        let plan: TargetValidation.Plan
        do {
            plan = try await validation.plan()
        } catch {
            Terminal.complain("Error: cannot open \(target): \(error)")
            throw ExitCode(2)
        }
        if plan.tests.contains(where: \.changesDisks),
            let device = Self.deviceInUse(plan.kernelNames, (try? HostDisks().list()) ?? [])
        {
            Terminal.complain("Error: \(target) is \(device), which this host uses: the tests would keep it out")
            throw ExitCode(2)
        }
        ValidationDisplay.show(plan, of: validation.target, evenInUse: evenInUse, on: terminal)
        guard yes || confirmed(plan) else { throw ExitCode(2) }
        let report = await ValidationDisplay(terminal).following { progress in
            await validation.run(plan, generator: "clusprep \(Clusprep.configuration.version)", progress: progress)
        }
        try reports.finish(report, on: terminal)
    }

    /// The device of this host that is the unit itself, where the host would be hurt by losing it: the kernel is an initiator of its own,
    /// and none of the two as whom the tests reserve.
    static func deviceInUse(_ names: Set<String>, _ disks: [HostDisk]) -> String? {
        disks.first { disk in
            disk.attachment.roles.isProtected
                && disk.worldWideIdentifier.map { names.contains($0.lowercased()) } == true
        }?.device
    }

    private func makeValidation(of target: DiskTarget) throws -> TargetValidation {
        var chosen = TargetValidation.Options()
        chosen.include = include.isEmpty ? nil : Set(include)
        chosen.exclude = Set(exclude)
        chosen.evenInUse = evenInUse
        let identity = try options.identity()
        let secrets = try options.secrets()
        // Two ports of one node are two nexuses to the disk. Far from those that a node's own disks have, and not those of another
        // validation from this host: of two sessions with one name the later ends the earlier.
        let port = UInt32.random(in: 0x2000..<0x4000) * 2
        return TargetValidation(target: target.description, options: chosen) { index in
            let opener = TargetOpener(initiator: identity.port(port + UInt32(index)), credentials: secrets)
            return try opener.open(target)
        }
    }

    /// Asks where there is somebody to ask, and something to ask about.
    private func confirmed(_ plan: TargetValidation.Plan) -> Bool {
        guard plan.tests.contains(where: \.changesDisks), evenInUse || !plan.isInUse else { return true }
        return ValidationDisplay.isConfirmed()
    }
}
