import Foundation
import Logging
import ServiceLifecycle

/// The daemon: reads its settings, starts a node, and runs it until it is told to stop.
@main
enum Daemon {
    static let version = "0.1.0"

    static func main() async {
        do {
            switch try CommandLineFlags.parse(Array(CommandLine.arguments.dropFirst())) {
            case .help: print(CommandLineFlags.help)
            case .version: print("clusprepd \(version)")
            case .run(let flags):
                try await run(
                    try await Settings.load(flags: flags, environment: ProcessInfo.processInfo.environment))
            }
        } catch let error as StartupError {
            fail("\(error)", status: error.exitStatus)
        } catch {
            fail("\(error)", status: 1)
        }
    }

    private static func run(_ settings: Settings) async throws {
        // What a state file or an image would get besides would be too much.
        umask(0o077)
        let log = LogDestinations(standardErrorLevel: settings.logLevel)
        LoggingSystem.bootstrap { label in log.handler(label: label) }
        let logger = Logger(label: "clusprepd")
        var node = try await Node.start(settings, log: log, logger: logger)
        let announces = settings.ready
        node.isReady = { node in
            if announces { try announce(node) }
            try ReadinessNotification.send()
        }
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: node, successTerminationBehavior: .gracefullyShutdownGroup)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = settings.endTime
        let group = ServiceGroup(configuration: configuration)
        if settings.stopAtEndOfInput {
            Thread.detachNewThread {
                while readLine() != nil {}
                Task { await group.triggerGracefulShutdown() }
            }
        }
        try await group.run()
    }

    /// One line for the program that waits for it.
    @Sendable private static func announce(_ node: Node) throws {
        struct Ready: Encodable {
            var addresses: [Node.Address]
            var pid: Int32
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let ready = Ready(addresses: node.addresses, pid: ProcessInfo.processInfo.processIdentifier)
        FileHandle.standardOutput.write(try encoder.encode(ready) + Data("\n".utf8))
    }

    private static func fail(_ message: String, status: Int32) -> Never {
        FileHandle.standardError.write(Data("clusprepd: \(message)\n".utf8))
        exit(status)
    }
}
