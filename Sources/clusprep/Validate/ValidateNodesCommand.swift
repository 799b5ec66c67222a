import ArgumentParser
import Foundation
import Validation

/// `clusprep validate NODE…`: nodes, and the disks that they share.
struct ValidateNodesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodes",
        abstract: "Tells whether nodes, and the disks that they share, are fit for a failover cluster.",
        discussion: """
            Asks the nodes over MS-CSVP: what they are, how they reach each other, and what becomes of each shared disk when they \
            take it, lose it and take it back. Nothing has to be installed on them that they do not have.

            A disk that somebody is registered with is left alone, unless --even-in-use says otherwise. What the tests write \
            is a file with a name of its own on each volume, and two sectors that belong to nothing, which are put back. \
            Everything is taken away at the end, also after Ctrl-C and after a node was lost.

            The exit status is 0 where everything passed, also with warnings, 1 where something failed, 2 where nothing can be \
            said, and 64 for a wrong command line.
            """)

    @OptionGroup var nodes: ValidatedNodeOptions

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Only these tests, or categories of tests.", valueName: "test"))
    var include: [String] = []

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("All tests but these, or but these categories.", valueName: "test")
    )
    var exclude: [String] = []

    @Flag(help: "List the tests and end.")
    var list = false

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Only these disks: by their number in the plan, their identifier, or their partition table's.",
            valueName: "disk"))
    var disks: [String] = []

    @Flag(
        help:
            "Test disks even if somebody is registered with them. REMOVES the registrations and takes the disks from their owners."
    )
    var evenInUse = false

    @Flag(help: "Do not ask on a terminal before anything is written.")
    var yes = false

    @OptionGroup var reports: ReportOptions

    func validate() throws {
        if !list { try nodes.check() }
        for name in include + exclude where !NodeValidation.isKnown(name) {
            throw ValidationError("there is no test \(name); --list lists them")
        }
    }

    func run() async throws {
        let terminal = Terminal.standardOutput
        if list {
            ValidationDisplay.list(NodeValidation.tests, on: terminal)
            return
        }
        var options = NodeValidationOptions()
        options.include = include.isEmpty ? nil : Set(include)
        options.exclude = Set(exclude)
        options.disks = disks.isEmpty ? nil : disks
        options.evenInUse = evenInUse
        let named = try orCannotRun { try nodes.remoteNodes() }
        let validation = NodeValidation(nodes: named, options: options)
        let plan = await validation.plan()
        ValidationDisplay.show(plan, evenInUse: evenInUse, on: terminal)
        if !plan.unknownDisks.isEmpty {
            Terminal.complain("Error: no disk goes by the name \(plan.unknownDisks.joined(separator: ", nor by "))")
            throw ExitCode(2)
        }
        guard yes || !plan.changesDisks || ValidationDisplay.isConfirmed() else { throw ExitCode(2) }
        let report = await ValidationDisplay(terminal).following { progress in
            await validation.run(plan, generator: "clusprep \(Clusprep.configuration.version)", progress: progress)
        }
        try reports.finish(report, on: terminal)
    }
}
