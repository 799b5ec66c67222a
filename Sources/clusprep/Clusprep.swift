import ArgumentParser

/// The command line of ClusPrep.
@main
struct Clusprep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clusprep",
        abstract: "Works with failover-cluster nodes that speak the ClusPrep protocol ([MS-CSVP]).",
        version: "0.1.0",
        subcommands: [
            CleanupCommand.self, DisksCommand.self, DissectCommand.self, FirewallCommand.self, LabCommand.self,
            LogCommand.self,
            NetworkCommand.self, ReplayCommand.self, ReservationsCommand.self, SetupCommand.self, UpdatesCommand.self,
            UserCommand.self,
            ValidateCommand.self,
            WalkCommand.self,
        ])
}

/// A failure in words for the person at the terminal; the program ends with status 1.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
