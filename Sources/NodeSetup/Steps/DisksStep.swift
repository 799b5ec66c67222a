import Reservations

/// The shared disks are looked at, never changed; one that this host lives on is refused.
struct DisksStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        let (host, answers) = (session.host, session.answers)
        var findings: [Finding] = []
        if let file = answers.iscsiCredentials { findings.append(try secrets(in: file, session)) }
        guard !findings.contains(where: { $0.state == .blocked }) else { return findings }
        for target in try answers.targets {
            // An image is not opened: that would make the file beside it that keeps its reservations.
            if case .image(let path) = target {
                findings.append(try image(path, session))
                continue
            }
            findings.append(finding(of: await host.disk(target, credentials: answers.iscsiCredentials)))
        }
        return findings
    }

    private func secrets<Host: SetupHost>(
        in file: String, _ session: SetupSession<Host>
    ) throws(SetupError) -> Finding {
        guard let status = try session.host.status(of: file), !status.isFolder else {
            return Finding("iSCSI secrets", .blocked, "there is no file \(file)", remedy: "answer iscsiCredentials")
        }
        guard status.mode & 0o077 == 0, status.owner == 0 else {
            return Finding(
                "iSCSI secrets", .blocked, "others than root can read or change \(file)",
                remedy: "chown root \(file); chmod 600 \(file)")
        }
        return session.hidden(file, "iSCSI secrets") ?? Finding("iSCSI secrets", .ready, "\(file) is root's alone")
    }

    private func image<Host: SetupHost>(
        _ path: String, _ session: SetupSession<Host>
    ) throws(SetupError) -> Finding {
        if let finding = session.hidden(path, "disk") { return finding }
        // Where it leads is what becomes a word of the unit, and what goes with a folder.
        let real = session.host.resolved(path)
        if session.answers.service, !ServiceUnit.isWord(real) || real.lastIndex(of: "/") == real.startIndex {
            return Finding(
                "disk", .blocked, "\(path) leads to \(real), whose folder a unit cannot open",
                remedy: "move it to a folder whose path has no spaces, quotes, \"%\", \"$\" or \";\"")
        }
        for folder in [session.answers.stateFolder, SetupAnswers.usualStateFolder]
        where real.hasPrefix(session.host.resolved(folder) + "/") {
            return Finding(
                "disk", .blocked, "\(path) would go with the node's state in \(folder)",
                remedy: "move it out of \(folder)")
        }
        // Of answers before these: undoing removes what they made, too.
        for case .madeStateFolder(let folder) in session.record.changes
        where real.hasPrefix(session.host.resolved(folder) + "/") {
            return Finding(
                "disk", .blocked, "\(path) would go with the node's former state in \(folder)",
                remedy: "move it out of \(folder)")
        }
        guard let status = try session.host.status(of: path), status.isRegular else {
            return Finding("disk", .blocked, "there is no image \(path)", remedy: "truncate --size 1G \(path)")
        }
        guard status.owner == 0 || !session.answers.service else {
            return Finding(
                "disk", .blocked, "\(path) is not root's, and the service has no right to others' files",
                remedy: "chown root \(path)")
        }
        return Finding("disk", .ready, "\(path): an image")
    }

    private func finding(of disk: DiskCandidate) -> Finding {
        if disk.isProtected {
            return Finding(
                "disk", .blocked, "\(disk.target) is a disk that this host lives on", remedy: "answer other disks")
        }
        if let problem = disk.problem {
            return Finding(
                "disk", .warning, "\(disk.target) does not answer: \(problem)",
                remedy: "the node starts without it, and takes it when it answers")
        }
        guard disk.obstacles.isEmpty else {
            return Finding(
                "disk", .warning,
                "\(disk.target) cannot be a cluster's: \(disk.obstacles.joined(separator: "; "))")
        }
        return Finding("disk", .ready, "\(disk.target): \(disk.name)")
    }
}

extension SetupSession {
    /// Says that the service could not see a path: its sandbox has a /tmp of its own, and no homes.
    func hidden(_ path: String, _ subject: String) -> Finding? {
        let folders = ["/tmp", "/var/tmp", "/home", "/root", "/run/user"]
        // By whatever name: a link leads out of the sandbox no more than a path does.
        let names = [path, host.resolved(path)]
        let isHidden = folders.contains { folder in
            names.contains { $0 == folder || $0.hasPrefix(folder + "/") }
        }
        guard answers.service, isHidden else { return nil }
        return Finding(
            subject, .blocked, "\(path) is where the service cannot look: it has no homes, and a /tmp of its own",
            remedy: "put it below /srv, /var or /etc")
    }
}
