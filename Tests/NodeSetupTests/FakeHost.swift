import Reservations
import Synchronization

@testable import NodeSetup

/// A host in memory: files, programs that are there, and what they were told to do.
final class FakeHost: SetupHost {
    struct File: Equatable {
        var contents: [UInt8]
        var mode: UInt32
        var owner: UInt32 = 0
    }

    struct World: Equatable {
        var folders: [String: UInt32] = [:]
        var files: [String: File] = [:]
        var accounts: Set<String> = ["root"]
        var users: [String: [String]] = [:]
        var enabled = false
        var active = false
        var isFirewallOpen = false
        var ports: Set<String> = []
        /// Where links lead.
        var links: [String: String] = [:]
        /// Pipes, devices and sockets.
        var specials: Set<String> = []
        /// Folders of others than root.
        var owners: [String: UInt32] = [:]
    }

    struct Circumstances {
        var isAdministrator = true
        var hasServiceManager = true
        var programs: Set<String> = ["systemctl", "journalctl", "useradd", "userdel"]
        var manager: FirewallManager?
        var trial = ListenTrial.free
        var cryptographyProblem: String?
        var keytabProblem: String?
        var disks: [DiskCandidate] = []
        /// The number of changes after which every further one fails.
        var changesLeft = Int.max
        var failingCommand: String?
        /// A path of which no change comes to be.
        var failingPath: String?
    }

    struct Broken: Error {}

    private let state: Mutex<(world: World, circumstances: Circumstances, commands: [String])>

    init(_ change: (inout Circumstances) -> Void = { _ in }) {
        var circumstances = Circumstances()
        change(&circumstances)
        var world = World()
        for folder in ["/etc", "/etc/systemd", "/etc/systemd/system", "/var", "/var/lib", "/srv", "/usr", "/usr/sbin"] {
            world.folders[folder] = 0o755
        }
        world.files["/usr/sbin/clusprepd"] = File(contents: [], mode: 0o755)
        world.files["/srv/password"] = File(contents: Array("correct horse\n".utf8), mode: 0o600)
        state = Mutex((world, circumstances, []))
    }

    var world: World { state.withLock { $0.world } }
    var commands: [String] { state.withLock { $0.commands } }
    var circumstances: Circumstances { state.withLock { $0.circumstances } }

    func change(_ body: (inout World) -> Void) { state.withLock { body(&$0.world) } }
    func arrange(_ body: (inout Circumstances) -> Void) { state.withLock { body(&$0.circumstances) } }

    func text(_ path: String) -> String? { world.files[path].map { String(decoding: $0.contents, as: UTF8.self) } }

    /// One change of the world, or the failure that is due.
    private func act(_ path: String, _ body: (inout World) -> Void) throws(SetupError) {
        let isDone = state.withLock { state in
            guard path != state.circumstances.failingPath, state.circumstances.changesLeft > 0 else { return false }
            state.circumstances.changesLeft -= 1
            body(&state.world)
            return true
        }
        guard isDone else { throw .file(path: path, operation: "change", reason: "the power failed") }
    }

    private static func dropIn(of world: World) -> String {
        String(decoding: world.files[SetupPaths.test.dropIn]?.contents ?? [], as: UTF8.self)
    }

    // MARK: SetupHost

    var isAdministrator: Bool { circumstances.isAdministrator }
    var name: String { "beta.example.com" }
    var hasServiceManager: Bool { circumstances.hasServiceManager }

    func status(of path: String) throws(SetupError) -> FileStatus? {
        let (world, path) = (world, resolved(path))
        if let mode = world.folders[path] {
            return FileStatus(isFolder: true, mode: mode, owner: world.owners[path] ?? 0)
        }
        return world.files[path].map {
            FileStatus(
                isFolder: false, isRegular: !world.specials.contains(path), mode: $0.mode, owner: $0.owner)
        }
    }

    func resolved(_ path: String) -> String {
        for (link, target) in world.links where path == link || path.hasPrefix(link + "/") {
            return target + path.dropFirst(link.count)
        }
        return path
    }

    func contents(of path: String) throws(SetupError) -> [UInt8]? { world.files[path]?.contents }

    func makeFolder(_ path: String, mode: UInt32) throws(SetupError) {
        let parent = path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        guard parent.isEmpty || world.folders[parent] != nil else {
            throw .file(path: path, operation: "make the folder", reason: "there is no \(parent)")
        }
        try act(path) { $0.folders[path] = mode }
    }

    func write(_ contents: [UInt8], to path: String, mode: UInt32) throws(SetupError) {
        try act(path) { $0.files[path] = File(contents: contents, mode: mode) }
    }

    func remove(_ path: String) throws(SetupError) {
        try act(path) { world in
            world.files[path] = nil
            let isEmpty =
                !world.files.keys.contains { $0.hasPrefix(path + "/") }
                && !world.folders.keys.contains { $0.hasPrefix(path + "/") }
            if isEmpty { world.folders[path] = nil }
        }
    }

