/// What former answers changed and these do not want: the service, the ports, the table in the firewall.
///
/// It comes before the firewall is opened, because a service that stops closes it.
struct FormerAnswersStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        var findings: [Finding] = []
        let unwanted = try await session.unwantedChanges()
        if unwanted.contains(where: { $0.isService(at: session.paths) }) {
            findings.append(
                session.answers.service
                    ? Finding("service", .missing, "\(session.paths.unit) hides the package's unit, and is to go")
                    : Finding(
                        "service", .missing, "not wanted any more; it is to be stopped, and its unit's files to go"))
        }
        for case .allowedPort(let manager, let port) in unwanted {
            findings.append(Finding("firewall", .missing, "\(manager.rawValue) is to let in \(port) no more"))
        }
        let hasTable = try await session.hasUnwantedTable()
        if hasTable || unwanted.contains(.openedFirewall) {
            findings.append(Finding("firewall", .missing, "the table inet clusprep is to go"))
        }
        return findings
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        let removal = SetupRemoval(host: session.host, paths: session.paths, keepsState: true, tell: session.tell)
        let unwanted = try await session.unwantedChanges()
        // Before the file goes that tells of it.
        if try await session.hasUnwantedTable() {
            try await session.host.closeFirewall()
            session.tell("closed the firewall")
        }
        let changesService = unwanted.contains { $0.isService(at: session.paths) }
        if changesService { try await removal.stopService() }
        for change in unwanted.reversed() {
            try await removal.undo(change, of: session.record)
            try session.forget(change)
        }
        if changesService { try await removal.reloadUnits() }
    }
}

extension SetupSession {
    /// The changes on record that these answers do not lead to, in the order in which they were made.
    fileprivate func unwantedChanges() async throws(SetupError) -> [SetupRecord.Change] {
        let way = try await firewallWay()
        let running = try await FirewallManager.running(on: host)
        // A package that came since brought a unit of its own, which ours would hide for good.
        let isPackaged = try host.status(of: paths.packagedUnit) != nil
        var unwanted: [SetupRecord.Change] = []
        for change in record.changes {
            switch change {
            case .madeFile(let path, _) where isPackaged && path == paths.unit: unwanted.append(change)
            // One that does not run cannot be asked; what it was told stays on record.
            case .allowedPort(let manager, let port)
            where manager == running && (way != .manager(manager) || !ports.contains(port)):
                unwanted.append(change)
            // The service makes the table itself.
            case .openedFirewall where way != .table && way != .unit: unwanted.append(change)
            case _ where !answers.service && change.isService(at: paths): unwanted.append(change)
            default: break
            }
        }
        return unwanted
    }

    /// Whether the service was told to make the table, and is not to.
    fileprivate func hasUnwantedTable() async throws(SetupError) -> Bool {
        guard try await ![.table, .unit].contains(firewallWay()),
            record.changes.contains(where: { $0.file?.path == paths.dropIn }),
            let dropIn = try host.contents(of: paths.dropIn)
        else { return false }
        return String(decoding: dropIn, as: UTF8.self).contains(" firewall open ")
    }
}
