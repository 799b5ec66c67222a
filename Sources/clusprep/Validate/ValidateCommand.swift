import ArgumentParser

/// `clusprep validate`: whether something is fit for a failover cluster.
struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Tells whether nodes and storage are fit for a failover cluster.",
        discussion: """
            clusprep validate NODE… validates nodes and the disks that they share; clusprep validate storage a disk, without any \
            node.
            """,
        subcommands: [ValidateNodesCommand.self, ValidateStorageCommand.self],
        defaultSubcommand: ValidateNodesCommand.self)
}
