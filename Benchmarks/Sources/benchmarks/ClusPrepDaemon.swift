import ClusPrepClient
import Foundation
import Security
import Synchronization

/// clusprepd, with one user, and no disks unless told.
struct ClusPrepDaemon: PeerSubject {
    /// Where the programs are.
    struct Programs: Sendable {
        let daemon: String
        let tool: String

        /// Looks in the folder given; else beside this program, and where the package that this one belongs to is built.
        init(folder: String?) throws {
            let package = URL(fileURLWithPath: #filePath)
                .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            let folders = folder.map { [$0] } ?? [own.path, package.appendingPathComponent(".build/release").path]
            for folder in folders {
                let (daemon, tool) = (folder + "/clusprepd", folder + "/clusprep")
                if [daemon, tool].allSatisfy(FileManager.default.isExecutableFile(atPath:)) {
                    self.daemon = daemon
                    self.tool = tool
                    return
                }
            }
            throw BenchmarkFailure(
                "no clusprepd and clusprep in \(folders.joined(separator: " or ")); --help tells how to build them")
        }
    }

    static let name = "clusprepd"
    /// Set once, before the first start.
    static let programs = Mutex<Programs?>(nil)

    private static let user = "bench"
    private static let password = "N0t-a-secret"

    let address = "127.0.0.1"
    let port: UInt16
    let servingSince: ContinuousClock.Instant
    let preparation: Duration
    private let program: Program

    var processes: ProcessTree { ProcessTree(root: program.identifier) }
    var account: (domain: String, user: String, password: String) { ("BENCH", Self.user, Self.password) }

    static func start(in folder: String) async throws -> ClusPrepDaemon {
        try await start(in: folder, realm: nil)
    }

    /// Starts it with these disks and none of the host's, and with a realm's keys, if there is one.
    static func start(
        in folder: String, disks: [String] = [], realm: KerberosRealm? = nil
    ) async throws -> ClusPrepDaemon {
        guard let programs = programs.withLock({ $0 }) else { throw BenchmarkFailure("no programs are known") }
        let begin = ContinuousClock.now
        let state = folder + "/state"
        try Program.run(
            programs.tool, ["user", "add", user, "--admin", "--state-folder", state], input: password + "\n",
            log: folder + "/user.log")
        let port = try Port.free(on: "127.0.0.1")
        let log = folder + "/log"
        let preparation = ContinuousClock.now - begin
        let program = try Program(
            programs.daemon,
            [
                "--state-folder", state, "--listen", "127.0.0.1", "--endpoint-mapper-port", "\(port)", "--node-name",
                "bench", "--log-level", "error", "--stop-at-end-of-input", "--local-disks", "none",
            ] + disks.flatMap { ["--disks", $0] } + (realm?.daemonArguments ?? []), log: log,
            environment: realm?.environment ?? [:])
        do {
            let since = try await Port.wait(for: port, on: "127.0.0.1", of: program, log: log)
            return ClusPrepDaemon(port: port, servingSince: since, preparation: preparation, program: program)
        } catch {
            program.stop()
            throw error
        }
    }

    func stop() {
        program.stop()
    }

    /// A client of the one user.
    var client: ClusPrepClient {
        ClusPrepClient(
            host: address, port: port,
            credentials: .init(domain: "BENCH", user: Self.user, password: Self.password))
    }

    func initiator() throws -> any SecurityInitiator {
        try NTLMInitiator(
            domain: "BENCH", user: Self.user, password: Self.password, targetName: "RPCSS/\(address)")
    }
}
