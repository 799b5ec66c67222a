/// Undoes a set-up by its record.
struct SetupRemoval<Host: SetupHost> {
    let host: Host
    let paths: SetupPaths
    let keepsState: Bool
    let tell: (String) -> Void

    /// Undoes the changes, the last first, and each by itself: what cannot be undone keeps nothing else.
    ///
    /// - Returns: whether everything is undone.
    /// - Throws: ``SetupError``; nothing is undone where the service cannot be stopped.
    func run(_ record: SetupRecord) async throws(SetupError) -> Bool {
        try await stopService()
        var rest = record
        var kept: [SetupRecord.Change] = []
        for change in record.changes.reversed() {
            do throws(SetupError) {
                try await undo(change, of: record)
            } catch {
                tell("not undone: \(error)")
                kept.insert(change, at: 0)
            }
            rest.changes.removeLast()
            // With what was not undone, so that it can be tried again.
            var remaining = rest
            remaining.changes += kept
            try remaining.write(at: paths, on: host)
        }
        guard kept.isEmpty else { return false }
        if record.changes.contains(where: { $0.isService(at: paths) }) { try await reloadUnits() }
        try host.remove(paths.record + SetupPaths.unfinished)
        try host.remove(paths.record)
        // Stays where somebody keeps more in it.
        try host.remove(paths.configurationFolder)
        return true
    }

    /// Stops the service, whoever started it and however far it has come: nothing goes from under a daemon that runs.
    func stopService() async throws(SetupError) {
        guard host.hasServiceManager, host.program("systemctl") != nil else { return }
        let (own, packaged) = (try host.status(of: paths.unit), try host.status(of: paths.packagedUnit))
        guard own != nil || packaged != nil else { return }
        try await succeed("systemctl", ["stop", SetupPaths.service])
        tell("\(SetupPaths.service) is stopped")
    }

    /// Undoes one change; the service is stopped by now.
    func undo(_ change: SetupRecord.Change, of record: SetupRecord) async throws(SetupError) {
        switch change {
        case .madeFolder(let path):
            try host.remove(path)
            tell(try host.status(of: path) == nil ? "removed \(path)" : "\(path) stays: there are other things in it")
        case .madeFile(let path, _):
            try host.remove(path + SetupPaths.unfinished)
            guard let contents = try host.contents(of: path), try isOurs(path, contents, record) else { return }
            try host.remove(path)
            tell("removed \(path)")
        case .replacedFile(let path, _, let before, let mode):
            try host.remove(path + SetupPaths.unfinished)
            guard let contents = try host.contents(of: path), contents != Array(before),
                try isOurs(path, contents, record)
            else { return }
            try host.write(Array(before), to: path, mode: mode)
            tell("\(path) is as it was")
        case .madeStateFolder(let path):
            guard !keepsState else { return tell("\(path) stays, with the node's users and keys") }
            try host.removeTree(path)
            tell("removed \(path)")
        case .addedUser(let name, let stateFolder):
            // Where the whole state goes, the users go with it; a store that is gone has none.
            guard !keepsState, !record.changes.contains(.madeStateFolder(path: stateFolder)) else { return }
            guard try host.status(of: stateFolder + "/cluster.db") != nil else { return }
            try await host.removeUser(name, stateFolder: stateFolder)
            tell("removed the user \(name)")
        case .madeAccount(let name):
            guard host.hasAccount(name) else { return }
            try await succeed("userdel", [name])
            tell("removed the account \(name)")
        case .openedFirewall:
            try await host.closeFirewall()
            tell("closed the firewall")
        case .allowedPort(let manager, let port):
            guard host.program(manager.program) != nil else {
                return tell("\(manager.rawValue) is gone, and \(port) with it")
            }
            // One that does not run does not say what it was told, and lets it in when it runs again.
            guard try await manager.isRunning(on: host) else {
                throw .refused(
                    operation: "have \(manager.rawValue) let in \(port) no more",
                    reason: "it does not run; start it, and try again")
            }
            guard try await manager.remembers(port, on: host) else { return }
            try await manager.withdraw(port, on: host)
            tell("\(manager.rawValue) lets in \(port) no more")
        case .enabledService:
            guard host.program("systemctl") != nil else { return }
            guard try await host.run("systemctl", ["is-enabled", "--quiet", SetupPaths.service]).status == 0 else {
                return
            }
            try await succeed("systemctl", ["disable", SetupPaths.service])
            tell("\(SetupPaths.service) starts with the host no more")
        }
    }

    /// Whether a file still holds what we wrote. What somebody has changed since is somebody's work.
    private func isOurs(_ path: String, _ contents: [UInt8], _ record: SetupRecord) throws(SetupError) -> Bool {
        let digest = try SetupRecord.digest(of: contents)
        guard record.changes.contains(where: { $0.file?.path == path && $0.file?.digest == digest }) else {
            tell("\(path) stays: it was changed since; remove it yourself")
            return false
        }
        return true
    }

    /// Has systemd read its files again.
    func reloadUnits() async throws(SetupError) {
        guard host.hasServiceManager, host.program("systemctl") != nil else { return }
        try await succeed("systemctl", ["daemon-reload"])
    }

    private func succeed(_ program: String, _ arguments: [String]) async throws(SetupError) {
        let result = try await host.run(program, arguments)
        guard result.status == 0 else {
            throw .program(command: ([program] + arguments).joined(separator: " "), reason: result.words)
        }
    }
}
