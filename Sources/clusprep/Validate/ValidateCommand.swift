import ArgumentParser

/// `clusprep validate`: whether something is fit for a failover cluster.
struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Tells whether storage is fit for a failover cluster.",
        subcommands: [ValidateStorageCommand.self])
}
