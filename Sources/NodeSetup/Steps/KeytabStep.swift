/// The node's keys from its domain, copied to where the service can read them.
struct KeytabStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        guard let source = session.answers.keytab else { return [] }
        let (host, copy) = (session.host, session.paths.keytab)
        let present = try host.contents(of: copy)
        // Whoever hands out keys takes the file away afterwards.
        let given = try host.contents(of: source)
        guard given != nil || present != nil else {
            return [
                Finding(
                    "keytab", .blocked, "there is no keytab \(source)",
                    remedy: "\"clusprep setup keytab --fqdn \(session.fqdn)\" says how to get one")
            ]
        }
        let exposed = Finding("keytab", .missing, "\(copy) is to be closed to others")
        // Such a one is not even read; what it holds is told when it is closed.
        if given == nil, try isExposed(session) { return [exposed] }
        if let problem = host.keytabProblem(path: given == nil ? copy : source, fqdn: session.fqdn) {
            return [
                Finding(
                    "keytab", .blocked, problem,
                    remedy: "\"clusprep setup keytab --fqdn \(session.fqdn)\" says what to ask the domain for")
            ]
        }
        if let given, given != present { return [Finding("keytab", .missing, "\(source) is to be copied to \(copy)")] }
        if try isExposed(session) { return [exposed] }
        return [Finding("keytab", .ready, "\(copy) is good for \(session.fqdn)")]
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        guard let source = session.answers.keytab else { return }
        let copy = session.paths.keytab
        if let given = try session.host.contents(of: source) { try session.ensureFile(copy, given, mode: 0o600) }
        // The daemon takes no keys that others may have, too.
        guard try isExposed(session), let present = try session.host.contents(of: copy) else { return }
        try session.host.write(present, to: copy, mode: 0o600)
        session.tell("closed \(copy) to others")
    }

    /// Whether others than root can look into the copy.
    private func isExposed<Host: SetupHost>(_ session: SetupSession<Host>) throws(SetupError) -> Bool {
        guard let status = try session.host.status(of: session.paths.keytab) else { return false }
        return status.mode & 0o077 != 0
    }
}
