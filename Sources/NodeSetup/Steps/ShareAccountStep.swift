/// The Unix account that tests of file sharing log on as, and Samba.
struct ShareAccountStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        guard session.answers.fileShares else { return [] }
        let name = session.answers.shareUser
        guard session.host.program("smbd") != nil else {
            return [
                Finding(
                    "file shares", .blocked, "Samba is not installed",
                    remedy: "apt-get install samba, or answer \"fileShares\": false")
            ]
        }
        return [
            session.host.hasAccount(name)
                ? Finding("file shares", .ready, "the account \(name) is there")
                : Finding("file shares", .missing, "the account \(name) is to be made")
        ]
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        let name = session.answers.shareUser
        guard session.answers.fileShares, !session.host.hasAccount(name) else { return }
        try session.note(.madeAccount(name: name))
        do throws(SetupError) {
            try await session.succeed(
                "useradd",
                ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name])
        } catch {
            if !session.host.hasAccount(name) { session.retract(.madeAccount(name: name)) }
            throw error
        }
        session.tell("made the account \(name)")
    }
}
