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
        if let problem = host.keytabProblem(path: given == nil ? copy : source, fqdn: session.fqdn) {
            return [
                Finding(
                    "keytab", .blocked, problem,
                    remedy: "\"clusprep setup keytab --fqdn \(session.fqdn)\" says what to ask the domain for")
            ]
        }
        if let given, given != present { return [Finding("keytab", .missing, "\(source) is to be copied to \(copy)")] }
        return [Finding("keytab", .ready, "\(copy) is good for \(session.fqdn)")]
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        guard let source = session.answers.keytab, let given = try session.host.contents(of: source) else { return }
        try session.ensureFile(session.paths.keytab, given, mode: 0o600)
    }
}
