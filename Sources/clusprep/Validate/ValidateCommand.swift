import ArgumentParser

/// `clusprep validate`: whether something is fit for a failover cluster.
struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Tells whether nodes and storage are fit for a failover cluster.",
        discussion: """
            clusprep validate NODE… validates nodes and the disks that they share; clusprep validate storage a disk, without any \
            node; clusprep validate report makes a report again from the results that were kept.
            """,
        subcommands: [ValidateNodesCommand.self, ValidateStorageCommand.self, ValidateReportCommand.self],
        defaultSubcommand: ValidateNodesCommand.self)
}