    func removeTree(_ path: String) throws(SetupError) {
        try act(path) { world in
            world.files = world.files.filter { !$0.key.hasPrefix(path + "/") }
            world.folders = world.folders.filter { $0.key != path && !$0.key.hasPrefix(path + "/") }
            world.users[path] = nil
        }
    }

    func program(_ name: String) -> String? { circumstances.programs.contains(name) ? "/usr/bin/\(name)" : nil }

    func run(_ program: String, _ arguments: [String]) async throws(SetupError) -> ProgramResult {
        let command = ([program] + arguments).joined(separator: " ")
        let circumstances = circumstances
        guard circumstances.programs.contains(program) else {
            throw .program(command: program, reason: "it is not installed")
        }
        if let failing = circumstances.failingCommand, command.hasPrefix(failing) {
            return ProgramResult(status: 1, errors: "it does not want to\n")
        }
        func answer(_ isYes: Bool) -> ProgramResult { ProgramResult(status: isYes ? 0 : 1) }
        let world = world
        let last = arguments.last ?? ""
        switch (program, arguments.first ?? "") {
        case ("systemctl", "is-enabled"): return answer(world.enabled)
        case ("systemctl", "is-active"): return answer(world.active)
        case ("firewall-cmd", "--state"): return answer(circumstances.manager == .firewalld)
        case ("ufw", "status"):
            let lines = world.ports.map { "\($0)    ALLOW    Anywhere" }
            return ProgramResult(
                status: 0,
                output: circumstances.manager == .ufw
                    ? (["Status: active", ""] + lines).joined(separator: "\n") : "Status: inactive\n")
        case ("firewall-cmd", _) where last.hasPrefix("--query-port="):
            return answer(world.ports.contains(String(last.dropFirst(13))))
        default: break
        }
        state.withLock { $0.commands.append(command) }
        try act(command) { world in
            switch (program, arguments.first ?? "") {
            case ("systemctl", "enable"): world.enabled = true
            case ("systemctl", "disable"): world.enabled = false
            case ("systemctl", "restart"):
                world.active = true
                if Self.dropIn(of: world).contains(" firewall open ") { world.isFirewallOpen = true }
            case ("systemctl", "stop"):
                world.active = false
                if Self.dropIn(of: world).contains(" firewall close") { world.isFirewallOpen = false }
            case ("useradd", _): world.accounts.insert(last)
            case ("userdel", _): world.accounts.remove(last)
            case ("firewall-cmd", _) where last.hasPrefix("--add-port="): world.ports.insert(String(last.dropFirst(11)))
            case ("firewall-cmd", _) where last.hasPrefix("--remove-port="):
                world.ports.remove(String(last.dropFirst(14)))
            case ("ufw", "allow"): world.ports.insert(arguments[1])
            case ("ufw", "delete"): world.ports.remove(arguments[2])
            default: break
            }
        }
        return ProgramResult(status: 0)
    }

    func hasAccount(_ name: String) -> Bool { world.accounts.contains(name) }
    func canListen(address: String, port: Int) -> ListenTrial { circumstances.trial }
    func cryptographyProblem() -> String? { circumstances.cryptographyProblem }
    func users(stateFolder: String) async throws(SetupError) -> [String] { world.users[stateFolder] ?? [] }

    func addUser(_ user: SetupAnswers.User, password: String, stateFolder: String) async throws(SetupError) {
        guard password == "correct horse" else { throw .refused(operation: "add", reason: "not that password") }
        try act(stateFolder) { world in
            world.users[stateFolder, default: []].append(user.name)
            world.files[stateFolder + "/cluster.db"] = File(contents: [], mode: 0o600)
        }
    }

    func removeUser(_ name: String, stateFolder: String) async throws(SetupError) {
        try act(stateFolder) { $0.users[stateFolder]?.removeAll { $0 == name } }
    }

    func keytabProblem(path: String, fqdn: String) -> String? { circumstances.keytabProblem }

    func openFirewall(exporterPort: Int, interfaces: [String]) async throws(SetupError) {
        try act("firewall") { $0.isFirewallOpen = true }
    }

    func closeFirewall() async throws(SetupError) { try act("firewall") { $0.isFirewallOpen = false } }

    func disks(
        behind portals: [ISCSIPortal], credentials: String?
    ) async -> (found: [DiskCandidate], problems: [String]) {
        (circumstances.disks, portals.isEmpty ? [] : ["cannot discover targets behind \(portals[0]): no answer"])
    }

    func disk(_ target: DiskTarget, credentials: String?) async -> DiskCandidate {
        circumstances.disks.first { $0.target == target.description }
            ?? DiskCandidate(target: target.description, name: "", size: nil, problem: "no answer")
    }
}

extension SetupPaths {
    static let test = SetupPaths(daemon: "/usr/sbin/clusprepd", tool: "/usr/bin/clusprep")
}

extension SetupAnswers {
    /// An administrator whose password is in a file.
    static var usual: SetupAnswers {
        var answers = SetupAnswers()
        answers.users = [.init(name: "admin", passwordFile: "/srv/password")]
        return answers
    }
}
