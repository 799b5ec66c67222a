/// The daemon as a service of systemd.
struct ServiceStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        let (host, paths) = (session.host, session.paths)
        let command = "\(paths.daemon) --config \(paths.configuration)"
        guard session.answers.service else {
            return [Finding("service", .ready, "not wanted; the daemon is \(command)")]
        }
        guard host.program("systemctl") != nil else {
            return [
                Finding(
                    "service", .warning, "this host has no systemd",
                    remedy: "start the daemon in the host's own way: \(command)")
            ]
        }
        var findings: [Finding] = []
        for (path, text) in try await files(session) {
            findings.append(
                try host.contents(of: path) == Array(text.utf8)
                    ? Finding("service", .ready, "\(path) is there")
                    : Finding("service", .missing, "\(path) is to be written"))
        }
        findings.append(
            try await isEnabled(host)
                ? Finding("service", .ready, "it starts with the host")
                : Finding("service", .missing, "it is to start with the host"))
        guard host.hasServiceManager else {
            return findings + [
                Finding("service", .warning, "systemd does not run here, so it starts with the host only")
            ]
        }
        if try await !session.isServiceActive {
            findings.append(Finding("service", .missing, "it is to be started"))
        } else if session.needsRestart {
            findings.append(
                Finding("service", .missing, "it has not read yet what was changed, and is to be restarted"))
        } else {
            findings.append(Finding("service", .ready, "it runs"))
        }
        return findings
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        guard session.answers.service, session.host.program("systemctl") != nil else { return }
        for (path, text) in try await files(session) {
            try session.ensureFolder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), mode: 0o755)
            try session.ensureFile(path, Array(text.utf8), mode: 0o644)
        }
        if session.host.hasServiceManager { try await session.succeed("systemctl", ["daemon-reload"]) }
        if try await !isEnabled(session.host) {
            try session.note(.enabledService)
            do throws(SetupError) {
                try await session.succeed("systemctl", ["enable", SetupPaths.service])
            } catch {
                if (try? await isEnabled(session.host)) == false { session.retract(.enabledService) }
                throw error
            }
            session.tell("\(SetupPaths.service) starts with the host")
        }
        // Where nothing of it runs, whatever starts it later has it read everything.
        guard session.host.hasServiceManager else { return try session.didRestart() }
        let isActive = try await session.isServiceActive
        guard !isActive || session.needsRestart else { return }
        try await start(session)
        try session.didRestart()
        session.tell("\(SetupPaths.service) runs")
    }

    /// Starts it, or starts it anew; it tells systemd when every address is served.
    private func start<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) {
        let result = try await session.host.run("systemctl", ["restart", SetupPaths.service])
        guard result.status != 0 else { return }
        // What the daemon itself said is better than what systemd says of it.
        let log = try await session.host.run(
            "journalctl", ["--unit", SetupPaths.service, "--lines=5", "--output=cat", "--no-pager"])
        throw .program(command: "systemctl restart \(SetupPaths.service)", reason: "\(result.words); \(log.words)")
    }

    private func isEnabled(_ host: some SetupHost) async throws(SetupError) -> Bool {
        try await host.run("systemctl", ["is-enabled", "--quiet", SetupPaths.service]).status == 0
    }

    private func files<Host: SetupHost>(
        _ session: SetupSession<Host>
    ) async throws(SetupError) -> [(path: String, text: String)] {
        let paths = session.paths
        let opensFirewall = try await session.firewallWay() == .unit
        let text = ServiceUnit.dropIn(
            session.answers, paths: paths,
            usesSamba: session.answers.fileShares || session.host.program("smbd") != nil, opensFirewall: opensFirewall,
            imageFolders: session.imageFolders)
        let dropIn = (paths.dropIn, text)
        // A package's unit is the package's to change.
        guard try session.host.status(of: paths.packagedUnit) == nil else { return [dropIn] }
        return [(paths.unit, ServiceUnit.text(paths)), dropIn]
    }
}

extension SetupSession {
    /// The folders of the images, by their paths and by where these lead: that is what has to be mounted, and open to the service.
    fileprivate var imageFolders: [String] {
        let real = ((try? answers.targets) ?? []).compactMap { target -> String? in
            guard case .image(let path) = target else { return nil }
            return "/" + host.resolved(path).split(separator: "/").dropLast().joined(separator: "/")
        }
        return Set(answers.imageFolders + real).sorted()
    }

    /// Whether the service runs.
    var isServiceActive: Bool {
        get async throws(SetupError) {
            guard host.hasServiceManager, host.program("systemctl") != nil else { return false }
            return try await host.run("systemctl", ["is-active", "--quiet", SetupPaths.service]).status == 0
        }
    }
}
