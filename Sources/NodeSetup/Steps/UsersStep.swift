/// The users of the node.
struct UsersStep: SetupStep {
    func inspect<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> [Finding] {
        let answers = session.answers
        let present = try await present(session)
        var findings: [Finding] = []
        for user in answers.users {
            guard !present.contains(user.name.uppercased()) else {
                findings.append(Finding("user", .ready, "\(user.name) is there"))
                continue
            }
            do throws(SetupError) {
                _ = try password(of: user, session)
                findings.append(Finding("user", .missing, "\(user.name) is to be added"))
            } catch {
                findings.append(
                    Finding(
                        "user", .blocked, "\(user.name) is not there, and \(error)",
                        remedy: "name a passwordFile in the answers, or be asked: clusprep setup"))
            }
        }
        if !answers.users.contains(where: \.administrator), answers.kerberosAdministrators.isEmpty {
            findings.append(
                Finding("user", .warning, "nobody administers the node", remedy: "make a user an administrator"))
        }
        return findings
    }

    func apply<Host: SetupHost>(_ session: inout SetupSession<Host>) async throws(SetupError) {
        let present = try await present(session)
        for user in session.answers.users where !present.contains(user.name.uppercased()) {
            let password = try password(of: user, session)
            let folder = session.answers.stateFolder
            let change = SetupRecord.Change.addedUser(name: user.name, stateFolder: folder)
            try session.note(change)
            do throws(SetupError) {
                try await session.host.addUser(user, password: password, stateFolder: folder)
            } catch {
                let isAbsent = (try? await self.present(session))?.contains(user.name.uppercased()) == false
                if isAbsent { session.retract(change) }
                throw error
            }
            session.tell("added the user \(user.name)")
        }
    }

    /// The users that there are, in capitals: their names do not differ by case.
    private func present<Host: SetupHost>(_ session: SetupSession<Host>) async throws(SetupError) -> Set<String> {
        Set(try await session.host.users(stateFolder: session.answers.stateFolder).map { $0.uppercased() })
    }

    private func password<Host: SetupHost>(
        of user: SetupAnswers.User, _ session: SetupSession<Host>
    ) throws(SetupError) -> String {
        if let typed = session.passwords[user.name] { return typed }
        guard let file = user.passwordFile else {
            throw .badAnswer("users", reason: "there is no password for \(user.name)")
        }
        guard let status = try session.host.status(of: file), let contents = try session.host.contents(of: file) else {
            throw .badFile(path: file, reason: "there is no such file")
        }
        guard status.mode & 0o077 == 0 else {
            throw .badFile(path: file, reason: "others than its owner can read it (chmod 600)")
        }
        // By octets: for Swift a carriage return and a line feed are one character, at which "\n" does not split.
        var octets = contents.prefix { $0 != UInt8(ascii: "\n") }
        if octets.last == UInt8(ascii: "\r") { octets.removeLast() }
        guard !octets.isEmpty, let line = String(validating: octets, as: UTF8.self) else {
            throw .badFile(path: file, reason: "its first line is no password")
        }
        return line
    }
}
