/// The daemon's configuration file.
struct ConfigurationStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        let path = session.paths.configuration
        guard let present = try session.host.contents(of: path) else {
            return [Finding("configuration", .missing, "\(path) is to be written")]
        }
        guard try present != contents(session) else {
            return [Finding("configuration", .ready, "\(path) says what was answered")]
        }
        return [
            Finding(
                "configuration", .missing,
                "\(path) says something else than the answers, and is to be written anew; \"clusprep setup remove\" brings "
                    + "back what others wrote there")
        ]
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        try session.ensureFile(session.paths.configuration, contents(session), mode: 0o600)
    }

    private func contents<Host: SetupHost>(_ session: SetupSession<Host>) throws(SetupError) -> [UInt8] {
        try jsonOctets(of: DaemonConfiguration(session.answers, paths: session.paths, fqdn: session.fqdn))
    }
}
